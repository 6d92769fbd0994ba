"""Service levels that were missed, found by the clock and announced once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime
from uuid import UUID

from center_svc import messages
from center_svc.domain.events import SlaBreached
from center_svc.domain.sla_timers import SlaKind
from center_svc.repositories import heard_silos, sla_timers
from center_svc.repositories.sla_timers import Missed
from chassis.clock import Clock
from chassis.reactions import Due, Outcome
from chassis.unit_of_work import Database, UnitOfWork
from chassis.vocabulary import Silo

FOLLOWED = 2  # hospital and EMS

Level = tuple[UUID, UUID, SlaKind]  # of which hospital's which trip, and what


class SlaSweep:
    """Breaches timers that ran out before the moment up to which both silos have been heard.

    Nobody else does, also when what a timer waits for is heard to have happened too late: until
    then the other silo may say that it happened in time.

    While one is away, or its history is caught up with, what seems to be missing may have been
    announced long ago. The processes of this silo share what they heard: one may follow the
    hospital, and another EMS. ``heard`` is set when there is news of that.
    """

    name = "service_level"

    def __init__(self) -> None:
        self._news: dict[Silo, datetime] = {}
        self.heard = asyncio.Event()

    def bookmarked(self, source: str) -> Callable[[datetime], None]:
        """Return what is to be told ``source``'s clock, once all it said by then is here."""
        silo = Silo[source.upper()]

        def hear(until: datetime) -> None:
            self._news[silo] = max(self._news.get(silo, until), until)
            self.heard.set()

        return hear

    async def coming(
        self, database: Database, *, until: datetime, fetch: int
    ) -> Sequence[Due[Level]]:
        """List the levels that were missed by ``until``, as far as that can be known."""
        await self._share(database)
        heard = await heard_silos.until(database.read(None), silos=FOLLOWED)
        if heard is None:
            return []
        found = await sla_timers.list_due(
            database.read(None), before_at=min(until, heard), fetch=fetch
        )
        return [Due(None, (hospital, trip, kind), at) for hospital, trip, kind, at in found]

    async def _share(self, database: Database) -> None:
        """Let every process know what was heard in this one; what could not be told stays."""
        if news := dict(self._news):
            async with database.begin(None) as uow:
                await heard_silos.note(uow, news)
            self._news = {
                silo: until for silo, until in self._news.items() if until != news.get(silo)
            }

    async def react(self, uow: UnitOfWork, due: Due[Level], clock: Clock) -> Outcome:
        """Announce that a level was missed, if it ran out when it was due and nobody knows.

        It may have happened since, too late. Whoever moves it on moves its row, which is held
        here: what was heard is no part of that.
        """
        missed = await sla_timers.lock_free(uow, *due.key)
        if missed is None:
            return Outcome.BUSY
        if not missed.is_news or missed.due_at > due.at:
            return Outcome.MOVED_ON
        await sla_timers.breach(uow, missed, clock())
        uow.emit(messages.announcement(_breached(missed)))
        return Outcome.DONE


def _breached(missed: Missed) -> SlaBreached:
    return SlaBreached(
        hospital_id=missed.hospital_id,
        transport_request_id=missed.transport_request_id,
        hospital_version=missed.hospital_version,
        agency_id=missed.agency_id,
        kind=missed.kind,
        due_at=missed.due_at,
    )
