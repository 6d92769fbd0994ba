"""The three silos' event logs behind one shape, so that one suite proves the same of each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID, uuid4

from google.protobuf.descriptor import FileDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from medport.center.events.v1 import event_log_pb2 as center_pb
from medport.center.events.v1.event_log_pb2_grpc import EventLogServiceStub as CenterStub
from medport.center.events.v1.feature_toggles_pb2 import FeatureToggleChanged
from medport.common.v1 import event_log_pb2 as common
from medport.ems.events.v1 import event_log_pb2 as ems_pb
from medport.ems.events.v1.agencies_pb2 import AgencyUpdated
from medport.ems.events.v1.event_log_pb2_grpc import EventLogServiceStub as EmsStub
from medport.hospital.events.v1 import event_log_pb2 as hospital_pb
from medport.hospital.events.v1.event_log_pb2_grpc import EventLogServiceStub as HospitalStub
from medport.hospital.events.v1.facilities_pb2 import Facility, FacilityChanged

from chassis.auth import Principal
from chassis.outbox import Announcement, Envelope


@dataclass(frozen=True)
class Kind:
    """One silo's log: its messages, its stub, and ``peer``, another silo that reads all of it."""

    silo: str
    peer: str
    pb: Any
    stub: Callable[..., Any]
    event: Any
    payload: Callable[[], Message]

    def __str__(self) -> str:
        return self.silo

    @property
    def file(self) -> FileDescriptor:
        descriptor: FileDescriptor = self.pb.DESCRIPTOR
        return descriptor

    @property
    def envelope(self) -> Envelope:
        return Envelope(self.event, f"/medport/{self.silo}")

    @property
    def reader(self) -> Principal:
        """Return the process of ``peer``, whom every announcement made here is for."""
        return Principal(user_id=UUID(int=1), silo=self.peer, roles=frozenset({"SERVICE"}))

    @property
    def type(self) -> str:
        """Return the full name of what ``announcement`` announces."""
        return str(self.payload().DESCRIPTOR.full_name)

    def announcement(
        self, subject: str = "", version: int = 1, audience: Sequence[str] = ()
    ) -> Announcement:
        """Make an event of this silo, for ``peer`` unless told otherwise."""
        return Announcement(
            event=self.payload(),
            subject=subject or f"subjects/{uuid4()}",
            subject_version=version,
            audience=tuple(audience) or (f"silo:{self.peer}",),
        )

    def row(
        self, subject: str = "", version: int = 1, audience: Sequence[str] = ()
    ) -> dict[str, Any]:
        """Make its outbox row; for ``audience``, even one that may hear no such event."""
        row = self.envelope.row(self.announcement(subject, version))
        return row | {"audience": list(audience)} if audience else row

    def wish(self, start: common.StartPosition, **fields: Any) -> Any:
        """Make a SubscribeRequest of this silo's."""
        return self.pb.SubscribeRequest(subscriber=self.peer, start=start, **fields)


HOSPITAL = Kind(
    silo="hospital",
    peer="ems",
    pb=hospital_pb,
    stub=HospitalStub,
    event=hospital_pb.HospitalEvent,
    payload=lambda: FacilityChanged(facility=Facility(facility_id=str(uuid4()))),
)
EMS = Kind(
    silo="ems",
    peer="hospital",
    pb=ems_pb,
    stub=EmsStub,
    event=ems_pb.EmsEvent,
    payload=lambda: AgencyUpdated(agency_id=str(uuid4())),
)
CENTER = Kind(
    silo="center",
    peer="ems",
    pb=center_pb,
    stub=CenterStub,
    event=center_pb.CenterEvent,
    payload=lambda: FeatureToggleChanged(feature_name=str(uuid4())),
)
KINDS = (HOSPITAL, EMS, CENTER)


def signing_key(kind: Kind) -> Announcement:
    """Make an event of the one type that every silo announces, and every silo may hear."""
    package = kind.event.DESCRIPTOR.file.package
    published = kind.file.pool.FindMessageTypeByName(f"{package}.SigningKeyPublished")
    return replace(kind.announcement(), event=GetMessageClass(published)())
