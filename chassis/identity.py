"""Who is calling, for one silo: its logins, its keys and its verifier, wired together once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from sqlalchemy import MetaData, select

from chassis.account_rows import AccountRows
from chassis.clock import Clock, utc_now
from chassis.key_rows import KeyRows
from chassis.login_throttle import LoginThrottle
from chassis.logins import Logins
from chassis.minting import ProcessTokens, identity_key
from chassis.one_time_tokens import OneTimeTokens
from chassis.refresh_tokens import RefreshTokens
from chassis.session_rows import SessionRows
from chassis.sessions import ABSOLUTE, Sessions
from chassis.signing_keys import Published, SigningKeys
from chassis.sql import Statement, compiled
from chassis.timers import every
from chassis.tokens import Keyring, Verifier, peer_key
from chassis.unit_of_work import Database, Rows

SWEEP_SECONDS = 60.0
TIDY_SECONDS = 3600.0
SHOWN_FOR = timedelta(days=90)


@dataclass(frozen=True, slots=True)
class IdentityRows:
    """The statements of one silo's tables about users; made once, beside the tables."""

    tenant: str | None
    list_tenants: Statement[UUID] | None
    accounts: AccountRows
    sessions: SessionRows
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


class Identity:
    """A silo's part in saying who is who.

    ``verifier.verify`` authenticates, ``timers`` belong into the process, ``bearer(silo)`` is what
    this process shows to a peer.
    """

    def __init__(
        self,
        silo: str,
        rows: IdentityRows,
        database: Database,
        *,
        secret: bytes,
        identity: bytes,
        peers: Mapping[str, bytes],
        published: Published,
        clock: Clock = utc_now,
    ) -> None:
        """Wire them.

        ``secret`` is the key-encryption key, ``identity`` the process's own key (PEM), ``peers``
        the other processes' raw public keys; ``published`` makes a SigningKeyPublished.
        """
        self.rows = rows
        self.keys = SigningKeys(
            silo, rows.keys, database, secret=secret, published=published, clock=clock
        )
        self.sessions = Sessions(
            silo,
            database,
            clock,
            rows=rows.sessions,
            accounts=rows.accounts,
            keys=self.keys,
            tokens=RefreshTokens(secret, has_tenants=rows.tenant is not None),
        )
        self.logins = Logins(
            database,
            clock,
            accounts=rows.accounts,
            sessions=self.sessions,
            session_rows=rows.sessions,
            throttle=rows.throttle,
            one_time=rows.one_time,
            keys=self.keys,
        )
        configured = [peer_key(name, raw) for name, raw in peers.items()]
        keyring = Keyring(configured, self.keys.verification_keys, clock=clock)
        self.verifier = Verifier(silo, keyring, is_over=self.sessions.is_over, clock=clock)
        self.bearer = ProcessTokens(identity_key(silo, identity), clock)
        self.timers = [
            every(SWEEP_SECONDS, self.keys.rotate),
            every(SWEEP_SECONDS, self.forget_guesses),
            every(TIDY_SECONDS, self.forget_sessions),
        ]

    async def forget_guesses(self, database: Database, clock: Clock) -> int:
        """Forget guesses of long ago: anybody can make rows for addresses that do not exist."""
        async with database.begin(None) as uow:
            return await self.rows.throttle.sweep(uow, clock())

    async def forget_sessions(self, database: Database, clock: Clock) -> int:
        """Delete refresh tokens that prove nothing any more, and sessions of a quarter ago."""
        now, forgotten = clock(), 0
        for tenant in await self.rows.tenants(database.read(None)):
            async with database.begin(tenant) as uow:
                forgotten += await self.rows.sessions.forget(
                    uow, tenant, tokens_before=now - ABSOLUTE, before=now - SHOWN_FOR
                )
        return forgotten
