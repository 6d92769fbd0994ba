"""What the three EventLogServices have in common, found in a silo's own descriptors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from google.protobuf.descriptor import FileDescriptor
from google.protobuf.message_factory import GetMessageClass
from medport.common.v1 import event_audience_pb2

SERVICE = "EventLogService"
_AUDIENCE = event_audience_pb2.EventAudience
_KINDS: dict[str, int] = {  # of the keys that say whom an event is for, up to the id of a tenant
    "silo:hospital": _AUDIENCE.EVENT_AUDIENCE_HOSPITAL_SILO,
    "silo:ems": _AUDIENCE.EVENT_AUDIENCE_EMS_SILO,
    "silo:center": _AUDIENCE.EVENT_AUDIENCE_CENTER_SILO,
    "role:center_admin": _AUDIENCE.EVENT_AUDIENCE_CENTER_ADMINISTRATORS,
    "hospital": _AUDIENCE.EVENT_AUDIENCE_HOSPITAL,
    "agency": _AUDIENCE.EVENT_AUDIENCE_AGENCY,
}


@dataclass(frozen=True, slots=True)
class EventContract:
    """One silo's ``event_log.proto``; message classes are ``Any``, for chassis knows no silo."""

    service: str
    event: Any  # <Silo>Event
    subscribe_request: Any
    subscribe_response: Any
    list_request: Any
    list_response: Any
    state_request: Any
    state_response: Any
    progress_request: Any
    progress_response: Any
    heard_by: Mapping[str, frozenset[int]]  # by full name of each payload: its EventAudiences

    @classmethod
    def of(cls, file: FileDescriptor) -> EventContract:
        """Read it from ``event_log_pb2.DESCRIPTOR``."""
        service: Any = file.services_by_name[SERVICE]  # the stubs allow for nested groups' None
        batch = service.methods_by_name["Subscribe"].output_type.fields_by_name["batch"]
        event = batch.message_type.fields_by_name["events"].message_type
        methods = {
            name: (GetMessageClass(each.input_type), GetMessageClass(each.output_type))
            for name, each in service.methods_by_name.items()
        }
        return cls(
            service=service.full_name,
            event=GetMessageClass(event),
            subscribe_request=methods["Subscribe"][0],
            subscribe_response=methods["Subscribe"][1],
            list_request=methods["ListEvents"][0],
            list_response=methods["ListEvents"][1],
            state_request=methods["GetEventLog"][0],
            state_response=methods["GetEventLog"][1],
            progress_request=methods["ReportProgress"][0],
            progress_response=methods["ReportProgress"][1],
            heard_by=hearers(event),
        )


def hearers(event: Any) -> dict[str, frozenset[int]]:
    """Return who can hear each payload of ``event``: its EventAudiences, by its full name."""
    payloads = (each.message_type for each in event.oneofs_by_name["payload"].fields)
    return {
        payload.full_name: frozenset(payload.GetOptions().Extensions[event_audience_pb2.heard_by])
        for payload in payloads
        if payload
    }


def kind(key: str) -> int:
    """Return which EventAudience ``key`` is one of; unspecified for a role that hears nothing."""
    return _KINDS.get(key, _KINDS.get(key.partition(":")[0], 0))
