"""Where a patient is taken: elsewhere than was asked, and that they have come."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from chassis.errors import InvalidArgument
from chassis.vocabulary import TripStatus
from hospital_svc.domain.events import PatientReceiptConfirmed, TransportRequestUpdated
from hospital_svc.domain.refusals import AlreadyReceived, NotPickedUp, TripEnded, UnitArrived
from hospital_svc.domain.transport_requests import Actor, Decision, Step, TransportRequest


def refuse_unless_divertible(trip: TransportRequest) -> None:
    """Refuse for a trip that has ended, or whose unit stands where it was sent."""
    known = {"state": trip.status, "id": str(trip.id)}
    if not trip.is_live:
        raise TripEnded(f"the trip is {trip.status}", **known)
    if trip.received_at is not None:
        raise AlreadyReceived("the destination has received the patient", **known)
    if trip.status is TripStatus.AT_DESTINATION:
        raise UnitArrived("the unit has arrived", **known)


def divert(
    trip: TransportRequest, ends: Mapping[str, Any], note: str | None, *, by: Actor, at: datetime
) -> Decision:
    """Lead a trip elsewhere; when the unit will be there is not known until EMS says."""
    refuse_unless_divertible(trip)
    if ends["destination_facility_id"] == trip.destination_facility_id:
        wrong = {"destination_facility_id": "is where the trip leads already"}
        raise InvalidArgument("the trip leads there", violations=wrong)
    diverted = trip.changed(
        at, **ends, eta_destination_at=None, material_version=trip.material_version + 1
    )
    return Decision(
        trip=diverted,
        events=(TransportRequestUpdated(trip=diverted),),
        steps=(Step(status=trip.status, occurred_at=at, actor=by, notes=note),),
    )


def receive(trip: TransportRequest, note: str | None, *, by: Actor, at: datetime) -> Decision:
    """Take the destination's word that the patient has come; EMS's may be on its way."""
    known = {"state": trip.status, "id": str(trip.id)}
    if trip.received_at is not None:
        raise AlreadyReceived("the destination has received the patient", **known)
    if trip.picked_up_at is None:
        raise NotPickedUp("the patient has not been picked up", **known)
    received = trip.changed(at, received_at=at)
    return Decision(
        trip=received,
        events=(PatientReceiptConfirmed(trip=received),),
        steps=(Step(status=trip.status, occurred_at=at, actor=by, notes=note),),
    )
