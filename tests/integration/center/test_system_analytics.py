"""Series by hour and day are kept, and are what the facts say, whenever these change.

Proves: a series equals what is computed at the time of asking, for every metric and for each
organization; a fact that changes late changes its old bucket, and a figure that it no longer makes
goes; what changes while figures are made is not lost; units' time passes without an event; pages
and exports neither skip nor repeat.
Run: ``python -m pytest tests/integration/center/test_system_analytics.py``; needs PostgreSQL.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import grpc
import psycopg
import pytest
from google.protobuf.duration_pb2 import Duration
from google.type.interval_pb2 import Interval
from medport.center.v1 import analytics_pb2 as pb
from medport.common.v1 import vocabulary_pb2 as words
from medport.ems.events.v1.units_pb2 import UnitStatusChanged

from center_svc.repositories import system_analytics
from center_svc.timers.analytics import sweep
from chassis.clock import timestamp, utc_now
from chassis.unit_of_work import Database
from tests.support.center_events import (
    NOON,
    PROJECTS,
    Sent,
    Story,
    a_completed_trip,
    a_dropped_and_cancelled_trip,
    a_trip_carried_by_the_second_agency,
    apply,
    database_on,
)
from tests.support.center_silo import Center, Metadata, center, refusal
from tests.support.databases import superuser_of
from tests.support.waiting import until

Figures = set[tuple[str, datetime, str, float, float]]
METRICS = [number for number in pb.Metric.values() if number]
LENGTHS = {pb.BUCKET_SIZE_HOUR: 3600, pb.BUCKET_SIZE_DAY: 86400}
MIDNIGHT = NOON - timedelta(hours=12)


@pytest.fixture
async def silo(center_database: str) -> AsyncIterator[Center]:
    async with center(center_database) as opened:
        yield opened


@pytest.fixture
async def database(center_database: str) -> AsyncIterator[Database]:
    async with database_on(center_database) as opened:
        yield opened


def span(hours: int = 48) -> Interval:
    asked = Interval()
    asked.start_time.FromDatetime(MIDNIGHT)
    asked.end_time.FromDatetime(MIDNIGHT + timedelta(hours=hours))
    return asked


def shown(points: Any) -> Figures:
    return {
        (
            each.metric_name,
            each.bucket_start_time.ToDatetime(tzinfo=NOON.tzinfo),
            each.dimension,
            round(each.metric_value, 6),
            each.metadata["samples"],
        )
        for each in points
    }


async def kept(silo: Center, caller: Metadata, size: Any, own: UUID | None) -> Figures:
    found: Figures = set()
    for metric in METRICS:
        request = pb.QueryMetricRequest(
            metric=pb.Metric.ValueType(metric), span=span(), bucket_size=size, page_size=2
        )
        request.organization_id = "" if own is None else str(own)
        while True:
            answer = await silo.analytics.QueryMetric(request, metadata=caller)
            page = shown(answer.points)
            assert not page & found  # nothing comes twice
            found |= page
            request.page_token = answer.next_page_token
            if not request.page_token:
                break
    return found


async def computed(silo: Center, caller: Metadata, size: Any, own: UUID | None) -> Figures:
    request = pb.QueryMetricsRequest(span=span(), bucket_duration=Duration(seconds=LENGTHS[size]))
    request.organization_id = "" if own is None else str(own)
    return shown((await silo.analytics.QueryMetrics(request, metadata=caller)).points)


async def refreshed(dsn: str, database: Database) -> None:
    """Return once nothing is stale: the silo's own timer may be at it, too."""

    async def is_done() -> bool:
        await sweep(database, utc_now)
        with psycopg.connect(superuser_of(dsn), autocommit=True) as admin:
            return admin.execute("SELECT 1 FROM stale_bucket").fetchone() is None

    await until(is_done)


def unit_days(agency_id: UUID, *minutes: int) -> list[Sent]:
    """Let a unit be free, then on a job, then free, and go off duty, at minutes after noon."""
    unit_id = str(uuid4())
    did = (
        words.UNIT_STATUS_AVAILABLE,
        words.UNIT_STATUS_TRANSPORTING,
        words.UNIT_STATUS_AVAILABLE,
        words.UNIT_STATUS_OFF_DUTY,
    )
    events = []
    for n, (minute, status) in enumerate(zip(minutes, did, strict=False), 1):
        at = NOON + timedelta(minutes=minute)
        changed = UnitStatusChanged(
            agency_id=str(agency_id), unit_id=unit_id, status=status, change_time=timestamp(at)
        )
        events.append(Sent("ems", changed, n, 1000 + n, at))
    return events


def a_history() -> tuple[list[Sent], list[UUID]]:
    """Tell of six trips of three hospitals, in three hours of two days, and of two units."""
    agency, rival = uuid4(), uuid4()
    first = a_completed_trip(agency_id=agency)
    stories = [
        first,
        a_dropped_and_cancelled_trip(first_position=100, hospital_id=first.hospital_id),
        a_completed_trip(first_position=200, agency_id=rival, began=NOON + timedelta(hours=2)),
        a_completed_trip(first_position=300, agency_id=agency, began=NOON + timedelta(hours=26)),
        Story(first_position=400, began=NOON + timedelta(hours=26)),
        a_trip_carried_by_the_second_agency(first_position=500),
    ]
    dropped_by = stories[1].agency_id
    stories[4].requested()
    told = [event for story in stories for event in story.sent]
    units = [*unit_days(agency, 0, 50, 130, 700), *unit_days(rival, 10, 20, 1500, 1600)]
    whose = [first.hospital_id, stories[2].hospital_id, agency, rival, stories[-1].agency_id]
    return [*told, *units], [*whose, dropped_by]


async def test_a_series_is_what_the_facts_say_for_each_organization(
    silo: Center, database: Database
) -> None:
    events, organizations = a_history()
    admin = await silo.login()
    await apply(database, events)
    await refreshed(silo.dsn, database)

    for size in LENGTHS:
        for own in (None, *organizations):
            told = await computed(silo, admin, size, own)
            assert await kept(silo, admin, size, own) == told
            assert told

    ids = silo.sql("SELECT id, dimensions_key, metric_value FROM system_analytics ORDER BY id")
    silo.sql("TRUNCATE system_analytics")
    silo.sql(
        "INSERT INTO stale_bucket SELECT DISTINCT 'TRIPS', date_trunc('hour', requested_at),"
        " 0 FROM trip_fact UNION SELECT 'UNITS', min(started_at), 0 FROM unit_interval_fact"
    )
    await refreshed(silo.dsn, database)
    again = silo.sql("SELECT id, dimensions_key, metric_value FROM system_analytics ORDER BY id")
    assert again == ids


async def test_what_changes_an_old_bucket_changes_its_figures(
    silo: Center, database: Database
) -> None:
    story = Story()
    story.requested()
    await apply(database, story.sent)
    await refreshed(silo.dsn, database)
    admin = await silo.login()
    before = {(each[0], each[2]) for each in await kept(silo, admin, pb.BUCKET_SIZE_HOUR, None)}
    assert ("outcome_share", "PENDING") in before

    story.cancelled(12)
    await apply(database, story.sent)
    await refreshed(silo.dsn, database)
    after = {(each[0], each[2]) for each in await kept(silo, admin, pb.BUCKET_SIZE_HOUR, None)}
    assert ("outcome_share", "PENDING") not in after
    assert {("outcome_share", "CANCELLED"), ("cancellations", "NO_LONGER_NEEDED")} <= after


async def test_a_fact_that_changes_while_figures_are_made_is_not_lost(
    database: Database, center_database: str
) -> None:
    def requests() -> list[tuple[Any, ...]]:
        query = "SELECT metric_value FROM system_analytics WHERE metric_name = 'requests'"
        with psycopg.connect(superuser_of(center_database), autocommit=True) as admin:
            return admin.execute(f"{query} AND bucket_seconds = 3600 LIMIT 1").fetchall()

    one, other = Story(), Story(first_position=100)
    for story in (one, other):
        story.requested()
    await apply(database, one.sent)  # its hour is stale, and committed
    async with database.begin(None) as projecting:
        for project in PROJECTS["hospital"]:
            await project(projecting, other.sent[0].received())
        assert await sweep(database, utc_now) == 1  # without waiting for the one under way
    assert requests() == [(1,)]
    assert await sweep(database, utc_now) == 1
    assert requests() == [(2,)]
    assert await sweep(database, utc_now) == 0


async def test_one_process_at_a_time_makes_figures(database: Database) -> None:
    story = Story()
    story.requested()
    await apply(database, story.sent)
    async with database.begin(None) as other:
        assert await system_analytics.lock(other) is not None
        assert await sweep(database, utc_now) == 0
    assert await sweep(database, utc_now) == 1


async def test_the_time_of_units_passes_without_an_event(
    database: Database, center_database: str
) -> None:
    def utilization() -> list[tuple[Any, ...]]:
        query = """SELECT extract(hour FROM bucket_started_at - %s)::int, metric_value::float8
                   FROM system_analytics WHERE metric_name = 'unit_utilization'
                    AND organization_id IS NULL AND bucket_seconds = 3600 ORDER BY 1"""
        with psycopg.connect(superuser_of(center_database), autocommit=True) as admin:
            return admin.execute(query.encode(), [NOON]).fetchall()

    def at(minutes: int) -> Any:
        return lambda: NOON + timedelta(minutes=minutes)

    events = unit_days(uuid4(), 0, 30, 150)
    await apply(database, events[:2])
    await sweep(database, at(45))
    assert utilization() == [(0, pytest.approx(1 / 3, abs=1e-5))]
    await sweep(database, at(200))  # as if it went on
    assert utilization() == [(0, 0.5), (1, 1.0), (2, 1.0), (3, 1.0)]
    await apply(database, events[2:])  # heard late: it was free from 150 on
    await sweep(database, at(205))
    assert utilization() == [(0, 0.5), (1, 1.0), (2, 0.5), (3, 0.0)]


async def test_an_export_is_the_whole_series(silo: Center) -> None:
    silo.sql(_MANY, MIDNIGHT)
    request = pb.ExportMetricRequest(
        metric=pb.METRIC_REQUESTS, span=span(1203), bucket_size=pb.BUCKET_SIZE_HOUR
    )
    stream = silo.analytics.ExportMetric(request, metadata=await silo.login())
    frames = [[each.metric_value for each in frame.points] async for frame in stream]
    assert [len(frame) for frame in frames] == [500, 500, 200]
    assert [value for frame in frames for value in frame] == list(range(1200))

    dispatcher = silo.user_of("ems", "EMS_DISPATCHER", uuid4())
    stream = silo.analytics.ExportMetric(request, metadata=dispatcher)
    assert await refusal(stream.read()) is grpc.StatusCode.PERMISSION_DENIED
    request.organization_id = str(uuid4())
    call = silo.analytics.ExportMetric(request, metadata=dispatcher).read()
    assert await refusal(call) is grpc.StatusCode.PERMISSION_DENIED


async def test_the_catalogue_names_every_metric(silo: Center) -> None:
    nurse = silo.user_of("hospital", "HOSPITAL_STAFF", uuid4())
    request = pb.ListMetricsRequest(page_size=5)
    found: list[pb.MetricDescription] = []
    while not found or request.page_token:
        answer = await silo.analytics.ListMetrics(request, metadata=nurse)
        found += answer.metrics
        request.page_token = answer.next_page_token
    assert [each.metric for each in found] == METRICS
    award = found[pb.METRIC_MINUTES_TO_AWARD - 1]
    assert (award.metric_name, award.metric_unit) == ("minutes_to_award", "minutes")
    assert (award.category, award.dimension) == ("trips", "percentile")


_MANY = """
INSERT INTO system_analytics (id, metric_name, metric_value, metric_unit, bucket_started_at,
                              bucket_seconds, category, dimensions_key, metadata)
SELECT gen_random_uuid(), 'requests', n, 'count', %s + n * interval '1 hour', 3600, 'trips', '/',
       '{"samples": 1}'
FROM generate_series(0, 1199) AS n
"""
