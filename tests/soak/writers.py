"""Units of work that change rows and announce it, and what their writers were told of each."""

from __future__ import annotations

import asyncio
import importlib
import random
from collections.abc import Sequence
from dataclasses import dataclass

import psycopg
from google.protobuf.message import Message

from chassis.errors import OutcomeUnknown
from chassis.outbox import Announcement
from chassis.sql import written
from chassis.unit_of_work import UnitOfWork
from tests.soak.sites import SUBJECTS, WRITERS, Site
from tests.support.databases import SILOS
from tests.support.histories import Outcome, Writers, Written
from tests.support.silo_logs import Kind

CLOSING = "soaked/1"  # the subject that every chunk's last transaction changes

# Locked in one order, or writers would spend their time on deadlocks.
_CHANGE = written(
    """
WITH locked AS (SELECT name FROM soaked WHERE name = ANY(%(names)s) ORDER BY name FOR UPDATE)
UPDATE soaked SET version = version + %(each)s FROM locked WHERE soaked.name = locked.name
RETURNING soaked.name, version
""",
    into=lambda name, version: (str(name), int(version)),
)


class Abandoned(Exception):
    """A unit of work whose rules said no, after it had changed rows."""


@dataclass(frozen=True)
class Size:
    """How many subjects a transaction changes, and how many events it has of each."""

    subjects: int
    each: int = 1


SIZES = (Size(1), Size(3), Size(10), Size(40), Size(SUBJECTS, 3))
WEIGHTS = (30, 30, 30, 9, 1)  # the largest exceeds a frame of 500 events


def rare(kind: Kind) -> Message:
    """Make an event of the type that filters ask for: few are of it."""
    nouns = importlib.import_module(f"medport.{kind.silo}.events.v1.signing_keys_pb2")
    made: Message = nouns.SigningKeyRevoked(key_name="soaked")
    return made


class Load:
    """Writers that run until as many events are committed as they were asked for."""

    def __init__(self, site: Site, told: Writers, chance: random.Random) -> None:
        self._site, self._told, self._chance = site, told, chance
        self._third = next(each for each in SILOS if each not in {site.kind.silo, site.kind.peer})
        self._goal = 0
        self.committed = 0
        self.outcomes = dict.fromkeys(Outcome, 0)

    async def write(self, count: int) -> None:
        """Commit ``count`` events, or a few more, through whatever happens meanwhile."""
        self._goal = self.committed + count
        await asyncio.gather(*(self._work() for _ in range(WRITERS)))

    async def until(self, committed: int) -> None:
        while self.committed < committed:  # noqa: ASYNC110 - another task moves it
            await asyncio.sleep(0.005)

    async def close(self) -> None:
        """Commit an event that every reader is sent: behind it nothing is missing."""
        while not await self._transaction([CLOSING], 1, [f"silo:{self._site.kind.peer}"]):
            pass

    async def _work(self) -> None:
        while self.committed < self._goal:
            (size,) = self._chance.choices(SIZES, WEIGHTS)
            numbers = self._chance.sample(range(1, SUBJECTS + 1), size.subjects)
            names = [f"soaked/{number}" for number in numbers]
            await self._transaction(names, size.each, self._audience())

    async def _transaction(self, names: Sequence[str], each: int, audience: Sequence[str]) -> bool:
        """Run one, note what it was told, and return whether it was acknowledged."""
        events: list[Written] = []
        outcome = Outcome.ROLLED_BACK
        try:
            async with self._site.database.begin(None) as uow:
                for name, version in await uow.all(_CHANGE, names=list(names), each=each):
                    first = version - each + 1
                    events += [self._emit(uow, name, first + n, audience) for n in range(each)]
                self._decide(names)
            outcome = Outcome.ACKED
        except OutcomeUnknown:
            outcome = Outcome.UNKNOWN
        except Abandoned:
            pass
        except psycopg.Error:  # of a database that is stopped and killed
            await asyncio.sleep(self._chance.uniform(0, 0.2))
        if events:
            self._told.tell(outcome, events)
            self.outcomes[outcome] += 1
        self.committed += len(events) if outcome is Outcome.ACKED else 0
        return outcome is Outcome.ACKED

    def _decide(self, names: Sequence[str]) -> None:
        if self._chance.random() < 0.03 and names != [CLOSING]:
            raise Abandoned

    def _emit(
        self, uow: UnitOfWork, subject: str, version: int, audience: Sequence[str]
    ) -> Written:
        is_rare = subject == CLOSING or self._chance.random() < 0.02
        event = rare(self._site.kind) if is_rare else self._site.kind.payload()
        announcement = Announcement(
            event=event, subject=subject, subject_version=version, audience=audience
        )
        uow.emit(announcement)
        row = uow._emitted[-1]
        return Written(
            event_id=row["event_id"],
            subject=subject,
            version=version,
            type=row["type"],
            audience=audience,
        )

    def _audience(self) -> Sequence[str]:
        peer, third = f"silo:{self._site.kind.peer}", f"silo:{self._third}"
        (audience,) = self._chance.choices([(peer,), (peer, third), (third,)], (6, 2, 2))
        return audience
