"""Sends the e-mail that waits in a silo's ``notification`` table: at least once, and soon.

A row is taken for the length of one attempt, in a transaction that ends before the server is
spoken to; the lease that it leaves is how another process knows when to try again. A process that
ends between the server's answer and ours sends the message again, under the same Message-ID.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.message import EmailMessage
from email.utils import format_datetime

from prometheus_client import Counter

from chassis.backoff import Backoff, around
from chassis.clock import Clock
from chassis.mail import Delivery, Mail, Session, Unreachable
from chassis.mail_rows import NEVER, MailKey, MailRows, QueuedMail
from chassis.mail_settings import MailSettings
from chassis.notification_texts import (
    OCCASIONS,
    Channel,
    DeliveryOutcome,
    EmailEndReason,
    Text,
    VariablesDiffer,
)
from chassis.unit_of_work import Database

PERIOD_SECONDS = 1.0
AT_ONCE = 100
ATTEMPT_SECONDS = 60.0
LEASE = timedelta(seconds=90)  # longer than any attempt
FIRST_SECONDS, MOST_SECONDS = 10.0, 900.0  # between attempts
LAPSE_SECONDS = 60.0  # without a server: nothing is sent, only what has expired is let go of
AWAY_SECONDS = 60.0  # between looks for a server that is away

ATTEMPTS = Counter(
    "medport_mail_attempts_total", "Attempts to send an e-mail, by what became of them", ["outcome"]
)


@dataclass(frozen=True, slots=True)
class _Taken:
    """An e-mail whose attempt is noted, in its words, and the way it goes."""

    queued: QueuedMail
    message: EmailMessage
    mail: Mail


class Mailing:
    """The timer; without settings it only lets go of what is of no use any more."""

    name = "mailing"
    seconds = PERIOD_SECONDS

    def __init__(self, rows: MailRows, settings: MailSettings | None) -> None:
        self._rows = rows
        self._mail = Mail(settings) if settings else None
        self._away = Backoff(PERIOD_SECONDS, AWAY_SECONDS)

    async def rest(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    async def turn(self, database: Database, clock: Clock) -> float:
        """Try what is due, over one connection; return the seconds to rest."""
        at = clock()
        due = await self._rows.due(
            database.read(None), due_at=at if self._mail else NEVER, expired_at=at, most=AT_ONCE
        )
        try:
            await self._send(due, database, clock)
        except Unreachable:
            return self._away.next()
        self._away.reset()
        if len(due) == AT_ONCE:
            return 0.0
        return around(PERIOD_SECONDS if self._mail else LAPSE_SECONDS, 0.1)

    async def _send(self, due: Sequence[MailKey], database: Database, clock: Clock) -> None:
        """Raise Unreachable once the server is: the others then wait without an attempt."""
        async with AsyncExitStack() as stack:
            session: Session | None = None
            for key in due:
                taken = await self._taken(database, key, clock())
                if taken is None:
                    continue
                try:
                    async with asyncio.timeout(ATTEMPT_SECONDS):
                        if session is None:
                            session = await stack.enter_async_context(taken.mail.session())
                        delivery = await session.send(taken.message, taken.queued.email)
                except Unreachable as away:
                    delivery = Delivery(DeliveryOutcome.UNREACHABLE, away.smtp_code)
                except TimeoutError:
                    delivery = Delivery(DeliveryOutcome.UNREACHABLE)
                await self._settle(database, key, taken.queued.attempts + 1, delivery, clock())
                if session is None or not session.is_open or delivery.is_unreachable:
                    raise Unreachable(delivery.smtp_code)

    async def _taken(self, database: Database, key: MailKey, at: datetime) -> _Taken | None:
        """Take a row for one attempt; None when there is nothing to send, now or ever."""
        async with database.begin(key.tenant) as uow:
            queued = await self._rows.take(uow, key)
            if queued is None:
                return None
            if (why := _useless(queued, at)) is not None:
                await self._rows.end(uow, key, "SUPPRESSED", why=why, at=at)
                return None
            if self._mail is None or queued.next_attempt_at > at:
                return None
            text = _text(queued)
            if text is None:
                why = EmailEndReason.TEMPLATE_MISMATCH
                await self._rows.end(uow, key, "FAILED", why=why, at=at)
                return None
            await self._rows.start(uow, key, queued.attempts + 1, at=at, again_at=at + LEASE)
        return _Taken(queued, _message(queued, text, self._mail), self._mail)

    async def _settle(
        self, database: Database, key: MailKey, sequence: int, delivery: Delivery, at: datetime
    ) -> None:
        outcome, rows = delivery.outcome, self._rows
        why = f"{outcome} {delivery.smtp_code or ''}".strip()
        async with database.begin(key.tenant) as uow:
            await rows.note(uow, key, sequence, outcome, delivery.smtp_code)
            if outcome is DeliveryOutcome.SENT:
                await rows.end(uow, key, "SENT", why=None, at=at)
            elif outcome is DeliveryOutcome.REFUSED:
                await rows.end(uow, key, "FAILED", why=why, at=at)
            else:
                again_at = at + _pause(sequence)
                await rows.postpone(uow, key, sequence, why=why, again_at=again_at)
        ATTEMPTS.labels(outcome.lower()).inc()


def _pause(attempts: int) -> timedelta:
    """Wait ever longer, and apart from others: from 10 s, doubled, to 15 minutes, and half apart.

    Nothing counts attempts: ``expires_at`` ends them.
    """
    doubled = FIRST_SECONDS * 2.0 ** min(attempts - 1, 10)
    return timedelta(seconds=around(min(doubled, MOST_SECONDS), 0.5))


def _useless(queued: QueuedMail, at: datetime) -> EmailEndReason | None:
    """Say why an e-mail is not to be sent any more."""
    if queued.expires_at is not None and queued.expires_at <= at:
        return EmailEndReason.EXPIRED
    if not queued.is_user_active:
        return EmailEndReason.RECIPIENT_INACTIVE
    is_closed = queued.is_template_active is False and OCCASIONS[queued.template_name].is_closable
    return EmailEndReason.TEMPLATE_INACTIVE if is_closed else None


def _text(queued: QueuedMail) -> Text | None:
    """Say it in the operators' words, or else in ours; None if theirs ask for what is not told."""
    occasion = OCCASIONS[queued.template_name]
    text = occasion.texts.get(Channel.EMAIL)
    if queued.content is not None:
        text = Text(queued.subject or "MedPort", queued.content)
    if text is None:
        return None
    try:
        return text.of(queued.variables)
    except VariablesDiffer:
        return None


def _message(queued: QueuedMail, text: Text, mail: Mail) -> EmailMessage:
    message = EmailMessage()
    message["From"] = mail.settings.sender
    message["To"] = queued.email
    message["Subject"] = " ".join(text.subject.split())  # a header is one line
    message["Date"] = format_datetime(queued.created_at)
    message["Message-ID"] = f"<{queued.id}@{mail.settings.domain}>"
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834: no out-of-office answers
    message.set_content(text.content)
    return message
