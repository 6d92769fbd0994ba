"""Bids on the wire: from EMS's events, and to the hospital's users."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from medport.common.v1 import vocabulary_pb2 as words
from medport.ems.events.v1 import transport_bids_pb2 as ems
from medport.hospital.v1 import received_bids_pb2 as pb

from chassis.clock import instant, timestamp
from chassis.vocabulary import BidStatus, TransportLevel
from chassis.wire import amount, member, money, number
from hospital_svc.domain.received_bids import ReceivedBid, Shown

Announced = ems.BidSubmitted | ems.BidRevised | ems.TransportBidSnapshot


def received_bid(announced: Announced) -> ReceivedBid:
    """Take a bid over, as the EMS silo announced it."""
    bid = announced.bid
    return ReceivedBid(
        hospital_id=UUID(announced.trip.hospital_id),
        id=UUID(bid.bid_id),
        transport_request_id=UUID(announced.trip.transport_request_id),
        agency_id=UUID(announced.agency_id),
        bid_amount=amount(bid.bid_amount) if bid.HasField("bid_amount") else None,
        currency_code=bid.bid_amount.currency_code or "USD",
        estimated_arrival_at=optional_instant(bid, "estimated_arrival_time"),
        estimated_pickup_at=optional_instant(bid, "estimated_pickup_time"),
        special_notes=bid.special_notes or None,
        unit_level=member(TransportLevel, words.TransportLevel, bid.unit_level),
        status=member(BidStatus, words.BidStatus, bid.status),
        expires_at=instant(bid.expire_time),
        material_version=announced.trip.material_version,
        submitted_at=instant(bid.submit_time),
        bid_version=bid.bid_version,
    )


def optional_instant(message: Any, field: str) -> datetime | None:  # noqa: ANN401 - any payload
    """Return the moment in ``field``, None when it is absent."""
    return instant(getattr(message, field)) if message.HasField(field) else None


def shown(of: Shown, *, material_version: int, at: datetime, is_open: bool) -> pb.ReceivedBid:
    """Show a bid; ``material_version`` and ``is_open`` are its trip's."""
    bid = of.bid
    return pb.ReceivedBid(
        id=str(bid.id),
        hospital_id=str(bid.hospital_id),
        transport_request_id=str(bid.transport_request_id),
        agency_id=str(bid.agency_id),
        agency_name=of.agency_name or "",
        bid_amount=money(bid.bid_amount, bid.currency_code),
        estimated_arrival_time=timestamp(bid.estimated_arrival_at),
        estimated_pickup_time=timestamp(bid.estimated_pickup_at),
        special_notes=bid.special_notes or "",
        unit_level=number(words.TransportLevel, bid.unit_level),
        status=number(words.BidStatus, bid.status),
        expire_time=timestamp(bid.expires_at),
        submit_time=timestamp(bid.submitted_at),
        etag=str(bid.bid_version),
        material_version=bid.material_version,
        is_awardable=is_open and bid.is_live(at, material_version),
    )
