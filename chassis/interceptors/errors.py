"""Refusals and faults become statuses here, and nowhere else."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import grpc
import psycopg

from chassis import ids, sqlstates, telemetry
from chassis.errors import Refusal
from chassis.interceptors.guards import Context, Guard, Rpc
from chassis.interceptors.statuses import Fault, status

SERVED_BY = "x-medport-served-by"
REQUEST_ID = "x-request-id"
DETAILS = "grpc-status-details-bin"
_REQUEST_ID_FORM = re.compile(r"[A-Za-z0-9._-]{1,64}")


def guard(
    silo: str, served_by: str, on_lost: Callable[[], None], is_up: Callable[[], bool]
) -> Guard:
    """Make the outermost guard of ``silo``: every call ends with a status of the contract.

    ``on_lost`` hears of each lost database connection. ``is_up`` tells an exhausted pool, which
    passes, from a database that does not answer. Without the ``served_by`` stamp a router could
    not tell an answer from a transport failure.
    """

    @asynccontextmanager
    async def answer(rpc: Rpc) -> AsyncIterator[None]:
        rpc.call.request_id = request_id(rpc.context)
        stamp = ((SERVED_BY, served_by), (REQUEST_ID, rpc.call.request_id))
        try:
            yield
        except grpc.aio.AbortError:
            raise  # already a status
        except asyncio.CancelledError as cancelled:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise  # the caller left, or the server stops: nobody to answer
            # Unanswered, a cancellation from inside leaves the caller waiting (grpc #29248).
            await _abort(rpc, _judged(cancelled, rpc, silo), silo, stamp)
        except Exception as error:  # noqa: BLE001 - unguarded, grpc.aio sends its text to the caller
            if sqlstates.is_lost(error):
                on_lost()
            refusal = _judged(error, rpc, silo)
            if refusal.reason == "OVERLOADED" and not is_up():
                refusal = sqlstates.unavailable(silo)
            await _abort(rpc, refusal, silo, stamp)
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


def _judged(error: BaseException, rpc: Rpc, silo: str) -> Refusal:
    """Judge ``error``, and tell the operators of everything that is our own mistake."""
    refusal = refusal_of(error, silo)
    is_ours = isinstance(refusal, Fault) or (
        isinstance(error, psycopg.Error) and sqlstates.is_bug(error)
    )
    if is_ours:
        telemetry.fault(error, request_id=rpc.call.request_id, method=rpc.method.path)
    return refusal


async def _abort(rpc: Rpc, refusal: Refusal, silo: str, stamp: tuple[tuple[str, str], ...]) -> None:
    made = status(refusal, f"medport.{silo}.v1", rpc.call.request_id)
    code = next(each for each in grpc.StatusCode if each.value[0] == made.code)
    trailers = (*stamp, (DETAILS, made.SerializeToString()))
    await rpc.context.abort(code, made.message, trailers)
