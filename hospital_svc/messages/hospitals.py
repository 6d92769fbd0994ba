"""Hospitals on the wire."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from medport.common.v1 import vocabulary_pb2 as words
from medport.hospital.v1 import hospitals_pb2 as pb

from chassis.clock import timestamp
from chassis.wire import number
from hospital_svc.repositories.hospitals import Hospital


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


def columns(given: pb.Hospital, named: Collection[str]) -> dict[str, Any]:
    """Return the columns that an update sets."""
    return {name: getattr(given, name) for name in ("name", "time_zone") if name in named}
