"""A trip as all silos know it, from as many as answer.

Proves: each caller sees, joined, what each silo shows it, by its own tokens and nobody else's; a
silo that is dead or silent costs its own part and nothing else, within the caller's deadline, and
is told from one that refuses; a trip that is none of the caller's does not exist.
Run: ``python -m pytest tests/integration/router/test_trip_overviews.py``; needs PostgreSQL.
"""

from __future__ import annotations

from pathlib import Path
from uuid import uuid4

import grpc
import pytest
from medport.router.v1 import gateway_pb2
from medport.router.v1 import trip_overviews_pb2 as pb

from tests.support.hospital_silo import Refused, refused
from tests.support.hospital_trips import PHI
from tests.support.joined_silos import (
    SILOS,
    Carried,
    Joined,
    Metadata,
    carried,
    missing,
    told,
)
from tests.support.metrics import ended
from tests.support.obedient_silo import text
from tests.support.routed_mesh import observe, routed_mesh
from tests.support.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="module")

OUTAGE, REFUSAL = gateway_pb2.UNANSWERED_CAUSE_OUTAGE, gateway_pb2.UNANSWERED_CAUSE_REFUSAL
DENIED, UNKNOWN = "PERMISSION_DENIED", "UNAUTHENTICATED"
COUNTED = ("medport.router.v1.TripOverviewService", "GetTripOverview")
OF_HOSPITAL = {"transport_request", "trip_history", "received_bids", "trip_tracking"}


async def look(
    silos: Joined, at: Carried, caller: Metadata, seconds: float = 10
) -> pb.GetTripOverviewResponse:
    request = pb.GetTripOverviewRequest(
        hospital_id=at.trip.hospital_id, transport_request_id=at.trip.id
    )
    return await silos.overviews.GetTripOverview(request, metadata=caller, timeout=seconds)


async def refusal(silos: Joined, at: Carried, caller: Metadata) -> Refused:
    return await refused(look(silos, at, caller))


async def test_each_caller_sees_what_each_silo_shows_it(silos: Joined) -> None:
    at = await carried(silos)
    nurse = await silos.tokens("hospital", at.ward.staff)
    dispatcher = await silos.tokens("ems", at.run.agency.dispatcher)
    coordinator = await silos.tokens("center", await silos.center.coordinator())

    seen = await look(silos, at, nurse)
    assert told(seen.trip_overview) == OF_HOSPITAL | {"sla_timers"}
    assert missing(seen) == {"ems": (REFUSAL, DENIED)}
    assert seen.trip_overview.transport_request.trip_number == at.trip.trip_number
    assert not any(text in str(seen) for text in PHI[:4])

    seen = await look(silos, at, dispatcher)
    assert told(seen.trip_overview) == {"assignment", "unit", "sla_timers"}
    assert missing(seen) == {"hospital": (REFUSAL, DENIED)}
    assert seen.trip_overview.unit.id == at.unit_id

    seen = await look(silos, at, coordinator)
    assert told(seen.trip_overview) == OF_HOSPITAL | {"unit", "sla_timers"}
    assert missing(seen) == {}
    assert (seen.trip_overview.unit.id, len(seen.trip_overview.sla_timers)) == (at.unit_id, 3)

    # One token serves one silo: the others are not asked, and that is no outage.
    alone = await look(silos, at, nurse[:1])
    assert told(alone.trip_overview) == OF_HOSPITAL
    assert missing(alone)["center"] == (REFUSAL, UNKNOWN)
    # Another user's token joins nothing.
    mixed = (*nurse[:1], ("authorization-center", dict(coordinator)["authorization"]))
    assert missing(await look(silos, at, mixed))["center"] == (REFUSAL, UNKNOWN)


async def test_a_trip_that_has_ended_has_no_tracking_and_nobody_to_blame(silos: Joined) -> None:
    at = await carried(silos)
    at.trip = await at.ward.create()
    ending = at.ward.cancellation(at.trip)
    await silos.hospital.trips.CancelTransportRequest(ending, metadata=at.ward.staff)
    coordinator = await silos.tokens("center", await silos.center.coordinator())
    seen = await look(silos, at, coordinator)
    assert "trip_tracking" not in told(seen.trip_overview)
    assert missing(seen) == {}


async def test_what_is_none_of_the_callers_does_not_exist(silos: Joined) -> None:
    at = await carried(silos)
    stranger = await silos.tokens("ems", (await silos.ems.agency("Other")).dispatcher)
    nurse = await silos.tokens("hospital", at.ward.staff)
    coordinator = await silos.tokens("center", await silos.center.coordinator())
    assert (await refusal(silos, at, stranger)).code is grpc.StatusCode.NOT_FOUND
    assert (await refusal(silos, at, ())).code is grpc.StatusCode.UNAUTHENTICATED

    at.trip.id = str(uuid4())
    for caller in (nurse, coordinator, await silos.tokens("ems", at.run.agency.dispatcher)):
        assert (await refusal(silos, at, caller)).reason == "NOT_FOUND"
    at.trip.hospital_id = str(uuid4())
    assert (await refusal(silos, at, nurse)).code is grpc.StatusCode.PERMISSION_DENIED


async def test_a_refusal_is_counted_as_what_it_was(silos: Joined) -> None:
    at = await carried(silos)
    nurse = await silos.tokens("hospital", at.ward.staff)
    before = ended(*COUNTED, "INTERNAL"), ended(*COUNTED, "NOT_FOUND")
    at.trip.id = str(uuid4())
    assert (await refusal(silos, at, nurse)).reason == "NOT_FOUND"

    async def is_counted() -> bool:  # after its answer has left
        return ended(*COUNTED, "INTERNAL") + ended(*COUNTED, "NOT_FOUND") > sum(before)

    await until(is_counted)
    assert (ended(*COUNTED, "INTERNAL"), ended(*COUNTED, "NOT_FOUND")) == (before[0], before[1] + 1)


async def test_tokens_for_other_silos_do_not_travel(tmp_path: Path) -> None:
    async with routed_mesh(tmp_path) as mesh:
        own = (("authorization-ems", "Bearer a.b.c"), ("x-kept", "1"))
        seen = await observe(mesh.proxied, "Echo", text("seen"), metadata=own)
        assert b"x-kept" in seen.messages[0]
        assert b"authorization" not in seen.messages[0]


async def test_a_dead_or_silent_silo_costs_its_own_part(silos: Joined) -> None:
    at = await carried(silos)
    coordinator = await silos.tokens("center", await silos.center.coordinator())
    parts = {"hospital": OF_HOSPITAL, "ems": {"unit"}, "center": {"sla_timers"}}
    everything = set().union(*parts.values())
    dispatcher = await silos.tokens("ems", at.run.agency.dispatcher)
    own = pb.ListTripOverviewsRequest(organization_id=str(at.run.agency.id))
    assert told((await look(silos, at, coordinator)).trip_overview) == everything

    for silo in SILOS:
        # Whose unit it is, only the hospital knows.
        lost = parts[silo] | (parts["ems"] if silo == "hospital" else set())
        silos.ways[silo].stall()
        seen = await _without(silo, silos, at, coordinator)
        assert told(seen.trip_overview) == everything - lost
        assert missing(seen)[silo] in {(OUTAGE, "SILO_TIMEOUT"), (OUTAGE, "SILO_UNAVAILABLE")}
        assert "127.0.0.1" not in str(seen.unanswered_silos)
        silos.ways[silo].flow()

        await silos.ways[silo].cut()
        seen = await look(silos, at, coordinator)
        assert told(seen.trip_overview) == everything - lost
        assert missing(seen) == {silo: (OUTAGE, "SILO_UNAVAILABLE")}
        await silos.ways[silo].open()
        await _healed(silos, at, coordinator)

    await silos.ways["center"].cut()
    nurse = await silos.tokens("hospital", at.ward.staff)
    # The router knows at its next look; then it says so without a token for it, too.
    while missing(await look(silos, at, nurse[:1]))["center"] != (OUTAGE, "SILO_UNAVAILABLE"):
        pass
    answer = await silos.overviews.ListTripOverviews(own, metadata=dispatcher)
    assert [told(each) for each in answer.trip_overviews] == [{"assignment"}]
    assert missing(answer) == {"center": (OUTAGE, "SILO_UNAVAILABLE")}
    for silo in ("ems", "hospital"):
        await silos.ways[silo].cut()
    call = silos.overviews.ListTripOverviews(own, metadata=dispatcher)
    assert (await refused(call)).reason == "SILO_UNAVAILABLE"  # without the list there is none
    nothing = await refusal(silos, at, coordinator)
    assert (nothing.code, nothing.reason) == (grpc.StatusCode.UNAVAILABLE, "SILO_UNAVAILABLE")


async def _without(
    silo: str, silos: Joined, at: Carried, caller: Metadata
) -> pb.GetTripOverviewResponse:
    """Look within 2 s, which raises when it takes longer; a busy machine makes others late, too."""
    seen = await look(silos, at, caller, 2)
    while missing(seen).keys() != {silo}:
        seen = await look(silos, at, caller, 2)
    return seen


async def _healed(silos: Joined, at: Carried, caller: Metadata) -> None:
    while missing(await look(silos, at, caller)):
        pass
