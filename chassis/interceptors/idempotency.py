"""One effect per request id: a repeat gets the answer that was given before."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

from chassis.call import Idempotency
from chassis.idempotency import Replayed
from chassis.interceptors.guards import Rpc


@asynccontextmanager
async def guard(rpc: Rpc) -> AsyncIterator[None]:
    """Hand the unit of work what it claims, and answer from the store what was answered before."""
    if rpc.method.type != "unary" or not rpc.method.is_idempotent or rpc.call.principal is None:
        yield
        return
    rpc.call.idempotency = Idempotency(
        method=rpc.method.path,
        request_id=UUID(rpc.request.request_id),
        request_hash=hashlib.sha256(rpc.request.SerializeToString(deterministic=True)).digest(),
    )
    try:
        yield
    except Replayed as replayed:
        rpc.answer = replayed.response
