"""FacilityService: a hospital's facilities, and the directory of everybody's."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

from medport.hospital.v1 import facilities_pb2 as pb
from medport.hospital.v1 import facilities_pb2_grpc as rpc

from chassis import auth, ids
from chassis.clock import Clock
from chassis.errors import EtagMismatch
from chassis.field_masks import masked, refuse_missing
from chassis.paging import Paging
from chassis.unit_of_work import Database, UnitOfWork
from hospital_svc import audit
from hospital_svc.domain.facilities import Facility
from hospital_svc.domain.needs import refuse_unless_active
from hospital_svc.domain.refusals import FacilityInUse
from hospital_svc.messages import facilities as messages
from hospital_svc.repositories import (
    facilities,
    facility_directory,
    hospitals,
    transport_requests,
)


class FacilityServicer(rpc.FacilityServiceServicer):
    def __init__(self, database: Database, clock: Clock, paging: Paging) -> None:
        self._database = database
        self._clock = clock
        self._paging = paging

    async def GetFacility(
        self, request: pb.GetFacilityRequest, context: object
    ) -> pb.GetFacilityResponse:
        hospital_id = auth.tenant(request.hospital_id)
        rows = self._database.read(hospital_id)
        found = await facilities.get(rows, hospital_id, UUID(request.facility_id))
        return pb.GetFacilityResponse(facility=messages.facility(found))

    async def ListFacilities(
        self, request: pb.ListFacilitiesRequest, context: object
    ) -> pb.ListFacilitiesResponse:
        hospital_id, page = auth.tenant(request.hospital_id), self._paging.page(request)
        rows, wanted = self._database.read(hospital_id), messages.wanted(request.filter)
        found = await facilities.list_by_id(
            rows, hospital_id, wanted, after=page.after, fetch=page.fetch
        )
        shown, token = page.cut(found, lambda each: [each.id])
        return pb.ListFacilitiesResponse(
            facilities=map(messages.facility, shown), next_page_token=token
        )

    async def CreateFacility(
        self, request: pb.CreateFacilityRequest, context: object
    ) -> pb.CreateFacilityResponse:
        hospital_id = auth.tenant(request.hospital_id)
        refuse_missing(request.facility, "facility")
        async with self._database.begin(hospital_id) as uow:
            hospital = await hospitals.get(uow, hospital_id)
            refuse_unless_active(hospital.status)
            at = self._clock()
            facility = messages.added(
                request.facility, hospital_id=hospital_id, id=ids.new(), at=at
            )
            await facilities.add(uow, facility)
            await _show(uow, facility, hospital.name)
            await audit.note(uow, hospital_id, "facility", facility.id, at=at)
            return uow.answered(pb.CreateFacilityResponse(facility=messages.facility(facility)))

    async def UpdateFacility(
        self, request: pb.UpdateFacilityRequest, context: object
    ) -> pb.UpdateFacilityResponse:
        hospital_id, id = auth.tenant(request.hospital_id), UUID(request.facility_id)
        fields = masked(request.facility, request.update_mask, "facility")
        changes = messages.columns(request.facility, fields)
        async with self._database.begin(hospital_id) as uow:
            facility = await _lock(uow, hospital_id, id, request.etag)
            facility = replace(facility, **changes)
            facility = await self._save(uow, facility, fields=sorted(fields))
            return uow.answered(pb.UpdateFacilityResponse(facility=messages.facility(facility)))

    async def DeactivateFacility(
        self, request: pb.DeactivateFacilityRequest, context: object
    ) -> pb.DeactivateFacilityResponse:
        hospital_id, id = auth.tenant(request.hospital_id), UUID(request.facility_id)
        async with self._database.begin(hospital_id) as uow:
            facility = await _lock(uow, hospital_id, id, request.etag)
            if facility.is_active:
                facility = replace(facility, is_active=False)
                facility = await self._save(uow, facility, is_active=False)
            # After the write: a new trip waits for it, or was there before it and is seen now.
            if await transport_requests.uses(uow, hospital_id, id):
                raise FacilityInUse("a live trip begins or ends here", id=str(id))
            return uow.answered(pb.DeactivateFacilityResponse(facility=messages.facility(facility)))

    async def ReactivateFacility(
        self, request: pb.ReactivateFacilityRequest, context: object
    ) -> pb.ReactivateFacilityResponse:
        hospital_id, id = auth.tenant(request.hospital_id), UUID(request.facility_id)
        async with self._database.begin(hospital_id) as uow:
            facility = await _lock(uow, hospital_id, id, request.etag)
            if not facility.is_active:
                facility = replace(facility, is_active=True)
                facility = await self._save(uow, facility, is_active=True)
            return uow.answered(pb.ReactivateFacilityResponse(facility=messages.facility(facility)))

    async def ListFacilityDirectory(
        self, request: pb.ListFacilityDirectoryRequest, context: object
    ) -> pb.ListFacilityDirectoryResponse:
        hospital_id, page = auth.tenant(request.hospital_id), self._paging.page(request)
        rows, wanted = self._database.read(hospital_id), messages.wanted(request.filter)
        found = await facility_directory.list_by_id(
            rows, wanted, after=page.after, fetch=page.fetch
        )
        shown, token = page.cut(found, lambda each: [each.facility_id])
        return pb.ListFacilityDirectoryResponse(
            facilities=map(messages.directory_facility, shown), next_page_token=token
        )

    async def _save(self, uow: UnitOfWork, facility: Facility, **changes: object) -> Facility:
        at = self._clock()
        saved = replace(facility, updated_at=at, row_version=facility.row_version + 1)
        await facilities.save(uow, saved)
        hospital = await hospitals.get(uow, saved.hospital_id)
        await _show(uow, saved, hospital.name)
        await audit.note(uow, saved.hospital_id, "facility", saved.id, at=at, **changes)
        return saved


async def _lock(uow: UnitOfWork, hospital_id: UUID, id: UUID, etag: str) -> Facility:
    facility = await facilities.lock(uow, hospital_id, id)
    if etag not in {"", str(facility.row_version)}:
        raise EtagMismatch
    return facility


async def _show(uow: UnitOfWork, facility: Facility, hospital_name: str) -> None:
    entry = await facility_directory.put(uow, facility, hospital_name)
    uow.emit(messages.changed(entry))
