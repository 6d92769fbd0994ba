"""Between figures and service levels, and what callers see and ask of them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

from google.protobuf.duration_pb2 import Duration
from medport.center.v1 import analytics_pb2 as pb

from center_svc.domain import metrics
from center_svc.domain.metrics import Figure, KeptFigure, Metric, Series
from center_svc.domain.sla_timers import SlaKind, SlaState, SlaTimer, WantedTimers
from chassis.clock import instant, timestamp
from chassis.wire import member, number

EVER = (datetime(2000, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC))


def description(metric: Metric) -> pb.MetricDescription:
    return pb.MetricDescription(
        metric=number(pb.Metric, metric),
        metric_name=metric.lower(),
        metric_unit=metrics.unit(metric),
        category=metrics.category(metric),
        dimension=metrics.dimension(metric),
    )


def system_analytics(metric: Metric, figure: Figure, bucket: timedelta) -> pb.SystemAnalytics:
    duration = Duration()
    duration.FromTimedelta(bucket)
    message = pb.SystemAnalytics(
        metric_name=metric.lower(),
        metric_value=figure.value,
        metric_unit=metrics.unit(metric),
        bucket_start_time=timestamp(figure.bucket_started_at),
        bucket_duration=duration,
        category=metrics.category(metric),
        dimension=figure.dimension,
        organization_id="" if figure.organization_id is None else str(figure.organization_id),
    )
    message.metadata.update({"samples": figure.samples})
    return message


def kept(series: Series, kept: KeptFigure) -> pb.SystemAnalytics:
    message = system_analytics(series.metric, kept.figure, series.size.length)
    message.id = str(kept.id)
    message.compute_time.FromDatetime(kept.computed_at)
    return message


def sla_timer(timer: SlaTimer) -> pb.SlaTimer:
    return pb.SlaTimer(
        hospital_id=str(timer.hospital_id),
        transport_request_id=str(timer.transport_request_id),
        kind=number(pb.SlaKind, timer.kind),
        agency_id="" if timer.agency_id is None else str(timer.agency_id),
        due_time=timestamp(timer.due_at),
        clear_time=timestamp(timer.cleared_at),
        breach_time=timestamp(timer.breached_at),
        state=number(pb.SlaState, timer.state),
    )


def wanted_timers(own: UUID | None, asked: pb.SlaTimerFilter) -> WantedTimers:
    due = asked.due_time
    return WantedTimers(
        organization_id=own,
        trips=[UUID(each) for each in asked.transport_request_ids],
        kinds=[member(SlaKind, pb.SlaKind, each) for each in asked.kinds],
        states=[member(SlaState, pb.SlaState, each) for each in asked.states],
        since=instant(due.start_time) if due.HasField("start_time") else EVER[0],
        until=instant(due.end_time) if due.HasField("end_time") else EVER[1],
    )
