"""One database away in the middle of a day: its silo says so, the others go on, the books agree."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import grpc
import pytest
from google.protobuf.message import Message
from google.rpc.error_details_pb2 import ErrorInfo
from medport.center.v1.services_pb2 import ListServicesRequest
from medport.center.v1.services_pb2_grpc import ServiceRegistryServiceStub
from medport.common.v1 import vocabulary_pb2 as words
from medport.ems.v1.available_trips_pb2 import ListAvailableTripsRequest
from medport.ems.v1.available_trips_pb2_grpc import AvailableTripServiceStub
from medport.hospital.v1 import transport_requests_pb2 as trips
from medport.hospital.v1.transport_requests_pb2_grpc import TransportRequestServiceStub

from chassis.clock import timestamp
from mesh.census import Census
from mesh.demo import cast
from mesh.demo.cast import Cast
from mesh.logins import token
from mesh.passwords import CENTER_ADMIN
from mesh.ports import SILOS
from tests.e2e.conftest import Mesh
from tests.e2e.test_medport import until_more_events
from tests.support.guarded import detail

pytestmark = pytest.mark.timeout(300)

PROMISED = 1.0 + 1.0  # a second, and the pauses of a busy machine
CANARY = f"canary-{uuid4().hex}"


@pytest.fixture(scope="module")
def parts(mesh: Mesh, played: dict[str, Any]) -> Cast:
    known = cast.load(mesh.data)
    assert known is not None
    return known


@pytest.fixture
def channel(mesh: Mesh) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(mesh.router) as opened:
        yield opened


@pytest.fixture
def reads(mesh: Mesh, parts: Cast, channel: grpc.Channel) -> dict[str, Callable[[], Message]]:
    """Give one read of each silo's own, by a user who is logged in already."""
    hospital, agency = parts.hospitals[0], parts.agencies[0]
    users = {"hospital": hospital.manager, "ems": agency.dispatcher, "center": CENTER_ADMIN}
    calls: dict[str, tuple[Any, Message]] = {
        "hospital": (
            TransportRequestServiceStub(channel).ListTransportRequests,
            trips.ListTransportRequestsRequest(hospital_id=hospital.id),
        ),
        "ems": (
            AvailableTripServiceStub(channel).ListAvailableTrips,
            ListAvailableTripsRequest(agency_id=agency.id),
        ),
        "center": (ServiceRegistryServiceStub(channel).ListServices, ListServicesRequest()),
    }

    def read(silo: str) -> Callable[[], Message]:
        call, request = calls[silo]
        metadata = bearer(mesh, silo, users[silo])
        return lambda: call(request, metadata=metadata, timeout=10)

    return {silo: read(silo) for silo in SILOS}


def bearer(mesh: Mesh, silo: str, email: str) -> tuple[tuple[str, str], ...]:
    return (("authorization", f"Bearer {token(mesh.data, silo, email)}"),)


@pytest.mark.parametrize("silo", ["hospital", "ems"])
def test_a_day_survives_the_loss_of_a_database(
    mesh: Mesh, reads: dict[str, Callable[[], Message]], silo: str
) -> None:
    """Center's loss is another test's: nobody waits for Center, so the day goes on meanwhile."""
    command = mesh.command("demo", "--trips", "10", "--json")
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as day:
        until_more_events(Census(mesh.data), 10)
        mesh.medport("stop", f"{silo}-postgres")
        try:
            for _ in range(5):
                began = time.monotonic()
                with pytest.raises(grpc.RpcError) as caught:
                    reads[silo]()
                assert time.monotonic() - began < PROMISED
                error: Any = caught.value
                assert error.code() is grpc.StatusCode.UNAVAILABLE
                assert detail(error, ErrorInfo).metadata["silo"] == silo
                for other in set(SILOS) - {silo}:
                    reads[other]()
        finally:
            mesh.medport("start", f"{silo}-postgres")
        printed, complaints = day.communicate(timeout=240)
    assert printed, complaints[-3000:]
    report = json.loads(printed)
    assert report["unexplained"] == {}
    assert [name for name, holds in report["checks"].items() if not holds] == []


def test_no_log_names_a_patient(mesh: Mesh, parts: Cast, channel: grpc.Channel) -> None:
    """A second live request for one patient breaks a unique index, whose DETAIL is the patient."""
    hospital, now = parts.hospitals[0], datetime.now(UTC)
    origin, destination = next(iter(hospital.facilities.values())), another_facility(parts)
    wanted = trips.TransportRequest(
        patient_id=CANARY,
        origin_facility_id=origin,
        destination_facility_id=destination,
        transport_level=words.TRANSPORT_LEVEL_BLS,
        priority=words.PRIORITY_LOW,
        age_band=words.AGE_BAND_ADULT,
        weight_band=words.WEIGHT_BAND_UNDER_300_LB,
        ready_time=timestamp(now),
        latest_pickup_time=timestamp(now + timedelta(hours=6)),
        offer_mode=words.OFFER_MODE_BROADCAST,
    )
    create = TransportRequestServiceStub(channel).CreateTransportRequest
    metadata = bearer(mesh, "hospital", hospital.manager)

    def ask() -> trips.CreateTransportRequestResponse:
        request = trips.CreateTransportRequestRequest(
            hospital_id=hospital.id, transport_request=wanted, request_id=str(uuid4())
        )
        answer: trips.CreateTransportRequestResponse = create(
            request, metadata=metadata, timeout=10
        )
        return answer

    first = ask().transport_request
    with pytest.raises(grpc.RpcError) as caught:
        ask()
    error: Any = caught.value
    assert error.code() is grpc.StatusCode.ALREADY_EXISTS
    assert CANARY not in error.details()
    TransportRequestServiceStub(channel).CancelTransportRequest(
        trips.CancelTransportRequestRequest(
            hospital_id=hospital.id,
            transport_request_id=first.id,
            reason=words.CANCELLATION_REASON_NO_LONGER_NEEDED,
            request_id=str(uuid4()),
        ),
        metadata=metadata,
        timeout=10,
    )
    logs = list(mesh.data.root.rglob("*.log"))
    assert len(logs) > 6
    assert [path.name for path in logs if CANARY.encode() in path.read_bytes()] == []


def test_every_line_of_a_service_is_json(mesh: Mesh) -> None:
    """Each has lost its database, or a silo, by now."""
    for name in (*SILOS, "router"):
        for line in mesh.data.log(name).read_text().splitlines():
            assert isinstance(json.loads(line), dict)


def another_facility(parts: Cast) -> str:
    return next(iter(parts.hospitals[1].facilities.values()))
