"""A trip through the hospital silo: asked for, bid on, awarded, carried; each refusal as promised.

Run: ``python -m pytest tests/integration/hospital``; needs PostgreSQL.
"""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import grpc
import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from medport.common.v1 import vocabulary_pb2 as words
from medport.ems.events.v1 import assignments_pb2, transport_bids_pb2
from medport.hospital.v1 import transport_requests_pb2 as pb

from chassis.clock import timestamp
from hospital_svc.timers import idempotency_keys
from tests.support.hospital_silo import refused, soon
from tests.support.hospital_trips import PHI, Ward

pytestmark = pytest.mark.asyncio(loop_scope="module")

Code = grpc.StatusCode


async def test_a_trip_goes_all_the_way(mercy: Ward) -> None:
    trip = await mercy.awarded()
    assert trip.status == words.TRIP_STATUS_AWARDED
    await mercy.silo.hear(mercy.confirmation(trip))
    for status in ("EN_ROUTE", "AT_PICKUP", "IN_TRANSIT", "AT_DESTINATION", "COMPLETED"):
        await mercy.silo.hear(mercy.advance(trip, words.JobStatus.Value(f"JOB_STATUS_{status}")))
    done = await mercy.get(trip.id)
    assert done.status == words.TRIP_STATUS_COMPLETED
    assert done.accept_time.seconds <= done.pickup_time.seconds <= done.complete_time.seconds
    assert done.assigned_unit_number == "M12"
    assert mercy.history(trip.id) == [
        "PENDING",
        "AWARDED",
        "ACCEPTED",
        "EN_ROUTE",
        "AT_PICKUP",
        "IN_TRANSIT",
        "AT_DESTINATION",
        "COMPLETED",
    ]
    events = mercy.silo.events(f"transport_requests/{trip.id}")
    assert [version for _, version in events] == list(range(1, 9))
    assert [kind for kind, _ in events][-1] == "TransportRequestCompleted"
    assert mercy.silo.sql("SELECT state FROM award") == [("FULFILLED",)]


async def test_the_same_request_id_makes_one_trip(mercy: Ward) -> None:
    request = mercy.creation()
    first = await mercy.silo.trips.CreateTransportRequest(request, metadata=mercy.staff)
    again = await mercy.silo.trips.CreateTransportRequest(request, metadata=mercy.staff)
    assert first == again
    assert len(mercy.silo.events(f"transport_requests/{first.transport_request.id}")) == 1
    request.transport_request.priority = words.PRIORITY_LOW
    reused = await refused(mercy.silo.trips.CreateTransportRequest(request, metadata=mercy.staff))
    assert (reused.code, reused.reason) == (Code.INVALID_ARGUMENT, "REQUEST_ID_REUSED")


async def test_answers_are_forgotten_after_a_day(mercy: Ward) -> None:
    await mercy.create()
    kept = mercy.silo.sql("SELECT count(*) FROM idempotency_key")[0][0]
    assert await idempotency_keys.sweep(mercy.silo.database, lambda: soon(hours=23)) == 0
    assert await idempotency_keys.sweep(mercy.silo.database, lambda: soon(hours=25)) == kept


async def test_a_patient_has_one_live_trip(mercy: Ward) -> None:
    trip = await mercy.create(patient_id="p-1")
    second = await refused(
        mercy.silo.trips.CreateTransportRequest(
            mercy.creation(patient_id="p-1"), metadata=mercy.staff
        )
    )
    assert (second.code, second.reason) == (Code.ALREADY_EXISTS, "TRIP_ALREADY_LIVE")
    assert second.facts["transport_request_id"] == trip.id
    await mercy.silo.trips.CancelTransportRequest(mercy.cancellation(trip), metadata=mercy.staff)
    assert (await mercy.create(patient_id="p-1")).id != trip.id


async def test_another_hospitals_trip_does_not_exist(mercy: Ward) -> None:
    trip = await mercy.create()
    stranger = uuid4()
    token = await mercy.silo.login(hospital_id=stranger)
    request = pb.GetTransportRequestRequest(hospital_id=str(stranger), transport_request_id=trip.id)
    theirs = await refused(mercy.silo.trips.GetTransportRequest(request, metadata=token))
    request.transport_request_id = str(uuid4())
    absent = await refused(mercy.silo.trips.GetTransportRequest(request, metadata=token))
    assert theirs.code is absent.code is Code.NOT_FOUND
    assert theirs.text == absent.text
    request.hospital_id = mercy.hospital_id
    named = await refused(mercy.silo.trips.GetTransportRequest(request, metadata=token))
    assert named.code is Code.PERMISSION_DENIED


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"origin_facility_id": "nowhere"}, "transport_request.origin_facility_id"),
        ({"origin_facility_id": str(uuid4())}, "transport_request.origin_facility_id"),
        ({"destination_facility_id": str(uuid4())}, "transport_request.destination_facility_id"),
        ({"patient_id": ""}, "transport_request.patient_id"),
        ({"patient_id": " \u2003"}, "transport_request.patient_id"),
        ({"patient_id": "MRN-1 "}, "transport_request.patient_id"),  # else not the one of "MRN-1"
        ({"patient_id": "nul\x00nul"}, "transport_request.patient_id"),
        ({"transport_level": 77}, "transport_request.transport_level"),
        ({"transport_level": 0}, "transport_request.transport_level"),
        ({"required_capabilities": [99]}, "transport_request.required_capabilities[0]"),
        ({"ready_time": {"seconds": 253402300800}}, "transport_request.ready_time"),
        ({"ready_time": None}, "transport_request.ready_time"),
        (
            {"latest_pickup_time": {"seconds": 1_000_000_000}},
            "transport_request.latest_pickup_time",
        ),
        ({"special_requirements": "x" * 2001}, "transport_request.special_requirements"),
    ],
)
async def test_bad_input_is_named(mercy: Ward, changes: dict[str, Any], field: str) -> None:
    told = await refused(
        mercy.silo.trips.CreateTransportRequest(mercy.creation(**changes), metadata=mercy.staff)
    )
    assert (told.code, told.reason) == (Code.INVALID_ARGUMENT, "INVALID_REQUEST")
    assert field in told.fields
    assert not any(phi in told.text for phi in PHI)


async def test_a_trip_needs_two_ends_that_are_open(mercy: Ward) -> None:
    same = mercy.creation(destination_facility_id=mercy.origin)
    told = await refused(mercy.silo.trips.CreateTransportRequest(same, metadata=mercy.staff))
    assert told.fields == ["transport_request.destination_facility_id"]
    mercy.silo.sql("UPDATE facility_directory SET is_active = false")
    closed = await refused(
        mercy.silo.trips.CreateTransportRequest(mercy.creation(), metadata=mercy.staff)
    )
    assert (closed.code, closed.reason) == (Code.FAILED_PRECONDITION, "FACILITY_INACTIVE")


async def test_a_suspended_hospital_asks_for_nothing(mercy: Ward) -> None:
    mercy.silo.sql("UPDATE hospital SET status = 'SUSPENDED'")
    told = await refused(
        mercy.silo.trips.CreateTransportRequest(mercy.creation(), metadata=mercy.staff)
    )
    assert (told.reason, told.facts["state"]) == ("HOSPITAL_NOT_ACTIVE", "SUSPENDED")


async def test_an_award_needs_a_bid_that_is_live(mercy: Ward) -> None:
    trip, other = await mercy.create(), await mercy.create()
    late = await mercy.bid(trip, expire_time=timestamp(soon(seconds=-1)))
    elsewhere = await mercy.bid(other)
    withdrawn = await mercy.bid(trip)
    closed = transport_bids_pb2.BidClosed(
        bid_id=withdrawn,
        agency_id=str(mercy.agency_id),
        trip=mercy.ref(trip),
        status=words.BID_STATUS_WITHDRAWN,
        bid_version=2,
    )
    await mercy.silo.hear(closed)
    why = {}
    for bid_id in (late, elsewhere, withdrawn):
        told = await refused(
            mercy.silo.trips.AwardTransportRequest(mercy.award(trip, bid_id), metadata=mercy.staff)
        )
        assert (told.code, told.reason) == (Code.FAILED_PRECONDITION, "BID_NOT_LIVE")
        why[bid_id] = told.facts["state"]
    assert list(why.values()) == ["EXPIRED", "OTHER_TRIP", "WITHDRAWN"]


async def test_an_outdated_bid_and_an_inactive_agency_cannot_win(mercy: Ward) -> None:
    trip = await mercy.create()
    bid_id = await mercy.bid(trip)
    changed = await mercy.silo.trips.UpdateTransportRequest(
        pb.UpdateTransportRequestRequest(
            hospital_id=mercy.hospital_id,
            transport_request_id=trip.id,
            transport_request=mercy.trip(transport_level=words.TRANSPORT_LEVEL_CCT),
            update_mask=FieldMask(paths=["transport_level"]),
            etag=trip.etag,
            request_id=str(uuid4()),
        ),
        metadata=mercy.staff,
    )
    assert changed.transport_request.material_version == trip.material_version + 1
    request = mercy.award(changed.transport_request, bid_id)
    told = await refused(mercy.silo.trips.AwardTransportRequest(request, metadata=mercy.staff))
    assert (told.reason, told.facts["state"]) == ("BID_NOT_LIVE", "OUTDATED")
    mercy.silo.sql("UPDATE agency_directory SET registry_status = 'SUSPENDED'")
    fresh = await mercy.create()
    mercy.silo.sql("UPDATE received_bid SET transport_request_id = %s", fresh.id)
    request = mercy.award(fresh, bid_id)
    told = await refused(mercy.silo.trips.AwardTransportRequest(request, metadata=mercy.staff))
    assert (told.reason, told.facts["state"]) == ("AGENCY_NOT_ACTIVE", "SUSPENDED")


async def test_moves_that_the_state_forbids_name_the_state(mercy: Ward) -> None:
    trip = await mercy.create()
    stub, staff = mercy.silo.trips, mercy.staff
    revoke = pb.RevokeAwardRequest(
        hospital_id=mercy.hospital_id, transport_request_id=trip.id, request_id=str(uuid4())
    )
    told = await refused(stub.RevokeAward(revoke, metadata=staff))
    assert (told.reason, told.facts["state"]) == ("NOT_AWARDED", "PENDING")
    await stub.CancelTransportRequest(mercy.cancellation(trip), metadata=staff)
    told = await refused(stub.CancelTransportRequest(mercy.cancellation(trip), metadata=staff))
    assert (told.code, told.reason) == (Code.FAILED_PRECONDITION, "TRIP_ENDED")
    assert told.facts["state"] == "CANCELLED"


async def test_a_stale_etag_changes_nothing(mercy: Ward) -> None:
    trip = await mercy.create()
    request = mercy.cancellation(trip, etag="99")
    told = await refused(mercy.silo.trips.CancelTransportRequest(request, metadata=mercy.staff))
    assert (told.code, told.reason) == (Code.ABORTED, "ETAG_MISMATCH")


@pytest.mark.parametrize(
    ("mask", "field"),
    [
        (["no_such_field"], "update_mask.paths[0]"),
        (["status"], "update_mask.paths[0]"),
        (["offer_mode"], "update_mask.paths[0]"),
        (["priority", "*"], "update_mask.paths"),
        (["patient_id"], "transport_request.patient_id"),
    ],
)
async def test_an_update_mask_names_what_can_be_set(
    mercy: Ward, mask: list[str], field: str
) -> None:
    trip = await mercy.create()
    request = pb.UpdateTransportRequestRequest(
        hospital_id=mercy.hospital_id,
        transport_request_id=trip.id,
        transport_request=pb.TransportRequest(),
        update_mask=FieldMask(paths=mask),
        etag=trip.etag,
        request_id=str(uuid4()),
    )
    told = await refused(mercy.silo.trips.UpdateTransportRequest(request, metadata=mercy.staff))
    assert (told.code, told.fields) == (Code.INVALID_ARGUMENT, [field])


async def test_a_decline_offers_the_trip_again(mercy: Ward) -> None:
    trip = await mercy.awarded()
    declined = assignments_pb2.AwardDeclined(
        trip=mercy.ref(trip),
        award_token=trip.award_id,
        reason="BID_WITHDRAWN",
        agency_id=trip.assigned_agency_id,
    )
    await mercy.silo.hear(declined)
    await mercy.silo.hear(declined)
    again = await mercy.get(trip.id)
    assert (again.status, again.award_id) == (words.TRIP_STATUS_PENDING, "")
    assert mercy.silo.events()[-1] == ("TransportRequestReopened", 3)
    query = "SELECT state, reason FROM award WHERE transport_request_id = %s"
    assert mercy.silo.sql(query, trip.id) == [("DECLINED", "BID_WITHDRAWN")]
    await mercy.silo.hear(mercy.confirmation(trip))
    assert (await mercy.get(trip.id)).status == words.TRIP_STATUS_PENDING


async def test_a_drop_offers_the_trip_again(mercy: Ward) -> None:
    trip = await mercy.accepted()
    await mercy.silo.hear(mercy.advance(trip, words.JOB_STATUS_EN_ROUTE))
    await mercy.silo.hear(assignments_pb2.TripDropped(job=mercy.job(trip), reason="BREAKDOWN"))
    again = await mercy.get(trip.id)
    assert again.status == words.TRIP_STATUS_PENDING
    assert not again.HasField("en_route_time")
    assert mercy.history(trip.id)[-2:] == ["EN_ROUTE", "PENDING"]


async def test_a_jump_fills_what_was_passed(mercy: Ward) -> None:
    trip = await mercy.accepted()
    await mercy.silo.hear(mercy.advance(trip, words.JOB_STATUS_IN_TRANSIT))
    await mercy.silo.hear(mercy.advance(trip, words.JOB_STATUS_EN_ROUTE))  # late, and ignored
    aboard = await mercy.get(trip.id)
    assert aboard.status == words.TRIP_STATUS_IN_TRANSIT
    assert aboard.en_route_time == aboard.pickup_time
    assert mercy.history(trip.id)[-3:] == ["EN_ROUTE", "AT_PICKUP", "IN_TRANSIT"]
    told = await refused(
        mercy.silo.trips.CancelTransportRequest(mercy.cancellation(trip), metadata=mercy.staff)
    )
    assert (told.reason, told.facts["state"]) == ("PATIENT_ABOARD", "IN_TRANSIT")
