"""What one request made happen can be followed across processes: by spans, and by log lines.

Proves, on the processes of a real mesh: an award is one trace from the hospital's call through the
router, the silo, its statements, its outbox and its log to the projection in EMS, and back; what a
caller says of its own trace counts; a request id is on every line from the router to the copy; no
span and no line holds anything of a patient.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from threading import Event
from typing import Any
from uuid import uuid4

import grpc
import pytest
from medport.common.v1 import vocabulary_pb2 as words
from medport.hospital.v1 import transport_requests_pb2 as trips
from medport.hospital.v1.sessions_pb2 import ListVerificationKeysRequest
from medport.hospital.v1.sessions_pb2_grpc import SessionServiceStub
from medport.hospital.v1.transport_requests_pb2_grpc import TransportRequestServiceStub

from chassis.clock import timestamp, utc_now
from mesh.census import Census
from mesh.demo import cast
from mesh.logins import token
from tests.e2e.conftest import Mesh
from tests.support.otlp import Collector, Seen

pytestmark = pytest.mark.timeout(300)

AWARD = "medport.hospital.v1.TransportRequestService/AwardTransportRequest"
CREATE = "medport.hospital.v1.TransportRequestService/CreateTransportRequest"
PHI = ("MRN-canary-7341", "canary-tube", "canary-bed-9-east", "canary-ward-3-west")
# What a span may tell: names, codes and ids. Another key has to be argued for here.
ATTRIBUTES = {
    "db.operation.batch.size",
    "db.system.name",
    "error.type",
    "medport.cancelled",
    "medport.changed",
    "medport.consumer",
    "medport.event_id",
    "medport.moved",
    "medport.outcome",
    "medport.position",
    "medport.reader",
    "medport.request_id",
    "medport.silo",
    "medport.source",
    "medport.tenant_id",
    "medport.user_id",
    "rpc.method",
    "rpc.response.status_code",
    "rpc.system.name",
}
_PAUSE = Event()  # never set: its wait is the pause between two looks


def until(condition: Callable[[], Any], seconds: float = 60) -> Any:
    """Return what ``condition`` returns, once that is something."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, "it did not come true in time"
        _PAUSE.wait(0.1)
    return found


@pytest.fixture(scope="module")
def channel(mesh: Mesh) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(mesh.router) as opened:
        yield opened


@pytest.fixture(scope="module")
def canary(mesh: Mesh, played: dict[str, Any], channel: grpc.Channel) -> str:
    """Ask for a transport of somebody who can be recognised; return the request's id."""
    known = cast.load(mesh.data)
    assert known is not None
    hospital, request_id = known.hospitals[0], f"canary.{uuid4()}"
    places = tuple(hospital.facilities.values())
    asked = trips.CreateTransportRequestRequest(
        hospital_id=hospital.id,
        request_id=str(uuid4()),
        transport_request=trips.TransportRequest(
            patient_id=f"{PHI[0]}-{uuid4()}",
            special_requirements=PHI[1],
            origin_detail=PHI[2],
            destination_detail=PHI[3],
            origin_facility_id=places[0],
            destination_facility_id=places[1],
            transport_level=words.TRANSPORT_LEVEL_ALS,
            priority=words.PRIORITY_URGENT,
            age_band=words.AGE_BAND_ADULT,
            weight_band=words.WEIGHT_BAND_UNDER_300_LB,
            ready_time=timestamp(utc_now()),
            latest_pickup_time=timestamp(utc_now() + timedelta(hours=2)),
        ),
    )
    bearer = f"Bearer {token(mesh.data, 'hospital', hospital.manager)}"
    stub: Any = TransportRequestServiceStub(channel)
    metadata = (("authorization", bearer), ("x-request-id", request_id))
    stub.CreateTransportRequest(asked, metadata=metadata, timeout=20)
    return request_id


class Tree:
    """The spans of one trace, by who is whose child."""

    def __init__(self, spans: list[Seen], root: Seen) -> None:
        self.spans = [each for each in spans if each.trace == root.trace]
        self.root = root

    def below(self, parent: Seen, process: str, name: str) -> Seen:
        """Return the child of that name; raises LookupError."""
        for each in self.spans:
            if (each.parent, each.process, each.name) == (parent.id, process, name):
                return each
        told = sorted((each.process, each.name) for each in self.spans if each.parent == parent.id)
        raise LookupError(f"no {process} {name} below {parent.name}, only {told}")


def awarded(spans: list[Seen]) -> Iterator[Tree]:
    for each in spans:
        is_answered = each.attributes.get("rpc.response.status_code") == "OK"
        if (each.process, each.name, each.kind, is_answered) == ("router", AWARD, "SERVER", True):
            yield Tree(spans, each)


def is_whole(tree: Tree) -> bool:
    wanted = {"project TransportRequestAwarded", "project AwardConfirmed"}
    return wanted <= {each.name for each in tree.spans}


def test_an_award_is_one_trace_from_the_call_to_the_copy_and_back(
    collector: Collector, played: dict[str, Any]
) -> None:
    def whole() -> Tree | None:
        return next(filter(is_whole, awarded(collector.spans())), None)

    tree: Tree = until(whole)
    leg = tree.below(tree.root, "router", AWARD)
    served = tree.below(leg, "hospital", AWARD)
    assert (tree.root.parent, leg.kind, served.kind) == ("", "CLIENT", "SERVER")
    assert served.attributes["medport.request_id"] == tree.root.attributes["medport.request_id"]
    assert served.attributes["medport.user_id"]

    work = tree.below(served, "hospital", "unit of work")
    for name in ("SELECT transport_request", "INSERT outbox", "COMMIT"):
        assert tree.below(work, "hospital", name).attributes["db.system.name"] == "postgresql"
    announced = tree.below(work, "hospital", "announce TransportRequestAwarded")
    tree.below(announced, "hospital", "sequence TransportRequestAwarded")
    tree.below(announced, "hospital", "deliver TransportRequestAwarded")

    applied = tree.below(announced, "ems", "project TransportRequestAwarded")
    (transaction,) = applied.links
    frames = [each for each in collector.spans() if each.id == transaction]
    assert [each.name for each in frames] == ["apply events of hospital"]
    assert announced.id in frames[0].links
    confirmed = tree.below(applied, "ems", "announce AwardConfirmed")
    tree.below(confirmed, "hospital", "project AwardConfirmed")
    tree.below(announced, "center", "project TransportRequestAwarded")


def test_what_a_caller_says_of_its_trace_counts(
    collector: Collector, mesh: Mesh, channel: grpc.Channel
) -> None:
    trace, span = uuid4().hex, uuid4().hex[:16]
    for flags in ("00", "01"):
        told = (("traceparent", f"00-{trace}-{span}-{flags}"), ("x-request-id", f"trace.{flags}"))
        stub: Any = SessionServiceStub(channel)
        stub.ListVerificationKeys(ListVerificationKeysRequest(), metadata=told, timeout=20)

    def found() -> list[Seen]:
        return [each for each in collector.spans() if each.trace == trace]

    until(lambda: {"router", "hospital"} <= {each.process for each in found()})
    assert {each.attributes.get("medport.request_id") for each in found()} <= {"trace.01", None}
    (root,) = (each for each in found() if each.parent == span)
    assert (root.process, root.kind) == ("router", "SERVER")


def test_a_request_id_is_on_every_line_from_the_router_to_the_copy(mesh: Mesh, canary: str) -> None:
    def lines(process: str) -> list[dict[str, Any]]:
        written = mesh.data.log(process).read_text().splitlines()
        return [json.loads(line) for line in written if canary in line]

    applied = until(lambda: [each for each in lines("ems") if each["event"] == "applied"])
    (routed,), (served, *_) = lines("router"), lines("hospital")
    assert {each["trace_id"] for each in (routed, served, *applied)} == {routed["trace_id"]}
    assert (routed["method"], routed["code"]) == (f"/{CREATE}", "OK")
    for line in (routed, served):
        assert line["silo"] == "hospital"
        assert line["milliseconds"] > 0
        assert line["user_id"]
        assert line["tenant_id"]
        assert line["span_id"]
    assert applied[0]["event_type"] == "medport.hospital.events.v1.TransportRequestCreated"


def test_no_span_and_no_line_knows_a_patient(collector: Collector, mesh: Mesh, canary: str) -> None:
    spans = until(lambda: spans_of(collector, canary))
    patients = patients_of(mesh)
    assert len(patients) > 10
    everything = b"\n".join(each.wire for each in spans)
    for name in ("router", "hospital", "ems", "center"):
        everything += mesh.data.log(name).read_bytes()
    told = [each for each in (*PHI, *patients) if each.encode() in everything]
    assert told == []
    assert {key for each in spans for key in each.attributes} <= ATTRIBUTES


def spans_of(collector: Collector, request_id: str) -> list[Seen]:
    """Return all there is once EMS has told of what the request made happen; before, nothing."""
    spans = collector.spans()
    traces = {
        each.trace for each in spans if each.attributes.get("medport.request_id") == request_id
    }
    is_there = any(each.trace in traces and each.process == "ems" for each in spans)
    return spans if is_there else []


def patients_of(mesh: Mesh) -> list[str]:
    asked = "SELECT patient_id FROM transport_request WHERE patient_id <> ''"
    return [row["patient_id"] for row in Census(mesh.data).rows("hospital", asked)]
