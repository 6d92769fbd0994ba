"""Seeing a patient in an emergency: who may, why, of which trip, until when."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from chassis.errors import InvalidArgument
from hospital_svc.domain.refusals import BreakGlassNeeded

LONGEST = timedelta(minutes=60)
SHORTEST_REASON = 20  # characters: enough for a sentence that somebody can judge later


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakGlassGrant:
    hospital_id: UUID
    id: UUID
    transport_request_id: UUID
    center_user_id: UUID
    reason: str
    granted_at: datetime
    expires_at: datetime
    revoked_at: datetime | None = None
    revoked_by: UUID | None = None

    @property
    def version(self) -> int:
        """Tell apart a grant that stands, and one that was ended: it changes once at most."""
        return 1 if self.revoked_at is None else 2

    def is_live(self, at: datetime) -> bool:
        return self.revoked_at is None and at < self.expires_at

    def revoke(self, by: UUID, at: datetime) -> BreakGlassGrant:
        """End it before its time; what has ended stays as it is."""
        return replace(self, revoked_at=at, revoked_by=by) if self.is_live(at) else self


def grant(
    *,
    hospital_id: UUID,
    id: UUID,
    transport_request_id: UUID,
    center_user_id: UUID,
    reason: str,
    lasting: timedelta | None,
    at: datetime,
) -> BreakGlassGrant:
    """Let a coordinator see one trip's patient; raises InvalidArgument for a reason of blanks."""
    told = reason.strip()
    if len(told) < SHORTEST_REASON:
        wrong = {"reason": f"must say why, in {SHORTEST_REASON} characters or more"}
        raise InvalidArgument("the reason is too short", violations=wrong)
    return BreakGlassGrant(
        hospital_id=hospital_id,
        id=id,
        transport_request_id=transport_request_id,
        center_user_id=center_user_id,
        reason=told,
        granted_at=at,
        expires_at=at + min(lasting or LONGEST, LONGEST),
    )


def needed(trip_id: UUID) -> BreakGlassNeeded:
    return BreakGlassNeeded("no grant lets the caller see this trip's patient", id=str(trip_id))
