"""AgencyService: who an agency is, what it offers and what it charges."""

from __future__ import annotations

from uuid import UUID

from medport.common.v1 import vocabulary_pb2
from medport.ems.v1 import agencies_pb2 as pb
from medport.ems.v1 import agencies_pb2_grpc as rpc

from chassis import auth
from chassis.clock import Clock
from chassis.field_masks import masked
from chassis.paging import Paging
from chassis.unit_of_work import Database, Rows
from chassis.vocabulary import RegistryStatus, TransportLevel
from chassis.wire import amount, any_of
from ems_svc.domain import rates as rules
from ems_svc.domain.agencies import Agency
from ems_svc.messages import agencies as messages
from ems_svc.messages import masks, words
from ems_svc.messages.announcements import announce
from ems_svc.repositories import agencies, agency_rates, audit_entries, service_areas

FIRST = ("", UUID(int=0))  # no agency lies before it
LEVELS = tuple(TransportLevel)  # the lowest first


class AgencyServicer(rpc.AgencyServiceServicer):
    def __init__(self, database: Database, clock: Clock, paging: Paging) -> None:
        self._database = database
        self._clock = clock
        self._paging = paging

    async def GetAgency(
        self, request: pb.GetAgencyRequest, context: object
    ) -> pb.GetAgencyResponse:
        agency_id = auth.tenant(request.agency_id)
        rows = self._database.read(agency_id)
        return pb.GetAgencyResponse(agency=await _whole(rows, await agencies.get(rows, agency_id)))

    async def ListAgencies(
        self, request: pb.ListAgenciesRequest, context: object
    ) -> pb.ListAgenciesResponse:
        page = self._paging.page(request)
        statuses = any_of(RegistryStatus, vocabulary_pb2.RegistryStatus, request.filter.statuses)
        after = (page.after[0], UUID(page.after[1])) if page.after else FIRST
        rows = self._database.read(None)
        only = None if "ANY_TENANT" in auth.scopes() else auth.caller().tenant_id
        found = await agencies.list_by_name(rows, statuses, after, page.fetch, only=only)
        shown, token = page.cut(found, lambda each: (each.name, each.agency_id))
        return pb.ListAgenciesResponse(
            agencies=[messages.agency(each) for each in shown], next_page_token=token
        )

    async def UpdateAgency(
        self, request: pb.UpdateAgencyRequest, context: object
    ) -> pb.UpdateAgencyResponse:
        agency_id = auth.tenant(request.agency_id)
        fields = masked(request.agency, request.update_mask, "agency")

        async with self._database.begin(agency_id) as uow:
            agency = await agencies.lock(uow, agency_id)
            words.must_match(request.etag, agency.row_version)
            given = masks.merged(
                messages.agency(agency), request.agency, request.update_mask, "agency"
            )
            changed, event = agency.changed(self._clock(), **messages.values(given))
            await agencies.save(uow, changed)
            audited = await audit_entries.record(
                uow, agency_id, "ems_agency", agency_id, fields=fields
            )
            announce(uow, [event, audited])
            return uow.answered(pb.UpdateAgencyResponse(agency=await _whole(uow, changed)))

    async def ListAgencyRates(
        self, request: pb.ListAgencyRatesRequest, context: object
    ) -> pb.ListAgencyRatesResponse:
        agency_id, page = auth.tenant(request.agency_id), self._paging.page(request)
        known = await agency_rates.of_agency(self._database.read(agency_id), agency_id)
        after = LEVELS.index(TransportLevel(page.after[0])) + 1 if page.after else 0
        rates = [
            known.get(level) or rules.default(agency_id, level, self._clock())
            for level in LEVELS[after:]
        ]
        shown, token = page.cut(rates, lambda rate: (rate.transport_level,))
        return pb.ListAgencyRatesResponse(
            agency_rates=[messages.rate_of(rate) for rate in shown], next_page_token=token
        )

    async def SetAgencyRate(
        self, request: pb.SetAgencyRateRequest, context: object
    ) -> pb.SetAgencyRateResponse:
        agency_id, given, now = auth.tenant(request.agency_id), request.agency_rate, self._clock()
        level = words.level_of(given.transport_level)
        amounts = amount(given.base_amount), amount(given.per_mile_amount)

        async with self._database.begin(agency_id) as uow:
            await agencies.get(uow, agency_id)
            rate = await agency_rates.lock(uow, rules.default(agency_id, level, now))
            words.must_match(request.etag, rate.row_version)
            changed = rate.set(*amounts, now)
            await agency_rates.save(uow, changed)
            audited = await audit_entries.record(
                uow,
                agency_id,
                "agency_rate",
                agency_id,
                transport_level=level,
                fields=["base_amount", "per_mile_amount"],
            )
            announce(uow, [audited])
            return uow.answered(pb.SetAgencyRateResponse(agency_rate=messages.rate_of(changed)))


async def _whole(rows: Rows, agency: Agency) -> pb.EmsAgency:
    rates = await agency_rates.of_agency(rows, agency.agency_id)
    areas = await service_areas.active(rows, agency.agency_id)
    primary = next((area for area in areas if area.is_primary), None)
    return messages.agency(agency, rates, primary)
