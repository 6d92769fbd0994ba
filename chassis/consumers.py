"""What operators see and decide of a silo's consumers, whichever silo it is: its servicer's work.

Requests are ``Any``: the three silos' messages have one shape. Each decision is recorded in the
transaction that makes it true.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any
from uuid import UUID

from medport.common.v1 import consumers_pb2 as pb
from medport.common.v1.event_log_pb2 import START_ORIGIN_EARLIEST

from chassis import auth, checkpoint, consumer_rows, dead_letter
from chassis.audit_entries import Keep, entry
from chassis.clock import Clock
from chassis.errors import FailedPrecondition, NotFound
from chassis.idempotency import NO_TENANT
from chassis.paging import Paging
from chassis.projection import Following
from chassis.unit_of_work import Database, Rows, UnitOfWork

_FIRST = ("", "", "-1", "0")


class ConsumerNotHalted(FailedPrecondition):
    """Only a consumer that stands can be told to go on, or to begin at the earliest event."""

    reason = "CONSUMER_NOT_HALTED"

    def __init__(self, state: str) -> None:
        super().__init__(f"the consumer is {state}, not HALTED", state=state)


class ConsumerRebuilding(FailedPrecondition):
    """The consumer begins again already."""

    reason = "CONSUMER_REBUILDING"

    def __init__(self) -> None:
        super().__init__("the consumer rebuilds already")


class ConsumerCannotRebuild(FailedPrecondition):
    """Its source's rows do not stand in for the events that it decides or counts by."""

    reason = "CONSUMER_CANNOT_REBUILD"

    def __init__(self, why: str) -> None:
        super().__init__(f"the consumer begins again by the log alone: {why}")


class DeadLetterNotParked(FailedPrecondition):
    """Only an event that waits for an operator can be given up."""

    reason = "DEAD_LETTER_NOT_PARKED"

    def __init__(self, state: str) -> None:
        super().__init__(f"the dead letter is {state}, not PARKED", state=state)


class Consumers:
    """``keep`` is the silo's way to the audit log; ``followed`` are its consumers."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        paging: Paging,
        keep: Keep,
        followed: Sequence[Following],
    ) -> None:
        self._database = database
        self._clock = clock
        self._paging = paging
        self._keep = keep
        self._without_rows = {
            (each.consumer, each.source): each.without_log
            for each in followed
            if each.rebuild is None
        }

    def deciding(self) -> AbstractAsyncContextManager[UnitOfWork]:
        """Open the transaction of one decision: consumers belong to the silo, to no tenant."""
        return self._database.begin(NO_TENANT)

    async def list_page(self, request: Any) -> tuple[list[pb.Consumer], str]:
        """Return a page of consumers, and the token of the next one."""
        page = self._paging.page(request)
        source, consumer = page.after or _FIRST[:2]
        after = {"after_source": source, "after_consumer": consumer}
        found = await self._rows.all(consumer_rows.LIST, **after, limit=page.fetch)
        return page.cut(found, lambda each: (each.source, each.consumer))

    async def list_letters(self, request: Any) -> tuple[list[pb.DeadLetter], str]:
        """Return a page of dead letters, and the token of the next one."""
        page, asked = self._paging.page(request), request.filter
        source, consumer, epoch, position = page.after or _FIRST
        found = await self._rows.all(
            consumer_rows.LIST_LETTERS,
            consumer=asked.consumer,
            source=asked.source,
            subject=asked.subject,
            states=[_word(each) for each in asked.states],
            after_source=source,
            after_consumer=consumer,
            after_epoch=int(epoch),
            after_position=int(position),
            limit=page.fetch,
        )
        return page.cut(found, _place)

    async def letter(self, request: Any) -> pb.DeadLetter:
        """Return one dead letter with its bytes; raises NotFound."""
        return await _letter(self._rows, request)

    async def resume(self, uow: UnitOfWork, request: Any) -> pb.Consumer:
        """Let a halted consumer try again; raises NotFound or ConsumerNotHalted."""
        before = await _get(uow, request)
        if not await checkpoint.resume(uow, request.consumer, request.source):
            raise ConsumerNotHalted(_state(before))
        return await self._moved(uow, request, position=before.position)

    async def rebuild(self, uow: UnitOfWork, request: Any) -> pb.Consumer:
        """Let a consumer begin again.

        Raises NotFound, ConsumerNotHalted, ConsumerCannotRebuild or ConsumerRebuilding.
        """
        before, key = await _get(uow, request), (request.consumer, request.source)
        if request.origin == START_ORIGIN_EARLIEST:
            if not await checkpoint.start_over(uow, *key):
                raise ConsumerNotHalted(_state(before))
            return await self._moved(uow, request, position=before.position, origin="EARLIEST")
        if key in self._without_rows:
            raise ConsumerCannotRebuild(self._without_rows[key])
        if not await checkpoint.request_rebuild(uow, *key):
            raise ConsumerRebuilding
        return await self._moved(uow, request, position=before.position, origin="SNAPSHOT")

    async def retry(self, uow: UnitOfWork, request: Any) -> int:
        """Ask for a subject's parked events to be tried again; raises NotFound for none."""
        key = {"consumer": request.consumer, "source": request.source, "subject": request.subject}
        first = await uow.optional(consumer_rows.FIRST_PARKED, **key)
        count = await dead_letter.retry(uow, **key, by=str(auth.caller().user_id))
        if first is None or not count:
            text = "no event of this subject is parked"
            raise NotFound(text, resource="dead_letter", id=request.subject)
        changes = {"subject": request.subject, "position": first, "count": count}
        await self._note(uow, request, "dead_letter", changes)
        return count

    async def discard(self, uow: UnitOfWork, request: Any) -> pb.DeadLetter:
        """Give one event up; raises NotFound or DeadLetterNotParked."""
        before = await _letter(uow, request)
        place = {"epoch": request.epoch, "position": request.position}
        by = str(auth.caller().user_id)
        if not await dead_letter.discard(uow, request.consumer, request.source, **place, by=by):
            raise DeadLetterNotParked(_word(before.state))
        after = await _letter(uow, request)
        after.ClearField("event")
        await self._note(uow, request, "dead_letter", {"subject": after.subject, **place})
        return after

    @property
    def _rows(self) -> Rows:
        return self._database.read(None)

    async def _moved(self, uow: UnitOfWork, request: Any, **changes: object) -> pb.Consumer:
        after = await _get(uow, request)
        await self._note(uow, request, "consumer", changes)
        return after

    async def _note(
        self, uow: UnitOfWork, request: Any, entity_type: str, changes: Mapping[str, object]
    ) -> None:
        who = {"consumer": request.consumer, "source": request.source}
        made = entry(
            entity_type,
            by=auth.caller(),
            changes={**who, **changes},
            reason=request.reason,
            request_id=UUID(request.request_id),
            at=self._clock(),
        )
        await self._keep(uow, made)


async def _get(rows: Rows, request: Any) -> pb.Consumer:
    key = {"consumer": request.consumer, "source": request.source}
    found = await rows.optional(consumer_rows.GET, **key)
    if found is None:
        name = f"{request.consumer} of {request.source}"
        raise NotFound(f"there is no consumer {name}", resource="consumer", id=name)
    return found


async def _letter(rows: Rows, request: Any) -> pb.DeadLetter:
    key = {"consumer": request.consumer, "source": request.source}
    place = {"epoch": request.epoch, "position": request.position}
    found = await rows.optional(consumer_rows.GET_LETTER, **key, **place)
    if found is None:
        at = f"{request.source} {request.epoch}/{request.position}"
        text = f"no event {at} is a dead letter of {request.consumer}"
        raise NotFound(text, resource="dead_letter", id=at)
    return found


def _place(letter: pb.DeadLetter) -> tuple[str, str, str, str]:
    return letter.source, letter.consumer, str(letter.epoch), str(letter.position)


def _state(consumer: pb.Consumer) -> str:
    return pb.ConsumerState.Name(consumer.state).removeprefix("CONSUMER_STATE_")


def _word(state: pb.DeadLetterState.ValueType) -> str:
    return pb.DeadLetterState.Name(state).removeprefix("DEAD_LETTER_STATE_")
