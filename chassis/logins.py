"""Passwords at work: logging in, changing one, and setting one with a one-time token."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from chassis import auth, call, passwords
from chassis.account_rows import Account, Login, login_name
from chassis.audit_entries import Keep, entry
from chassis.auth import Principal
from chassis.clock import Clock
from chassis.errors import Unauthenticated, WrongPassword
from chassis.identity_rows import IdentityRows
from chassis.passwords import Passwords
from chassis.session_rows import RevokeReason
from chassis.sessions import Client, Opened, Sessions
from chassis.signing_keys import SigningKeys
from chassis.unit_of_work import Database, UnitOfWork


def _refused() -> Unauthenticated:
    return Unauthenticated("the address or the password is wrong")


@dataclass(frozen=True, slots=True)
class _Attempt:
    """A login whose password was right; ``kept`` is the hash to keep for it from now on."""

    email: str
    login: Login
    verified: str
    kept: str


class Logins:
    """One silo's logins.

    Attempts are let in as many at a time as can be hashed: each is counted before it is looked
    at, and more of them at once, though right, would be taken for guesses.
    """

    def __init__(
        self,
        silo: str,
        rows: IdentityRows,
        database: Database,
        clock: Clock,
        *,
        keys: SigningKeys,
        sessions: Sessions,
        keep: Keep,
    ) -> None:
        self._silo = silo
        self._rows = rows
        self._accounts = rows.accounts
        self._database = database
        self._clock = clock
        self._keys = keys
        self._sessions = sessions
        self._keep = keep
        self._passwords = Passwords()
        self._attempts = asyncio.Semaphore(passwords.AT_ONCE)

    async def create(self, email: str, password: str, client: Client) -> Opened:
        """Log a user in.

        Raises Unauthenticated, with one text and at one cost for an unknown address, a wrong
        password and a disabled user; RateLimited after ten failures in 15 minutes.
        """
        email = login_name(email)
        async with self._attempts:
            await self._rows.throttle.count(self._database, email, self._clock())
            login, account = await self._known(email)
            self._claim(login, account)
            known = account.password_hash if account and account.is_active else None
            right = await self._passwords.verify(password, known)
            if login is None or account is None or known is None or not right:
                raise _refused()
            kept = known
            if passwords.is_outdated(known):
                kept = await self._passwords.hash(password)
            return await self._open(_Attempt(email, login, known, kept), client)

    async def redeem(self, email: str, text: str, new_password: str) -> None:
        """Set a password with a one-time token, and end whatever the old one began.

        Raises Unauthenticated for a token that is unknown, used, expired or another user's.
        """
        email, refusal = login_name(email), Unauthenticated("the one-time token is not valid")
        login, account = await self._known(email)
        self._claim(login, account)
        now = self._clock()
        if login is None or not await self._rows.one_time.is_valid(
            self._database.read(login.tenant), login, text, now
        ):
            raise refusal
        password_hash = await self._passwords.hash(new_password)
        async with self._database.begin(login.tenant) as uow:
            used = await self._rows.one_time.use(uow, login, text, now)
            if not used or not await self._accounts.set_password(uow, login, password_hash, now):
                raise refusal
            await self._forget(uow, login, email)
            await self._note(uow, login, now)

    @asynccontextmanager
    async def changing(self, tenant: UUID | None, old: str, new: str) -> AsyncIterator[UnitOfWork]:
        """Change the caller's own password, and end whatever the old one began.

        Yields the transaction that does it. Raises WrongPassword, and RateLimited as ``create``.
        """
        login = Login(tenant, auth.caller().user_id)
        account = await self._accounts.get(self._database.read(tenant), login)
        known = account.password_hash if account else None
        async with self._attempts:
            if account is not None:
                await self._rows.throttle.count(self._database, account.email, self._clock())
            right = await self._passwords.verify(old, known)
        kept = await self._passwords.hash(new) if right else ""
        # The request id is claimed first: a repeat finds the old password changed by itself.
        async with self._database.begin(tenant) as uow:
            if account is None or known is None or not right:
                raise WrongPassword
            changed = await self._accounts.change_password(
                uow, login, verified=known, kept=kept, at=self._clock()
            )
            if not changed:
                raise WrongPassword  # disabled, or changed meanwhile
            await self._forget(uow, login, account.email)
            await self._note(uow, login, self._clock())
            yield uow

    async def _forget(self, uow: UnitOfWork, login: Login, email: str) -> None:
        """End every session that began with a password which is none any more."""
        await self._rows.sessions.revoke_all(
            uow,
            login.tenant,
            login.user_id,
            reason=RevokeReason.PASSWORD_CHANGED,
            at=self._clock(),
        )
        await self._rows.throttle.clear(uow, email)

    async def _note(self, uow: UnitOfWork, login: Login, at: datetime) -> None:
        """Put a new password into the trail: the RPC under way says how it came to be."""
        await self._keep(uow, entry("user", login.user_id, by=self._named(login), at=at))

    def _named(self, login: Login) -> Principal:
        """Return whom a login is about, for the trail: it lets nobody do anything."""
        return Principal(
            user_id=login.user_id, silo=self._silo, roles=frozenset(), tenant_id=login.tenant
        )

    def _claim(self, login: Login | None, account: Account | None) -> None:
        """Say who is to be told of, should this be refused."""
        current = call.current()
        if current is not None and login is not None and account is not None:
            current.claimed = self._named(login)

    async def _known(self, email: str) -> tuple[Login | None, Account | None]:
        login = await self._accounts.find(self._database.read(None), email)
        if login is None:
            return None, None
        return login, await self._accounts.get(self._database.read(login.tenant), login)

    async def _open(self, right: _Attempt, client: Client) -> Opened:
        key, login, at = await self._keys.current(), right.login, self._clock()
        async with self._database.begin(login.tenant) as uow:
            account = await self._accounts.log_in(
                uow, login, verified=right.verified, kept=right.kept, at=at
            )
            if account is None:
                raise _refused()  # disabled, or given another password, while this one was hashed
            await self._rows.throttle.clear(uow, right.email)
            opened = await self._sessions.open(uow, account, login, client, key)
            made = entry("user_session", opened.session.id, by=self._named(login), at=at)
            await self._keep(uow, made)
            return opened
