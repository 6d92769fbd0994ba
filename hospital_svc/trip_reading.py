"""Who reads a trip, and what of the patient that is shown."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from chassis import auth
from chassis.errors import PermissionDenied
from chassis.unit_of_work import UnitOfWork
from hospital_svc import audit
from hospital_svc.decisions import NOUN
from hospital_svc.domain import viewers
from hospital_svc.domain.break_glass_grants import needed
from hospital_svc.domain.transport_requests import TransportRequest
from hospital_svc.repositories import break_glass_grants, transport_requests
from hospital_svc.repositories.transport_requests import missing


@dataclass(frozen=True, slots=True, kw_only=True)
class Viewer:
    """A caller that was let in: of the hospital, of an agency, or of the center."""

    is_own: bool = False
    agency_id: UUID | None = None
    is_billing: bool = False
    is_crew: bool = False
    unit_id: UUID | None = None

    def sees(self, trip: TransportRequest, at: datetime) -> frozenset[str]:
        """Return the fields about the patient to show; raises NotFound for another's trip."""
        if self.is_own:
            return viewers.PHI
        if self.agency_id is None:
            return frozenset()
        seen = viewers.of_agency(trip, self.agency_id, is_billing=self.is_billing, at=at)
        if self.is_crew and not viewers.is_carried_by(trip, self.unit_id):
            seen = None
        if seen is None:  # the same answer as for a trip that does not exist
            raise missing(trip.id)
        return seen


def refuse_unless_destination(trip: TransportRequest) -> None:
    """Refuse a trip that does not lead to the caller's hospital, as if there were none."""
    if trip.destination_hospital_id != auth.caller().tenant_id:
        raise missing(trip.id)


async def seen(
    uow: UnitOfWork, hospital_id: UUID, id: UUID, at: datetime
) -> tuple[TransportRequest, frozenset[str]]:
    """Read a trip, and note which fields about the patient the caller is shown of it.

    An agency's view holds the row: while it is looked at, the trip is not given to another.
    """
    view = viewer(hospital_id)
    read = transport_requests.hold if view.agency_id else transport_requests.get
    trip = await read(uow, hospital_id, id)
    if fields := view.sees(trip, at):
        await audit.note(uow, hospital_id, NOUN, id, at=at, fields=sorted(fields))
    return trip, fields


async def patient(
    uow: UnitOfWork, hospital_id: UUID, id: UUID, at: datetime
) -> tuple[TransportRequest, frozenset[str]]:
    """Read a trip of whose patient the caller sees something; raises NotFound for nothing.

    A coordinator sees it by a grant of its own, which holds until the look is over.
    """
    if auth.scopes() != {"ANY_TENANT"}:
        trip, fields = await seen(uow, hospital_id, id, at)
        if not fields:
            raise missing(id)
        return trip, fields
    trip = await transport_requests.get(uow, hospital_id, id)
    caller = auth.caller().user_id
    grant = await break_glass_grants.hold_live(uow, hospital_id, id, caller, at)
    if grant is None:
        raise needed(id)
    known = {"fields": sorted(viewers.CARRYING), "break_glass_grant_id": str(grant.id)}
    await audit.note(uow, hospital_id, NOUN, id, at=at, **known)
    return trip, viewers.CARRYING


def viewer(hospital_id: UUID) -> Viewer:
    """Return the caller's view; raises PermissionDenied for a user of another hospital."""
    caller, scopes = auth.caller(), auth.scopes()
    if "AWARDED_AGENCY" in scopes and caller.tenant_id is not None:
        return Viewer(
            agency_id=caller.tenant_id,
            is_billing=caller.roles == {"EMS_BILLING"},
            is_crew=caller.roles == {"EMS_CREW"},
            unit_id=caller.unit_id,
        )
    if "OWN_TENANT" in scopes and caller.tenant_id == hospital_id:
        return Viewer(is_own=True)
    if "ANY_TENANT" in scopes:
        return Viewer()
    raise PermissionDenied("the tenant named is not the caller's")
