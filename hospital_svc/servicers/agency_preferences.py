"""AgencyPreferenceService: which agencies a hospital asks first, and the directory of all."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

from medport.hospital.v1 import agency_preferences_pb2 as pb
from medport.hospital.v1 import agency_preferences_pb2_grpc as rpc

from chassis import auth, ids
from chassis.clock import Clock
from chassis.errors import EtagMismatch
from chassis.field_masks import masked, refuse_missing
from chassis.paging import Paging
from chassis.unit_of_work import Database, UnitOfWork
from chassis.wire import optional
from hospital_svc import audit
from hospital_svc.domain.agency_preferences import AgencyPreference, order_etag, reordered
from hospital_svc.messages import agency_preferences as messages
from hospital_svc.repositories import agency_directory, agency_preferences

NOUN = "agency_preference"


class AgencyPreferenceServicer(rpc.AgencyPreferenceServiceServicer):
    def __init__(self, database: Database, clock: Clock, paging: Paging) -> None:
        self._database = database
        self._clock = clock
        self._paging = paging

    async def GetAgencyPreference(
        self, request: pb.GetAgencyPreferenceRequest, context: object
    ) -> pb.GetAgencyPreferenceResponse:
        hospital_id, id = auth.tenant(request.hospital_id), UUID(request.agency_preference_id)
        found = await agency_preferences.show(self._database.read(hospital_id), hospital_id, id)
        return pb.GetAgencyPreferenceResponse(agency_preference=messages.preference(found))

    async def ListAgencyPreferences(
        self, request: pb.ListAgencyPreferencesRequest, context: object
    ) -> pb.ListAgencyPreferencesResponse:
        hospital_id, page = auth.tenant(request.hospital_id), self._paging.page(request)
        rows, is_active = self._database.read(hospital_id), optional(request.filter, "is_active")
        # Before the page: one that is older than its rows refuses too much, a newer one too little.
        etag = order_etag(
            each.preference for each in await agency_preferences.show_all(rows, hospital_id)
        )
        found = await agency_preferences.list_in_order(
            rows, hospital_id, is_active=is_active, after=page.after, fetch=page.fetch
        )
        shown, token = page.cut(
            found, lambda each: [each.preference.preference_order, each.preference.id]
        )
        return pb.ListAgencyPreferencesResponse(
            agency_preferences=map(messages.preference, shown), next_page_token=token, etag=etag
        )

    async def CreateAgencyPreference(
        self, request: pb.CreateAgencyPreferenceRequest, context: object
    ) -> pb.CreateAgencyPreferenceResponse:
        hospital_id, at = auth.tenant(request.hospital_id), self._clock()
        refuse_missing(request.agency_preference, NOUN)
        id, given = ids.new(), request.agency_preference
        made = messages.added(given, hospital_id=hospital_id, id=id, created_at=at, updated_at=at)
        async with self._database.begin(hospital_id) as uow:
            await agency_preferences.add(uow, made)
            await audit.note(uow, hospital_id, NOUN, id, at=at, agency_id=str(made.agency_id))
            shown = await agency_preferences.show(uow, hospital_id, id)
            return uow.answered(
                pb.CreateAgencyPreferenceResponse(agency_preference=messages.preference(shown))
            )

    async def UpdateAgencyPreference(
        self, request: pb.UpdateAgencyPreferenceRequest, context: object
    ) -> pb.UpdateAgencyPreferenceResponse:
        hospital_id, id = auth.tenant(request.hospital_id), UUID(request.agency_preference_id)
        fields = masked(request.agency_preference, request.update_mask, NOUN)
        changes = messages.columns(request.agency_preference, fields)
        async with self._database.begin(hospital_id) as uow:
            known = await _lock(uow, hospital_id, id, request.etag)
            at, version = self._clock(), known.row_version + 1
            changed = replace(known, **changes, updated_at=at, row_version=version)
            await agency_preferences.save(uow, changed)
            await audit.note(uow, hospital_id, NOUN, id, at=at, fields=sorted(changes))
            shown = await agency_preferences.show(uow, hospital_id, id)
            return uow.answered(
                pb.UpdateAgencyPreferenceResponse(agency_preference=messages.preference(shown))
            )

    async def DeleteAgencyPreference(
        self, request: pb.DeleteAgencyPreferenceRequest, context: object
    ) -> pb.DeleteAgencyPreferenceResponse:
        hospital_id, id = auth.tenant(request.hospital_id), UUID(request.agency_preference_id)
        async with self._database.begin(hospital_id) as uow:
            known = await _lock(uow, hospital_id, id, request.etag)
            await agency_preferences.remove(uow, hospital_id, id)
            agency_id, at = str(known.agency_id), self._clock()
            await audit.note(uow, hospital_id, NOUN, id, at=at, agency_id=agency_id)
            return uow.answered(pb.DeleteAgencyPreferenceResponse())

    async def ReorderAgencyPreferences(
        self, request: pb.ReorderAgencyPreferencesRequest, context: object
    ) -> pb.ReorderAgencyPreferencesResponse:
        hospital_id, at = auth.tenant(request.hospital_id), self._clock()
        waves = [[UUID(id) for id in wave.agency_preference_ids] for wave in request.waves]
        async with self._database.begin(hospital_id) as uow:
            named = {id for wave in waves for id in wave}
            known = await agency_preferences.lock_all(uow, hospital_id, named)
            if request.etag not in {"", order_etag(known)}:
                raise EtagMismatch
            changed = reordered(known, waves, at)
            for each in changed:
                await agency_preferences.save(uow, each)
            ids_ = [str(each.id) for each in changed]
            await audit.note(uow, hospital_id, NOUN, None, at=at, changed=ids_)
            shown = await agency_preferences.show_all(uow, hospital_id)
            return uow.answered(
                pb.ReorderAgencyPreferencesResponse(
                    agency_preferences=map(messages.preference, shown),
                    etag=order_etag(each.preference for each in shown),
                )
            )

    async def ListAgencyDirectory(
        self, request: pb.ListAgencyDirectoryRequest, context: object
    ) -> pb.ListAgencyDirectoryResponse:
        hospital_id, page = auth.tenant(request.hospital_id), self._paging.page(request)
        rows, wanted = self._database.read(hospital_id), messages.wanted(request.filter)
        found = await agency_directory.list_by_id(rows, wanted, after=page.after, fetch=page.fetch)
        shown, token = page.cut(found, lambda each: [each.agency_id])
        return pb.ListAgencyDirectoryResponse(
            agencies=map(messages.directory_agency, shown), next_page_token=token
        )


async def _lock(uow: UnitOfWork, hospital_id: UUID, id: UUID, etag: str) -> AgencyPreference:
    known = await agency_preferences.lock(uow, hospital_id, id)
    if etag != str(known.row_version):
        raise EtagMismatch
    return known
