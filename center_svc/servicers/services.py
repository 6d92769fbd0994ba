"""ServiceRegistryService: the only door into the mesh."""

from __future__ import annotations

from uuid import UUID

from medport.center.v1 import services_pb2 as pb
from medport.center.v1 import services_pb2_grpc as rpc
from medport.common.v1 import vocabulary_pb2 as words

from center_svc import messages
from center_svc.repositories import audit_log, services
from chassis import auth, ids, one_time_tokens
from chassis.clock import Clock
from chassis.field_masks import masked
from chassis.paging import Paging
from chassis.unit_of_work import Database
from chassis.vocabulary import RegistryStatus, ServiceType
from chassis.wire import member


class ServiceRegistryServicer(rpc.ServiceRegistryServiceServicer):
    def __init__(self, database: Database, clock: Clock, paging: Paging) -> None:
        self._database = database
        self._clock = clock
        self._paging = paging

    async def GetService(
        self, request: pb.GetServiceRequest, context: object
    ) -> pb.GetServiceResponse:
        found = await services.get(self._database.read(None), UUID(request.service_id))
        return pb.GetServiceResponse(service=messages.service(found))

    async def ListServices(
        self, request: pb.ListServicesRequest, context: object
    ) -> pb.ListServicesResponse:
        page = self._paging.page(request)
        asked = request.filter
        types = [member(ServiceType, words.ServiceType, each) for each in asked.service_types]
        statuses = [member(RegistryStatus, words.RegistryStatus, each) for each in asked.statuses]
        found = await services.list_newest(
            self._database.read(None),
            types or list(ServiceType),
            statuses or list(RegistryStatus),
            before=UUID(page.after[0]) if page.after else services.NEWEST,
            limit=page.fetch,
        )
        shown, next_page_token = page.cut(found, lambda each: [each.id])
        return pb.ListServicesResponse(
            services=map(messages.service, shown), next_page_token=next_page_token
        )

    async def RegisterService(
        self, request: pb.RegisterServiceRequest, context: object
    ) -> pb.RegisterServiceResponse:
        at, token = self._clock(), one_time_tokens.new()
        service = messages.registration(
            request, id=ids.new(), external_id=ids.new(), by=auth.caller().user_id, at=at
        )
        async with self._database.begin(None) as uow:
            if not request.awaits_approval:
                service, event = service.admit(token.hash, at)
                uow.emit(messages.announcement(event))
            await services.add(uow, service)
            await audit_log.note(uow, "service_registry", service.id, at=at)
            return uow.answered(
                pb.RegisterServiceResponse(
                    service=messages.service(service),
                    invitation_token="" if request.awaits_approval else token.text,
                )
            )

    async def UpdateService(
        self, request: pb.UpdateServiceRequest, context: object
    ) -> pb.UpdateServiceResponse:
        at, given = self._clock(), request.service
        fields = masked(given, request.update_mask, "service")
        async with self._database.begin(None) as uow:
            service = (await services.lock(uow, UUID(request.service_id))).read_as(request.etag)
            service = service.describe(
                given.service_name if "service_name" in fields else service.service_name,
                dict(given.metadata) if "metadata" in fields else service.metadata,
                at,
            )
            await services.save(uow, service)
            await audit_log.note(uow, "service_registry", service.id, at=at, fields=fields)
            return uow.answered(pb.UpdateServiceResponse(service=messages.service(service)))

    async def ApproveService(
        self, request: pb.ApproveServiceRequest, context: object
    ) -> pb.ApproveServiceResponse:
        at, token = self._clock(), one_time_tokens.new()
        async with self._database.begin(None) as uow:
            service = (await services.lock(uow, UUID(request.service_id))).read_as(request.etag)
            approved, event = service.admit(token.hash, at)
            await services.save(uow, approved)
            await audit_log.note(uow, "service_registry", service.id, at=at)
            uow.emit(messages.announcement(event))
            return uow.answered(
                pb.ApproveServiceResponse(
                    service=messages.service(approved), invitation_token=token.text
                )
            )

    async def SuspendService(
        self, request: pb.SuspendServiceRequest, context: object
    ) -> pb.SuspendServiceResponse:
        at = self._clock()
        async with self._database.begin(None) as uow:
            service = (await services.lock(uow, UUID(request.service_id))).read_as(request.etag)
            suspended, event = service.suspend(at)
            await services.save(uow, suspended)
            await audit_log.note(uow, "service_registry", service.id, at=at, reason=request.reason)
            uow.emit(messages.announcement(event))
            return uow.answered(pb.SuspendServiceResponse(service=messages.service(suspended)))

    async def ReinstateService(
        self, request: pb.ReinstateServiceRequest, context: object
    ) -> pb.ReinstateServiceResponse:
        at = self._clock()
        async with self._database.begin(None) as uow:
            service = (await services.lock(uow, UUID(request.service_id))).read_as(request.etag)
            reinstated, event = service.reinstate(at)
            await services.save(uow, reinstated)
            await audit_log.note(uow, "service_registry", service.id, at=at, reason=request.reason)
            uow.emit(messages.announcement(event))
            return uow.answered(pb.ReinstateServiceResponse(service=messages.service(reinstated)))

    async def RetireService(
        self, request: pb.RetireServiceRequest, context: object
    ) -> pb.RetireServiceResponse:
        at = self._clock()
        async with self._database.begin(None) as uow:
            service = (await services.lock(uow, UUID(request.service_id))).read_as(request.etag)
            retired, event = service.retire(at)
            await services.save(uow, retired)
            await audit_log.note(uow, "service_registry", service.id, at=at, reason=request.reason)
            if event is not None:
                uow.emit(messages.announcement(event))
            return uow.answered(pb.RetireServiceResponse(service=messages.service(retired)))
