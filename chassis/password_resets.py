"""Forgotten passwords: a one-time token for another one, by e-mail to whoever logs in there."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID, uuid5

import psycopg

from chassis import call, one_time_tokens, telemetry
from chassis.account_rows import Login, login_name
from chassis.audit_entries import Entry, Keep, entry, uuid_of
from chassis.auth import Principal
from chassis.call import Address
from chassis.clock import Clock
from chassis.errors import ResourceExhausted
from chassis.identity_rows import IdentityRows
from chassis.notification_rows import Notice, NotificationRows
from chassis.one_time_tokens import RESET_FOR
from chassis.unit_of_work import Database, UnitOfWork

SECONDS = 1.0
MOST_WAITING = 1_000
MOST_SENT = 3
WINDOW = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class Wish:
    """What was asked for; nobody has looked yet whether there is such a user."""

    email: str
    request_id: UUID
    ip_address: Address | None
    traced_as: UUID | None


class PasswordResets:
    """One process's resets, answered before anything is looked up. A part of the process.

    So the answer tells nothing, neither by what it says nor by the time it takes.
    """

    def __init__(
        self,
        silo: str,
        rows: IdentityRows,
        notifications: NotificationRows,
        database: Database,
        clock: Clock,
        *,
        keep: Keep,
    ) -> None:
        self._silo = silo
        self._rows = rows
        self._notifications = notifications
        self._database = database
        self._clock = clock
        self._keep = keep
        self._waiting: deque[Wish] = deque()
        self._sending = asyncio.Lock()

    def ask(self, email: str, request_id: UUID) -> None:
        """Take a wish; raises ResourceExhausted, for everybody alike, when too many wait."""
        if len(self._waiting) >= MOST_WAITING:
            raise ResourceExhausted("too many ask for a new password at once")
        current = call.current()
        address = current.client_address if current else None
        traced_as = uuid_of(current.request_id) if current else None
        self._waiting.append(Wish(login_name(email), request_id, address, traced_as))

    async def send(self, database: Database, clock: Clock) -> int:
        """Queue an e-mail for each user who asked, as a timer's sweep; return how many asked."""
        sent = 0
        async with self._sending:
            while self._waiting:
                wish = self._waiting.popleft()
                try:
                    await self._look_up(wish, database, clock())
                except psycopg.OperationalError:  # the database is away: again when it is back
                    self._waiting.appendleft(wish)
                    raise
                sent += 1
        return sent

    async def start(self) -> None:
        """Begin nothing: the timer sends."""

    def drain(self) -> None:
        """Wait: calls still come to their end, and may ask."""

    async def stop(self) -> None:
        """Send what is left; without a database it is lost, and asked for again."""
        try:
            await self.send(self._database, self._clock)
        except psycopg.Error:
            telemetry.log.warning("password_resets_lost", count=len(self._waiting))

    async def _look_up(self, wish: Wish, database: Database, at: datetime) -> None:
        login = await self._rows.accounts.find(database.read(None), wish.email)
        if login is not None:
            async with database.begin(login.tenant) as uow:
                await self._send(uow, wish, login, at)

    async def _send(self, uow: UnitOfWork, wish: Wish, login: Login, at: datetime) -> None:
        """Give an active user a token. Its text is in the e-mail's row until that is sent."""
        account = await self._rows.accounts.get(uow, login)
        given = await self._rows.one_time.recent_resets(uow, login, at - WINDOW)
        if account is None or not account.is_active or given >= MOST_SENT:
            return
        id, token = uuid5(wish.request_id, str(login.user_id)), one_time_tokens.new()
        if not await self._rows.one_time.reset(uow, login, id, token_hash=token.hash, at=at):
            return  # the same request, once more
        minutes = str(int(RESET_FOR.total_seconds() // 60))
        told = Notice(
            template_name="password_reset",
            variables={"reset_token": token.text, "valid_minutes": minutes},
            source_event_id=id,
            expires_at=at + RESET_FOR,
        )
        to = [login.user_id]
        await self._notifications.queue(uow, told, tenant=login.tenant, recipients=to, at=at)
        await self._keep(uow, self._entry(wish, login, at))

    def _entry(self, wish: Wish, login: Login, at: datetime) -> Entry:
        user = Principal(
            user_id=login.user_id, silo=self._silo, roles=frozenset(), tenant_id=login.tenant
        )
        return entry(
            "user",
            login.user_id,
            by=user,
            at=at,
            action="RequestPasswordReset",
            ip_address=wish.ip_address,
            request_id=wish.traced_as,
        )
