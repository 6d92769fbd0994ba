"""The statements of one silo's tables about users, compiled once beside the tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import MetaData, select

from chassis.account_rows import AccountRows
from chassis.key_rows import KeyRows
from chassis.login_throttle import LoginThrottle
from chassis.one_time_tokens import OneTimeTokens
from chassis.refresh_token_rows import RefreshTokenRows
from chassis.session_rows import SessionRows
from chassis.sql import Statement, compiled
from chassis.unit_of_work import Rows


@dataclass(frozen=True, slots=True)
class IdentityRows:
    """The statements of one silo's tables about users; made once, beside the tables."""

    tenant: str | None
    list_tenants: Statement[UUID] | None
    accounts: AccountRows
    sessions: SessionRows
    refresh_tokens: RefreshTokenRows
    throttle: LoginThrottle
    one_time: OneTimeTokens
    keys: KeyRows

    @classmethod
    def of(
        cls, metadata: MetaData, *, users: str, tenants: str | None, tenant: str | None
    ) -> IdentityRows:
        """Compile them for the silo's table of ``users`` and, if it has any, of ``tenants``.

        ``tenant`` is the column that names the tenant, in both.
        """
        listed = None
        if tenants is not None and tenant is not None:
            listed = compiled(select(metadata.tables[tenants].c[tenant]), into=_id)
        return cls(
            tenant=tenant,
            list_tenants=listed,
            accounts=AccountRows(metadata, tenant, users=users),
            sessions=SessionRows(metadata, tenant),
            refresh_tokens=RefreshTokenRows(metadata, tenant),
            throttle=LoginThrottle(metadata),
            one_time=OneTimeTokens(metadata, tenant),
            keys=KeyRows(metadata),
        )

    async def tenants(self, rows: Rows) -> Sequence[UUID | None]:
        """Return every tenant, or Center's none: what a sweep goes through."""
        if self.list_tenants is None:
            return [None]
        found = await rows.all(self.list_tenants)
        return found  # noqa: RET504 - named, or the statement would have to return None too


def _id(tenant_id: UUID) -> UUID:
    return tenant_id
