"""AuditLogService: shows the trail, to each organization its own, and proves that it is whole."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime
from uuid import UUID

from medport.center.v1 import audit_log_pb2 as pb
from medport.center.v1 import audit_log_pb2_grpc as rpc
from medport.common.v1 import vocabulary_pb2 as words

from center_svc.domain.audit_log import Broken, ChainPoint, Recorded, Wanted, follow
from center_svc.messages import audit_log as messages
from center_svc.repositories import audit_chains, audit_log
from chassis import auth
from chassis.paging import Page, Paging
from chassis.unit_of_work import Database
from chassis.vocabulary import Silo
from chassis.wire import member

LAST = UUID(int=2**128 - 1)
FRAME = 500  # entries read, and sent, at a time
MOST = 10_000  # entries that one verification looks at: under a second

NONE = pb.AUDIT_CHAIN_FAULT_UNSPECIFIED
BEGINNING_LOST = pb.AUDIT_CHAIN_FAULT_BEGINNING_LOST
ENTRY_BROKEN = pb.AUDIT_CHAIN_FAULT_ENTRY_BROKEN
END_LOST = pb.AUDIT_CHAIN_FAULT_END_LOST


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
        rows, wanted = self._database.read(None), messages.wanted(own, request.filter)
        found = await audit_log.list_newest(rows, wanted, before=_before(page), fetch=page.fetch)
        shown, next_page_token = page.cut(found, lambda each: [each.occurred_at, each.id])
        return pb.ListAuditLogsResponse(
            audit_logs=map(messages.audit_log, shown), next_page_token=next_page_token
        )

    async def VerifyAuditChain(
        self, request: pb.VerifyAuditChainRequest, context: object
    ) -> pb.VerifyAuditChainResponse:
        silo, point = member(Silo, words.Silo, request.source_silo), messages.point(request)
        if not await audit_chains.stands(self._database.read(None), silo, point):
            return _verified(point, 0, fault=BEGINNING_LOST)
        return await self._verify(silo, point)

    async def ExportAuditEntries(
        self, request: pb.ExportAuditEntriesRequest, context: object
    ) -> AsyncIterator[pb.ExportAuditEntriesResponse]:
        own = auth.tenant_or_any(request.organization_id)
        wanted = messages.wanted(own, request.filter)
        for silo, after in _silos(request):
            async for entries in self._frames(silo, wanted, after):
                yield pb.ExportAuditEntriesResponse(audit_logs=map(messages.audit_log, entries))

    async def _frames(
        self, silo: Silo, wanted: Wanted, after: int
    ) -> AsyncIterator[list[Recorded]]:
        """Read a frame when the one before was sent: a slow reader holds no more than that."""
        rows = self._database.read(None)
        last = (await audit_chains.end(rows, silo)).last_position
        while entries := await audit_chains.list_wanted(
            rows, silo, wanted, after=after, last=last, fetch=FRAME
        ):
            yield entries
            after = entries[-1].chain_position

    async def _verify(self, silo: Silo, point: ChainPoint) -> pb.VerifyAuditChainResponse:
        rows, count = self._database.read(None), 0
        end = await audit_chains.end(rows, silo)
        while count < MOST and point.position < end.last_position:
            entries = await audit_chains.list_stretch(
                rows, silo, after=point.position, last=end.last_position, fetch=FRAME
            )
            if not entries:  # removed this very moment: the next call will say so
                break
            try:
                point = follow(point, entries)
            except Broken as broken:
                holds = count + broken.count
                return _verified(broken.point, holds, fault=ENTRY_BROKEN, id=broken.entry.id)
            count += len(entries)
        if point.position < end.last_position:
            return _verified(point, count)
        whole = end.is_at(point)
        return _verified(point, count, fault=NONE if whole else END_LOST, is_complete=whole)


def _silos(request: pb.ExportAuditEntriesRequest) -> list[tuple[Silo, int]]:
    """Return the silos to go through, with the place to go on behind in the first of them."""
    silos = list(Silo)
    if not request.HasField("begin_after"):
        return [(silo, 0) for silo in silos]
    first = member(Silo, words.Silo, request.begin_after.source_silo)
    left = silos[silos.index(first) :]
    return [(silo, request.begin_after.chain_position if silo is first else 0) for silo in left]


def _verified(
    point: ChainPoint,
    count: int,
    *,
    fault: pb.AuditChainFault.ValueType = NONE,
    id: UUID | None = None,
    is_complete: bool = False,
) -> pb.VerifyAuditChainResponse:
    return pb.VerifyAuditChainResponse(
        checked_until=messages.chain_point(point),
        checked_count=count,
        is_complete=is_complete,
        fault=fault,
        audit_log_id="" if id is None else str(id),
    )


def _before(page: Page) -> tuple[datetime, UUID]:
    if page.after is None:
        return messages.EVER[1], LAST
    at, id = page.after
    return datetime.fromisoformat(at), UUID(id)
