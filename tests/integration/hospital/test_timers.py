"""What falls due at the hospital happens once, and never to a trip that has moved on.

Proves, for award timeouts and offer expiries: whoever holds the trip's row decides it and the
other finds it decided, in both orders; a trip that moved on after it was listed is left alone;
the offers and awards of every hospital are found, with no hospital's rows to be seen.
With the question under the lock taken out of ``react`` the first three are red.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import grpc
import psycopg
import pytest
from medport.common.v1 import vocabulary_pb2 as words
from medport.hospital.v1 import transport_requests_pb2 as pb

from chassis.clock import utc_now
from chassis.reactions import Due, Outcome, Reacting
from hospital_svc.timers.awards import AwardTimeouts
from hospital_svc.timers.transport_requests import OfferExpiries
from tests.support.hospital_silo import HospitalSilo, hospital_silo
from tests.support.hospital_trips import Ward, ward
from tests.support.reacting import turn
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
    await refused_or_without_effect(moving)

    assert case.kinds()[-len(HAPPENED[make]) :] == HAPPENED[make]
    assert await case.react(due) is Outcome.MOVED_ON


async def refused_or_without_effect(moving: asyncio.Future[Any]) -> None:
    """Await what lost: an RPC is refused, news of another silo changes nothing."""
    try:
        await moving
    except grpc.aio.AioRpcError as error:
        assert error.code() is grpc.StatusCode.FAILED_PRECONDITION
