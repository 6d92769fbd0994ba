"""Takes back awards that EMS never answered, once it can no longer have."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import UUID

from chassis.clock import Clock
from chassis.reactions import Due, Outcome
from chassis.unit_of_work import Database, UnitOfWork
from chassis.vocabulary import TripStatus
from hospital_svc import decisions, trip_plans
from hospital_svc.domain import awards as awarding
from hospital_svc.domain.awards import ANSWER_GRACE, Award
from hospital_svc.domain.events import RevokeReason
from hospital_svc.domain.transport_requests import SYSTEM
from hospital_svc.repositories import awards, transport_requests

Trip = tuple[UUID, UUID]  # of which hospital, and which

NEVER = datetime.min.replace(tzinfo=UTC)
# EMS's news of a moment takes up to this long: its bookmarks come every second, and say what had
# been committed a little before. It counts against the grace, so that the wait for them is over
# when the grace is, and not a bookmark later.
NEWS = timedelta(seconds=2)


@dataclass(slots=True)
class AwardTimeouts:
    """Knows how far EMS has been heard: with EMS away, an unanswered award stays as it is.

    EMS never confirms after the deadline, so once the grace is over, and all that EMS had said by
    then but for the last ``NEWS`` is here, a confirmation is not on its way. Should one be all the
    same, it bears a token that no longer fits, and EMS lets go of the job when it hears so.
    """

    name: str = "award_timeout"
    _heard_until: datetime = field(default=NEVER)

    def bookmarked(self, ems_clock: datetime) -> None:
        """Note that everything EMS said before ``ems_clock`` has had its effect here."""
        self._heard_until = max(self._heard_until, ems_clock)

    async def coming(
        self, database: Database, *, until: datetime, fetch: int
    ) -> Sequence[Due[Trip]]:
        """List the awards whose grace is over by ``until``, of every hospital."""
        if self._heard_until == NEVER:
            return []
        until = min(until, self._heard_until + NEWS)
        found = await awards.list_unanswered(
            database.read(None), before_at=until - ANSWER_GRACE, fetch=fetch
        )
        return [
            Due(hospital_id, (hospital_id, trip_id), deadline + ANSWER_GRACE)
            for hospital_id, trip_id, deadline in found
        ]

    async def react(self, uow: UnitOfWork, due: Due[Trip], clock: Clock) -> Outcome:
        """Take an award back, if it is still unanswered, and still the one that was overdue."""
        trip = await transport_requests.lock_free(uow, *due.key)
        if trip is None:
            return Outcome.BUSY
        award = await awards.find(uow, trip.hospital_id, trip.award_id)
        at = clock()
        if award is None or trip.status is not TripStatus.AWARDED or not self._is_over(award, at):
            return Outcome.MOVED_ON
        plan = await trip_plans.again(uow, trip, at=at)
        timed_out = RevokeReason.TIMED_OUT
        await decisions.write(uow, awarding.revoke(trip, award, plan, timed_out, by=SYSTEM, at=at))
        return Outcome.DONE

    def _is_over(self, award: Award, at: datetime) -> bool:
        return award.confirm_deadline_at + ANSWER_GRACE <= min(at, self._heard_until + NEWS)
