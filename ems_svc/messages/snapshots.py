"""Rows as they stand, as the payloads of a snapshot: each about what its events are about."""

from __future__ import annotations

from dataclasses import replace

from medport.ems.events.v1 import agencies_pb2, assignments_pb2, transport_bids_pb2, units_pb2

from chassis.clock import timestamp
from chassis.outbox import Announcement
from ems_svc.domain import events as e
from ems_svc.domain.agencies import Agency
from ems_svc.domain.assignments import Assignment
from ems_svc.domain.transport_bids import TransportBid
from ems_svc.domain.units import Unit
from ems_svc.messages import words
from ems_svc.messages.announcements import announcement
from ems_svc.messages.payloads import agency_values, job_ref, terms, trip_ref, unit_values


def agency(value: Agency) -> Announcement:
    payload = agencies_pb2.AgencySnapshot(agency=agency_values(value))
    return replace(announcement(e.AgencyUpdated(value)), event=payload)


def unit(value: Unit) -> Announcement:
    status = words.unit_status(value.current_status)
    payload = units_pb2.UnitSnapshot(unit=unit_values(value), status=status)
    return replace(announcement(e.UnitUpdated(value)), event=payload)


def bid(value: TransportBid) -> Announcement:
    payload = transport_bids_pb2.TransportBidSnapshot(
        trip=trip_ref(value), agency_id=str(value.agency_id), bid=terms(value)
    )
    return replace(announcement(e.BidRevised(value)), event=payload)


def assignment(value: Assignment, unit_number: str) -> Announcement:
    payload = assignments_pb2.AssignmentSnapshot(
        job=job_ref(value),
        bid_id=str(value.bid_id),
        status=words.job_status(value.status),
        unit_id=str(value.unit_id or ""),
        unit_number=unit_number,
        accept_time=timestamp(value.accepted_at),
        en_route_time=timestamp(value.en_route_at),
        arrive_pickup_time=timestamp(value.arrived_pickup_at),
        pickup_time=timestamp(value.picked_up_at),
        arrive_destination_time=timestamp(value.arrived_destination_at),
        complete_time=timestamp(value.completed_at),
    )
    return replace(announcement(e.TripEtaChanged(value, value.updated_at)), event=payload)
