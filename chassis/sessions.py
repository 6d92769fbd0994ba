"""Sessions: opened by a login, kept alive by refresh tokens, ended by anybody entitled to.

Idle for 15 minutes, or 12 hours old, a session is over. Each refresh token works once; a second
use means that somebody has a copy, and ends the session for both.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from chassis import auth, call, ids
from chassis.account_rows import Account, Login
from chassis.audit_entries import Keep, entry
from chassis.auth import Principal
from chassis.call import Address
from chassis.clock import Clock
from chassis.errors import NotFound, PermissionDenied, Refusal, Unauthenticated
from chassis.identity_rows import IdentityRows
from chassis.minting import AccessToken, SigningKey, may_call, mint
from chassis.refresh_token_rows import RefreshToken
from chassis.refresh_tokens import RefreshTokens, Secret
from chassis.session_rows import LATEST, RevokeReason, Session
from chassis.signing_keys import SigningKeys
from chassis.unit_of_work import Database, UnitOfWork
from chassis.vocabulary import AuditOutcome

IDLE = timedelta(minutes=15)
ABSOLUTE = timedelta(hours=12)
REPEATABLE = timedelta(seconds=10)  # the same client may have lost the answer
_MOST_AGENT = 300


@dataclass(frozen=True, slots=True)
class Client:
    """What is known about a caller's machine; of use for showing, and for telling two apart."""

    ip_address: Address | None = None
    user_agent: str | None = None

    @classmethod
    def of(cls, metadata: Iterable[tuple[str, str | bytes]] | None) -> Client:
        """Describe the caller of the RPC under way, of which ``metadata`` are the headers."""
        known, current = dict(metadata or ()), call.current()
        agent = "".join(filter(str.isprintable, str(known.get("user-agent", ""))))
        return cls(current.client_address if current else None, agent[:_MOST_AGENT] or None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A session with the tokens that a client goes on with."""

    tenant: UUID | None
    session: Session
    access: AccessToken
    refresh_token: str
    refresh_expires_at: datetime


@dataclass(frozen=True, slots=True)
class _Exchanged:
    session: Session
    principal: Principal
    next: Secret
    expires_at: datetime


def _refused() -> Unauthenticated:
    return Unauthenticated("the refresh token is not valid")


class Sessions:
    """One silo's sessions."""

    def __init__(
        self,
        silo: str,
        rows: IdentityRows,
        database: Database,
        clock: Clock,
        *,
        keys: SigningKeys,
        tokens: RefreshTokens,
        keep: Keep,
    ) -> None:
        self._silo = silo
        self._rows = rows.sessions
        self._used = rows.refresh_tokens
        self._accounts = rows.accounts
        self._database = database
        self._clock = clock
        self._keys = keys
        self._tokens = tokens
        self._keep = keep

    async def open(
        self, uow: UnitOfWork, account: Account, login: Login, client: Client, key: SigningKey
    ) -> Opened:
        """Begin a session of a user whose password was right; ``key`` signs its first token."""
        now = self._clock()
        session = Session(
            id=ids.new(),
            user_id=account.user_id,
            created_at=now,
            last_used_at=now,
            expires_at=now + ABSOLUTE,
            revoked_at=None,
            revoke_reason=None,
            ip_address=client.ip_address,
            user_agent=client.user_agent,
        )
        await self._rows.add(uow, login.tenant, session)
        first = self._tokens.first(login.tenant)
        token = await self._add_token(uow, session, first, now)
        principal = account.principal(self._silo, login.tenant, session.id)
        return Opened(
            tenant=login.tenant,
            session=session,
            access=mint(key, principal, self._silo, now),
            refresh_token=first.text,
            refresh_expires_at=token.expires_at,
        )

    async def refresh(self, text: str, audience: str, client: Client) -> Opened:
        """Trade a refresh token for an access token for ``audience`` and the next refresh token.

        Raises Unauthenticated, and PermissionDenied if the role calls nothing in that silo.
        """
        used = self._tokens.read(text)
        if used is None:
            raise _refused()
        key, now = await self._keys.current(), self._clock()
        async with self._database.begin(used.tenant) as uow:
            outcome = await self._exchange(uow, used, audience, client, now)
        if isinstance(outcome, Refusal):  # after the commit: a session that ended stays ended
            raise outcome
        return Opened(
            tenant=used.tenant,
            session=outcome.session,
            access=mint(key, outcome.principal, audience, now),
            refresh_token=outcome.next.text,
            refresh_expires_at=outcome.expires_at,
        )

    async def get(self, tenant: UUID | None, id: UUID) -> Session:
        """Return a session that the caller may see; raises NotFound."""
        session = await self._rows.get(self._database.read(tenant), tenant, id)
        return _visible(session, id)

    async def list_of(
        self, tenant: UUID | None, user_id: UUID, *, before: UUID | None, most: int
    ) -> list[Session]:
        """Return a user's sessions, newest first; raises NotFound for another's."""
        if user_id != auth.caller().user_id and not _manages():
            raise NotFound(f"user {user_id} does not exist", resource="user", id=str(user_id))
        rows = self._database.read(tenant)
        before = before or LATEST
        return await self._rows.list_of(rows, tenant, user_id, before=before, most=most)

    async def revoke(self, tenant: UUID | None, id: UUID) -> Session:
        """End a session that the caller may see, and return it; an ended one stays as it ended."""
        async with self._database.begin(tenant) as uow:
            session = _visible(await self._rows.lock(uow, tenant, id), id)
            own = session.user_id == auth.caller().user_id
            reason = RevokeReason.LOGOUT if own else RevokeReason.ADMINISTRATOR
            now = self._clock()
            ended = await self._rows.revoke(uow, tenant, id, reason=reason, at=now)
            if ended is not None:
                known: dict[str, Any] = {"changes": {"user_id": str(session.user_id)}}
                made = entry("user_session", id, by=auth.caller(), at=now, reason=reason, **known)
                await self._keep(uow, made)
            return ended or session

    async def is_over(self, principal: Principal) -> bool:
        """Say whether a session of this silo has ended, or its user was disabled."""
        tenant = principal.tenant_id
        rows, id = self._database.read(tenant), principal.session_id
        session = await self._rows.get(rows, tenant, id) if id else None
        if session is None or not session.is_live(self._clock()):
            return True
        account = await self._accounts.get(rows, Login(tenant, session.user_id))
        return account is None or not account.is_active

    async def _exchange(
        self, uow: UnitOfWork, used: Secret, audience: str, client: Client, now: datetime
    ) -> _Exchanged | Refusal:
        session, token = await self._locked(uow, used)
        if session is None or token is None or not session.is_live(now):
            return _refused()
        if token.used_at is None:
            following = None
        else:
            following = await self._given(uow, used)
            if following is None or not _is_repeat(token.used_at, session, client, now):
                await self._end(uow, used.tenant, session, now)
                return _refused()
        account = await self._accounts.get(uow, Login(used.tenant, session.user_id))
        if now >= (following or token).expires_at or account is None or not account.is_active:
            return _refused()
        principal = account.principal(self._silo, used.tenant, session.id)
        if not may_call(principal, audience):
            return PermissionDenied("the caller's role calls nothing in that silo")
        following = following or await self._rotate(uow, used, token, session, now)
        return _Exchanged(session, principal, self._tokens.after(used), following.expires_at)

    async def _locked(
        self, uow: UnitOfWork, used: Secret
    ) -> tuple[Session | None, RefreshToken | None]:
        """Hold the session, then read the token: another refresh may have used it meanwhile."""
        found = await self._used.get(uow, used.tenant, used.hash)
        if found is None:
            return None, None
        session = await self._rows.lock(uow, used.tenant, found.session_id)
        return session, await self._used.get(uow, used.tenant, used.hash)

    async def _given(self, uow: UnitOfWork, used: Secret) -> RefreshToken | None:
        """Return the token that was given for ``used``, while it is still unused itself."""
        following = await self._used.get(uow, used.tenant, self._tokens.after(used).hash)
        return None if following is None or following.used_at is not None else following

    async def _rotate(
        self, uow: UnitOfWork, used: Secret, token: RefreshToken, session: Session, now: datetime
    ) -> RefreshToken:
        id = ids.new()
        # The used one first: a session has one live token, says an index.
        await self._used.replace(uow, used.tenant, token.id, by=id, at=now)
        await self._rows.use(uow, used.tenant, session.id, now)
        return await self._add_token(uow, session, self._tokens.after(used), now, id)

    async def _add_token(
        self,
        uow: UnitOfWork,
        session: Session,
        secret: Secret,
        now: datetime,
        id: UUID | None = None,
    ) -> RefreshToken:
        token = RefreshToken(
            id=id or ids.new(),
            session_id=session.id,
            token_hash=secret.hash,
            issued_at=now,
            expires_at=min(now + IDLE, session.expires_at),
            used_at=None,
            replaced_by_id=None,
        )
        await self._used.add(uow, secret.tenant, token)
        return token

    async def _end(
        self, uow: UnitOfWork, tenant: UUID | None, session: Session, now: datetime
    ) -> None:
        why = RevokeReason.TOKEN_REUSED
        await self._rows.revoke(uow, tenant, session.id, reason=why, at=now)
        user = Principal(
            user_id=session.user_id, silo=self._silo, roles=frozenset(), tenant_id=tenant
        )
        denied = AuditOutcome.DENIED
        made = entry("user_session", session.id, by=user, at=now, reason=why, outcome=denied)
        await self._keep(uow, made)


def _is_repeat(used_at: datetime, session: Session, client: Client, now: datetime) -> bool:
    """Say whether this can be the client that lost its answer, rather than one with a copy."""
    is_same = client == Client(session.ip_address, session.user_agent)
    return is_same and now - used_at <= REPEATABLE


def _manages() -> bool:
    """Say whether the caller was let in as an administrator, rather than for its own sake."""
    return not auth.scopes().isdisjoint({"OWN_TENANT", "ANY_TENANT"})


def _visible(session: Session | None, id: UUID) -> Session:
    if session is None or (session.user_id != auth.caller().user_id and not _manages()):
        raise NotFound(f"session {id} does not exist", resource="session", id=str(id))
    return session
