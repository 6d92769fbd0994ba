"""Refusals and faults become statuses here, and nowhere else."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any

import grpc
import psycopg

from chassis import ids, sqlstates, telemetry, tracing
from chassis.errors import Refusal
from chassis.interceptors.guards import Context, Guard, Rpc
from chassis.interceptors.statuses import Fault, Unimplemented, code, status

SERVED_BY = "x-medport-served-by"
REQUEST_ID = "x-request-id"
DETAILS = "grpc-status-details-bin"
Stamp = tuple[tuple[str, str], ...]

_REQUEST_ID_FORM = re.compile(r"[A-Za-z0-9._-]{1,64}")


async def always() -> bool:
    return True


def guard(
    silo: str,
    served_by: str,
    on_lost: Callable[[], None] = lambda: None,
    is_up: Callable[[], Awaitable[bool]] = always,
) -> Guard:
    """Make the outermost guard of ``silo``: every call ends with a status of the contract.

    ``on_lost`` hears of each lost database connection. ``is_up`` tells an exhausted pool, which
    passes, from a database that does not answer. Without the ``served_by`` stamp a router could
    not tell an answer from a transport failure.
    """

    @asynccontextmanager
    async def answer(rpc: Rpc) -> AsyncIterator[None]:
        _note_facts(rpc)
        stamp = ((SERVED_BY, served_by), (REQUEST_ID, rpc.call.request_id))
        try:
            yield
        except grpc.aio.AbortError:
            raise  # already a status
        except grpc.aio.InternalError as gone:  # a write that met a caller who has left
            raise asyncio.CancelledError from gone
        except asyncio.CancelledError as cancelled:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise  # the caller left, or the server stops: nobody to answer
            # Unanswered, a cancellation from inside leaves the caller waiting (grpc #29248).
            await _abort(rpc.context, _judged(cancelled, rpc, silo), silo, stamp)
        except Exception as error:  # noqa: BLE001 - unguarded, grpc.aio sends its text to the caller
            if sqlstates.is_lost(error):
                on_lost()
            refusal = _judged(error, rpc, silo)
            if refusal.reason == "OVERLOADED" and not await is_up():
                refusal = sqlstates.unavailable(silo)
            await _abort(rpc.context, refusal, silo, stamp)
        else:
            context = rpc.context
            context.set_trailing_metadata((*(context.trailing_metadata() or ()), *stamp))

    return answer


def refusal_of(error: BaseException, silo: str) -> Refusal:
    """Return what ``error`` means to a caller: a refusal, or a fault."""
    if isinstance(error, Refusal):
        return error
    meant = sqlstates.refusal(error, silo) if isinstance(error, psycopg.Error) else None
    return meant or Fault()


def request_id(context: Context) -> str:
    """Take the caller's request id if it gave exactly one of the agreed form, else make one."""
    given = [value for name, value in context.invocation_metadata() or () if name == REQUEST_ID]
    if len(given) == 1 and _REQUEST_ID_FORM.fullmatch(str(given[0])):
        return str(given[0])
    return str(ids.new())


def traceparent(metadata: Iterable[tuple[str, str | bytes]]) -> str:
    """Take the caller's trace if it named exactly one; where no span will do so, begin one."""
    given = tracing.given([value for name, value in metadata if name == tracing.HEADER])
    return given if given or tracing.is_on() else tracing.made()


def _note_facts(rpc: Rpc) -> None:
    rpc.call.request_id = request_id(rpc.context)
    rpc.call.peer = rpc.context.peer()
    rpc.call.traceparent = traceparent(rpc.context.invocation_metadata() or ())


def _judged(error: BaseException, rpc: Rpc, silo: str) -> Refusal:
    """Judge ``error``, and tell the operators of everything that is our own mistake."""
    refusal = refusal_of(error, silo)
    is_ours = isinstance(refusal, Fault) or (
        isinstance(error, psycopg.Error) and sqlstates.is_bug(error)
    )
    if is_ours:
        telemetry.fault(error, request_id=rpc.call.request_id, method=rpc.method.path)
    return refusal


async def _abort(context: Context, refusal: Refusal, silo: str, stamp: Stamp) -> None:
    made = status(refusal, f"medport.{silo}.v1", dict(stamp)[REQUEST_ID])
    trailers = (*stamp, (DETAILS, made.SerializeToString()))
    await context.abort(code(refusal), made.message, trailers)


class Unserved(grpc.GenericRpcHandler):
    """Answers for every method that nobody else does, in the words of the contract."""

    def __init__(self, silo: str, served_by: str) -> None:
        self._silo = silo
        self._served_by = served_by

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler[Any, Any]:
        refusal = Unimplemented(f"{details.method} is not served here", method=details.method)

        async def refuse(_request: bytes, context: Context) -> None:
            stamp = ((SERVED_BY, self._served_by), (REQUEST_ID, request_id(context)))
            await _abort(context, refusal, self._silo, stamp)

        # A unary handler would wait for a message, which a stream may never send.
        return grpc.stream_stream_rpc_method_handler(refuse)
