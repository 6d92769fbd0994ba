"""The center's administrator at the router: the way of every command that looks into the silos."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import grpc
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo
from google.rpc.status_pb2 import Status
from medport.center.events.v1 import event_log_pb2 as center_log
from medport.center.events.v1.event_log_pb2_grpc import EventLogServiceStub as CenterLog
from medport.center.v1 import consumers_pb2 as center
from medport.center.v1.consumers_pb2_grpc import ConsumerServiceStub as CenterConsumers
from medport.ems.events.v1 import event_log_pb2 as ems_log
from medport.ems.events.v1.event_log_pb2_grpc import EventLogServiceStub as EmsLog
from medport.ems.v1 import consumers_pb2 as ems
from medport.ems.v1.consumers_pb2_grpc import ConsumerServiceStub as EmsConsumers
from medport.hospital.events.v1 import event_log_pb2 as hospital_log
from medport.hospital.events.v1.event_log_pb2_grpc import EventLogServiceStub as HospitalLog
from medport.hospital.v1 import consumers_pb2 as hospital
from medport.hospital.v1.consumers_pb2_grpc import ConsumerServiceStub as HospitalConsumers

from chassis.channels import CHANNEL
from mesh.logins import center_tokens
from mesh.problems import Problem
from mesh.state import DataDirectory

SECONDS = 5.0
_DETAILS = "grpc-status-details-bin"

# The messages and the stub of each silo; all three have one shape.
LOGS: dict[str, tuple[Any, Any]] = {
    "hospital": (hospital_log, HospitalLog),
    "ems": (ems_log, EmsLog),
    "center": (center_log, CenterLog),
}
CONSUMERS: dict[str, tuple[Any, Any]] = {
    "hospital": (hospital, HospitalConsumers),
    "ems": (ems, EmsConsumers),
    "center": (center, CenterConsumers),
}


class Refused(Problem):
    """A silo, or the router, said no; ``reason`` is the contract's, or the code."""

    def __init__(self, silo: str, refused: grpc.RpcError) -> None:
        error: Any = refused  # grpc declares neither code nor details for what it raises
        self.reason = reason_of(error)
        wrong = [f"{each.field} {each.description}" for each in _violations(error)]
        super().__init__(": ".join([silo, self.reason, error.details(), *wrong]))


def reason_of(error: Any) -> str:
    """Return the contract's reason for a refusal, or its code where none came with it."""
    found = (str(info.reason) for info in _details(error, ErrorInfo))
    return next(found, str(error.code().name))


def _violations(error: Any) -> Iterator[Any]:
    return (each for found in _details(error, BadRequest) for each in found.field_violations)


def _details(error: Any, kind: type[Any]) -> Iterator[Any]:
    """Yield what came with a refusal, of one kind."""
    for name, value in error.trailing_metadata() or ():
        if name == _DETAILS:
            for detail in Status.FromString(value).details:
                found = kind()
                if detail.Unpack(found):
                    yield found


@dataclass(frozen=True)
class Operator:
    """Calls with a token for each silo: one silo takes no other's."""

    channel: grpc.Channel
    tokens: dict[str, str]

    def log(self, silo: str, method: str, **fields: Any) -> Any:
        """Ask a silo's event log; raises Refused."""
        return self._ask(silo, LOGS[silo], method, fields)

    def consumers(self, silo: str, method: str, **fields: Any) -> Any:
        """Ask a silo about its consumers; raises Refused."""
        return self._ask(silo, CONSUMERS[silo], method, fields)

    def subscribe(self, silo: str, request: Any) -> Iterator[Any]:
        _, stub = LOGS[silo]
        frames: Iterator[Any] = stub(self.channel).Subscribe(request, metadata=self._bearer(silo))
        return frames

    def _ask(self, silo: str, service: tuple[Any, Any], method: str, fields: dict[str, Any]) -> Any:
        messages, stub = service
        request = getattr(messages, f"{method}Request")(**fields)
        call = getattr(stub(self.channel), method)
        try:
            return call(request, metadata=self._bearer(silo), timeout=SECONDS)
        except grpc.RpcError as refused:
            raise Refused(silo, refused) from refused

    def _bearer(self, silo: str) -> tuple[tuple[str, str], ...]:
        return (("authorization", f"Bearer {self.tokens[silo]}"),)


@contextmanager
def operating(
    data: DataDirectory, silos: Sequence[str], tokens: dict[str, str] | None = None
) -> Iterator[Operator]:
    """Log in at the running mesh, unless there are tokens; raises NotRunning or LoginFailed."""
    router = f"127.0.0.1:{data.running().ports['router']}"
    tokens = tokens or center_tokens(data, silos)
    with grpc.insecure_channel(router, CHANNEL) as channel:
        yield Operator(channel, tokens)
