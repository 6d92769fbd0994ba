"""Service levels that were missed, found by the clock and announced once."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from center_svc import messages
from center_svc.domain.events import SlaBreached
from center_svc.repositories import sla_timers
from center_svc.repositories.sla_timers import Due
from chassis.clock import Clock
from chassis.unit_of_work import Database

AT_ONCE = 100
NEVER = datetime.min.replace(tzinfo=UTC)


class SlaSweep:
    """Breaches timers that ran out before the moment up to which both silos have been heard.

    While one is away, or its history is caught up with, what seems to be missing may have been
    announced long ago. In a process that follows neither, nothing is ever found.
    """

    def __init__(self) -> None:
        self._heard = {"hospital": NEVER, "ems": NEVER}

    def bookmarked(self, source: str) -> Callable[[datetime], None]:
        """Return what is to be told ``source``'s clock, once all it said by then is here."""

        def hear(until: datetime) -> None:
            self._heard[source] = max(self._heard[source], until)

        return hear

    async def sweep(self, database: Database, clock: Clock) -> int:
        at = clock()
        until = min(at, *self._heard.values())
        if until == NEVER:
            return 0
        async with database.begin(None) as uow:
            found = await sla_timers.lock_due(uow, until=until, limit=AT_ONCE)
            for due in found:
                await sla_timers.breach(uow, due, at)
                uow.emit(messages.announcement(_breached(due)))
        return len(found)


def _breached(due: Due) -> SlaBreached:
    return SlaBreached(
        hospital_id=due.hospital_id,
        transport_request_id=due.transport_request_id,
        hospital_version=due.hospital_version,
        agency_id=due.agency_id,
        kind=due.kind,
        due_at=due.due_at,
    )
