"""UnitAvailabilityService: when units may work."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

from medport.common.v1 import vocabulary_pb2
from medport.ems.v1 import unit_availability_pb2 as pb
from medport.ems.v1 import unit_availability_pb2_grpc as rpc

from chassis import auth, ids
from chassis.clock import Clock
from chassis.field_masks import masked
from chassis.paging import Paging
from chassis.unit_of_work import Database, UnitOfWork
from chassis.vocabulary import UnitStatus
from chassis.wire import any_of
from ems_svc.domain import unit_availability as rules
from ems_svc.domain.unit_availability import UnitAvailability
from ems_svc.messages import masks, words
from ems_svc.messages import unit_availability as messages
from ems_svc.messages.announcements import announce
from ems_svc.repositories import audit_entries, crews, unit_availability, units

NOUN = "unit_availability"
NO_UNIT = UUID(int=0)  # what a crew finds under another unit's id: nothing
LAST = (datetime(9999, 1, 1, tzinfo=UTC), UUID(int=2**128 - 1))  # no interval begins later


class UnitAvailabilityServicer(rpc.UnitAvailabilityServiceServicer):
    def __init__(self, database: Database, clock: Clock, paging: Paging) -> None:
        self._database = database
        self._clock = clock
        self._paging = paging

    async def GetUnitAvailability(
        self, request: pb.GetUnitAvailabilityRequest, context: object
    ) -> pb.GetUnitAvailabilityResponse:
        agency_id, id = auth.tenant(request.agency_id), UUID(request.unit_availability_id)
        rows = self._database.read(agency_id)
        interval = await unit_availability.get(rows, agency_id, id)
        if await crews.own_unit(rows, agency_id) not in (None, interval.unit_id):
            raise unit_availability.not_found(id)
        return pb.GetUnitAvailabilityResponse(
            unit_availability=messages.unit_availability(interval)
        )

    async def ListUnitAvailability(
        self, request: pb.ListUnitAvailabilityRequest, context: object
    ) -> pb.ListUnitAvailabilityResponse:
        agency_id, page = auth.tenant(request.agency_id), self._paging.page(request)
        rows, given = self._database.read(agency_id), request.filter
        asked, own = words.optional_id(given.unit_id), await crews.own_unit(rows, agency_id)
        since_at, until_at = words.ends(given.time)
        found = await unit_availability.list_latest(
            rows,
            agency_id,
            unit_id=asked if own is None else own if asked in (None, own) else NO_UNIT,
            statuses=any_of(UnitStatus, vocabulary_pb2.UnitStatus, given.statuses),
            since_at=since_at,
            until_at=until_at,
            before=_place(page.after) if page.after else LAST,
            limit=page.fetch,
        )
        shown, token = page.cut(found, lambda each: (each.start_at, each.id))
        return pb.ListUnitAvailabilityResponse(
            unit_availability=map(messages.unit_availability, shown), next_page_token=token
        )

    async def CreateUnitAvailability(
        self, request: pb.CreateUnitAvailabilityRequest, context: object
    ) -> pb.CreateUnitAvailabilityResponse:
        agency_id, now = auth.tenant(request.agency_id), self._clock()
        values = messages.values(request.unit_availability)
        interval = rules.create(agency_id, ids.new(), now, **values)

        async with self._database.begin(agency_id) as uow:
            unit = await units.lock(uow, agency_id, interval.unit_id)
            unit.must_be_in_use()
            await unit_availability.add(uow, interval)
            await _note(uow, interval)
            return uow.answered(
                pb.CreateUnitAvailabilityResponse(
                    unit_availability=messages.unit_availability(interval)
                )
            )

    async def UpdateUnitAvailability(
        self, request: pb.UpdateUnitAvailabilityRequest, context: object
    ) -> pb.UpdateUnitAvailabilityResponse:
        agency_id, id = auth.tenant(request.agency_id), UUID(request.unit_availability_id)
        named = request.unit_availability, request.update_mask, NOUN
        masked(*named)

        async with self._database.begin(agency_id) as uow:
            interval = await _lock(uow, agency_id, id, request.etag)
            given = masks.merged(messages.unit_availability(interval), *named)
            changed = interval.changed(self._clock(), **messages.values(given))
            await unit_availability.save(uow, changed)
            await _note(uow, changed)
            return uow.answered(
                pb.UpdateUnitAvailabilityResponse(
                    unit_availability=messages.unit_availability(changed)
                )
            )

    async def DeleteUnitAvailability(
        self, request: pb.DeleteUnitAvailabilityRequest, context: object
    ) -> pb.DeleteUnitAvailabilityResponse:
        agency_id, id = auth.tenant(request.agency_id), UUID(request.unit_availability_id)

        async with self._database.begin(agency_id) as uow:
            interval = await _lock(uow, agency_id, id, request.etag)
            interval.must_lie_ahead(self._clock())
            await unit_availability.remove(uow, interval)
            await _note(uow, interval)
            return uow.answered(pb.DeleteUnitAvailabilityResponse())


async def _lock(uow: UnitOfWork, agency_id: UUID, id: UUID, etag: str) -> UnitAvailability:
    """Hold the unit, as all who write its intervals or book it do, then read the interval anew."""
    known = await unit_availability.get(uow, agency_id, id)
    await units.lock(uow, agency_id, known.unit_id)
    interval = await unit_availability.get(uow, agency_id, id)
    words.must_match(etag, interval.row_version)
    return interval


async def _note(uow: UnitOfWork, interval: UnitAvailability) -> None:
    audited = await audit_entries.record(
        uow,
        interval.agency_id,
        NOUN,
        interval.id,
        unit_id=interval.unit_id,
        status=interval.status,
    )
    announce(uow, [audited])


def _place(after: tuple[str, ...]) -> tuple[datetime, UUID]:
    start_at, id = after
    return datetime.fromisoformat(start_at), UUID(id)
