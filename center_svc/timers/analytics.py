"""Keeps the figures by hour and day: makes anew those whose facts changed, and the present ones."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from center_svc.domain.metrics import BucketSize, Metric, StaleFacts
from center_svc.repositories import stale_buckets, system_analytics
from center_svc.repositories.stale_buckets import StaleBucket
from chassis.clock import Clock
from chassis.unit_of_work import Database, UnitOfWork

SECONDS = 15.0
AT_ONCE = 50  # hours, of which each is a dozen aggregations
MOST_HOURS = timedelta(hours=200)  # of units' time in one transaction
EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
OF_TRIPS = [metric for metric in Metric if metric is not Metric.UNIT_UTILIZATION]


async def sweep(database: Database, clock: Clock) -> int:
    """Refresh until nothing is left to do; return how many stale hours there were.

    Nothing but rows says what is to do: a process that dies leaves it to the next one.
    """
    refreshed = 0
    while (more := await _turn(database, clock())) is not None:
        refreshed += more
        if more < AT_ONCE:
            return refreshed
    return refreshed


async def _turn(database: Database, now: datetime) -> int | None:
    """Refresh some of it in one transaction; None while another process does."""
    async with database.begin(None) as uow:
        held = await system_analytics.lock(uow)
        if held is None:
            return None
        # Listed before the facts are read: what changes in between is noted again, and stays.
        stale = await stale_buckets.list_oldest(uow, until=now, limit=AT_ONCE)
        await _refresh_trips(uow, stale, now)
        until = await _refresh_units(uow, stale, held[0], now)
        await system_analytics.save(uow, until)
        for each in stale:
            await stale_buckets.forget(uow, each)
        return len(stale) if until == now else AT_ONCE


async def _refresh_trips(uow: UnitOfWork, stale: Sequence[StaleBucket], now: datetime) -> None:
    hours = [each.bucket_started_at for each in stale if each.facts is StaleFacts.TRIPS]
    for size in BucketSize:
        for since in sorted({_beginning(hour, size) for hour in hours}):
            until = since + size.length
            for metric in OF_TRIPS:
                await system_analytics.refresh(uow, metric, size, since=since, until=until, now=now)


async def _refresh_units(
    uow: UnitOfWork, stale: Sequence[StaleBucket], refreshed_at: datetime | None, now: datetime
) -> datetime:
    """Refresh the time of units since it was last done, or since what changed behind that.

    Time passes without an event. Returns the moment from which the next turn goes on.
    """
    changed = [each.bucket_started_at for each in stale if each.facts is StaleFacts.UNITS]
    since = min([*changed, now if refreshed_at is None else refreshed_at])
    until = min(now, _beginning(since, BucketSize.HOUR) + MOST_HOURS)
    for size in BucketSize:
        await system_analytics.refresh(
            uow,
            Metric.UNIT_UTILIZATION,
            size,
            since=_beginning(since, size),
            until=_beginning(until, size) + size.length,
            now=now,
        )
    return until


def _beginning(at: datetime, size: BucketSize) -> datetime:
    return EPOCH + (at - EPOCH) // size.length * size.length
