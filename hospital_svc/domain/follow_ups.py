"""Trips that are made after another one: the way back, and the same once more."""

from __future__ import annotations

from typing import Any

from chassis.vocabulary import Priority, TripLeg, TripStatus
from hospital_svc.domain.refusals import NotOutbound, PatientPurged, TripEnded
from hospital_svc.domain.transport_requests import TransportRequest

# Whoever carries the patient next needs the same; all else belongs to the trip before.
_NEED = (
    "transport_level",
    "priority",
    "required_capabilities",
    "age_band",
    "weight_band",
    "offer_mode",
)
_NOT_MADE = frozenset({TripStatus.CANCELLED, TripStatus.EXPIRED})


def way_back(trip: TransportRequest, priority: Priority | None) -> dict[str, Any]:
    """Return what the return of ``trip`` asks, but for its times.

    The patient then is where the trip led: rooms change places with the facilities.
    """
    if trip.leg is not TripLeg.OUTBOUND:
        raise NotOutbound("the trip is a way back itself", id=str(trip.id))
    if trip.status in _NOT_MADE:
        raise TripEnded(f"the trip is {trip.status}", state=trip.status, id=str(trip.id))
    return {
        **_same(trip, priority),
        **_of_patient(trip),
        "origin_facility_id": trip.destination_facility_id,
        "destination_facility_id": trip.origin_facility_id,
        "origin_detail": trip.destination_detail,
        "destination_detail": trip.origin_detail,
        "leg": TripLeg.RETURN,
        "parent_transport_request_id": trip.id,
    }


def once_more(
    trip: TransportRequest, priority: Priority | None, patient_id: str | None
) -> dict[str, Any]:
    """Return what ``trip`` asked, but for its times; of another patient no more than the needs."""
    known = {
        **_same(trip, priority),
        "origin_facility_id": trip.origin_facility_id,
        "destination_facility_id": trip.destination_facility_id,
        "origin_detail": None,
        "destination_detail": None,
        "special_requirements": None,
        "leg": trip.leg,
        "parent_transport_request_id": trip.parent_transport_request_id,
    }
    if patient_id in {None, trip.patient_id}:
        rooms = {"origin_detail": trip.origin_detail, "destination_detail": trip.destination_detail}
        return {**known, **_of_patient(trip), **rooms}
    if trip.leg is not TripLeg.OUTBOUND:
        raise NotOutbound("another patient did not make the way there", id=str(trip.id))
    return {**known, "patient_id": patient_id}


def _same(trip: TransportRequest, priority: Priority | None) -> dict[str, Any]:
    same = {name: getattr(trip, name) for name in _NEED}
    return same if priority is None else {**same, "priority": priority}


def _of_patient(trip: TransportRequest) -> dict[str, Any]:
    if trip.patient_id is None:
        raise PatientPurged("nobody knows any more who the patient was", id=str(trip.id))
    return {"patient_id": trip.patient_id, "special_requirements": trip.special_requirements}
