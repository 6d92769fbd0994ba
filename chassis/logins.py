"""Passwords at work: logging in, and setting one with a one-time token."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from chassis import passwords
from chassis.account_rows import Account, Login, login_name
from chassis.clock import Clock
from chassis.errors import Unauthenticated
from chassis.identity_rows import IdentityRows
from chassis.passwords import Passwords
from chassis.session_rows import RevokeReason
from chassis.sessions import Client, Opened, Sessions
from chassis.signing_keys import SigningKeys
from chassis.unit_of_work import Database


def _refused() -> Unauthenticated:
    return Unauthenticated("the address or the password is wrong")


@dataclass(frozen=True, slots=True)
class _Attempt:
    """A login whose password was right; ``kept`` is the hash to keep for it from now on."""

    email: str
    login: Login
    account: Account
    verified: str
    kept: str


class Logins:
    """One silo's logins.

    Attempts are let in as many at a time as can be hashed: each is counted before it is looked
    at, and more of them at once, though right, would be taken for guesses.
    """

    def __init__(
        self,
        rows: IdentityRows,
        database: Database,
        clock: Clock,
        *,
        keys: SigningKeys,
        sessions: Sessions,
    ) -> None:
        self._rows = rows
        self._accounts = rows.accounts
        self._database = database
        self._clock = clock
        self._keys = keys
        self._sessions = sessions
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
            known = account.password_hash if account and account.is_active else None
            right = await self._passwords.verify(password, known)
            if login is None or account is None or known is None or not right:
                raise _refused()
            kept = known
            if passwords.is_outdated(known):
                kept = await self._passwords.hash(password)
            return await self._open(_Attempt(email, login, account, known, kept), client)

    async def redeem(self, email: str, text: str, new_password: str) -> None:
        """Set a password with a one-time token, and end whatever the old one began.

        Raises Unauthenticated for a token that is unknown, used, expired or another user's.
        """
        email, refusal = login_name(email), Unauthenticated("the one-time token is not valid")
        login = await self._accounts.find(self._database.read(None), email)
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
            await self._rows.sessions.revoke_all(
                uow, login.tenant, login.user_id, reason=RevokeReason.PASSWORD_CHANGED, at=now
            )
            await self._rows.throttle.clear(uow, email)

    async def _known(self, email: str) -> tuple[Login | None, Account | None]:
        login = await self._accounts.find(self._database.read(None), email)
        if login is None:
            return None, None
        return login, await self._accounts.get(self._database.read(login.tenant), login)

    async def _open(self, right: _Attempt, client: Client) -> Opened:
        key, login, at = await self._keys.current(), right.login, self._clock()
        async with self._database.begin(login.tenant) as uow:
            if not await self._accounts.log_in(
                uow, login, verified=right.verified, kept=right.kept, at=at
            ):
                raise _refused()  # disabled, or given another password, while this one was hashed
            await self._rows.throttle.clear(uow, right.email)
            return await self._sessions.open(uow, right.account, login, client, key)
