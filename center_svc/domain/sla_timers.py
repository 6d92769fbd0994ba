"""Service levels of a trip: what must happen by when."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from chassis.vocabulary import TripStatus

AWARD_ANSWER = timedelta(seconds=60)
CANCELLATION_ANSWER = timedelta(seconds=60)
EN_ROUTE = timedelta(minutes=10)
# That something happened too late is told within a day, as long as e-mail waits to be sent. So
# neither what a release finds in old rows, nor a count of the logs again, is announced.
NEWS = timedelta(days=1)


class SlaKind(StrEnum):
    FIRST_BID = "FIRST_BID"
    AWARD_ANSWER = "AWARD_ANSWER"
    EN_ROUTE = "EN_ROUTE"
    ARRIVED_PICKUP = "ARRIVED_PICKUP"
    CANCELLATION_ANSWER = "CANCELLATION_ANSWER"


class SlaState(StrEnum):
    RUNNING = "RUNNING"
    CLEARED = "CLEARED"
    BREACHED = "BREACHED"


# What a trip that reached a status need no longer be waited for. Whether it happened or is not
# needed any more: if that was after it was due, it was missed.
_ANSWERED = (SlaKind.FIRST_BID, SlaKind.AWARD_ANSWER)
_MOVING = (*_ANSWERED, SlaKind.EN_ROUTE)
_ARRIVED = (*_MOVING, SlaKind.ARRIVED_PICKUP)
CLEARED_BY = {
    TripStatus.PENDING: (SlaKind.AWARD_ANSWER, SlaKind.EN_ROUTE, SlaKind.CANCELLATION_ANSWER),
    TripStatus.AWARDED: (SlaKind.FIRST_BID,),
    TripStatus.ACCEPTED: _ANSWERED,
    TripStatus.EN_ROUTE: _MOVING,
    TripStatus.AT_PICKUP: _ARRIVED,
    TripStatus.IN_TRANSIT: tuple(SlaKind),
    TripStatus.AT_DESTINATION: tuple(SlaKind),
    TripStatus.COMPLETED: tuple(SlaKind),
    TripStatus.CANCELLED: tuple(SlaKind),
    TripStatus.EXPIRED: tuple(SlaKind),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class SlaTimer:
    hospital_id: UUID
    transport_request_id: UUID
    kind: SlaKind
    due_at: datetime
    cleared_at: datetime | None
    breached_at: datetime | None
    agency_id: UUID | None

    @property
    def state(self) -> SlaState:
        """Return what became of it; what was missed stays so, though it may happen later."""
        if self.breached_at is not None:
            return SlaState.BREACHED
        return SlaState.RUNNING if self.cleared_at is None else SlaState.CLEARED


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedTimers:
    """Which timers; None and empty lists let all pass. Due from ``since``, before ``until``."""

    organization_id: UUID | None
    trips: Sequence[UUID]
    kinds: Sequence[SlaKind]
    states: Sequence[SlaState]
    since: datetime
    until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectation:
    """Something that must happen ``due_at``, expected since ``started_at``."""

    kind: SlaKind
    started_at: datetime
    due_at: datetime


def requested(
    requested_at: datetime, offer_expires_at: datetime, latest_pickup_at: datetime
) -> list[Expectation]:
    """Expect a first bid in time, and an arrival before the last pickup."""
    return [
        offered(requested_at, offer_expires_at),
        Expectation(kind=SlaKind.ARRIVED_PICKUP, started_at=requested_at, due_at=latest_pickup_at),
    ]


def offered(at: datetime, offer_expires_at: datetime) -> Expectation:
    """Expect a first bid within half the response window, which begins ``at``.

    A trip that is open again has a new window, with a verdict of its own: only bids since count,
    not those that still stand. A trip's first miss is announced, and no other. Its row shows the
    window that runs: one that had not been found missed by then is not judged any more.
    """
    half = at + (offer_expires_at - at) / 2
    return Expectation(kind=SlaKind.FIRST_BID, started_at=at, due_at=half)


def awarded(at: datetime) -> Expectation:
    return Expectation(kind=SlaKind.AWARD_ANSWER, started_at=at, due_at=at + AWARD_ANSWER)


def accepted(at: datetime) -> Expectation:
    return Expectation(kind=SlaKind.EN_ROUTE, started_at=at, due_at=at + EN_ROUTE)


def cancellation_requested(at: datetime) -> Expectation:
    due_at = at + CANCELLATION_ANSWER
    return Expectation(kind=SlaKind.CANCELLATION_ANSWER, started_at=at, due_at=due_at)
