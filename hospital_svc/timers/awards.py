"""Takes back awards that EMS never answered, once it can no longer have."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from uuid import UUID

from chassis.clock import Clock
from chassis.unit_of_work import Database
from chassis.vocabulary import TripStatus
from hospital_svc import decisions, trip_plans
from hospital_svc.domain import awards as awarding
from hospital_svc.domain.awards import ANSWER_GRACE
from hospital_svc.domain.events import RevokeReason
from hospital_svc.domain.transport_requests import SYSTEM
from hospital_svc.repositories import awards, hospitals, transport_requests

AT_ONCE = 100
NEVER = datetime.min.replace(tzinfo=UTC)


@dataclass(slots=True)
class AwardTimeouts:
    """Knows how far EMS has been heard: with EMS away, an unanswered award stays as it is.

    EMS never confirms after the deadline, so once everything that it had said by the deadline
    and the grace is here, a confirmation is not on its way: the two cannot cross.
    """

    _heard_until: datetime = field(default=NEVER)

    def bookmarked(self, ems_clock: datetime) -> None:
        """Note that everything EMS said before ``ems_clock`` has had its effect here."""
        self._heard_until = max(self._heard_until, ems_clock)

    async def sweep(self, database: Database, clock: Clock) -> int:
        """Take back what is overdue, each in a unit of work of its own; return how many."""
        before_at = self._before(clock())
        if before_at is None:
            return 0
        revoked = 0
        for hospital_id in await hospitals.list_tenants(database.read(None)):
            unanswered = await awards.list_unanswered(
                database.read(hospital_id), hospital_id, before_at=before_at, fetch=AT_ONCE
            )
            for trip_id in unanswered:
                revoked += await self._revoke(database, clock, hospital_id, trip_id)
        return revoked

    def _before(self, at: datetime) -> datetime | None:
        """Return the last deadline that both clocks have left behind; None: EMS is unheard."""
        if self._heard_until == NEVER:
            return None
        return min(at, self._heard_until) - ANSWER_GRACE

    async def _revoke(
        self, database: Database, clock: Clock, hospital_id: UUID, trip_id: UUID
    ) -> int:
        async with database.begin(hospital_id) as uow:
            trip = await transport_requests.lock(uow, hospital_id, trip_id)
            award = await awards.find(uow, hospital_id, trip.award_id)
            at = clock()
            before_at = self._before(at)
            if award is None or trip.status is not TripStatus.AWARDED or before_at is None:
                return 0
            if award.confirm_deadline_at >= before_at:  # another award than the one listed
                return 0
            plan = await trip_plans.again(uow, trip, at=at)
            timed_out = RevokeReason.TIMED_OUT
            await decisions.write(
                uow, awarding.revoke(trip, award, plan, timed_out, by=SYSTEM, at=at)
            )
            return 1
