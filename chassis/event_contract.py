"""What the three EventLogServices have in common, found in a silo's own descriptors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from google.protobuf.descriptor import Descriptor, FileDescriptor
from google.protobuf.message_factory import GetMessageClass

SERVICE = "EventLogService"


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
    types: frozenset[str]  # full names of every payload

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
            types=_payloads(event),
        )


def _payloads(event: Descriptor) -> frozenset[str]:
    fields = event.oneofs_by_name["payload"].fields
    return frozenset(each.message_type.full_name for each in fields if each.message_type)
