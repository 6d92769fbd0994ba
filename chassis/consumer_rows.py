"""What operators read of a silo's consumers and dead letters: rows, as the contract shows them."""

from __future__ import annotations

from datetime import datetime

from medport.common.v1 import consumers_pb2 as pb

from chassis.clock import timestamp
from chassis.sql import written


def _consumer(  # noqa: PLR0917 - a row's columns, in their order
    consumer: str,
    source: str,
    state: str,
    state_reason: str | None,
    lease_holder: str | None,
    lease_until: datetime | None,
    lease_term: int,
    epoch: int,
    position: int,
    resume_token: bytes | None,
    updated_at: datetime,
    parked: int,
) -> pb.Consumer:
    return pb.Consumer(
        consumer=consumer,
        source=source,
        state=pb.ConsumerState.Value(f"CONSUMER_STATE_{state}"),
        state_reason=state_reason or "",
        lease_holder=lease_holder or "",
        lease_expire_time=timestamp(lease_until),
        lease_term=lease_term,
        epoch=epoch,
        position=position,
        resume_token=resume_token or b"",
        parked_count=parked,
        update_time=timestamp(updated_at),
    )


def _letter(  # noqa: PLR0917 - a row's columns, in their order
    consumer: str,
    source: str,
    epoch: int,
    position: int,
    subject: str,
    type: str,
    state: str,
    reason: str,
    attempts: int,
    first_failed_at: datetime,
    resolved_by: str | None,
    event: bytes,
) -> pb.DeadLetter:
    return pb.DeadLetter(
        consumer=consumer,
        source=source,
        epoch=epoch,
        position=position,
        subject=subject,
        type=type,
        state=pb.DeadLetterState.Value(f"DEAD_LETTER_STATE_{state}"),
        reason=reason,
        attempts=attempts,
        first_fail_time=timestamp(first_failed_at),
        resolved_by=resolved_by or "",
        event=event,
    )


# A lease that has run out is nobody's; '-infinity', of one released, is no time for a client.
_CONSUMER = """
SELECT consumer, source, state, state_reason,
       CASE WHEN lease_until > clock_timestamp() THEN lease_holder END,
       CASE WHEN lease_until > clock_timestamp() THEN lease_until END,
       lease_term, epoch, position, resume_token, updated_at,
       (SELECT count(*) FROM consumer_dead_letter AS letter
         WHERE letter.consumer = known.consumer AND letter.source = known.source
           AND letter.state = 'PARKED')
  FROM consumer_checkpoint AS known
"""
_LETTER = """
SELECT consumer, source, epoch, position, subject, type, state, reason, attempts,
       first_failed_at, resolved_by,
"""
_KEY = "consumer = %(consumer)s AND source = %(source)s"

LIST = written(
    f"""
    {_CONSUMER} WHERE (source, consumer) > (%(after_source)s, %(after_consumer)s)
     ORDER BY source, consumer LIMIT %(limit)s
    """,
    into=_consumer,
)
GET = written(f"{_CONSUMER} WHERE {_KEY}", into=_consumer)
LIST_LETTERS = written(
    f"""
    {_LETTER} ''::bytea FROM consumer_dead_letter
     WHERE (%(consumer)s = '' OR consumer = %(consumer)s)
       AND (%(source)s = '' OR source = %(source)s)
       AND (%(subject)s = '' OR subject = %(subject)s)
       AND (%(states)s::text[] = '{{}}' OR state = ANY (%(states)s::text[]))
       AND (source, consumer, epoch, position)
         > (%(after_source)s, %(after_consumer)s, %(after_epoch)s, %(after_position)s)
     ORDER BY source, consumer, epoch, position LIMIT %(limit)s
    """,
    into=_letter,
)
GET_LETTER = written(
    f"""
    {_LETTER} event FROM consumer_dead_letter
     WHERE {_KEY} AND epoch = %(epoch)s AND position = %(position)s
    """,
    into=_letter,
)
# Where a retry of the subject begins.
FIRST_PARKED = written(
    f"""
    SELECT position FROM consumer_dead_letter
     WHERE {_KEY} AND subject = %(subject)s AND state = 'PARKED' ORDER BY epoch, position LIMIT 1
    """,  # noqa: S608 - a constant of ours
    into=int,
)
