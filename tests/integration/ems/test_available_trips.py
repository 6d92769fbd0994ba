"""What agencies see of trips: level, area, waves, standing; and the watch.

Run: ``python -m pytest tests/integration/ems``; needs PostgreSQL.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import grpc
import psycopg
import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from medport.center.events.v1 import services_pb2
from medport.common.v1 import vocabulary_pb2 as words
from medport.ems.v1 import available_trips_pb2 as trips
from medport.ems.v1 import service_areas_pb2
from medport.hospital.events.v1 import transport_requests_pb2 as hospital

from chassis.clock import timestamp, utc_now
from tests.support.databases import superuser_of
from tests.support.ems_silo import PITTSBURGH, Agency, EmsSilo
from tests.support.ems_trips import Run, run
from tests.support.hospital_news import Trip
from tests.support.hospital_silo import refused
from tests.support.waiting import until, until_blocked

Code = grpc.StatusCode
HOLD = "LOCK TABLE available_trip IN ACCESS EXCLUSIVE MODE"
END_LOOKS = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE datname = current_database() AND wait_event_type = 'Lock'
  AND query LIKE 'SELECT available_trip.%'
"""


async def test_a_trip_shows_what_is_needed_and_nothing_of_the_patient(silo: EmsSilo) -> None:
    swift = await run(silo)
    await swift.offer()

    [trip] = await swift.listed()

    assert trip.id == swift.trip.id
    assert trip.origin.name == "Mercy origin"
    assert trip.loaded_miles == pytest.approx(98.6)
    assert (trip.revenue_amount.units, trip.revenue_amount.nanos) == (618, 440_000_000)
    assert not [name for name in trips.AvailableTrip.DESCRIPTOR.fields_by_name if "patient" in name]


async def test_only_agencies_that_fit_see_a_trip(silo: EmsSilo) -> None:
    trip, suspended = Trip(), await silo.agency("Suspended")
    seeing = Run(await silo.agency("Near"), trip)
    far = Run(await silo.agency("Far", radius_miles=0), trip)
    low = Run(await silo.agency("Low"), trip)
    bare = Run(await silo.agency("Bare"), trip)
    await far.agency.add_area(radius_miles=10, center=PITTSBURGH)
    for each in (seeing.agency, far.agency, suspended):
        await each.add_unit()
    await low.agency.add_unit(type=words.UNIT_TYPE_BLS)
    await bare.agency.add_unit(capabilities=[])
    await silo.hear(standing(suspended, services_pb2.ServiceSuspended, 2))

    await seeing.offer()

    assert [len(await each.listed()) for each in (seeing, far, low, bare)] == [1, 0, 0, 0]
    assert await Run(suspended, trip).listed() == []
    await silo.hear(standing(suspended, services_pb2.ServiceReinstated, 3))
    assert len(await Run(suspended, trip).listed()) == 1


async def test_a_new_unit_or_area_opens_the_trips_that_wait(silo: EmsSilo) -> None:
    late = Run(await silo.agency("Late", radius_miles=0))
    await late.offer()
    assert await late.listed() == []

    unit = await late.agency.add_unit()
    area = await late.agency.add_area()

    assert len(await late.listed()) == 1
    smaller = service_areas_pb2.UpdateServiceAreaRequest(
        service_area_id=area,
        service_area=service_areas_pb2.ServiceArea(center=PITTSBURGH),
        update_mask=FieldMask(paths=["center"]),
        etag="1",
        **late.agency.own,
    )
    await silo.areas.UpdateServiceArea(smaller, metadata=late.agency.admin)
    assert await late.listed() == []
    assert unit.is_active


async def test_a_changed_trip_is_matched_anew(silo: EmsSilo) -> None:
    swift = await run(silo)
    await swift.offer()
    swift.trip.material_version = 2
    need = swift.trip.need(transport_level=words.TRANSPORT_LEVEL_CCT)
    expires = timestamp(utc_now() + timedelta(minutes=20))

    await silo.hear(
        hospital.TransportRequestUpdated(
            trip=swift.trip.ref(), need=need, offer_expire_time=expires
        )
    )

    assert await swift.listed() == []
    await swift.agency.add_unit(type=words.UNIT_TYPE_CCT, crew_level=words.TRANSPORT_LEVEL_CCT)
    [trip] = await swift.listed()
    assert trip.material_version == 2


async def test_what_hides_its_priority_is_not_found_by_it(silo: EmsSilo) -> None:
    swift = await run(silo)
    await swift.offer()
    await silo.hear(swift.trip.cancelled())
    carried = Run(swift.agency)
    await carried.won()
    states = [trips.AVAILABLE_TRIP_STATE_UNAVAILABLE, trips.AVAILABLE_TRIP_STATE_WON]

    async def found(**asked: Any) -> list[str]:
        given = trips.AvailableTripFilter(states=states, **asked)
        request = trips.ListAvailableTripsRequest(agency_id=str(swift.agency.id), filter=given)
        answer = await silo.trips.ListAvailableTrips(request, metadata=swift.agency.dispatcher)
        return [each.id for each in answer.available_trips]

    assert await found() == [carried.trip.id, swift.trip.id]
    assert await found(levels=[words.TRANSPORT_LEVEL_ALS]) == [carried.trip.id, swift.trip.id]
    assert await found(priorities=words.Priority.values()[1:]) == [carried.trip.id]


async def test_a_watch_shows_what_is_open_then_every_change(silo: EmsSilo) -> None:
    swift = await run(silo)
    await swift.offer()
    other = Run(swift.agency)
    call = silo.trips.WatchAvailableTrips(
        trips.WatchAvailableTripsRequest(agency_id=str(swift.agency.id)),
        metadata=swift.agency.dispatcher,
    )
    frames = aiter(call)

    first, end = await anext(frames), await anext(frames)
    await other.offer()
    second = await anext(frames)
    await silo.hear(swift.trip.cancelled())
    gone = await anext(frames)
    call.cancel()

    assert first.available_trip.id == swift.trip.id
    assert end.snapshot_end.event_count == 1
    assert second.available_trip.id == other.trip.id
    assert gone.available_trip.id == swift.trip.id
    assert gone.available_trip.state == trips.AVAILABLE_TRIP_STATE_UNAVAILABLE
    assert all(frame.resume_token for frame in (first, end, second, gone))


async def test_a_watch_outlives_a_look_that_failed(silo: EmsSilo) -> None:
    swift = await run(silo)
    request = trips.WatchAvailableTripsRequest(agency_id=str(swift.agency.id))
    frames = aiter(silo.trips.WatchAvailableTrips(request, metadata=swift.agency.dispatcher))
    assert (await anext(frames)).HasField("snapshot_end")

    async with await psycopg.AsyncConnection.connect(superuser_of(silo.dsn)) as holder:
        await holder.execute(HOLD)
        await until_blocked(silo.dsn, 1)
        await (await holder.execute(END_LOOKS)).fetchall()
        await holder.rollback()
    await until(lambda: offered(swift))

    assert (await anext(frames)).available_trip.id == swift.trip.id


async def offered(swift: Run) -> bool:
    try:
        await swift.offer()  # on a connection that was lost as well
    except psycopg.OperationalError:
        return False
    return True


async def test_a_watch_refuses_a_token_that_never_was_one(silo: EmsSilo) -> None:
    swift = await silo.agency()
    request = trips.WatchAvailableTripsRequest(agency_id=str(swift.id), resume_token=b"nonsense")
    call = silo.trips.WatchAvailableTrips(request, metadata=swift.dispatcher)

    answer = await refused(anext(aiter(call)))

    assert (answer.code, answer.reason) == (Code.INVALID_ARGUMENT, "INVALID_RESUME_TOKEN")


def standing(agency: Agency, kind: Any, version: int) -> Any:
    return kind(
        service_type=words.SERVICE_TYPE_EMS_AGENCY,
        external_id=str(agency.id),
        registry_version=version,
    )
