"""One chunk of a soak: so many events past so many disconnects, and the oracle's verdict."""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, fields
from typing import Any

from tests.soak.faults import STRIKES, Faults
from tests.soak.readers import Reader
from tests.soak.sites import Site, one
from tests.soak.writers import CLOSING, Load, rare
from tests.support import oracle
from tests.support.histories import Filter, History, read_log

RECOVERY_SECONDS = 180.0  # what has not come by then, on however busy a machine, does not come

_LEDGER = "SELECT event_id, position FROM ledger WHERE position > %s ORDER BY entry"
_CLOSED = f"SELECT max(position) FROM event_log WHERE subject = '{CLOSING}'"  # noqa: S608
_HELD = "SELECT coalesce(max(position), 0) FROM ledger"
_PARKED = "SELECT count(*) FROM consumer_dead_letter"


@dataclass(frozen=True)
class Chunk:
    """What is asked for; the seed decides which faults strike, and when."""

    events: int
    disconnects: int
    seed: str
    faults: Sequence[str] = tuple(STRIKES)


@dataclass
class Verdict:
    """What happened, and what was wrong with it; all of it goes into the report."""

    events: int = 0
    transactions: dict[str, int] = field(default_factory=dict)
    faults: Counter[str] = field(default_factory=Counter)
    stream_ends: Counter[str] = field(default_factory=Counter)
    streams_broken: int = 0  # those that had begun
    recovery_seconds: dict[str, float] = field(default_factory=dict)  # the longest of each fault
    seconds: float = 0.0
    events_per_second: float = 0.0
    load_average: float = 0.0  # of the machine: the figures above are worth what it lets them be
    megabytes: tuple[float, float] = (0.0, 0.0)  # of the silo's process, before and after
    head: int = 0
    violations: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        return {each.name: getattr(self, each.name) for each in fields(self)}


async def soak(site: Site, chunk: Chunk) -> Verdict:
    """Write, disturb, wait for everybody, and judge."""
    chance, began = random.Random(chunk.seed), time.monotonic()  # noqa: S311 - a schedule
    history, verdict = History(is_whole=False), Verdict()
    base, before = await site.quiet(), site.silo.megabytes
    load = Load(site, history.writers, chance)
    async with reading(site, history, chunk.seed) as readers:
        await _disturb(site, chunk, load, readers[0], verdict)
        await load.close()
        verdict.head = await site.quiet()
        await _until_all_have(site, readers, verdict)
    for reader in readers:
        verdict.stream_ends.update(reader.ends)
        verdict.streams_broken += reader.broken
        verdict.violations += reader.strange
    _judge(site, history, base, verdict)
    verdict.events = load.committed
    verdict.transactions = {each.name.lower(): load.outcomes[each] for each in load.outcomes}
    verdict.seconds = round(time.monotonic() - began, 1)
    verdict.events_per_second = round(load.committed / verdict.seconds, 1)
    verdict.load_average = round(os.getloadavg()[0], 1)
    verdict.megabytes = (before, site.silo.megabytes)
    return verdict


@asynccontextmanager
async def reading(site: Site, history: History, seed: str) -> AsyncIterator[list[Reader]]:
    """Run a reader of every sort, each from the log's end on; the first one reads everything."""
    readers = list(_readers(site, history, seed))
    tasks = [asyncio.create_task(each.read()) for each in readers]
    try:
        async with asyncio.timeout(RECOVERY_SECONDS):
            for each in readers:
                await each.until_at(0)
        yield readers
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _readers(site: Site, history: History, seed: str) -> Sequence[Reader]:
    kind = site.kind
    keys, type = frozenset({f"silo:{kind.peer}"}), rare(kind).DESCRIPTOR.full_name
    subjects = [CLOSING, "soaked/2", "soaked/3"]
    sorts: dict[str, tuple[Filter, dict[str, Any]]] = {
        "everything": (Filter(keys=keys), {}),
        "rewinding": (Filter(keys=keys), {"max_batch_events": 7}),
        "one type": (Filter(keys=keys, types=frozenset({type})), {"filter": {"types": [type]}}),
        "three subjects": (
            Filter(keys=keys, subjects=frozenset(subjects)),
            {"filter": {"subjects": subjects}},
        ),
    }
    return [
        Reader(
            site,
            history.subscriber(name, filter),
            random.Random(f"{seed} {name}"),  # noqa: S311 - a schedule
            fields,
            rewinds=name == "rewinding",
        )
        for name, (filter, fields) in sorts.items()
    ]


async def _disturb(site: Site, chunk: Chunk, load: Load, reader: Reader, verdict: Verdict) -> None:
    """Let one fault strike somewhere within each slice of the events."""
    chance = random.Random(f"{chunk.seed} faults")  # noqa: S311 - a schedule
    faults = Faults(site, chunk.faults, chance)
    watching: list[asyncio.Task[None]] = []
    for _ in range(chunk.disconnects):
        size = chunk.events // chunk.disconnects
        writing = asyncio.create_task(load.write(size))
        await load.until(load.committed + int(size * chance.random()))
        name, moment = faults.draw(), time.time()
        recovering = _recovered(reader, name, moment, verdict)
        watching.append(asyncio.create_task(recovering, name=name))
        await faults.strike(name)
        verdict.faults[name] += 1
        await writing
    await faults.settle()
    await load.close()
    await _all_recovered(watching, verdict)


async def _recovered(reader: Reader, name: str, moment: float, verdict: Verdict) -> None:
    seconds = round(await reader.until_news_of(moment), 2)
    verdict.recovery_seconds[name] = max(seconds, verdict.recovery_seconds.get(name, 0.0))


async def _all_recovered(watching: Sequence[asyncio.Task[None]], verdict: Verdict) -> None:
    """Wait for what every fault had interrupted; nobody waits for ever."""
    if watching:
        _, late = await asyncio.wait(watching, timeout=RECOVERY_SECONDS)
        for each in late:
            each.cancel()
            verdict.violations.append(f"no news {RECOVERY_SECONDS:.0f} s after: {each.get_name()}")


async def _until_all_have(site: Site, readers: Sequence[Reader], verdict: Verdict) -> None:
    """Wait until readers and consumer have come to the end of the log."""
    waits = {each.record.name: each.until_at(verdict.head) for each in readers}
    waits["the consumer"] = _until_consumed(site)
    tasks = {asyncio.create_task(wait): name for name, wait in waits.items()}
    _, late = await asyncio.wait(tasks, timeout=RECOVERY_SECONDS)
    for task in late:
        task.cancel()
        verdict.violations.append(f"{tasks[task]} did not come to the end of the log")


async def _until_consumed(site: Site) -> None:
    with site.looking() as database:
        closed = one(database, _CLOSED)
    with site.looking(site.consumer_dsn) as database:
        while one(database, _HELD) < closed:  # noqa: ASYNC110 - asked of the database
            await asyncio.sleep(0.1)


def _judge(site: Site, history: History, base: int, verdict: Verdict) -> None:
    """Ask the oracle, and look at what it does not know of."""
    with site.looking(site.consumer_dsn) as database:
        keys = frozenset({f"silo:{site.kind.peer}"})
        ledger = history.ledger("the consumer", Filter(keys=keys), base)
        ledger.effects(database.execute(_LEDGER, [base]).fetchall())
        if parked := one(database, _PARKED):
            verdict.violations.append(f"{parked} events are parked")
    with site.looking() as database:
        history.log = read_log(database, first=base + 1)
    verdict.violations += map(str, oracle.check(history))
