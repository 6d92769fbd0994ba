"""AnalyticsService: how the mesh does, to each organization its own share of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from uuid import UUID

from medport.center.v1 import analytics_pb2 as pb
from medport.center.v1 import analytics_pb2_grpc as rpc

from center_svc.domain.metrics import BucketSize, KeptFigure, Metric, Series
from center_svc.messages import analytics as messages
from center_svc.repositories import analytics, sla_timers, system_analytics
from center_svc.repositories.system_analytics import Place
from chassis import auth
from chassis.clock import Clock, instant, timestamp
from chassis.errors import InvalidArgument
from chassis.paging import Paging
from chassis.unit_of_work import Database
from chassis.wire import member

METRICS = list(Metric)
FRAME = 500  # figures of an export that are in memory at a time


class AnalyticsServicer(rpc.AnalyticsServiceServicer):
    def __init__(self, database: Database, clock: Clock, paging: Paging) -> None:
        self._database = database
        self._clock = clock
        self._paging = paging

    async def ListMetrics(
        self, request: pb.ListMetricsRequest, context: object
    ) -> pb.ListMetricsResponse:
        page = self._paging.page(request)
        begin = int(page.after[0]) if page.after else 0
        behind = list(enumerate(METRICS, 1))[begin : begin + page.fetch]
        shown, token = page.cut(behind, lambda each: [each[0]])
        return pb.ListMetricsResponse(
            metrics=[messages.description(metric) for _, metric in shown], next_page_token=token
        )

    async def QueryMetric(
        self, request: pb.QueryMetricRequest, context: object
    ) -> pb.QueryMetricResponse:
        series, page = _series(request), self._paging.page(request)
        rows, after = self._database.read(None), _place(page.after)
        # Before the figures: they are at least as new.
        refreshed_at = await system_analytics.refreshed_at(rows)
        found = await system_analytics.list_oldest(rows, series, after=after, fetch=page.fetch)
        shown, token = page.cut(found, lambda each: [each.figure.bucket_started_at, each.key])
        return pb.QueryMetricResponse(
            points=[messages.kept(series, each) for each in shown],
            next_page_token=token,
            refresh_time=timestamp(refreshed_at),
        )

    async def ExportMetric(
        self, request: pb.ExportMetricRequest, context: object
    ) -> AsyncIterator[pb.ExportMetricResponse]:
        series, rows = _series(request), self._database.read(None)
        found: list[KeptFigure] = []
        while not found or len(found) == FRAME:
            after = (found[-1].figure.bucket_started_at, found[-1].key) if found else None
            found = await system_analytics.list_oldest(rows, series, after=after, fetch=FRAME)
            if not found:
                return
            points = [messages.kept(series, each) for each in found]
            yield pb.ExportMetricResponse(points=points)

    async def ListSlaTimers(
        self, request: pb.ListSlaTimersRequest, context: object
    ) -> pb.ListSlaTimersResponse:
        own, page = auth.tenant_or_any(request.organization_id), self._paging.page(request)
        wanted = messages.wanted_timers(own, request.filter)
        rows = self._database.read(None)
        found = await sla_timers.list_newest(rows, wanted, after=page.after, fetch=page.fetch)
        shown, token = page.cut(found, lambda each: [each.transport_request_id, each.kind])
        return pb.ListSlaTimersResponse(
            sla_timers=map(messages.sla_timer, shown), next_page_token=token
        )

    async def QueryMetrics(
        self, request: pb.QueryMetricsRequest, context: object
    ) -> pb.QueryMetricsResponse:
        query = self._query(auth.tenant_or_any(request.organization_id), request)
        asked = {member(Metric, pb.Metric, each) for each in request.metrics}
        rows = self._database.read(None)
        points = [
            messages.system_analytics(metric, figure, query.bucket)
            for metric in Metric
            if metric in asked or not asked
            for figure in await analytics.figures(rows, metric, query)
        ]
        return pb.QueryMetricsResponse(points=points)

    async def GetOperationsSummary(
        self, request: pb.GetOperationsSummaryRequest, context: object
    ) -> pb.GetOperationsSummaryResponse:
        own, rows = auth.tenant_or_any(request.organization_id), self._database.read(None)
        return pb.GetOperationsSummaryResponse(
            trips=await analytics.count(rows, analytics.COUNT_TRIPS, own),
            units=await analytics.count(rows, analytics.COUNT_UNITS, own),
            breaches=await analytics.count(rows, analytics.COUNT_BREACHES, own),
        )

    def _query(self, own: UUID | None, request: pb.QueryMetricsRequest) -> analytics.Query:
        since, until = instant(request.span.start_time), instant(request.span.end_time)
        # The contract compares nanoseconds; PostgreSQL has none.
        if since == until:
            raise InvalidArgument(
                "the span is shorter than a microsecond",
                violations={"span": "must be a microsecond or longer"},
            )
        bucket: timedelta = request.bucket_duration.ToTimedelta()
        return analytics.Query(
            organization_id=own,
            since=since,
            until=until,
            bucket=bucket or until - since,
            now=self._clock(),
        )


def _series(request: pb.QueryMetricRequest | pb.ExportMetricRequest) -> Series:
    return Series(
        metric=member(Metric, pb.Metric, request.metric),
        size=member(BucketSize, pb.BucketSize, request.bucket_size),
        organization_id=auth.tenant_or_any(request.organization_id),
        since=instant(request.span.start_time),
        until=instant(request.span.end_time),
    )


def _place(after: tuple[str, ...] | None) -> Place | None:
    return None if after is None else (datetime.fromisoformat(after[0]), after[1])
