"""Events given up for now: parked with all that follows of their subject, until retried."""

from __future__ import annotations

from dataclasses import dataclass

import psycopg

from chassis.checkpoint import Lease
from chassis.errors import Refusal
from chassis.sql import written
from chassis.unit_of_work import Rows, UnitOfWork

BEHIND_PARKED = "BEHIND_PARKED"


@dataclass(frozen=True, slots=True)
class Letter:
    """An event as it was received, and why it had no effect; ``reason`` never quotes a value."""

    epoch: int
    position: int
    subject: str
    type: str
    event: bytes
    reason: str
    attempts: int


_KEY = "consumer = %(consumer)s AND source = %(source)s"

# A consumer that starts over meets again what it had parked, or an operator had discarded.
PARK = written(
    f"""
    INSERT INTO consumer_dead_letter AS known
           (consumer, source, epoch, position, subject, type, event, reason, attempts)
    VALUES (%(consumer)s, %(source)s, %(epoch)s, %(position)s, %(subject)s, %(type)s, %(event)s,
            %(reason)s, %(attempts)s)
    ON CONFLICT (consumer, source, epoch, position) DO UPDATE
       SET state = 'PARKED', resolved_by = NULL, event = excluded.event,
           subject = excluded.subject, type = excluded.type,
           attempts = known.attempts + excluded.attempts,
           reason = CASE WHEN excluded.reason = '{BEHIND_PARKED}' THEN known.reason
                         ELSE excluded.reason END
    """  # noqa: S608
)
SUBJECTS = written(
    f"""
    SELECT subject FROM consumer_dead_letter
     WHERE {_KEY} AND state <> 'DISCARDED' GROUP BY subject
    """,  # noqa: S608
    into=str,
)
# The oldest to retry, but none that an event still parked comes before.
NEXT_RETRY = written(
    f"""
    SELECT epoch, position, subject, type, event, reason, attempts
      FROM consumer_dead_letter AS due
     WHERE {_KEY} AND state = 'RETRY'
       AND NOT EXISTS (
             SELECT FROM consumer_dead_letter AS earlier
              WHERE earlier.consumer = due.consumer AND earlier.source = due.source
                AND earlier.subject = due.subject AND earlier.state = 'PARKED'
                AND (earlier.epoch, earlier.position) < (due.epoch, due.position))
     ORDER BY epoch, position LIMIT 1
    """,  # noqa: S608
    into=Letter,
)
RESOLVE = written(
    f"""
    DELETE FROM consumer_dead_letter
     WHERE {_KEY} AND epoch = %(epoch)s AND position = %(position)s
    """  # noqa: S608
)
FAIL_AGAIN = written(
    f"""
    UPDATE consumer_dead_letter
       SET state = 'PARKED',
           reason = CASE WHEN (epoch, position) = (%(epoch)s, %(position)s)
                         THEN %(reason)s ELSE reason END,
           attempts = CASE WHEN (epoch, position) = (%(epoch)s, %(position)s)
                           THEN attempts + %(attempts)s ELSE attempts END
     WHERE {_KEY} AND subject = %(subject)s AND state = 'RETRY'
    """  # noqa: S608
)
RETRY_SUBJECT = written(
    f"""
    UPDATE consumer_dead_letter SET state = 'RETRY', resolved_by = %(by)s
     WHERE {_KEY} AND subject = %(subject)s AND state = 'PARKED'
    """  # noqa: S608
)
DISCARD = written(
    f"""
    UPDATE consumer_dead_letter SET state = 'DISCARDED', resolved_by = %(by)s
     WHERE {_KEY} AND epoch = %(epoch)s AND position = %(position)s AND state = 'PARKED'
    """  # noqa: S608
)


async def park(uow: UnitOfWork, lease: Lease, letter: Letter) -> None:
    await uow.execute(
        PARK,
        consumer=lease.consumer,
        source=lease.source,
        epoch=letter.epoch,
        position=letter.position,
        subject=letter.subject,
        type=letter.type,
        event=letter.event,
        reason=letter.reason,
        attempts=letter.attempts,
    )


async def subjects(rows: Rows, lease: Lease) -> set[str]:
    """Return the subjects whose events wait: what follows of them has to wait too."""
    return set(await rows.all(SUBJECTS, consumer=lease.consumer, source=lease.source))


async def next_retry(rows: Rows, lease: Lease) -> Letter | None:
    return await rows.optional(NEXT_RETRY, consumer=lease.consumer, source=lease.source)


async def resolve(uow: UnitOfWork, lease: Lease, letter: Letter) -> None:
    """Forget the letter, in the transaction that gives its event the effect."""
    await uow.execute(RESOLVE, **_place(lease, letter))


async def fail_again(uow: UnitOfWork, lease: Lease, letter: Letter, attempts: int) -> None:
    """Park the letter for its new ``reason``, and those behind it, until the next retry."""
    await uow.execute(
        FAIL_AGAIN,
        **_place(lease, letter),
        subject=letter.subject,
        reason=letter.reason,
        attempts=attempts,
    )


async def retry(uow: UnitOfWork, consumer: str, source: str, subject: str, by: str) -> int:
    """Ask for everything parked of ``subject`` to be tried again; returns how much that is.

    The holder of the lease does it, between two frames and in the order of the log.
    """
    return await uow.execute(
        RETRY_SUBJECT, consumer=consumer, source=source, subject=subject, by=by
    )


async def discard(
    uow: UnitOfWork, consumer: str, source: str, *, epoch: int, position: int, by: str
) -> bool:
    """Give one event up for good, as an operator decides; the row stays as evidence."""
    key = {"consumer": consumer, "source": source, "epoch": epoch, "position": position}
    return await uow.execute(DISCARD, **key, by=by) == 1


def why(fault: BaseException) -> str:
    """Name a fault by class and code: its text may quote a patient."""
    parts = [type(fault).__name__]
    if isinstance(fault, psycopg.Error):
        parts += [fault.sqlstate or "", fault.diag.constraint_name or ""]
    if isinstance(fault, Refusal):
        parts.append(fault.reason)
    return " ".join(part for part in parts if part)


def _place(lease: Lease, letter: Letter) -> dict[str, object]:
    return {
        "consumer": lease.consumer,
        "source": lease.source,
        "epoch": letter.epoch,
        "position": letter.position,
    }
