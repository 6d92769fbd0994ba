"""Records what is refused for who calls, before the caller hears of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from chassis.denials import Denials
from chassis.errors import Refusal
from chassis.interceptors.guards import Guard, Rpc


def guard(denials: Denials) -> Guard:
    """Make the guard that stands around those which say no."""

    @asynccontextmanager
    async def recorded(rpc: Rpc) -> AsyncIterator[None]:
        try:
            yield
        except Refusal as refusal:
            await denials.note(rpc.call, rpc.method.service, refusal)
            raise

    return recorded
