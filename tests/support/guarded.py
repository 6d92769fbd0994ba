"""Guards as a silo has them, callers for them, and servicers that answer or fail."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID, uuid4

import grpc
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from chassis.auth import Principal
from chassis.errors import Unauthenticated
from chassis.interceptors import access, deadlines, errors, idempotency, logging, validation
from chassis.interceptors.guards import Guard
from tests.support import echo
from tests.support.echo import EchoResponse

QUOTED = "MRN-4711"  # as a driver's message might quote it
HOSPITAL = UUID("0198f000-0000-7000-8000-00000000000a")
STAFF = Principal(
    user_id=uuid4(), silo="hospital", roles=frozenset({"HOSPITAL_STAFF"}), tenant_id=HOSPITAL
)
COORDINATOR = Principal(
    user_id=uuid4(),
    silo="center",
    roles=frozenset({"CENTER_COORDINATOR"}),
    permissions=frozenset({"TRIP_OVERRIDE"}),
)
PRINCIPALS = {
    "staff": STAFF,
    "coordinator": COORDINATOR,
    "beginner": Principal(user_id=uuid4(), silo="center", roles=COORDINATOR.roles),
}
AS_STAFF = (("authorization", "Bearer staff"),)
SECURED = ["Answer", "Stream", "Collect", "Converse"]
REQUEST_ID = "0198f000-0000-7000-8000-000000000001"


async def authenticate(token: str) -> Principal:
    if token not in PRINCIPALS:
        raise Unauthenticated("the token does not hold")
    return PRINCIPALS[token]


def guards(
    authenticate: access.Authenticate = authenticate,
    again_seconds: float = access.AGAIN_SECONDS,
) -> list[Guard]:
    return [
        errors.guard("test", "test-1"),
        logging.guard("test"),
        deadlines.guard,
        access.guard(authenticate, again_seconds),
        validation.guard,
        idempotency.guard(bytes(32)),
    ]


def raising(error: BaseException) -> dict[str, Any]:
    """Make behaviours of every arity that end with ``error``."""

    async def answer(_request: Any, _context: Any) -> Any:
        raise error

    async def stream(_request: Any, _context: Any) -> AsyncIterator[Any]:
        yield EchoResponse(text="one answer first")
        raise error

    return {
        name: stream if arity.endswith("stream") else answer
        for name, (arity, _, _) in echo.ARITIES.items()
    }


async def echoed(request: Any, _context: Any) -> Any:
    return EchoResponse(text=request.text)


async def echoed_twice(request: Any, _context: Any) -> AsyncIterator[Any]:
    yield EchoResponse(text=request.text)
    yield EchoResponse(text=request.text).SerializeToString()  # as the event log does


async def written_twice(requests: Any, context: Any) -> None:
    async for request in requests:
        await context.write(EchoResponse(text=request.text))


async def counted(requests: Any, _context: Any) -> Any:
    return EchoResponse(text=str(len([each async for each in requests])))


ECHOING = {
    "Answer": echoed,
    "Stream": echoed_twice,
    "Collect": counted,
    "Converse": written_twice,
    "Open": echoed,
    "Override": echoed,
    "Own": echoed,
}


def detail(error: grpc.aio.AioRpcError, kind: Any) -> Any:
    status = rpc_status.from_call(error)
    found = kind()
    assert any(each.Unpack(found) for each in status.details), f"no {kind.__name__}"
    return found


def violations(error: grpc.aio.AioRpcError) -> dict[str, str]:
    bad = detail(error, error_details_pb2.BadRequest)
    return {each.field: each.description for each in bad.field_violations}


def trailers(trailing: Any) -> dict[str, str]:
    return dict(trailing or ())
