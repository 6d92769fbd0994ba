"""Makes the RPC under way a span, and what its callers are told the parent of what follows."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from chassis.interceptors.endings import code_of
from chassis.interceptors.guards import Guard, Rpc
from chassis.rpc_metrics import FAILED
from chassis.tracing import Kind, following, is_on

# The codes that are the server's doing (OpenTelemetry, semantic conventions for gRPC).
OURS = FAILED | {"UNIMPLEMENTED"}


def guards(silo: str) -> list[Guard]:
    """Make the guard that stands before the log's, where spans are wanted; else there is none."""
    return [_guard(silo)] if is_on() else []


def _guard(silo: str) -> Guard:
    @asynccontextmanager
    async def traced(rpc: Rpc) -> AsyncIterator[None]:
        path, ended = rpc.method.path, "OK"
        named = {"rpc.system.name": "grpc", "rpc.method": path[1:], "medport.silo": silo}
        with following(rpc.call.traceparent, path[1:], Kind.SERVER, named) as span:
            rpc.call.traceparent = span.traceparent
            try:
                yield
            except BaseException as error:
                ended = code_of(error, silo, rpc.context)
                raise
            finally:
                span.note(_facts(rpc, ended))
                if ended in OURS:
                    span.failed(ended)

    return traced


def _facts(rpc: Rpc, ended: str) -> dict[str, str]:
    principal = rpc.call.principal
    return {
        "rpc.response.status_code": ended,
        "medport.request_id": rpc.call.request_id,
        "medport.user_id": str(principal.user_id) if principal else "",
        "medport.tenant_id": str(principal.tenant_id or "") if principal else "",
    }
