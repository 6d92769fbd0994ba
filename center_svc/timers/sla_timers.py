"""Service levels that were missed, found by the clock and announced once."""

from __future__ import annotations

from collections.abc import Sequence

from center_svc import messages
from center_svc.domain.events import SlaBreached
from center_svc.domain.stream_progress import Heard, is_current
from center_svc.repositories import sla_timers
from center_svc.repositories.sla_timers import Due
from chassis.clock import Clock
from chassis.unit_of_work import Database

AT_ONCE = 100


class SlaSweep:
    """Breaches timers that ran out before its last look, while the other silos are heard."""

    def __init__(self) -> None:
        self._heard: Sequence[Heard] = ()

    async def sweep(self, database: Database, clock: Clock) -> int:
        at = clock()
        before, self._heard = self._heard, await sla_timers.heard(database.read(None))
        if not is_current(before, self._heard, at):
            return 0
        async with database.begin(None) as uow:
            found = await sla_timers.lock_due(uow, until=at, limit=AT_ONCE)
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
