"""What falls due at the hospital happens once, and never to a trip that has moved on.

Proves, for award timeouts and offer expiries: whoever holds the trip's row decides it and the
other finds it decided, in both orders; a trip that moved on after it was listed is left alone;
the offers and awards of every hospital are found, with no hospital's rows to be seen.
With the question under the lock taken out of ``react`` the first three are red.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import grpc
import psycopg
import pytest
from medport.hospital.v1 import transport_requests_pb2 as pb

from chassis.clock import timestamp, utc_now
from chassis.reactions import Due, Outcome, Reacting
from hospital_svc.timers.awards import AwardTimeouts
from hospital_svc.timers.transport_requests import OfferExpiries
from tests.support.databases import superuser_of
from tests.support.due_things import AWARDS, OFFERS, DueThing
from tests.support.hospital_silo import HospitalSilo, hospital_silo, refused, soon
from tests.support.hospital_trips import Ward, ward
from tests.support.reacting import shown, turn
from tests.support.waiting import until_blocked

LAPSED = (
    "UPDATE transport_request SET requested_at = requested_at - interval '1 day',"
    " offer_expires_at = now() - interval '1 hour'"
)
Trip = tuple[UUID, UUID]
Move = Callable[[], Awaitable[Any]]


@pytest.fixture
async def silo(hospital_database: str) -> AsyncIterator[HospitalSilo]:
    async with hospital_silo(hospital_database) as opened:
        yield opened


@pytest.fixture
async def mercy(silo: HospitalSilo) -> Ward:
    return await ward(silo)


class Case:
    """A trip for which something is due at ``later``, and what else may happen to it."""

    def __init__(self, mercy: Ward, trip: pb.TransportRequest, reacting: Reacting[Trip]) -> None:
        self.mercy, self.trip, self.reacting = mercy, trip, reacting
        self.later = utc_now() + timedelta(hours=2)

    async def listed(self) -> Due[Trip]:
        database = self.mercy.silo.database
        [due] = await self.reacting.coming(database, until=self.later, fetch=10)
        return due

    async def react(self, due: Due[Trip]) -> Outcome:
        async with self.mercy.silo.database.begin(due.tenant) as uow:
            return await self.reacting.react(uow, due, lambda: self.later)

    def kinds(self) -> list[str]:
        """Return what was announced of the trip since it came about."""
        found = self.mercy.silo.events(f"transport_requests/{self.trip.id}")
        return [kind for kind, _ in found]


async def overdue_award(mercy: Ward) -> tuple[Case, Move]:
    """Make an award that times out, and EMS's late news that it was confirmed."""
    timeouts = AwardTimeouts()
    timeouts.bookmarked(utc_now() + timedelta(hours=2))
    trip = await mercy.awarded()
    return Case(mercy, trip, timeouts), lambda: mercy.silo.hear(mercy.confirmation(trip))


async def overdue_offer(mercy: Ward) -> tuple[Case, Move]:
    """Make a trip whose offer is over when its bid ends, and an award of that bid before."""
    trip = await mercy.create()
    request = mercy.award(trip, await mercy.bid(trip))
    mercy.silo.sql(LAPSED)

    async def award() -> Any:
        return await mercy.silo.trips.AwardTransportRequest(request, metadata=mercy.staff)

    return Case(mercy, trip, OfferExpiries()), award


CASES = pytest.mark.parametrize("make", [overdue_award, overdue_offer])
MOVED = {overdue_award: "TransportRequestProgressed", overdue_offer: "TransportRequestAwarded"}
HAPPENED = {
    overdue_award: ["AwardRevoked", "TransportRequestReopened"],
    overdue_offer: ["TransportRequestExpired"],
}
Make = Callable[[Ward], Awaitable[tuple[Case, Move]]]


@CASES
async def test_a_trip_that_moved_on_since_it_was_listed_is_left_alone(
    mercy: Ward, make: Any
) -> None:
    case, move = await make(mercy)
    due = await case.listed()
    await move()
    before = case.kinds()

    assert await case.react(due) is Outcome.MOVED_ON
    assert case.kinds() == before
    assert before[-1] == MOVED[make]


@CASES
async def test_a_trip_that_somebody_holds_is_left_to_them(mercy: Ward, make: Any) -> None:
    case, move = await make(mercy)
    due = await case.listed()
    async with mercy.silo.database.begin(due.tenant) as deciding:
        await case.reacting.react(deciding, due, lambda: case.later)  # and holds the row
        assert await case.react(due) is Outcome.BUSY
        moving = asyncio.ensure_future(move())
        await until_blocked(mercy.silo.dsn, 1)
    if make is overdue_offer:
        assert (await refused(moving)).code is grpc.StatusCode.FAILED_PRECONDITION
    else:  # news of another silo is never refused: it changes nothing
        await moving

    assert case.kinds()[-len(HAPPENED[make]) :] == HAPPENED[make]
    assert await case.react(due) is Outcome.MOVED_ON


@pytest.mark.parametrize("thing", [OFFERS, AWARDS], ids=str)
async def test_what_is_due_is_found_for_every_hospital_and_shown_to_none(
    silo: HospitalSilo, thing: DueThing
) -> None:
    with psycopg.connect(superuser_of(silo.dsn), autocommit=True) as admin:
        due = thing.add(admin, 3, first=3600)
    timeouts, later = AwardTimeouts(), utc_now() + timedelta(hours=2)
    timeouts.bookmarked(later)
    reacting: Reacting[Trip] = timeouts if thing is AWARDS else OfferExpiries()
    found = await reacting.coming(silo.database, until=later, fetch=10)

    assert {f"transport_requests/{each.key[1]}": each.at for each in found} == due
    assert len({each.tenant for each in found}) == 3
    assert [shown(silo.dsn, table) for table in ("transport_request", "award")] == [0, 0]


async def test_an_offer_is_over_when_its_last_bid_is(mercy: Ward) -> None:
    trip = await mercy.create()
    await mercy.bid(trip, expire_time=timestamp(soon(minutes=50)))
    await mercy.bid(trip, expire_time=timestamp(soon(minutes=40)), agency_id=uuid4())
    mercy.silo.sql(LAPSED)
    database = mercy.silo.database
    [due] = await OfferExpiries().coming(database, until=soon(hours=2), fetch=10)

    assert abs(due.at - soon(minutes=50)) < timedelta(minutes=1)
    assert await OfferExpiries().coming(database, until=soon(minutes=45), fetch=10) == []
    assert await turn(OfferExpiries(), database, due.at - timedelta(seconds=1)) == 0
    assert await turn(OfferExpiries(), database, due.at) == 1
