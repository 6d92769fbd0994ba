"""Says, once per RPC, what was asked, by whom, how it ended and how long it took."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from chassis import telemetry, tracing
from chassis.auth import Principal
from chassis.interceptors.endings import code_of
from chassis.interceptors.guards import Guard, Rpc
from chassis.rpc_metrics import RETRIED

ATTEMPTS = "grpc-previous-rpc-attempts"  # from the second attempt on


def guard(silo: str) -> Guard:
    """Make the guard that stands inside the error guard and sees errors before they are judged."""

    @asynccontextmanager
    async def record(rpc: Rpc) -> AsyncIterator[None]:
        begun = time.monotonic()
        rpc.series.begin()
        if any(name == ATTEMPTS for name, _ in rpc.context.invocation_metadata() or ()):
            RETRIED.labels(rpc.method.service, rpc.method.name).inc()
        ended, path = "OK", rpc.method.path
        try:
            yield
        except BaseException as error:
            ended = code_of(error, silo, rpc.context)
            raise
        finally:
            seconds, call = time.monotonic() - begun, rpc.call
            rpc.series.end(ended, seconds)
            say(Told(call.request_id, call.traceparent, call.principal), silo, path, ended, seconds)

    return record


@dataclass(frozen=True, slots=True)
class Told:
    """What a line tells of whose call it was."""

    request_id: str
    traceparent: str
    principal: Principal | None


def say(whose: Told, silo: str, method: str, code: str, seconds: float) -> None:
    """Write the line of one RPC: ids and names, nothing of what was asked or answered."""
    principal = whose.principal
    telemetry.log.info(
        "rpc",
        request_id=whose.request_id,
        silo=silo,
        method=method,
        code=code,
        milliseconds=round(seconds * 1000, 1),
        user_id=str(principal.user_id) if principal else None,
        tenant_id=str(principal.tenant_id) if principal and principal.tenant_id else None,
        **tracing.ids(whose.traceparent),
    )
