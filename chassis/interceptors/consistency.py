"""Tells who has written how far that is; refuses, on a copy, what only the primary may answer."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from chassis.consistency import HEADER, PrimaryOnly, asked, may_be_copied, token
from chassis.interceptors.guards import Guard, Rpc
from chassis.standby import Standby


def guard(silo: str, standby: Standby | None = None) -> Guard:
    """Make the guard of a process on the primary, or on ``standby``."""

    def consistent(rpc: Rpc) -> AbstractAsyncContextManager[None] | Awaitable[None] | None:
        if standby is not None:
            return copied(rpc, standby)
        rpc.call.wants_position = rpc.method.type == "unary" and not rpc.method.is_read
        return told(rpc) if rpc.call.wants_position else None

    async def copied(rpc: Rpc, standby: Standby) -> None:
        if not may_be_copied(rpc.method):
            raise PrimaryOnly
        wanted = asked(silo, rpc.context.invocation_metadata() or ())
        await standby.must_have(wanted or 0)

    @asynccontextmanager
    async def told(rpc: Rpc) -> AsyncIterator[None]:
        yield
        if rpc.call.position:
            context = rpc.context
            position = (HEADER, token(silo, rpc.call.position))
            context.set_trailing_metadata((*(context.trailing_metadata() or ()), position))

    return consistent
