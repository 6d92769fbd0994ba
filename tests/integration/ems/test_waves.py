"""Which agencies see a trip from when: waves, and whom the hospital named.

Run: ``python -m pytest tests/integration/ems/test_waves.py``; needs PostgreSQL.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

import grpc
from medport.common.v1 import vocabulary_pb2 as words
from medport.ems.v1 import available_trips_pb2 as trips
from medport.hospital.events.v1 import transport_requests_pb2 as hospital

from chassis import migrations
from chassis.clock import timestamp, utc_now
from tests.support.databases import owner_of
from tests.support.ems_silo import EmsSilo
from tests.support.ems_trips import Run, run
from tests.support.hospital_news import Trip
from tests.support.hospital_silo import refused

Code = grpc.StatusCode


async def test_waves_open_by_the_clock_and_a_preference_overrides_the_area(silo: EmsSilo) -> None:
    trip, now = Trip(), utc_now()
    first = Run(await silo.agency("First", radius_miles=0), trip)
    second, everybody = Run(await silo.agency("Second"), trip), Run(await silo.agency("All"), trip)
    for each in (first, second, everybody):
        await each.agency.add_unit()
    waves = {first.agency.id: timedelta(0), second.agency.id: timedelta(minutes=5)}

    await first.offer(
        offers=offers(waves),
        broadcast_time=timestamp(now + timedelta(minutes=10)),
        offer_mode=words.OFFER_MODE_CASCADE,
    )

    assert [len(await each.listed()) for each in (first, second, everybody)] == [1, 0, 0]
    hidden = await refused(second.bid())
    assert hidden.code == Code.NOT_FOUND
    await first.bid()
    assert silo.sql("SELECT wave FROM available_trip ORDER BY wave") == [(0,), (1,), (2,)]


async def test_nothing_shows_a_trip_before_its_wave(silo: EmsSilo) -> None:
    early = await run(silo)
    later = timestamp(utc_now() + timedelta(minutes=5))
    named = hospital.TripOffer(agency_id=str(early.agency.id), wave=1, visible_time=later)
    await early.offer(offers=[named], broadcast_time=later, offer_mode=words.OFFER_MODE_CASCADE)
    agency, caller = str(early.agency.id), early.agency.dispatcher

    request = trips.GetAvailableTripRequest(agency_id=agency, transport_request_id=early.trip.id)
    hidden = await refused(silo.trips.GetAvailableTrip(request, metadata=caller))
    watch = trips.WatchAvailableTripsRequest(agency_id=agency)
    frames = aiter(silo.trips.WatchAvailableTrips(watch, metadata=caller))
    first = await anext(frames)

    assert hidden.code == Code.NOT_FOUND
    assert first.snapshot_end.event_count == 0
    assert await early.listed(*trips.AvailableTripState.values()[1:]) == []
    silo.sql("UPDATE available_trip SET visible_at = now()")  # its wave opens
    assert (await anext(frames)).available_trip.id == early.trip.id
    assert (await silo.trips.GetAvailableTrip(request, metadata=caller)).available_trip


async def test_an_agency_named_before_it_fits_sees_the_trip_once_it_does(silo: EmsSilo) -> None:
    ventilated = [words.CAPABILITY_VENTILATOR]
    equipped, eased = await named(silo, ventilated), await named(silo, ventilated)
    far = Run(await silo.agency("Far"), equipped.trip)
    await far.agency.add_unit(capabilities=ventilated)
    assert [await each.listed() for each in (equipped, eased, far)] == [[], [], []]

    await equipped.agency.add_unit(capabilities=ventilated)
    await silo.hear(eased.trip.updated(required_capabilities=[]))

    assert [each.id for each in await equipped.listed()] == [equipped.trip.id]
    assert [each.id for each in await eased.listed()] == [eased.trip.id]
    assert await far.listed() == []  # it covers the origin, but nobody named it


async def test_who_fits_later_comes_in_its_own_wave(silo: EmsSilo) -> None:
    trip, now = Trip(), utc_now()
    first = Run(await silo.agency("First", radius_miles=0), trip)
    second, everybody = Run(await silo.agency("Second"), trip), Run(await silo.agency("All"), trip)
    waves = {first.agency.id: timedelta(0), second.agency.id: timedelta(minutes=5)}
    broadcast = timestamp(now + timedelta(minutes=10))
    await first.offer(offers=offers(waves), broadcast_time=broadcast)

    for each in (first, second, everybody):
        await each.agency.add_unit()

    assert [len(await each.listed()) for each in (first, second, everybody)] == [1, 0, 0]
    query = "SELECT wave, visible_at FROM available_trip ORDER BY wave"
    minutes = [round((seen - now) / timedelta(minutes=1)) for _, seen in silo.sql(query)]
    assert [wave for wave, _ in silo.sql(query)] == [0, 1, 2]
    assert minutes == [0, 5, 10]


async def test_a_trip_offered_again_forgets_whom_it_named_before(silo: EmsSilo) -> None:
    before = await named(silo, [words.CAPABILITY_OXYGEN])
    assert len(await before.listed()) == 1

    await silo.hear(before.trip.reopened())
    await before.agency.add_unit()

    assert await before.listed() == []


async def test_the_trips_of_an_older_schema_keep_whom_they_named(silo: EmsSilo) -> None:
    only = await named(silo, [words.CAPABILITY_OXYGEN])
    query = """
        SELECT agency_id, offer->0, (offer->>1)::timestamptz
          FROM offered_trip, jsonb_each(offers) AS named (agency_id, offer)
    """
    known = silo.sql(query)

    # In a thread: the silo runs here, and could not let go of what the migration waits for.
    schema = ("ems_svc", owner_of(silo.dsn), "ems_service")
    await asyncio.to_thread(migrations.migrate_down, *schema, "0009")
    await asyncio.to_thread(migrations.migrate, *schema)

    assert silo.sql(query) == known
    assert [row[:2] for row in known] == [(str(only.agency.id), 0)]


async def named(silo: EmsSilo, capabilities: Sequence[words.Capability.ValueType]) -> Run:
    """Offer a trip to one agency alone, which works elsewhere and has a usual unit."""
    only = Run(await silo.agency("Named", radius_miles=0))
    await only.agency.add_unit()
    created = only.trip.created(
        only.trip.need(required_capabilities=capabilities),
        offer_mode=words.OFFER_MODE_PREFERRED,
        offers=offers({only.agency.id: timedelta(0)}),
    )
    created.ClearField("broadcast_time")
    await silo.hear(*only.trip.facilities(), created)
    return only


def offers(waves: dict[UUID, timedelta]) -> list[hospital.TripOffer]:
    now = utc_now()
    return [
        hospital.TripOffer(agency_id=str(id), wave=wave, visible_time=timestamp(now + later))
        for wave, (id, later) in enumerate(waves.items())
    ]
