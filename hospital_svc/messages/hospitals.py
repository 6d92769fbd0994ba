"""Hospitals on the wire, and as Center registers them."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any
from uuid import UUID

from google.protobuf.message import Message
from medport.center.events.v1.services_pb2 import ServiceRegistered
from medport.common.v1 import vocabulary_pb2 as words
from medport.hospital.events.v1.hospitals_pb2 import HospitalProvisioned, HospitalSnapshot
from medport.hospital.v1 import hospitals_pb2 as pb

from chassis.clock import timestamp
from chassis.outbox import Announcement
from chassis.vocabulary import RegistryStatus
from chassis.wire import any_of, number
from hospital_svc.domain.hospitals import Hospital

USUAL_TIME_ZONE = "America/New_York"


def hospital(of: Hospital) -> pb.Hospital:
    return pb.Hospital(
        id=str(of.hospital_id),
        hospital_id=str(of.hospital_id),
        name=of.name,
        time_zone=of.time_zone,
        status=number(words.RegistryStatus, of.status),
        service_id=str(of.service_id),
        create_time=timestamp(of.created_at),
        update_time=timestamp(of.updated_at),
        etag=str(of.row_version),
    )


def wanted(given: pb.HospitalFilter) -> list[str]:
    """Return the standings that a filter lets pass."""
    return any_of(RegistryStatus, words.RegistryStatus, given.statuses)


def columns(given: pb.Hospital, named: Collection[str]) -> dict[str, Any]:
    """Return the columns that an update sets."""
    return {name: getattr(given, name) for name in ("name", "time_zone") if name in named}


def registered(service: ServiceRegistered, at: datetime) -> Hospital:
    """Make the tenant that Center registered; it takes part from now on."""
    return Hospital(
        hospital_id=UUID(service.external_id),
        service_id=UUID(service.service_id),
        name=service.service_name,
        status=RegistryStatus.ACTIVE,
        registry_version=service.registry_version,
        time_zone=service.hospital.time_zone or USUAL_TIME_ZONE,
        created_at=at,
        updated_at=at,
        row_version=1,
    )


def shown(of: Hospital) -> Announcement:
    known = HospitalProvisioned(hospital_id=str(of.hospital_id), service_id=str(of.service_id))
    return _about(of, HospitalSnapshot(hospital=known))


def provisioned(of: Hospital) -> Announcement:
    known = HospitalProvisioned(hospital_id=str(of.hospital_id), service_id=str(of.service_id))
    return _about(of, known)


def _about(of: Hospital, payload: Message) -> Announcement:
    return Announcement(
        event=payload,
        subject=f"hospitals/{of.hospital_id}",
        subject_version=1,
        audience=["silo:center", "role:center_admin", f"hospital:{of.hospital_id}"],
    )
