"""Bids, to and from the contract."""

from __future__ import annotations

from medport.ems.v1 import transport_bids_pb2 as pb

from chassis.clock import instant, timestamp
from chassis.wire import amount, money
from ems_svc.domain.offered_trips import OfferedTrip
from ems_svc.domain.transport_bids import Terms, TransportBid
from ems_svc.messages import words


def bid(value: TransportBid, trip: OfferedTrip | None = None) -> pb.TransportBid:
    """Show a bid; ``trip`` tells whether an award waits for the agency's answer."""
    shown = pb.TransportBid(
        id=str(value.id),
        agency_id=str(value.agency_id),
        hospital_id=str(value.hospital_id),
        transport_request_id=str(value.transport_request_id),
        bid_amount=money(value.bid_amount, value.currency_code),
        estimated_arrival_time=timestamp(value.estimated_arrival_at),
        estimated_pickup_time=timestamp(value.estimated_pickup_at),
        special_notes=value.special_notes or "",
        unit_level=words.level(value.unit_level),
        status=words.bid_status(value.status),
        expire_time=timestamp(value.expires_at),
        submit_time=timestamp(value.submitted_at),
        create_time=timestamp(value.created_at),
        update_time=timestamp(value.updated_at),
        etag=words.etag(value.row_version),
        material_version=value.material_version,
        decide_time=timestamp(value.decided_at),
        submitted_by=str(value.submitted_by_id),
    )
    if trip and trip.awarded_bid_id == value.id and trip.confirm_deadline_at:
        shown.award_token = str(trip.award_token)
        shown.confirm_deadline_time.FromDatetime(trip.confirm_deadline_at)
    return shown


def terms(given: pb.TransportBid) -> Terms:
    return Terms(
        bid_amount=amount(given.bid_amount) if given.HasField("bid_amount") else None,
        estimated_arrival_at=(
            instant(given.estimated_arrival_time)
            if given.HasField("estimated_arrival_time")
            else None
        ),
        estimated_pickup_at=(
            instant(given.estimated_pickup_time)
            if given.HasField("estimated_pickup_time")
            else None
        ),
        special_notes=given.special_notes or None,
        unit_level=words.level_of(given.unit_level),
        expires_at=instant(given.expire_time) if given.HasField("expire_time") else None,
        material_version=given.material_version,
    )
