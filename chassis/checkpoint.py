"""How far a consumer has come, and which process may move it: lease and fence.

The lease saves work: only its holder follows the stream. The fence makes that correct: effects
commit together with a checkpoint that only the newest holder can move.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from enum import StrEnum
from uuid import UUID

from chassis.sql import columns, written
from chassis.unit_of_work import Rows, UnitOfWork

LEASE = timedelta(seconds=8)


class Fenced(Exception):
    """The checkpoint is not where this process left it: somebody else has moved or halted it."""


class State(StrEnum):
    RUNNING = "RUNNING"
    REBUILDING = "REBUILDING"
    HALTED = "HALTED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A position in the source's log; the token resumes at it, or at a frame's beginning before."""

    log_id: UUID | None
    epoch: int
    position: int
    resume_token: bytes | None

    def half_way(self, position: int, epoch: int) -> Place:
        """Return the place of an event inside a frame, which only its predecessor's token knows."""
        return replace(self, position=position, epoch=epoch)


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    place: Place
    lease_holder: str | None
    lease_term: int
    state: State
    state_reason: str | None


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to move one consumer's checkpoint, until a greater term exists."""

    consumer: str
    source: str
    holder: str
    term: int

    @property
    def key(self) -> dict[str, object]:
        return {"consumer": self.consumer, "source": self.source, "term": self.term}


def _checkpoint(
    log_id: UUID | None, epoch: int, position: int, token: bytes | None, *lease: object
) -> Checkpoint:
    place = Place(log_id=log_id, epoch=epoch, position=position, resume_token=token)
    holder, term, state, reason = lease
    return Checkpoint(
        place=place,
        lease_holder=None if holder is None else str(holder),
        lease_term=int(str(term)),
        state=State(str(state)),
        state_reason=None if reason is None else str(reason),
    )


_COLUMNS = "log_id, epoch, position, resume_token, lease_holder, lease_term, state, state_reason"
_KEY = "consumer = %(consumer)s AND source = %(source)s"

# The constants interpolated here are the two above.
ENSURE = written(
    """
    INSERT INTO consumer_checkpoint (consumer, source) VALUES (%(consumer)s, %(source)s)
    ON CONFLICT DO NOTHING
    """
)
# A lease cannot have longer to run than it was given: then the clock was set back since, and a
# holder that died would be waited for as long as that.
ACQUIRE = written(
    f"""
    UPDATE consumer_checkpoint
       SET lease_holder = %(holder)s, lease_term = lease_term + 1,
           lease_until = clock_timestamp() + %(ttl)s
     WHERE {_KEY} AND (lease_until < clock_timestamp() OR lease_until > clock_timestamp() + %(ttl)s)
    RETURNING {_COLUMNS}
    """,  # noqa: S608
    into=_checkpoint,
)
RENEW = written(
    f"""
    UPDATE consumer_checkpoint SET lease_until = clock_timestamp() + %(ttl)s
     WHERE {_KEY} AND lease_term = %(term)s
    """  # noqa: S608
)
RELEASE = written(
    f"""
    UPDATE consumer_checkpoint SET lease_until = '-infinity', lease_holder = NULL
     WHERE {_KEY} AND lease_term = %(term)s
    """  # noqa: S608
)
READ = written(
    f"SELECT {_COLUMNS} FROM consumer_checkpoint WHERE {_KEY}",  # noqa: S608
    into=_checkpoint,
)
ADVANCE = written(
    f"""
    UPDATE consumer_checkpoint
       SET position = %(position)s, epoch = %(epoch)s, resume_token = %(resume_token)s,
           log_id = %(log_id)s, updated_at = clock_timestamp()
     WHERE {_KEY} AND position = %(old)s AND lease_term = %(term)s AND state = 'RUNNING'
    """  # noqa: S608
)
STAND = written(
    f"""
    UPDATE consumer_checkpoint SET updated_at = clock_timestamp()
     WHERE {_KEY} AND lease_term = %(term)s AND state = %(state)s
    """  # noqa: S608
)
TURN = written(
    f"""
    UPDATE consumer_checkpoint
       SET state = %(to)s, state_reason = %(reason)s, updated_at = clock_timestamp()
     WHERE {_KEY} AND lease_term = %(term)s AND state = %(state)s
    """  # noqa: S608
)
FINISH_REBUILD = written(
    f"""
    UPDATE consumer_checkpoint
       SET position = %(position)s, epoch = %(epoch)s, resume_token = %(resume_token)s,
           log_id = %(log_id)s, state = 'RUNNING', state_reason = NULL,
           updated_at = clock_timestamp()
     WHERE {_KEY} AND lease_term = %(term)s AND state = 'REBUILDING'
    """  # noqa: S608
)
RESUME = written(
    f"""
    UPDATE consumer_checkpoint
       SET state = 'RUNNING', state_reason = NULL, updated_at = clock_timestamp()
     WHERE {_KEY} AND state = 'HALTED'
    """  # noqa: S608
)
START_OVER = written(
    f"""
    UPDATE consumer_checkpoint
       SET log_id = NULL, epoch = 0, position = 0, resume_token = NULL,
           state = 'RUNNING', state_reason = NULL, updated_at = clock_timestamp()
     WHERE {_KEY} AND state = 'HALTED'
    """  # noqa: S608
)
REQUEST_REBUILD = written(
    f"""
    UPDATE consumer_checkpoint
       SET state = 'REBUILDING', state_reason = 'REQUESTED', updated_at = clock_timestamp()
     WHERE {_KEY} AND state IN ('RUNNING', 'HALTED')
    """  # noqa: S608
)


async def acquire(uow: UnitOfWork, consumer: str, source: str, holder: str) -> Checkpoint | None:
    """Take the lease if nobody holds it; the database's clock decides, no other one."""
    key = {"consumer": consumer, "source": source}
    await uow.execute(ENSURE, **key)
    return await uow.optional(ACQUIRE, **key, holder=holder, ttl=LEASE)


async def renew(uow: UnitOfWork, lease: Lease) -> bool:
    """Return whether the lease was still ours to renew."""
    return await uow.execute(RENEW, **lease.key, ttl=LEASE) == 1


async def release(uow: UnitOfWork, lease: Lease) -> None:
    """Let another process begin at once, not when the lease has run out."""
    await uow.execute(RELEASE, **lease.key)


async def read(rows: Rows, consumer: str, source: str) -> Checkpoint:
    return await rows.one(READ, consumer=consumer, source=source)


async def advance(uow: UnitOfWork, lease: Lease, old: Place, new: Place) -> None:
    """Move from ``old`` to ``new`` with the effects in between; raises Fenced to undo them."""
    if await uow.execute(ADVANCE, **lease.key, old=old.position, **columns(new)) != 1:
        raise Fenced


async def stand(uow: UnitOfWork, lease: Lease, state: State = State.RUNNING) -> None:
    """Check the fence for effects that move nothing, as those of a retried dead letter."""
    if await uow.execute(STAND, **lease.key, state=state) != 1:
        raise Fenced


async def turn(uow: UnitOfWork, lease: Lease, state: State, to: State, reason: str) -> None:
    """Leave ``state`` for ``to``; nothing happens if an operator was first, who knows better."""
    await uow.execute(TURN, **lease.key, state=state, to=to, reason=reason)


async def finish_rebuild(uow: UnitOfWork, lease: Lease, place: Place) -> None:
    """Go on behind the rows that were shown; raises Fenced to undo what was swept for them."""
    if await uow.execute(FINISH_REBUILD, **lease.key, **columns(place)) != 1:
        raise Fenced


async def resume(uow: UnitOfWork, consumer: str, source: str) -> bool:
    """Let a halted consumer try again, as an operator decides; returns whether it was halted."""
    return await uow.execute(RESUME, consumer=consumer, source=source) == 1


async def start_over(uow: UnitOfWork, consumer: str, source: str) -> bool:
    """Let a halted consumer read the log again from its earliest event, as an operator decides.

    The way out when its place is no longer one of the log. Projectors recognise what they have
    applied before; what the log no longer holds is not taken back.
    """
    return await uow.execute(START_OVER, consumer=consumer, source=source) == 1


async def request_rebuild(uow: UnitOfWork, consumer: str, source: str) -> bool:
    """Let a consumer begin again from the source's current rows, as an operator decides.

    A frame under way is fenced. A following that rows do not stand in for halts, and says so.
    """
    return await uow.execute(REQUEST_REBUILD, consumer=consumer, source=source) == 1
