"""A silo that is away stops nobody else: it hears of everything when it is back.

Run: ``python -m pytest tests/conformance/event_log/test_independence.py``; needs PostgreSQL.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import grpc
import psycopg
import pytest
from medport.common.v1 import vocabulary_pb2 as words
from medport.ems.events.v1.event_log_pb2 import EmsEvent
from medport.ems.v1 import available_trips_pb2, transport_bids_pb2
from medport.hospital.v1 import received_bids_pb2

from chassis.health import SERVING
from chassis.outbox import Envelope
from chassis.passwords import Passwords
from chassis.pool import pool
from chassis.unit_of_work import Database
from tests.integration.chassis.test_health import until_status
from tests.support.databases import SILOS, Databases, superuser_of
from tests.support.ems_silo import Agency, EmsSilo
from tests.support.fault_proxy import FaultProxy, in_front_of
from tests.support.followings import everything
from tests.support.front_desk import PASSWORD, database_on
from tests.support.hospital_silo import HospitalSilo
from tests.support.hospital_trips import Ward, ward
from tests.support.silos import Keys, running
from tests.support.waiting import until

FOLLOWED = "SELECT count(*) FROM consumer_checkpoint WHERE resume_token IS NOT NULL"
HELD = "SELECT name FROM event_subscriber WHERE retention_hold"
STATUS = "SELECT status FROM trip_fact WHERE transport_request_id = %s"

pytestmark = pytest.mark.timeout(300)  # three whole silos, on a machine that may be busy


async def until_read(dsn: str, query: str, expected: set[Any], *parameters: object) -> None:
    """Return once ``query`` finds ``expected``, of one column."""
    with psycopg.connect(superuser_of(dsn), autocommit=True) as reader:

        async def is_there() -> bool:
            found = reader.execute(query.encode(), parameters or None).fetchall()
            return {row[0] for row in found} == expected

        await until(is_there, 60)


@dataclass
class Mesh:
    """Three silos on databases of their own, which find each other at addresses that stay."""

    dsns: dict[str, str]
    paths: dict[str, FaultProxy]
    keys: Keys

    @asynccontextmanager
    async def running(self, silo: str) -> AsyncIterator[grpc.aio.Channel]:
        peers = {name: f"127.0.0.1:{path.listening}" for name, path in self.paths.items()}
        async with running(silo, self.dsns[silo], self.keys, peers) as (process, channel):
            self.paths[silo].port = process.port
            await until_status(channel, SERVING)
            yield channel

    async def until_followed(self, *silos: str) -> None:
        """Return once each of the silos follows all that it follows."""
        for silo in silos:
            await until_read(self.dsns[silo], FOLLOWED, {len(everything()[silo])})


@asynccontextmanager
async def a_mesh(databases: Databases) -> AsyncIterator[Mesh]:
    with ExitStack() as made:
        dsns = {silo: made.enter_context(databases.fresh(silo)) for silo in SILOS}
        async with AsyncExitStack() as opened:
            paths = {silo: await opened.enter_async_context(in_front_of(1)) for silo in SILOS}
            yield Mesh(dsns, paths, Keys())


async def accepted(mercy: Ward, swift: Agency) -> str:
    """Bring a trip from its request to an agency's confirmed award; return its id."""
    trip = await mercy.create()
    offered = available_trips_pb2.ListAvailableTripsRequest(agency_id=str(swift.id))

    async def is_offered() -> bool:
        found = await swift.silo.trips.ListAvailableTrips(offered, metadata=swift.dispatcher)
        return bool(found.available_trips)

    await until(is_offered)
    terms = transport_bids_pb2.TransportBid(
        bid_amount={"currency_code": "USD", "units": 600},
        unit_level=words.TRANSPORT_LEVEL_ALS,
        material_version=trip.material_version,
    )
    submission = transport_bids_pb2.SubmitBidRequest(
        transport_request_id=trip.id, bid=terms, **swift.own
    )
    bid = (await swift.silo.bids.SubmitBid(submission, metadata=swift.dispatcher)).bid
    received = received_bids_pb2.ListReceivedBidsRequest(
        hospital_id=mercy.hospital_id, transport_request_id=trip.id
    )

    async def is_received() -> bool:
        found = await mercy.silo.bids.ListReceivedBids(received, metadata=mercy.staff)
        return bool(found.bids)

    await until(is_received)
    await mercy.silo.trips.AwardTransportRequest(mercy.award(trip, bid.id), metadata=mercy.staff)

    async def is_accepted() -> bool:
        return (await mercy.get(trip.id)).status == words.TRIP_STATUS_ACCEPTED

    await until(is_accepted)
    return trip.id


async def test_a_trip_is_requested_offered_and_accepted_while_center_is_stopped(
    databases: Databases,
) -> None:
    async with (
        a_mesh(databases) as mesh,
        mesh.running("hospital") as hospital,
        mesh.running("ems") as ems,
        pool(mesh.dsns["ems"]) as connections,
        database_on(mesh.dsns["hospital"]) as own,
    ):
        async with mesh.running("center"):
            await mesh.until_followed(*SILOS)
        envelope = Envelope(EmsEvent, "/medport/ems")
        database = Database(connections, envelope, tenant_column="agency_id")
        hashed = await Passwords().hash(PASSWORD)
        swift = await EmsSilo(ems, mesh.dsns["ems"], database, hashed).agency()
        await swift.add_unit()
        mercy = await ward(HospitalSilo(hospital, mesh.dsns["hospital"], own, {}, hashed))
        trip_id = await accepted(mercy, swift)
        async with mesh.running("center"):
            await until_read(mesh.dsns["center"], STATUS, {"ACCEPTED"}, trip_id)


@pytest.mark.parametrize("source", SILOS)
async def test_a_log_is_kept_for_every_consumer_that_follows_it(
    databases: Databases, source: str
) -> None:
    """A name that is held for and not reported under would keep the log for ever."""
    follows = [each for silo in SILOS for each in everything()[silo] if each.source == source]
    with databases.fresh(source) as dsn:
        async with running(source, dsn, Keys()):
            await until_read(dsn, HELD, {each.consumer for each in follows})
