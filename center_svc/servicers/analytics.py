"""AnalyticsService: how the mesh does, to each organization its own share of it."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from medport.center.v1 import analytics_pb2 as pb
from medport.center.v1 import analytics_pb2_grpc as rpc

from center_svc import messages
from center_svc.domain.metrics import Metric
from center_svc.repositories import analytics
from chassis import auth
from chassis.clock import Clock, instant
from chassis.unit_of_work import Database
from chassis.wire import member


class AnalyticsServicer(rpc.AnalyticsServiceServicer):
    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

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
        bucket: timedelta = request.bucket_duration.ToTimedelta()
        return analytics.Query(
            organization_id=own,
            since=since,
            until=until,
            bucket=bucket or until - since,
            now=self._clock(),
        )
