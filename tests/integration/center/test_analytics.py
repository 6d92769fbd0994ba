"""Figures are made of facts, and facts do not change when events come again.

Proves: replayed, doubled and interleaved events lead to the same facts and figures; each
organization sees its own; the figures are those of the story told.
Run: ``python -m pytest tests/integration/center/test_analytics.py``; needs PostgreSQL.
"""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from google.type.interval_pb2 import Interval
from medport.center.v1 import analytics_pb2 as pb
from medport.common.v1 import vocabulary_pb2 as words
from medport.ems.events.v1.assignments_pb2 import TripDropped

from chassis.interceptors.validation import violations
from tests.support.center_events import (
    NOON,
    Sent,
    Story,
    a_completed_trip,
    a_dropped_and_cancelled_trip,
    a_trip_carried_by_the_second_agency,
    apply,
    database_on,
    turned,
)
from tests.support.center_silo import Center, Metadata, center, refusal
from tests.support.guarded import violations as broken

Figures = dict[tuple[str, str], float]


@pytest.fixture
async def silo(center_database: str) -> AsyncIterator[Center]:
    async with center(center_database) as opened:
        yield opened


def a_day(**known: Any) -> pb.QueryMetricsRequest:
    span = Interval()
    span.start_time.FromDatetime(NOON)
    span.end_time.FromDatetime(NOON + timedelta(days=1))
    return pb.QueryMetricsRequest(span=span, **known)


async def figures(silo: Center, caller: Metadata, **known: Any) -> Figures:
    answer = await silo.analytics.QueryMetrics(a_day(**known), metadata=caller)
    return {(each.metric_name, each.dimension): each.metric_value for each in answer.points}


def facts(silo: Center) -> list[Any]:
    """Return every fact and timer but for the versions, which count differently in each order."""
    return [
        silo.sql(query)
        for query in (
            "SELECT to_jsonb(t) - 'ems_version' FROM trip_fact t ORDER BY transport_request_id",
            "SELECT to_jsonb(b) FROM bid_fact b ORDER BY bid_id",
            "SELECT to_jsonb(d) FROM drop_fact d ORDER BY award_token",
            "SELECT to_jsonb(u) FROM unit_interval_fact u ORDER BY unit_id, started_at",
            "SELECT kind, due_at, cleared_at FROM sla_timer ORDER BY transport_request_id, kind",
        )
    ]


def interleaved(events: list[Sent], seed: int) -> list[Sent]:
    """Mix the two sources' events at random; each source keeps its own order."""
    chooser = random.Random(seed)  # noqa: S311 - of an order
    sources = [[each for each in events if each.source == name] for name in ("hospital", "ems")]
    mixed: list[Sent] = []
    while any(sources):
        mixed.append(chooser.choice([each for each in sources if each]).pop(0))
    return mixed


async def test_the_figures_are_those_of_the_story(silo: Center) -> None:
    completed = a_completed_trip()
    dropped = a_dropped_and_cancelled_trip(first_position=100)
    async with database_on(silo.dsn) as database:
        await apply(database, [*completed.sent, *dropped.sent])

    assert await figures(silo, await silo.login()) == {
        ("requests", ""): 2.0,
        ("outcome_share", "COMPLETED"): 0.5,
        ("outcome_share", "CANCELLED"): 0.5,
        ("bids_per_trip", ""): 1.0,
        ("minutes_to_first_bid", "p50"): 3.0,
        ("minutes_to_first_bid", "p90"): pytest.approx(3.8),
        ("minutes_to_award", "p50"): 6.0,
        ("minutes_to_award", "p90"): 6.0,
        ("minutes_to_pickup", "p50"): 30.0,
        ("minutes_to_pickup", "p90"): 30.0,
        ("minutes_to_completion", "p50"): 60.0,
        ("minutes_to_completion", "p90"): 60.0,
        ("loaded_ratio", ""): 0.75,
        ("revenue", ""): 600.0,
        ("drops", ""): 1.0,
        ("cancellations", "NO_LONGER_NEEDED"): 1.0,
    }


async def test_events_that_come_twice_change_nothing(silo: Center) -> None:
    events = [*a_completed_trip().sent, *a_dropped_and_cancelled_trip(first_position=100).sent]
    admin = await silo.login()
    async with database_on(silo.dsn) as database:
        await apply(database, events)
        before, told = facts(silo), await figures(silo, admin)
        await apply(database, events)
        assert facts(silo) == before
        for event in events:  # each again by itself, long after what followed it
            await apply(database, [event])
    assert facts(silo) == before
    assert await figures(silo, admin) == told


@pytest.mark.parametrize("seed", range(12))
async def test_nothing_orders_the_two_silos(silo: Center, seed: int) -> None:
    events = [*a_completed_trip().sent, *a_dropped_and_cancelled_trip(first_position=100).sent]
    events += a_trip_carried_by_the_second_agency(first_position=200).sent
    async with database_on(silo.dsn) as database:
        await apply(database, events)
        in_order = facts(silo)
        silo.sql("TRUNCATE trip_fact, bid_fact, drop_fact, unit_interval_fact, sla_timer")
        await apply(database, interleaved(events, seed))
    assert facts(silo) == in_order


async def test_a_trip_that_only_ems_spoke_of_counts_nowhere(silo: Center) -> None:
    story = a_completed_trip()
    async with database_on(silo.dsn) as database:
        await apply(database, [each for each in story.sent if each.source == "ems"])
    assert await figures(silo, await silo.login()) == {}


async def test_units_are_utilized_while_they_have_a_job(silo: Center) -> None:
    agency_id, unit_id = uuid4(), str(uuid4())
    did = {0: words.UNIT_STATUS_AVAILABLE, 30: words.UNIT_STATUS_EN_ROUTE}
    did |= {60: words.UNIT_STATUS_TRANSPORTING, 90: words.UNIT_STATUS_OFF_DUTY}
    async with database_on(silo.dsn) as database:
        for n, (minute, status) in enumerate(did.items(), 1):
            await apply(database, [turned(n, agency_id, unit_id, minute, status)] * 2)
    hour = Duration(seconds=3600)
    request = a_day(metrics=[pb.METRIC_UNIT_UTILIZATION], bucket_duration=hour)
    request.organization_id = str(agency_id)
    dispatcher = silo.user_of("ems", "EMS_DISPATCHER", agency_id)
    answer = await silo.analytics.QueryMetrics(request, metadata=dispatcher)
    starts = [each.bucket_start_time.ToDatetime(tzinfo=NOON.tzinfo) for each in answer.points]
    assert starts == [NOON, NOON + timedelta(hours=1)]
    assert [each.metric_value for each in answer.points] == [0.5, 1.0]


# What a unit is doing when it is retired, and when that is: maybe in the moment of its last change.
@pytest.mark.parametrize(
    ("last", "retired"),
    [(words.UNIT_STATUS_AVAILABLE, 60), (words.UNIT_STATUS_OUT_OF_SERVICE, 30)],
    ids=["later", "at once"],
)
async def test_a_retired_unit_is_in_no_state_and_its_time_has_ended(
    silo: Center, last: words.UnitStatus.ValueType, retired: int
) -> None:
    agency, unit_id, out = uuid4(), str(uuid4()), words.UNIT_STATUS_OUT_OF_SERVICE
    did = [(0, words.UNIT_STATUS_EN_ROUTE, False), (30, last, False), (retired, out, True)]
    told = [
        turned(n, agency, unit_id, minute, status, is_retired=ends)
        for n, (minute, status, ends) in enumerate(did, 1)
    ]
    told.append(turned(9, agency, str(uuid4()), 0, out))  # unusable, but not retired
    spans = "SELECT extract(epoch FROM ended_at - started_at) / 60 FROM unit_interval_fact"
    spans += " WHERE unit_id = %s ORDER BY started_at"
    request = pb.GetOperationsSummaryRequest(organization_id=str(agency))
    async with database_on(silo.dsn) as database:
        for events in (told, told, told[:1], told[2:3]):  # once, all again, and some by themselves
            await apply(database, events)
            summary = silo.analytics.GetOperationsSummary(request, metadata=await silo.login())
            assert dict((await summary).units) == {"OUT_OF_SERVICE": 1}
            assert silo.sql(spans, unit_id) == [(30,), (retired - 30,)]


async def test_each_organization_sees_its_own_share(silo: Center) -> None:
    mine, other = a_completed_trip(), a_completed_trip(first_position=100)
    async with database_on(silo.dsn) as database:
        await apply(database, [*mine.sent, *other.sent])

    def requests(role: str, tenant: UUID, named: UUID | str) -> Any:
        silo_name = role.split("_", maxsplit=1)[0].lower()
        query = a_day(organization_id=str(named), metrics=[pb.METRIC_REQUESTS])
        return silo.analytics.QueryMetrics(query, metadata=silo.user_of(silo_name, role, tenant))

    for role, tenant in (("HOSPITAL_STAFF", mine.hospital_id), ("EMS_BILLING", mine.agency_id)):
        answer = await requests(role, tenant, tenant)
        assert [each.metric_value for each in answer.points] == [1.0]
        for foreign in (other.hospital_id, other.agency_id, ""):
            denied = requests(role, tenant, foreign)
            assert await refusal(denied) is grpc.StatusCode.PERMISSION_DENIED
    crew = requests("EMS_CREW", mine.agency_id, mine.agency_id)
    assert await refusal(crew) is grpc.StatusCode.PERMISSION_DENIED


async def test_a_drop_is_counted_to_the_agency_that_gave_the_job_back(silo: Center) -> None:
    taken_over = a_trip_carried_by_the_second_agency()
    dropped_by, carried_by = UUID(_drop(taken_over).job.agency_id), taken_over.agency_id
    left = a_dropped_and_cancelled_trip(first_position=100, hospital_id=taken_over.hospital_id)
    again = a_dropped_and_cancelled_trip(first_position=200, agency_id=dropped_by)
    async with database_on(silo.dsn) as database:
        for story in (taken_over, left, again):
            await apply(database, story.sent * 2)

    admin, drops = await silo.login(), ("drops", "")
    organizations = (dropped_by, carried_by, left.agency_id, left.hospital_id, again.hospital_id)
    told = [
        await figures(silo, admin, organization_id=str(each), metrics=[pb.METRIC_DROPS])
        for each in organizations
    ]
    assert told == [{drops: 2.0}, {drops: 0.0}, {drops: 1.0}, {drops: 2.0}, {drops: 1.0}]
    assert await figures(silo, admin, metrics=[pb.METRIC_DROPS]) == {drops: 3.0}


def _drop(story: Story) -> TripDropped:
    (dropped,) = (each.payload for each in story.sent if isinstance(each.payload, TripDropped))
    return dropped


async def test_the_summary_counts_what_is_under_way(silo: Center) -> None:
    live = Story()
    live.requested()
    done = a_completed_trip(first_position=100)
    async with database_on(silo.dsn) as database:
        await apply(database, [*live.sent, *done.sent])
    silo.sql("UPDATE sla_timer SET breached_at = now() WHERE kind = 'FIRST_BID'")
    request = pb.GetOperationsSummaryRequest()
    answer = await silo.analytics.GetOperationsSummary(request, metadata=await silo.login())
    assert dict(answer.trips) == {"PENDING": 1}
    assert dict(answer.breaches) == {"FIRST_BID": 1}


async def test_a_span_without_a_microsecond_is_refused_by_name(silo: Center) -> None:
    request, admin = a_day(), await silo.login()
    request.span.start_time.nanos, request.span.end_time.nanos = 1, 2
    request.span.end_time.seconds = request.span.start_time.seconds
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await silo.analytics.QueryMetrics(request, metadata=admin)
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert [*broken(refused.value)] == ["span"]

    request.span.end_time.nanos = 1000
    assert not (await silo.analytics.QueryMetrics(request, metadata=admin)).points


@pytest.mark.parametrize(
    "bad", ["no span", "reversed", "of all times", "too many buckets", "unknown metric"]
)
async def test_bad_questions_are_refused(silo: Center, bad: str) -> None:
    request = a_day()
    match bad:
        case "no span":
            request.ClearField("span")
        case "reversed":
            request.span.end_time.FromDatetime(NOON - timedelta(days=1))
        case "of all times":
            request.span.start_time.FromJsonString("0001-01-01T00:00:00Z")
            request.span.end_time.FromJsonString("9999-12-31T23:59:59Z")
            request.bucket_duration.FromSeconds(60)
            assert [*violations(request)] == ["span"]  # and no rule fails
        case "too many buckets":
            request.bucket_duration.FromSeconds(60)
            assert [*violations(request)] == ["bucket_duration"]
        case _:
            request.metrics.append(99)  # type: ignore[arg-type]
    call = silo.analytics.QueryMetrics(request, metadata=await silo.login())
    assert await refusal(call) is grpc.StatusCode.INVALID_ARGUMENT
