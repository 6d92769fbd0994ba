"""BreakGlassService: patients that the center's coordinators see in an emergency."""

from __future__ import annotations

from uuid import UUID

from medport.hospital.v1 import break_glass_grants_pb2 as pb
from medport.hospital.v1 import break_glass_grants_pb2_grpc as rpc

from chassis import auth, ids
from chassis.clock import Clock
from chassis.errors import EtagMismatch
from chassis.paging import Paging
from chassis.unit_of_work import Database
from hospital_svc import audit
from hospital_svc.domain import break_glass_grants as rules
from hospital_svc.messages import break_glass_grants as messages
from hospital_svc.repositories import break_glass_grants, transport_requests, users
from hospital_svc.repositories.notifications import rows as notifications

NOUN = "break_glass_grant"


class BreakGlassServicer(rpc.BreakGlassServiceServicer):
    def __init__(self, database: Database, clock: Clock, paging: Paging) -> None:
        self._database = database
        self._clock = clock
        self._paging = paging

    async def ListBreakGlassGrants(
        self, request: pb.ListBreakGlassGrantsRequest, context: object
    ) -> pb.ListBreakGlassGrantsResponse:
        hospital_id, page = auth.tenant(request.hospital_id), self._paging.page(request)
        trip_id = UUID(request.transport_request_id) if request.transport_request_id else None
        async with self._database.begin(hospital_id) as uow:
            found = await break_glass_grants.list_newest(
                uow, hospital_id, trip_id, after=page.after, fetch=page.fetch
            )
            shown, token = page.cut(found, lambda each: [each.id])
            if shown:
                await audit.note(uow, hospital_id, NOUN, None, at=self._clock(), fields=["reason"])
        grants = [messages.break_glass_grant(each, with_reason=True) for each in shown]
        return pb.ListBreakGlassGrantsResponse(break_glass_grants=grants, next_page_token=token)

    async def GrantBreakGlass(
        self, request: pb.GrantBreakGlassRequest, context: object
    ) -> pb.GrantBreakGlassResponse:
        hospital_id, at = auth.tenant(request.hospital_id), self._clock()
        async with self._database.begin(hospital_id) as uow:
            trip_id = UUID(request.transport_request_id)
            trip = await transport_requests.get(uow, hospital_id, trip_id)
            grant = rules.grant(
                hospital_id=hospital_id,
                id=ids.new(),
                transport_request_id=trip.id,
                center_user_id=auth.caller().user_id,
                reason=request.reason,
                lasting=messages.lasting(request),
                at=at,
            )
            await break_glass_grants.add(uow, grant)
            notice, admins = messages.notice(grant, trip), await users.list_admins(uow, hospital_id)
            await notifications.queue(uow, notice, tenant=hospital_id, recipients=admins, at=at)
            await audit.note(uow, hospital_id, NOUN, grant.id, at=at, trip_id=str(trip.id))
            answer = messages.break_glass_grant(grant)
            return uow.answered(pb.GrantBreakGlassResponse(break_glass_grant=answer))

    async def RevokeBreakGlass(
        self, request: pb.RevokeBreakGlassRequest, context: object
    ) -> pb.RevokeBreakGlassResponse:
        hospital_id, id = auth.tenant(request.hospital_id), UUID(request.break_glass_grant_id)
        async with self._database.begin(hospital_id) as uow:
            grant, at = await break_glass_grants.lock(uow, hospital_id, id), self._clock()
            if request.etag not in {"", str(grant.version)}:
                raise EtagMismatch
            revoked = grant.revoke(auth.caller().user_id, at)
            await break_glass_grants.save(uow, revoked)
            await audit.note(uow, hospital_id, NOUN, id, at=at)
            answer = messages.break_glass_grant(revoked)
            return uow.answered(pb.RevokeBreakGlassResponse(break_glass_grant=answer))
