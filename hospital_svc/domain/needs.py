"""What a trip asks: made when it is requested, revised until the patient is aboard."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from chassis.errors import InvalidArgument
from chassis.vocabulary import RegistryStatus, TripLeg, TripStatus
from hospital_svc.domain.cancellations import refuse_unless_movable
from hospital_svc.domain.events import TransportRequestCreated, TransportRequestUpdated
from hospital_svc.domain.offers import Plan
from hospital_svc.domain.refusals import FacilityInactive, HospitalNotActive
from hospital_svc.domain.transport_requests import Actor, Decision, Step, TransportRequest

_DIGITS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford's base 32: nothing to mistake on paper

RESOURCE = "transport_request."  # where most requests say what a trip asks

# A change of one of these makes every bid outdated.
MATERIAL = (
    "transport_level",
    "required_capabilities",
    "origin_facility_id",
    "destination_facility_id",
    "ready_at",
    "latest_pickup_at",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """An end of a trip, as the directory knows it."""

    facility_id: UUID
    hospital_id: UUID
    is_active: bool


def trip_number(at: datetime) -> str:
    """Make a short name for people: the day and five characters at random."""
    return f"{at:%Y%m%d}-" + "".join(secrets.choice(_DIGITS) for _ in range(5))


def refuse_unless_active(status: RegistryStatus) -> None:
    """Refuse new trips to a hospital that Center has suspended."""
    if status is not RegistryStatus.ACTIVE:
        raise HospitalNotActive("the hospital does not take part", state=status)


def ends(
    hospital_id: UUID,
    leg: TripLeg,
    origin: Place | None,
    destination: Place | None,
    *,
    within: str = RESOURCE,
) -> dict[str, UUID]:
    """Return the columns of a trip's ends; it leads away from the hospital, or back to it.

    ``within`` is where the caller named them.
    """
    wrong: dict[str, str] = {}
    if why := _foreign(hospital_id if leg is TripLeg.OUTBOUND else None, origin):
        wrong[f"{within}origin_facility_id"] = why
    if why := _foreign(hospital_id if leg is TripLeg.RETURN else None, destination):
        wrong[f"{within}destination_facility_id"] = why
    elif origin == destination:
        wrong[f"{within}destination_facility_id"] = "must differ from the origin"
    if wrong or origin is None or destination is None:
        raise InvalidArgument("the trip's ends do not fit", violations=wrong)
    for place in (origin, destination):
        if not place.is_active:
            raise FacilityInactive("the facility takes no new trips", id=str(place.facility_id))
    return {
        "origin_facility_id": origin.facility_id,
        "origin_hospital_id": origin.hospital_id,
        "destination_facility_id": destination.facility_id,
        "destination_hospital_id": destination.hospital_id,
    }


def _foreign(owner: UUID | None, place: Place | None) -> str:
    """Say why a trip cannot begin or end there; ``owner`` None takes any hospital's facility."""
    if owner is not None and (place is None or place.hospital_id != owner):
        return "is not one of the hospital's facilities"
    return "is not in the directory" if place is None else ""


def refuse_unless_ahead(
    ready_at: datetime, latest_pickup_at: datetime, at: datetime, *, within: str = RESOURCE
) -> None:
    """Refuse a pickup period that is over, or ends before it begins."""
    path = f"{within}latest_pickup_time"
    if latest_pickup_at < ready_at:
        raise InvalidArgument(
            "the pickup period is empty", violations={path: "must not lie before ready_time"}
        )
    if latest_pickup_at <= at:
        raise InvalidArgument(
            "the pickup period is over", violations={path: "must lie in the future"}
        )


def request(trip: TransportRequest, plan: Plan, *, by: Actor) -> Decision:
    """Ask for a transport: agencies may bid from now on."""
    return Decision(
        trip=trip,
        events=(TransportRequestCreated(trip=trip, plan=plan),),
        steps=(Step(status=TripStatus.PENDING, occurred_at=trip.requested_at, actor=by),),
    )


def revise(trip: TransportRequest, columns: Mapping[str, Any], *, at: datetime) -> Decision:
    """Change what the trip asks; bids have to be made anew when it matters to an agency."""
    refuse_unless_movable(trip)
    material = any(_differs(trip, name, columns[name]) for name in MATERIAL if name in columns)
    revised = trip.changed(
        at, **columns, material_version=trip.material_version + (1 if material else 0)
    )
    if material:
        refuse_unless_ahead(revised.ready_at, revised.latest_pickup_at, at)
    if trip.status is TripStatus.PENDING and revised.latest_pickup_at < revised.offer_expires_at:
        revised = replace(revised, offer_expires_at=revised.latest_pickup_at)
    return Decision(trip=revised, events=(TransportRequestUpdated(trip=revised),))


def _differs(trip: TransportRequest, name: str, value: Any) -> bool:  # noqa: ANN401 - a column
    before = getattr(trip, name)
    return sorted(before) != sorted(value) if name == "required_capabilities" else before != value
