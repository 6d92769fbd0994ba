"""Whatever a caller of the event log gets wrong, it is told what, and nothing of it stays open.

Proves the refusals of events.md section 12 by code, reason and field, at each silo's real process
behind its real guards, and the same through the router. After them no stream is left.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import psycopg
import pytest
from google.protobuf.duration_pb2 import Duration
from google.rpc import error_details_pb2, status_pb2
from medport.common.v1 import event_log_pb2 as common

from chassis.channels import channel
from chassis.outbox import APPEND
from chassis.resume_tokens import READ, Lineage, lineage
from tests.conformance.test_silos_through_the_router import IMAGE, is_serving, served
from tests.support.colleagues import a_key, a_user, bearing, introduce
from tests.support.databases import SILOS, superuser_of
from tests.support.event_streams import EARLIEST, open_streams
from tests.support.routed_mesh import router_settings, routing
from tests.support.silo_logs import Kind
from tests.support.waiting import until

INVALID, FAILED = "INVALID_ARGUMENT", "FAILED_PRECONDITION"
ROLES = {"hospital": "HOSPITAL_STAFF", "ems": "EMS_DISPATCHER"}
OWNERS = {"hospital": "hospital", "ems": "agency"}
MIB = 1024 * 1024


@dataclass(frozen=True)
class Refusal:
    code: str
    reason: str
    fields: tuple[str, ...] = ()
    facts: dict[str, str] = field(default_factory=dict, compare=False)


BAD_TOKEN = Refusal(INVALID, "INVALID_RESUME_TOKEN", ("start.resume_token",))
OTHER_LOG = Refusal(INVALID, "LOG_MISMATCH", ("start.resume_token",))


NO_START = Refusal(INVALID, "INVALID_RESUME_TOKEN", ("start",))


def malformed(*fields: str) -> Refusal:
    """Expect what breaks a rule of the contract that one can say in the contract."""
    return Refusal(INVALID, "INVALID_REQUEST", fields)


@dataclass
class Desk:
    """One silo asked directly and through the router, by the same user of another silo."""

    kind: Kind
    stubs: dict[str, Any]
    metadata: Any
    log: Lineage
    foreign: Lineage

    async def refused(self, method: str, requests: Iterable[tuple[Any, Refusal]]) -> None:
        """Ask each at both doors; the answers must be the expected ones."""
        wrong = []
        for request, expected in requests:
            for door, stub in self.stubs.items():
                found = await self.ask(stub, method, request)
                if found != expected:
                    wrong.append((door, str(request), expected, found))
        assert not wrong, wrong

    async def ask(self, stub: Any, method: str, request: Any) -> Refusal:
        call = getattr(stub, method)(request, metadata=self.metadata, timeout=10)
        with suppress(grpc.aio.AioRpcError):
            if method == "Subscribe":
                await call.read()
                call.cancel()
            else:
                await call
        raw = dict(await call.trailing_metadata() or ()).get("grpc-status-details-bin", b"")
        info, bad = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
        for each in status_pb2.Status.FromString(raw).details:
            each.Unpack(info)
            each.Unpack(bad)
        fields = tuple(sorted(each.field for each in bad.field_violations))
        return Refusal((await call.code()).name, info.reason, fields, dict(info.metadata))

    def subscribe(self, start: common.StartPosition = EARLIEST, **fields: Any) -> Any:
        return self.kind.wish(start, **fields)

    def resume(self, token: bytes) -> Any:
        return self.subscribe(common.StartPosition(resume_token=token))


@pytest.fixture
async def desk(
    kind: Kind, database: str, peer_database: str, tmp_path: Path
) -> AsyncIterator[Desk]:
    key, user = a_key(kind.peer), a_user(kind.peer, ROLES[kind.peer])
    introduce(key, database, tmp_path)
    own = _log(kind, database, (f"{OWNERS[kind.peer]}:{user.tenant_id}",))
    foreign = _log(kind, peer_database, ())
    async with served(kind.silo, database) as address:
        silos = dict.fromkeys(SILOS, "127.0.0.1:1") | {kind.silo: address}
        async with (
            routing(router_settings(silos, tmp_path), IMAGE) as (router, routed),
            channel(address) as direct,
        ):
            await until(lambda: is_serving(router.monitors[kind.silo]))
            stubs = {"direct": kind.stub(direct), "routed": kind.stub(routed)}
            opened = Desk(kind, stubs, bearing(key, user, kind.silo), own, foreign)
            await until(lambda: _is_there(opened))
            yield opened


def _log(kind: Kind, dsn: str, audience: tuple[str, ...]) -> Lineage:
    """Give a log its first life, and three events if somebody is to see them."""
    with psycopg.connect(superuser_of(dsn), autocommit=True) as owner:
        for _ in range(3 if audience else 0):
            owner.execute(APPEND, kind.row(audience=audience))
        owner.execute("SELECT event_log_tick(10)")
        factory: Any = READ.rows  # made for asynchronous cursors, which read rows the same way
        with owner.cursor(binary=True, row_factory=factory) as cursor:
            return lineage(cursor.execute(READ.text.encode()).fetchall())


async def _is_there(desk: Desk) -> bool:
    """Ask until the tailer has looked once."""
    found = await desk.ask(desk.stubs["direct"], "Subscribe", desk.subscribe())
    return found.code == "CANCELLED"


def _flipped(token: bytes, index: int) -> bytes:
    changed = bytearray(token)
    changed[index] ^= 1
    return bytes(changed)


def _tokens(desk: Desk) -> Iterable[tuple[Any, Refusal]]:
    good = desk.log.token(2)
    for bad in (b"", b"x" * 57, good[:-1], good[:1], good + b"x", good * 2, bytes(MIB)):
        yield desk.resume(bad), BAD_TOKEN
    for index in (0, 17, 32, 33, 40, 41, 56):  # version, epoch, position, seal
        yield desk.resume(_flipped(good, index)), BAD_TOKEN
    for index in (1, 16):  # its log
        yield desk.resume(_flipped(good, index)), OTHER_LOG
    yield desk.resume(desk.foreign.token(0)), OTHER_LOG
    yield desk.resume(desk.log.token(1_000)), Refusal(FAILED, "POSITION_AHEAD_OF_LOG")


def _wishes(desk: Desk) -> Iterable[tuple[Any, Refusal]]:
    pb, peer = desk.kind.pb, desk.kind.peer
    yield pb.SubscribeRequest(subscriber=peer), NO_START
    yield desk.subscribe(common.StartPosition()), NO_START
    unspecified = common.StartPosition(origin=common.START_ORIGIN_UNSPECIFIED)
    yield desk.subscribe(unspecified), NO_START
    unknown = common.StartPosition.FromString(b"\x10\x63")  # origin: 99
    yield desk.subscribe(unknown), malformed("start.origin")
    for name in ("", "ab", "Ems", "1ems", "ems/x", "ems\n", "x" * 65):
        request = pb.SubscribeRequest(subscriber=name, start=EARLIEST)
        yield request, malformed("subscriber")
    for seconds, nanos in ((0, 500_000_000), (31, 0), (30, 1), (-1, 0), (0, 0)):
        beat = Duration(seconds=seconds, nanos=nanos)
        yield desk.subscribe(heartbeat_duration=beat), malformed("heartbeat_duration")
    for size in (-1, 501, 2**31 - 1):
        yield desk.subscribe(max_batch_events=size), malformed("max_batch_events")
    for size in (-1, MIB + 1, 2**31 - 1):
        yield desk.subscribe(max_batch_bytes=size), malformed("max_batch_bytes")
    many = common.EventFilter(types=["x"] * 101)
    yield desk.subscribe(filter=many), malformed("filter.types")
    long = common.EventFilter(subjects=["fine", "x" * 201])
    yield desk.subscribe(filter=long), malformed("filter.subjects[1]")
    wrong = [f"medport.{desk.kind.silo}.events.v1.Nonsense", "*", ""]
    wrong += [f"medport.{desk.kind.silo}.v1.User"]
    wrong += [f"medport.{peer}.events.v1.SigningKeyPublished"]
    for name in wrong:
        asked = common.EventFilter(types=[desk.kind.type, name])
        forbidden = Refusal("PERMISSION_DENIED", "EVENT_TYPE_FORBIDDEN")
        yield desk.subscribe(filter=asked), forbidden


async def test_a_bad_start_or_wish_opens_no_stream(desk: Desk) -> None:
    await desk.refused("Subscribe", _tokens(desk))
    await desk.refused("Subscribe", _wishes(desk))
    async with asyncio.timeout(5):
        while open_streams():  # noqa: ASYNC110 - the server's own state
            await asyncio.sleep(0.01)
    for stub in desk.stubs.values():  # and what is right is served as before
        stream = stub.Subscribe(desk.resume(desk.log.token(2)), metadata=desk.metadata)
        assert (await stream.read()).started.event_log.head_position >= 3
        stream.cancel()


def _reports(desk: Desk) -> Iterable[tuple[Any, Refusal]]:
    report, peer = desk.kind.pb.ReportProgressRequest, desk.kind.peer
    good = desk.log.token(2)
    for bad in (b"", b"x" * 57, good[:-1], _flipped(good, 40), bytes(MIB)):
        unsealed = Refusal(INVALID, "INVALID_RESUME_TOKEN", ("resume_token",))
        yield report(subscriber=peer, resume_token=bad), unsealed
    foreign = Refusal(INVALID, "LOG_MISMATCH", ("resume_token",))
    yield report(subscriber=peer, resume_token=desk.foreign.token(0)), foreign
    yield report(subscriber="Ems!", resume_token=good), malformed("subscriber")
    ahead = Refusal(FAILED, "POSITION_AHEAD_OF_LOG")
    yield report(subscriber=peer, resume_token=desk.log.token(1_000)), ahead


async def test_progress_is_what_the_log_knows_and_never_goes_back(desk: Desk) -> None:
    report, peer = desk.kind.pb.ReportProgressRequest, desk.kind.peer
    await desk.refused("ReportProgress", _reports(desk))
    for stub in desk.stubs.values():  # the same again is no step back
        at_two = report(subscriber=peer, resume_token=desk.log.token(2))
        assert (await desk.ask(stub, "ReportProgress", at_two)).code == "OK"
    back = report(subscriber=peer, resume_token=desk.log.token(1))
    await desk.refused("ReportProgress", [(back, Refusal(FAILED, "PROGRESS_BACKWARDS"))])
    told = await desk.ask(desk.stubs["direct"], "ReportProgress", back)
    assert told.facts["position"] == "2"


async def test_pages_are_asked_for_in_their_order_or_refused(desk: Desk) -> None:
    pb, stub = desk.kind.pb, desk.stubs["direct"]
    first = await stub.ListEvents(pb.ListEventsRequest(page_size=1), metadata=desk.metadata)
    token = first.next_page_token
    assert [event.placement.position for event in first.events] == [1]
    foreign = Refusal(INVALID, "INVALID_PAGE_TOKEN", ("page_token",))
    other_query = common.EventFilter(subjects=["subjects/other"])
    listed = pb.ListEventsRequest
    nonsense = [
        *((listed(page_token=bad), foreign) for bad in ("?", token[:-2], token.swapcase())),
        (listed(page_token=token, filter=other_query), foreign),
        (listed(page_token="x" * 2_001), malformed("page_token")),
        (listed(page_size=-1), malformed("page_size")),
    ]
    await desk.refused("ListEvents", nonsense)
    everything = await stub.ListEvents(listed(page_size=2**31 - 1), metadata=desk.metadata)
    assert [event.placement.position for event in everything.events] == [1, 2, 3]
    state = pb.GetEventLogRequest
    bad = Refusal(INVALID, "INVALID_RESUME_TOKEN", ("resume_token",))
    for unsealed in (b"x" * 57, bytes(MIB)):
        await desk.refused("GetEventLog", [(state(resume_token=unsealed), bad)])
