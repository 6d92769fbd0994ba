"""Declines awards that their agency, which answers by hand, has let pass."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from chassis.clock import Clock
from chassis.reactions import Due, Outcome
from chassis.unit_of_work import Database, UnitOfWork
from ems_svc.messages.announcements import announce
from ems_svc.repositories import awards, offered_trips

Award = tuple[UUID, UUID, UUID]  # of which hospital, on which trip, by which token


class AwardDeadlines:
    name = "award_answer"

    async def coming(
        self, database: Database, *, until: datetime, fetch: int
    ) -> Sequence[Due[Award]]:
        """List the awards that wait for an agency whose time is over by ``until``."""
        found = await offered_trips.list_unanswered(
            database.read(None), before_at=until, fetch=fetch
        )
        return [
            Due(agency_id, (hospital_id, trip_id, token), deadline)
            for hospital_id, trip_id, agency_id, token, deadline in found
        ]

    async def react(self, uow: UnitOfWork, due: Due[Award], clock: Clock) -> Outcome:
        """Decline an award, if it still waits and is overdue; its bid stays as it is."""
        hospital_id, trip_id, token = due.key
        trip = await offered_trips.lock_free(uow, hospital_id, trip_id)
        if trip is None:
            return Outcome.BUSY
        if not trip.is_awaiting(token) or not trip.is_overdue(clock()):
            return Outcome.MOVED_ON
        announce(uow, [await awards.decline(uow, trip, "DEADLINE_PASSED")])
        return Outcome.DONE
