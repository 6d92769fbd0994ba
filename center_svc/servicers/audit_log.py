"""AuditLogService: shows the trail, to each organization its own."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

from medport.center.v1 import audit_log_pb2 as pb
from medport.center.v1 import audit_log_pb2_grpc as rpc
from medport.common.v1 import vocabulary_pb2 as words

from center_svc import messages
from center_svc.repositories import audit_log
from chassis import auth
from chassis.clock import instant
from chassis.paging import Page, Paging
from chassis.unit_of_work import Database
from chassis.vocabulary import Silo
from chassis.wire import member

EVER = (datetime(2000, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC))
LAST = UUID(int=2**128 - 1)


class AuditLogServicer(rpc.AuditLogServiceServicer):
    def __init__(self, database: Database, paging: Paging) -> None:
        self._database = database
        self._paging = paging

    async def GetAuditLog(
        self, request: pb.GetAuditLogRequest, context: object
    ) -> pb.GetAuditLogResponse:
        own = auth.tenant_or_any(request.organization_id)
        rows = self._database.read(None)
        found = await audit_log.get(rows, own, UUID(request.audit_log_id))
        return pb.GetAuditLogResponse(audit_log=messages.audit_log(found))

    async def ListAuditLogs(
        self, request: pb.ListAuditLogsRequest, context: object
    ) -> pb.ListAuditLogsResponse:
        own, page = auth.tenant_or_any(request.organization_id), self._paging.page(request)
        query = _query(own, request.filter, page)
        found = await audit_log.list_newest(self._database.read(None), query, page.fetch)
        shown, next_page_token = page.cut(found, lambda each: [each.occurred_at, each.id])
        return pb.ListAuditLogsResponse(
            audit_logs=map(messages.audit_log, shown), next_page_token=next_page_token
        )


def _query(own: UUID | None, asked: pb.AuditLogFilter, page: Page) -> audit_log.Query:
    span = asked.occur_time
    at, id = page.after or (EVER[1].isoformat(), LAST)
    silos = [member(Silo, words.Silo, each) for each in asked.source_silos]
    return audit_log.Query(
        organization_id=own,
        source_silos=silos or list(Silo),
        user_id=UUID(asked.user_id) if asked.user_id else None,
        entity_id=UUID(asked.entity_id) if asked.entity_id else None,
        actions=list(asked.actions),
        since=instant(span.start_time) if span.HasField("start_time") else EVER[0],
        until=instant(span.end_time) if span.HasField("end_time") else EVER[1],
        before_at=datetime.fromisoformat(at),
        before_id=UUID(str(id)),
    )
