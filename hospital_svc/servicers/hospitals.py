"""HospitalService: the organisations that ask for transports."""

from __future__ import annotations

from dataclasses import replace

from medport.hospital.v1 import hospitals_pb2 as pb
from medport.hospital.v1 import hospitals_pb2_grpc as rpc

from chassis import auth
from chassis.clock import Clock
from chassis.errors import EtagMismatch
from chassis.field_masks import masked
from chassis.paging import Paging
from chassis.unit_of_work import Database, UnitOfWork
from hospital_svc import audit
from hospital_svc.domain.hospitals import Hospital
from hospital_svc.messages import facilities as facility_messages
from hospital_svc.messages import hospitals as messages
from hospital_svc.repositories import facilities, facility_directory, hospitals

NOUN = "hospital"


class HospitalServicer(rpc.HospitalServiceServicer):
    def __init__(self, database: Database, clock: Clock, paging: Paging) -> None:
        self._database = database
        self._clock = clock
        self._paging = paging

    async def GetHospital(
        self, request: pb.GetHospitalRequest, context: object
    ) -> pb.GetHospitalResponse:
        hospital_id = auth.tenant(request.hospital_id)
        found = await hospitals.get(self._database.read(hospital_id), hospital_id)
        return pb.GetHospitalResponse(hospital=messages.hospital(found))

    async def ListHospitals(
        self, request: pb.ListHospitalsRequest, context: object
    ) -> pb.ListHospitalsResponse:
        page, rows = self._paging.page(request), self._database.read(None)
        statuses = messages.wanted(request.filter)
        found = await hospitals.list_by_id(rows, statuses, after=page.after, fetch=page.fetch)
        shown, token = page.cut(found, lambda each: [each.hospital_id])
        return pb.ListHospitalsResponse(
            hospitals=map(messages.hospital, shown), next_page_token=token
        )

    async def UpdateHospital(
        self, request: pb.UpdateHospitalRequest, context: object
    ) -> pb.UpdateHospitalResponse:
        hospital_id = auth.tenant(request.hospital_id)
        fields = masked(request.hospital, request.update_mask, NOUN)
        changes = messages.columns(request.hospital, fields)
        async with self._database.begin(hospital_id) as uow:
            known = await hospitals.lock(uow, hospital_id)
            if request.etag != str(known.row_version):
                raise EtagMismatch
            at, version = self._clock(), known.row_version + 1
            changed = replace(known, **changes, updated_at=at, row_version=version)
            await hospitals.save(uow, changed)
            if changed.name != known.name:
                await _rename_facilities(uow, changed)
            await audit.note(uow, hospital_id, NOUN, hospital_id, at=at, fields=sorted(changes))
            return uow.answered(pb.UpdateHospitalResponse(hospital=messages.hospital(changed)))


async def _rename_facilities(uow: UnitOfWork, hospital: Hospital) -> None:
    """Show the hospital's new name beside each of its facilities, in every silo."""
    for facility in await facilities.lock_all(uow, hospital.hospital_id):
        renamed = replace(
            facility, row_version=facility.row_version + 1, updated_at=hospital.updated_at
        )
        await facilities.save(uow, renamed)
        entry = await facility_directory.put(uow, renamed, hospital.name)
        uow.emit(facility_messages.changed(entry))
