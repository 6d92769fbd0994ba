"""What a caller is told when the router, and not a silo, ends a call."""

from __future__ import annotations

from typing import Any, NoReturn

import grpc
from google.rpc.error_details_pb2 import ErrorInfo
from google.rpc.status_pb2 import Status
from medport.router.v1.errors_pb2 import ErrorReason

from chassis.errors import DeadlineExceeded, Refusal, ResourceExhausted, Unavailable
from chassis.interceptors.errors import DETAILS, REQUEST_ID, SERVED_BY
from chassis.interceptors.guards import Context
from chassis.interceptors.statuses import Fault, Unimplemented, code, status
from router.metadata import Metadata
from router.routes import ROUTER

DOMAIN = "medport.router.v1"
_REPEATED = {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED}
_STOP = ("grpc-retry-pushback-ms", "-1")
_OWN = {name.removeprefix("ERROR_REASON_") for name in ErrorReason.keys()}  # noqa: SIM118 - not a dict


class SiloUnavailable(Unavailable):
    """Nobody answers there, or the breaker is open."""

    reason = "SILO_UNAVAILABLE"

    def __init__(self, silo: str) -> None:
        super().__init__(f"the {silo} silo cannot be reached", silo=silo)


class SiloTimeout(DeadlineExceeded):
    reason = "SILO_TIMEOUT"

    def __init__(self, silo: str) -> None:
        super().__init__(f"the {silo} silo did not answer in time", silo=silo)


class SiloBusy(ResourceExhausted):
    """As many calls, or streams, of one silo as there may be are under way."""

    reason = "SILO_BUSY"

    def __init__(self, silo: str, what: str) -> None:
        super().__init__(f"too many {what} of the {silo} silo are under way", silo=silo)


class TooLarge(ResourceExhausted):
    reason = "MESSAGE_TOO_LARGE"
    passes = False

    def __init__(self, silo: str) -> None:
        super().__init__("a message or its metadata is too large", silo=silo)


class BrokenAnswer(Fault):
    """The silo's process, or something on the way, ended the call outside the contract."""

    reason = "SILO_BROKEN_ANSWER"

    def __init__(self, silo: str) -> None:
        Refusal.__init__(self, f"the {silo} silo gave no usable answer", silo=silo)


class NotServed(Unimplemented):
    """The contract has the method, the silo's version does not."""

    reason = "METHOD_NOT_SERVED"

    def __init__(self, silo: str) -> None:
        super().__init__(f"the {silo} silo does not serve this method yet", silo=silo)


class UnknownMethod(Unimplemented):
    reason = "UNKNOWN_METHOD"

    def __init__(self, path: str) -> None:
        method = path[:200]
        super().__init__(f"no service of this mesh has the method {method}", method=method)


class Draining(Unavailable):
    reason = "ROUTER_DRAINING"

    def __init__(self) -> None:
        super().__init__("this router stops: go on at another, or at its successor")


# The runtime's own texts name addresses; these name the silo. CANCELLED, when it was not the
# client who cancelled, is how calls of a dying process end.
_MEANING: dict[grpc.StatusCode, type[Any]] = {
    grpc.StatusCode.UNAVAILABLE: SiloUnavailable,
    grpc.StatusCode.CANCELLED: SiloUnavailable,
    grpc.StatusCode.DEADLINE_EXCEEDED: SiloTimeout,
    grpc.StatusCode.RESOURCE_EXHAUSTED: TooLarge,
    grpc.StatusCode.UNIMPLEMENTED: NotServed,
}


def no_silo_spoke(silo: str, code: grpc.StatusCode) -> Refusal:
    """Say what ``code`` means when the runtime made it up."""
    refusal: Refusal = _MEANING.get(code, BrokenAnswer)(silo)
    return refusal


async def refuse(context: Context, refusal: Refusal, request_id: str) -> NoReturn:
    """End the call with ``refusal``, which always carries the request's id."""
    made = described(refusal, request_id)
    trailers: Metadata = (
        (SERVED_BY, ROUTER),
        (REQUEST_ID, request_id),
        (DETAILS, made.SerializeToString()),
    )
    await context.abort(code(refusal), made.message, final(code(refusal), trailers))


def final(code: grpc.StatusCode, trailers: Metadata) -> Metadata:
    """Tell the client's runtime not to repeat: what could be repeated was, on this side."""
    return (*trailers, _STOP) if code in _REPEATED and _STOP not in trailers else trailers


def described(refusal: Refusal, request_id: str) -> Status:
    """Make the status; a reason of the router's goes before a shared one of the same name."""
    made = status(refusal, DOMAIN, request_id)
    if refusal.reason in _OWN:
        info = ErrorInfo()
        made.details[0].Unpack(info)
        info.domain = DOMAIN
        made.details[0].Pack(info)
    return made
