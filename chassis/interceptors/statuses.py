"""The statuses of the contract: codes by family of refusal, details within what trailers carry."""

from __future__ import annotations

from collections.abc import Iterator
from math import ceil

import grpc
from google.protobuf.message import Message
from google.rpc.error_details_pb2 import (
    BadRequest,
    ErrorInfo,
    PreconditionFailure,
    QuotaFailure,
    RequestInfo,
    ResourceInfo,
    RetryInfo,
)
from google.rpc.status_pb2 import Status
from medport.common.v1.errors_pb2 import ErrorReason

from chassis.errors import (
    Aborted,
    AlreadyExists,
    DataLoss,
    DeadlineExceeded,
    FailedPrecondition,
    InvalidArgument,
    NotFound,
    OutOfRange,
    PermissionDenied,
    Refusal,
    ResourceExhausted,
    Unauthenticated,
    Unavailable,
)

COMMON = "medport.common.v1"
MOST_TEXT_BYTES = 1024
MOST_DETAIL_BYTES = 4096  # trailers over 8 KiB can lose the whole error (grpc #37852)
MOST_VIOLATIONS = 20
_PACKING_BYTES = 80  # what Any adds to a detail, at most
_RETRY_MILLISECONDS = {Unavailable: 1000, ResourceExhausted: 250}

_SHARED = {name.removeprefix("ERROR_REASON_") for name in ErrorReason.keys()}  # noqa: SIM118 - not a dict


class Unimplemented(Refusal):
    """The method is not served here."""

    reason = "UNIMPLEMENTED"


class Fault(Refusal):
    """The code is wrong; the caller learns the request id and nothing else."""

    reason = "INTERNAL"

    def __init__(self) -> None:
        super().__init__("internal error")


# The nearest class in the refusal's ancestry decides.
CODES: dict[type, grpc.StatusCode] = {
    InvalidArgument: grpc.StatusCode.INVALID_ARGUMENT,
    Unauthenticated: grpc.StatusCode.UNAUTHENTICATED,
    PermissionDenied: grpc.StatusCode.PERMISSION_DENIED,
    NotFound: grpc.StatusCode.NOT_FOUND,
    AlreadyExists: grpc.StatusCode.ALREADY_EXISTS,
    FailedPrecondition: grpc.StatusCode.FAILED_PRECONDITION,
    Aborted: grpc.StatusCode.ABORTED,
    OutOfRange: grpc.StatusCode.OUT_OF_RANGE,
    ResourceExhausted: grpc.StatusCode.RESOURCE_EXHAUSTED,
    Unavailable: grpc.StatusCode.UNAVAILABLE,
    DeadlineExceeded: grpc.StatusCode.DEADLINE_EXCEEDED,
    DataLoss: grpc.StatusCode.DATA_LOSS,
    Unimplemented: grpc.StatusCode.UNIMPLEMENTED,
    Fault: grpc.StatusCode.INTERNAL,
}


def code(refusal: Refusal) -> grpc.StatusCode:
    return next(CODES[family] for family in type(refusal).__mro__ if family in CODES)


def status(refusal: Refusal, domain: str, request_id: str) -> Status:
    """Describe ``refusal``; details that do not fit are left out, ErrorInfo and RequestInfo last.

    ``domain`` is the proto package that lists the silo's own reasons.
    """
    made = Status(code=code(refusal).value[0], message=_cut(refusal.text, MOST_TEXT_BYTES))
    if refusal.reason in _SHARED:
        domain = COMMON
    _add(made, _info(refusal, domain))
    _add(made, RequestInfo(request_id=request_id))
    for detail in _details(refusal):
        _add(made, detail)
    return made


def _add(made: Status, detail: Message) -> None:
    if made.ByteSize() + detail.ByteSize() + _PACKING_BYTES <= MOST_DETAIL_BYTES:
        made.details.add().Pack(detail)


def _info(refusal: Refusal, domain: str) -> ErrorInfo:
    """Give the reason and its facts; facts too large to travel with it stay behind."""
    info = ErrorInfo(reason=refusal.reason, domain=domain)
    for name, fact in refusal.facts.items():
        if info.ByteSize() + len(name) + len(fact.encode()) < MOST_TEXT_BYTES:
            info.metadata[name] = fact
    return info


def _details(refusal: Refusal) -> Iterator[Message]:
    text = _cut(refusal.text, MOST_TEXT_BYTES)
    match refusal:
        case InvalidArgument():
            yield _bad_request(refusal)
        case FailedPrecondition():
            subject = refusal.facts.get("id", "")
            violation = PreconditionFailure.Violation(
                type=refusal.reason, subject=subject, description=text
            )
            yield PreconditionFailure(violations=[violation])
        case NotFound() | AlreadyExists():
            kind, name = refusal.facts.get("resource", ""), refusal.facts.get("id", "")
            yield ResourceInfo(resource_type=kind, resource_name=name, description=text)
        case ResourceExhausted():
            subject = refusal.facts.get("subject", "")
            violation = QuotaFailure.Violation(subject=subject, description=text)
            yield QuotaFailure(violations=[violation])
    for family, milliseconds in _RETRY_MILLISECONDS.items():
        if isinstance(refusal, family) and refusal.passes:
            retry, told = RetryInfo(), refusal.facts.get("retry_after_seconds")
            retry.retry_delay.FromMilliseconds(ceil(float(told) * 1000) if told else milliseconds)
            yield retry


def _bad_request(refusal: InvalidArgument) -> BadRequest:
    bad = BadRequest()
    for field, description in list(refusal.violations.items())[:MOST_VIOLATIONS]:
        violation = BadRequest.FieldViolation(field=_cut(field, 256), description=description)
        if bad.ByteSize() + violation.ByteSize() > MOST_DETAIL_BYTES // 2:
            break
        bad.field_violations.append(violation)
    return bad


def _cut(text: str, most: int) -> str:
    return text.encode()[:most].decode(errors="ignore")
