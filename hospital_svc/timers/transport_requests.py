"""Gives up trips that nobody was awarded in time."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from chassis.clock import Clock
from chassis.reactions import Due, Outcome
from chassis.unit_of_work import Database, UnitOfWork
from hospital_svc import decisions, notices
from hospital_svc.domain import cancellations
from hospital_svc.domain.awards import ANSWER_GRACE
from hospital_svc.repositories import received_bids, transport_requests

Trip = tuple[UUID, UUID]  # of which hospital, and which


class OfferExpiries:
    name = "offer_expiry"

    async def coming(
        self, database: Database, *, until: datetime, fetch: int
    ) -> Sequence[Due[Trip]]:
        """List the open trips on which no bid lives by ``until``, of every hospital."""
        found = await transport_requests.list_overdue_offers(
            database.read(None), before_at=until, grace=ANSWER_GRACE, fetch=fetch
        )
        return [Due(hospital_id, (hospital_id, trip_id), at) for hospital_id, trip_id, at in found]

    async def react(self, uow: UnitOfWork, due: Due[Trip], clock: Clock) -> Outcome:
        """Expire a trip, if it is still open and nobody could be awarded it any more."""
        trip = await transport_requests.lock_free(uow, *due.key)
        if trip is None:
            return Outcome.BUSY
        at = clock()
        has_live_bid = await received_bids.has_live(
            uow, trip.hospital_id, trip.id, material_version=trip.material_version, at=at
        )
        decision = cancellations.expire(trip, has_live_bid=has_live_bid, at=at)
        if decision is None:
            return Outcome.MOVED_ON
        await decisions.write(uow, decision)
        await notices.tell(uow, decision.trip, "trip_expired", trip.id, with_admins=True)
        return Outcome.DONE
