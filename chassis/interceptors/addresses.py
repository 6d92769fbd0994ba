"""Notes where a call came from, for sessions and the audit trail."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from chassis.addresses import IsRouter, client_address
from chassis.interceptors.guards import Guard, Rpc


def guard(is_router: IsRouter) -> Guard:
    """Make the guard; ``is_router`` says whether a token is the router's own."""

    @asynccontextmanager
    async def located(rpc: Rpc) -> AsyncIterator[None]:
        metadata = rpc.context.invocation_metadata() or ()
        rpc.call.client_address = await client_address(metadata, rpc.call.peer, is_router)
        yield

    return located
