"""Emergency grants on the wire, and what the hospital's administrators are told of them."""

from __future__ import annotations

from datetime import timedelta

from medport.hospital.v1 import break_glass_grants_pb2 as pb

from chassis.clock import timestamp
from chassis.notification_rows import Notice
from hospital_svc.domain.break_glass_grants import BreakGlassGrant
from hospital_svc.domain.transport_requests import TransportRequest


def break_glass_grant(of: BreakGlassGrant, *, with_reason: bool = False) -> pb.BreakGlassGrant:
    return pb.BreakGlassGrant(
        id=str(of.id),
        hospital_id=str(of.hospital_id),
        transport_request_id=str(of.transport_request_id),
        center_user_id=str(of.center_user_id),
        reason=of.reason if with_reason else "",
        expire_time=timestamp(of.expires_at),
        revoke_time=timestamp(of.revoked_at),
        revoked_by=str(of.revoked_by or ""),
        create_time=timestamp(of.granted_at),
        update_time=timestamp(of.revoked_at or of.granted_at),
        etag=str(of.version),
    )


def lasting(given: pb.GrantBreakGlassRequest) -> timedelta | None:
    return given.grant_duration.ToTimedelta() if given.HasField("grant_duration") else None


def notice(of: BreakGlassGrant, trip: TransportRequest) -> Notice:
    """Tell of a grant in words that name the trip, and nobody."""
    until = of.expires_at.isoformat(timespec="minutes")
    return Notice(
        template_name="break_glass_granted",
        variables={"trip_number": trip.trip_number, "granted_until": until},
        source_event_id=of.id,
    )
