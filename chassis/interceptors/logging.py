"""Says, once per RPC, what was asked, by whom, how it ended and how long it took."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import grpc

from chassis import telemetry
from chassis.interceptors.errors import refusal_of
from chassis.interceptors.guards import Guard, Rpc
from chassis.interceptors.statuses import code


def guard(silo: str) -> Guard:
    """Make the guard that stands inside the error guard and sees errors before they are judged."""

    @asynccontextmanager
    async def record(rpc: Rpc) -> AsyncIterator[None]:
        begun = time.monotonic()
        telemetry.started(rpc.method.type, rpc.method.service, rpc.method.name)
        ended = "OK"
        try:
            yield
        except BaseException as error:
            ended = _code(error, silo)
            raise
        finally:
            _say(rpc, ended, time.monotonic() - begun)

    return record


def _code(error: BaseException, silo: str) -> str:
    if isinstance(error, grpc.aio.InternalError):  # a write that met a caller who has left
        return "CANCELLED"
    task = asyncio.current_task()
    if isinstance(error, asyncio.CancelledError) and task is not None and task.cancelling():
        return "CANCELLED"
    return code(refusal_of(error, silo)).name


def _say(rpc: Rpc, ended: str, seconds: float) -> None:
    method, call = rpc.method, rpc.call
    telemetry.handled(method.type, method.service, method.name, ended, seconds)
    telemetry.log.info(
        "rpc",
        request_id=call.request_id,
        method=method.path,
        code=ended,
        milliseconds=round(seconds * 1000, 1),
        user_id=str(call.principal.user_id) if call.principal else None,
    )
