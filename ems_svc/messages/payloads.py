"""Every event of the silo as the payload that travels."""

from __future__ import annotations

from google.protobuf.message import Message
from google.protobuf.struct_pb2 import Struct
from medport.common.v1 import vocabulary_pb2
from medport.ems.events.v1 import (
    agencies_pb2,
    assignments_pb2,
    audit_entries_pb2,
    transport_bids_pb2,
    trips_pb2,
    units_pb2,
)

from chassis.clock import timestamp
from chassis.wire import money, number, place
from ems_svc.domain import events as e
from ems_svc.domain.agencies import Agency
from ems_svc.domain.assignments import Assignment
from ems_svc.domain.transport_bids import TransportBid
from ems_svc.domain.units import Unit
from ems_svc.messages import words


def payload(event: e.Event) -> Message:  # noqa: PLR0911 - one line per event
    """Translate ``event``; mypy finds the one without a case here."""
    match event:
        case e.AgencyProvisioned(agency):
            return agencies_pb2.AgencyProvisioned(
                agency_id=str(agency.agency_id), service_id=str(agency.service_id)
            )
        case e.AgencyUpdated():
            return agency_values(event.agency)
        case e.BidSubmitted(bid):
            return transport_bids_pb2.BidSubmitted(
                trip=trip_ref(bid), agency_id=str(bid.agency_id), bid=terms(bid)
            )
        case e.BidRevised(bid):
            return transport_bids_pb2.BidRevised(
                trip=trip_ref(bid), agency_id=str(bid.agency_id), bid=terms(bid)
            )
        case e.BidClosed(bid):
            return _closed(bid)
        case e.AwardDeclined():
            return _declined(event)
        case e.UnitStatusChanged(unit, at):
            return units_pb2.UnitStatusChanged(
                agency_id=str(unit.agency_id),
                unit_id=str(unit.id),
                status=words.unit_status(unit.current_status),
                change_time=timestamp(at),
                is_retired=not unit.is_active,
            )
        case e.UnitUpdated():
            return unit_values(event.unit)
        case e.AccessAudited():
            return _audited(event)
        case _:
            return _of_job(event)


def _of_job(event: e.JobEvent) -> Message:  # noqa: C901, PLR0911 - one line per event
    job = job_ref(event.job)
    match event:
        case e.AwardConfirmed(confirmed, bid):
            return assignments_pb2.AwardConfirmed(
                job=job,
                bid_id=str(bid.id),
                bid_version=bid.row_version,
                accept_time=timestamp(confirmed.accepted_at),
            )
        case e.UnitAssigned(_, unit, at):
            return assignments_pb2.UnitAssigned(
                job=job,
                unit_id=str(unit.id),
                unit_number=unit.unit_number,
                assign_time=timestamp(at),
            )
        case e.UnitUnassigned(_, unit, at):
            return assignments_pb2.UnitUnassigned(
                job=job,
                unit_id=str(unit.id),
                unit_number=unit.unit_number,
                unassign_time=timestamp(at),
            )
        case e.TripAdvanced():
            return _advanced(event)
        case e.TripEtaChanged():
            return _expected(event)
        case e.TripDropped(_, reason):
            return assignments_pb2.TripDropped(job=job, reason=reason)
        case e.CancellationConfirmed(_, token, reason):
            return assignments_pb2.CancellationConfirmed(
                job=job, cancel_token=str(token), reason=reason
            )
        case e.CancellationRefused(_, token, reason):
            return assignments_pb2.CancellationRefused(
                job=job, cancel_token=str(token), reason=reason
            )
        case e.TripChangeAccepted(agreed):
            return assignments_pb2.TripChangeAccepted(
                job=job, material_version=agreed.confirmed_material_version
            )
        case e.UnitLocationReported(_, location):
            return units_pb2.UnitLocationReported(
                job=job,
                unit_id=str(location.unit_id),
                location=place(location.latitude, location.longitude),
                fix_time=timestamp(location.fix_at),
            )


def trip_ref(value: TransportBid | Assignment) -> trips_pb2.TripRef:
    return trips_pb2.TripRef(
        hospital_id=str(value.hospital_id),
        transport_request_id=str(value.transport_request_id),
        material_version=value.material_version,
    )


def job_ref(job: Assignment) -> assignments_pb2.JobRef:
    return assignments_pb2.JobRef(
        trip=trip_ref(job),
        agency_id=str(job.agency_id),
        assignment_id=str(job.id),
        award_token=str(job.award_token),
    )


def terms(bid: TransportBid) -> transport_bids_pb2.BidTerms:
    return transport_bids_pb2.BidTerms(
        bid_id=str(bid.id),
        bid_version=bid.row_version,
        bid_amount=money(bid.bid_amount, bid.currency_code),
        estimated_arrival_time=timestamp(bid.estimated_arrival_at),
        estimated_pickup_time=timestamp(bid.estimated_pickup_at),
        special_notes=bid.special_notes or "",
        unit_level=words.level(bid.unit_level),
        status=words.bid_status(bid.status),
        expire_time=timestamp(bid.expires_at),
        submit_time=timestamp(bid.submitted_at),
    )


def _closed(bid: TransportBid) -> transport_bids_pb2.BidClosed:
    return transport_bids_pb2.BidClosed(
        bid_id=str(bid.id),
        agency_id=str(bid.agency_id),
        trip=trip_ref(bid),
        status=words.bid_status(bid.status),
        bid_version=bid.row_version,
    )


def _declined(event: e.AwardDeclined) -> assignments_pb2.AwardDeclined:
    return assignments_pb2.AwardDeclined(
        trip=trips_pb2.TripRef(
            hospital_id=str(event.hospital_id),
            transport_request_id=str(event.transport_request_id),
            trip_version=event.trip_version,
            material_version=event.award.material_version,
        ),
        award_token=str(event.award.award_token),
        bid_id=str(event.award.bid_id),
        reason=event.reason,
        agency_id=str(event.award.agency_id),
    )


def _advanced(event: e.TripAdvanced) -> assignments_pb2.TripAdvanced:
    return assignments_pb2.TripAdvanced(
        job=job_ref(event.job),
        status=words.job_status(event.status),
        occur_time=timestamp(event.at),
        unit_id=str(event.unit.id),
        unit_number=event.unit.unit_number,
        is_inferred=event.is_inferred,
        deadhead_miles=event.job.deadhead_miles,
        loaded_miles=event.job.loaded_miles,
    )


def _expected(event: e.TripEtaChanged) -> assignments_pb2.TripEtaChanged:
    return assignments_pb2.TripEtaChanged(
        job=job_ref(event.job),
        eta_pickup_time=timestamp(event.job.eta_pickup_at),
        eta_destination_time=timestamp(event.job.eta_destination_at),
        as_of_time=timestamp(event.at),
    )


def agency_values(agency: Agency) -> agencies_pb2.AgencyUpdated:
    return agencies_pb2.AgencyUpdated(
        agency_id=str(agency.agency_id),
        name=agency.name,
        phone=agency.phone,
        city=agency.city,
        state=agency.state,
        location=place(agency.latitude, agency.longitude),
        levels=words.levels(agency.levels),
        capabilities=words.capabilities(agency.capabilities),
        registry_status=number(vocabulary_pb2.RegistryStatus, agency.status),
        registry_version=agency.registry_version,
        agency_version=agency.row_version,
    )


def unit_values(unit: Unit) -> units_pb2.UnitUpdated:
    return units_pb2.UnitUpdated(
        agency_id=str(unit.agency_id),
        unit_id=str(unit.id),
        unit_number=unit.unit_number,
        type=number(vocabulary_pb2.UnitType, unit.type),
        crew_level=words.level(unit.crew_level),
        capabilities=words.capabilities(unit.capabilities),
    )


def _audited(event: e.AccessAudited) -> audit_entries_pb2.AccessAudited:
    entry, changes = event.entry, Struct()
    changes.update(entry.changes)
    return audit_entries_pb2.AccessAudited(
        audit_entry_id=str(entry.id),
        organization_id=str(entry.agency_id),
        user_id=str(entry.user_id or ""),
        actor_kind=number(vocabulary_pb2.ActorKind, entry.actor_kind),
        action=entry.action,
        entity_type=entry.entity_type,
        entity_id=str(entry.entity_id or ""),
        changes=changes,
        outcome=number(vocabulary_pb2.AuditOutcome, entry.outcome),
        reason=entry.reason or "",
        occur_time=timestamp(entry.occurred_at),
        ip_address=str(entry.ip_address or ""),
        request_id=str(entry.request_id or ""),
    )
