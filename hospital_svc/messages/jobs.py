"""The EMS silo's news of jobs, as this silo's rules take them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypedDict
from uuid import UUID

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from medport.common.v1 import vocabulary_pb2 as words
from medport.common.v1.event_log_pb2 import EventMetadata
from medport.ems.events.v1 import assignments_pb2 as ems

from chassis.clock import instant
from chassis.vocabulary import ActorKind, JobStatus, TripStatus
from chassis.wire import member
from hospital_svc.domain.transport_requests import Actor
from hospital_svc.domain.trip_progress import News

_ABOUT_JOBS = (
    ems.AwardConfirmed,
    ems.UnitAssigned,
    ems.UnitUnassigned,
    ems.TripAdvanced,
    ems.TripEtaChanged,
    ems.TripDropped,
    ems.CancellationConfirmed,
    ems.CancellationRefused,
    ems.TripChangeAccepted,
)
MOST_CODE = 64


class Unit(TypedDict):
    unit_id: UUID | None
    unit_number: str | None


class Expected(TypedDict):
    pickup_at: datetime | None
    destination_at: datetime | None
    as_of_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """Which trip an event is about, and the award that it answers."""

    hospital_id: UUID
    trip_id: UUID
    award_token: UUID


def answer(payload: Any) -> Answer | None:  # noqa: ANN401 - any event of the EMS silo
    """Return what ``payload`` is about; None when it is no news of a job."""
    if isinstance(payload, ems.AwardDeclined):
        trip, token = payload.trip, payload.award_token
    elif isinstance(payload, _ABOUT_JOBS):
        trip, token = payload.job.trip, payload.job.award_token
    else:
        return None
    return Answer(
        hospital_id=UUID(trip.hospital_id),
        trip_id=UUID(trip.transport_request_id),
        award_token=UUID(token),
    )


def actor(metadata: EventMetadata) -> Actor:
    """Return who did it: a user of the EMS silo, or its clock."""
    event_id, user = UUID(metadata.id), metadata.actor.user_id
    if not user:
        return Actor(kind=ActorKind.SYSTEM, event_id=event_id)
    return Actor(kind=ActorKind.EMS_USER, user_id=UUID(user), event_id=event_id)


def news(advanced: ems.TripAdvanced, *, by: Actor, at: datetime) -> News:
    status = member(JobStatus, words.JobStatus, advanced.status)
    return News(
        status=TripStatus(status),
        occurred_at=moment(advanced.occur_time, at),
        unit_id=UUID(advanced.unit_id),
        unit_number=advanced.unit_number or None,
        material_version=advanced.job.trip.material_version,
        by=by,
        at=at,
    )


def unit(payload: ems.UnitAssigned | ems.UnitUnassigned) -> Unit:
    if isinstance(payload, ems.UnitUnassigned):
        return {"unit_id": None, "unit_number": None}
    return {"unit_id": UUID(payload.unit_id), "unit_number": payload.unit_number or None}


def expected(changed: ems.TripEtaChanged, at: datetime) -> Expected:
    return {
        "pickup_at": optional_moment(changed, "eta_pickup_time"),
        "destination_at": optional_moment(changed, "eta_destination_time"),
        "as_of_at": moment(changed.as_of_time, at),
    }


def moment(given: Timestamp, otherwise: datetime) -> datetime:
    """Return the moment given; an absent one happened when we heard of it."""
    return instant(given) if given.ByteSize() else otherwise


def optional_moment(message: Message, field: str) -> datetime | None:
    return instant(getattr(message, field)) if message.HasField(field) else None


def code(reason: str) -> str:
    """Return a reason that fits its column."""
    return reason[:MOST_CODE] or "UNKNOWN"
