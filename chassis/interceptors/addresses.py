"""Notes where a call came from, for sessions and the audit trail."""

from __future__ import annotations

from chassis.addresses import IsRouter, client_address
from chassis.interceptors.guards import Guard, Rpc


def guard(is_router: IsRouter) -> Guard:
    """Make the guard; ``is_router`` says whether a token is the router's own."""

    async def located(rpc: Rpc) -> None:
        metadata = rpc.context.invocation_metadata() or ()
        rpc.call.client_address = await client_address(metadata, rpc.call.peer, is_router)

    return located
