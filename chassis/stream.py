"""Serves one silo's EventLogService, whichever silo it is: answers are bytes, payloads opaque."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC
from typing import Any, Protocol

import grpc
from medport.common.v1 import event_log_pb2 as pb

from chassis import auth, stream_frames, stream_standings
from chassis.auth import Principal
from chassis.errors import InvalidArgument, InvalidPageToken
from chassis.event_contract import EventContract, kind
from chassis.event_log_errors import (
    EventTypeForbidden,
    LogUnavailable,
    NoStart,
    ResumePointCompacted,
    StreamLimit,
)
from chassis.open_streams import OpenStreams
from chassis.paging import Page, Paging
from chassis.resume_tokens import Lineage
from chassis.stream_entries import Entry, Interest, keys, varint
from chassis.stream_frames import Limits
from chassis.stream_snapshots import Reader, Snapshots
from chassis.stream_standings import Standing
from chassis.stream_subscriptions import Recheck, Source, Subscription, Wish, Write

PER_PROCESS = 2_000
HEARTBEAT_SECONDS = 5.0
MOST_PAGE_BYTES = 3 * 1024 * 1024  # below the 4 MiB that every client takes
_NEXT_PAGE_TOKEN = b"\x12"  # ListEventsResponse.next_page_token = 2, as a tag
_STATE = b"\x0a"  # GetEventLogResponse.event_log = 1
_BACKLOG = b"\x12"  # GetEventLogResponse.backlog = 2

Context = grpc.aio.ServicerContext[Any, Any]


class Registry(Protocol):
    """What a servicer is registered with: a server, or one that puts guards around it."""

    def add_generic_rpc_handlers(self, handlers: Sequence[grpc.GenericRpcHandler]) -> None: ...

    def add_registered_method_handlers(
        self, service: str, handlers: Mapping[str, grpc.RpcMethodHandler[Any, Any]]
    ) -> None: ...


class EventLogServicer:
    """Subscribe, ListEvents, GetEventLog and ReportProgress; ``add_to`` registers them."""

    def __init__(
        self,
        contract: EventContract,
        source: Source,
        paging: Paging,
        snapshots: Snapshots | None = None,
    ) -> None:
        self._contract = contract
        self._source = source
        self._snapshots = snapshots
        self._paging = paging
        self._open = OpenStreams()

    def add_to(self, server: Registry) -> None:
        """Register the service; without serialisers, because every answer is bytes already."""
        contract, unary = self._contract, grpc.unary_unary_rpc_method_handler
        methods: dict[str, grpc.RpcMethodHandler[Any, Any]] = {
            "Subscribe": grpc.unary_stream_rpc_method_handler(
                self.subscribe, contract.subscribe_request.FromString
            ),
            "ListEvents": unary(self.list_events, contract.list_request.FromString),
            "GetEventLog": unary(self.get_event_log, contract.state_request.FromString),
            "ReportProgress": unary(self.report_progress, contract.progress_request.FromString),
        }
        generic = grpc.method_handlers_generic_handler(contract.service, methods)
        server.add_generic_rpc_handlers((generic,))
        server.add_registered_method_handlers(contract.service, methods)

    async def subscribe(self, request: Any, context: Context) -> None:
        def recheck() -> Interest:  # the access guard keeps the caller up to date
            return self._interest(auth.caller(), request.filter)

        with self._counted(auth.caller()) as standing:
            interest, generation = recheck(), self._source.tailer.generation
            lineage = await self._source.pages.lineage()
            opening: pb.Started | pb.SnapshotEnd
            if _is_snapshot(request.start):
                lineage, opening = await self._snapshot(request, context.write, recheck)
                cursor = lineage.last
            else:
                cursor = await self._start(request.start, lineage)
                opening = self._started(request, lineage)
            wish = replace(_wish(request, interest, lineage), generation=generation)
            stream = Subscription(self._source, wish, cursor, context.write, recheck)
            stream.standing = standing
            running = stream.run(opening)
            del lineage, opening  # a stream lives long, and there are many of them
            await running

    async def list_events(self, request: Any, context: Context) -> bytes:  # noqa: ARG002
        interest = self._interest(auth.caller(), request.filter)
        page = self._paging.page(request)
        found = await self._list(page, interest)
        page, found = _bounded(page, found)
        shown, token = page.cut(found, lambda each: (each.position,))
        answer = b"".join(each.wire for each in shown)
        return answer + _text(_NEXT_PAGE_TOKEN, token.encode()) if token else answer

    async def get_event_log(self, request: Any, context: Context) -> bytes:  # noqa: ARG002
        lineage = await self._source.pages.lineage()
        answer = _text(_STATE, _state(lineage).SerializeToString())
        if not request.resume_token:
            return answer
        interest = self._interest(auth.caller(), request.filter)
        after = lineage.position(request.resume_token)
        backlog = await self._backlog(after, lineage.last, interest)
        return answer + _text(_BACKLOG, backlog.SerializeToString())

    async def report_progress(self, request: Any, context: Context) -> bytes:  # noqa: ARG002
        lineage = await self._source.pages.lineage()
        position = lineage.position(request.resume_token)
        owner = _owner(auth.caller(), request.subscriber)
        epoch = lineage.epoch_of(position)
        await self._source.pages.report(owner, request.subscriber, epoch, position)
        return b""

    def _started(self, request: Any, lineage: Lineage) -> pb.Started:
        return pb.Started(
            event_log=_state(lineage),
            heartbeat_duration=stream_frames.duration(_heartbeat(request)),
            replica=self._source.replica,
        )

    async def _snapshot(
        self, request: Any, write: Write, recheck: Recheck
    ) -> tuple[Lineage, pb.SnapshotEnd]:
        """Send the current rows; return where the log stood then, and what ends them."""
        if self._snapshots is None:
            unserved = {"start.origin": "is not served: begin at the earliest or the latest"}
            raise InvalidArgument("this start is not served", violations=unserved)
        reader = Reader(write, recheck, _limits(request), _heartbeat(request))
        lineage = await self._snapshots.send(reader, lambda log: self._started(request, log))
        if self._source.tailer.lineage.life != lineage.life:
            raise LogUnavailable  # the rows may be of a life that the log was cut back behind
        return lineage, pb.SnapshotEnd(event_count=reader.count)

    async def _start(self, start: Any, lineage: Lineage) -> int:
        match start.WhichOneof("start"):
            case "resume_token":
                return lineage.position(start.resume_token, "start.resume_token")
            case "after_recorded_time":
                moment = start.after_recorded_time.ToDatetime(tzinfo=UTC)
                after = await self._source.pages.after_time(moment)
                return max(after, lineage.first - 1)
            case "origin" if start.origin == pb.START_ORIGIN_EARLIEST:
                return lineage.first - 1
            case "origin" if start.origin == pb.START_ORIGIN_LATEST:
                return lineage.last
            case _:  # no silent default: it would lose events
                raise NoStart

    async def _list(self, page: Page, interest: Interest) -> list[Entry]:
        """Read one row more than the page shows, over as many stretches of the log as it takes."""
        lineage = await self._source.pages.lineage()
        after = int(page.after[0]) if page.after else lineage.first - 1
        try:
            return await self._oldest(after, lineage.last, interest, page.fetch)
        except ResumePointCompacted:  # what the token pointed at has expired
            raise InvalidPageToken from None

    async def _oldest(self, after: int, last: int, interest: Interest, most: int) -> list[Entry]:
        """Read the first ``most`` events of ``(after, last]`` that ``interest`` covers."""
        found: list[Entry] = []
        while after < last and len(found) < most:
            wanted = most - len(found)
            more, after = await self._source.pages.read(after, last, interest, wanted)
            found += more
        return found

    async def _backlog(self, after: int, last: int, interest: Interest) -> pb.Backlog:
        backlog = pb.Backlog(positions=last - after)
        oldest = await self._oldest(after, last, interest, 1)
        if oldest:
            event = self._contract.list_response.FromString(oldest[0].wire).events[0]
            backlog.oldest_recorded_time.CopyFrom(event.placement.recorded_time)
        return backlog

    def _interest(self, caller: Principal, given: Any) -> Interest:
        held = keys(caller)
        own = {kind(each) for each in held}
        for type_name in given.types:
            if own.isdisjoint(self._contract.heard_by.get(type_name, ())):
                raise EventTypeForbidden(type_name)
        return Interest(held, frozenset(given.types), frozenset(given.subjects))

    @contextmanager
    def _counted(self, caller: Principal) -> Iterator[Standing]:
        if self._open.total >= PER_PROCESS:
            raise StreamLimit
        self._open.enter(caller.user_id)
        try:
            with stream_standings.counted() as standing:
                yield standing
        finally:
            self._open.leave(caller.user_id)


def _wish(request: Any, interest: Interest, lineage: Lineage) -> Wish:
    return Wish(
        interest=interest,
        limits=_limits(request),
        heartbeat=_heartbeat(request),
        head=lineage.last,
        stop_at_head=request.stop_at_head,
        is_snapshot=_is_snapshot(request.start),
    )


def _is_snapshot(start: Any) -> bool:
    return bool(start.origin == pb.START_ORIGIN_SNAPSHOT)  # unspecified if another start is set


def _limits(request: Any) -> Limits:
    defaults = Limits()
    return Limits(
        request.max_batch_events or defaults.events, request.max_batch_bytes or defaults.bytes
    )


def _heartbeat(request: Any) -> float:
    given = request.heartbeat_duration
    asked = given.seconds + given.nanos / 1e9 if request.HasField("heartbeat_duration") else 0
    return asked or HEARTBEAT_SECONDS


def _state(lineage: Lineage) -> pb.EventLogState:
    return pb.EventLogState(
        log_id=str(lineage.log_id),
        epoch=lineage.epoch,
        head_position=lineage.last,
        earliest_position=lineage.first,
        head_token=lineage.token(lineage.last),
        earliest_token=lineage.token(lineage.first - 1),
    )


def _owner(caller: Principal, subscriber: str) -> str:
    """Name whose ``subscriber`` it is; a silo's own are nobody's: holds wait for what they report.

    Everybody else has names of their own, which no silo's and no other user's can be.
    """
    if "SERVICE" in caller.roles and subscriber.partition(".")[0] == caller.silo:
        return ""
    return f"{caller.silo}/{caller.user_id}/"


def _bounded(page: Page, found: list[Entry]) -> tuple[Page, list[Entry]]:
    """Show fewer events where those asked for would not fit into one message."""
    size = 0
    for count, each in enumerate(found):
        size += len(each.wire)
        if count and size > MOST_PAGE_BYTES:
            return replace(page, size=min(count, page.size)), found
    return page, found


def _text(tag: bytes, value: bytes) -> bytes:
    return tag + varint(len(value)) + value
