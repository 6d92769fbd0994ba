"""A dispatcher planning when one unit works."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from google.protobuf.field_mask_pb2 import FieldMask
from medport.common.v1 import vocabulary_pb2 as words
from medport.ems.v1 import unit_availability_pb2 as pb

from chassis.clock import timestamp, utc_now
from tests.support.ems_silo import Agency

if TYPE_CHECKING:
    from medport.ems.v1.unit_availability_pb2_grpc import UnitAvailabilityServiceAsyncStub


@dataclass(frozen=True)
class Shifts:
    """One unit's intervals; hours are from now."""

    agency: Agency
    unit_id: str

    async def plan(
        self,
        start_hours: float,
        end_hours: float | None,
        status: str = "AVAILABLE",
        notes: str = "",
    ) -> pb.UnitAvailability:
        now = utc_now()
        end_at = None if end_hours is None else now + timedelta(hours=end_hours)
        interval = pb.UnitAvailability(
            unit_id=self.unit_id,
            status=words.UnitStatus.Value(f"UNIT_STATUS_{status}"),
            start_time=timestamp(now + timedelta(hours=start_hours)),
            end_time=timestamp(end_at),
            notes=notes,
        )
        request = pb.CreateUnitAvailabilityRequest(unit_availability=interval, **self.agency.own)
        answer = await self._stub.CreateUnitAvailability(request, metadata=self.agency.dispatcher)
        return answer.unit_availability

    async def change(
        self,
        known: pb.UnitAvailability,
        *paths: str,
        end_at: datetime | None = None,
        **values: Any,
    ) -> pb.UnitAvailability:
        request = pb.UpdateUnitAvailabilityRequest(
            unit_availability_id=known.id,
            unit_availability=pb.UnitAvailability(end_time=timestamp(end_at), **values),
            update_mask=FieldMask(paths=paths),
            etag=known.etag,
            **self.agency.own,
        )
        answer = await self._stub.UpdateUnitAvailability(request, metadata=self.agency.dispatcher)
        return answer.unit_availability

    async def remove(self, known: pb.UnitAvailability) -> None:
        request = pb.DeleteUnitAvailabilityRequest(
            unit_availability_id=known.id, etag=known.etag, **self.agency.own
        )
        await self._stub.DeleteUnitAvailability(request, metadata=self.agency.dispatcher)

    async def listed(self, **changes: Any) -> list[pb.UnitAvailability]:
        """Return the unit's intervals, the latest first, page by page of two."""
        request = pb.ListUnitAvailabilityRequest(agency_id=str(self.agency.id), page_size=2)
        request.filter.MergeFrom(pb.UnitAvailabilityFilter(unit_id=self.unit_id, **changes))
        found = list[pb.UnitAvailability]()
        while True:
            page = await self._stub.ListUnitAvailability(request, metadata=self.agency.dispatcher)
            found += page.unit_availability
            if not page.next_page_token:
                return found
            request.page_token = page.next_page_token

    @property
    def _stub(self) -> UnitAvailabilityServiceAsyncStub:
        return self.agency.silo.shifts
