"""Answers at once, and in time those under way, when the silo's database is away."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from chassis.availability import Availability
from chassis.interceptors.guards import Guard, Rpc
from chassis.sqlstates import unavailable

SILENT_SECONDS = 0.02  # a server that is away acknowledges nothing


def guard(silo: str, availability: Availability) -> Guard:
    """Make the guard that turns an absent database into UNAVAILABLE within a second.

    Open streams of answers stay: they live on memory and heartbeats until the database is back.
    """

    def answerable(rpc: Rpc) -> AbstractAsyncContextManager[None] | None:
        if not availability.is_up:
            raise unavailable(silo)
        return None if rpc.method.streams_answers else interrupted(rpc)

    @asynccontextmanager
    async def interrupted(rpc: Rpc) -> AsyncIterator[None]:
        def interrupt() -> None:
            rpc.interruption.interrupt(unavailable(silo), patience=SILENT_SECONDS)

        forget = availability.hear_loss(interrupt)
        try:
            yield
        finally:
            forget()

    return answerable
