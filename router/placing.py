"""Where the calls of a silo go: to its processes, to a canary, or to copies of its database."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

from chassis import consistency
from chassis.auth import Principal
from router.answers import SiloUnavailable
from router.backends import Backend, Lease
from router.canaries import Canary
from router.metadata import Metadata
from router.observing import Observation
from router.routes import Route


@dataclass(frozen=True, slots=True)
class Exchange:
    """One call under way on the silo's side."""

    lease: Lease
    call: Any  # one of four kinds, none of which has a name for types
    seen: Observation


At = Callable[[Backend], AbstractAsyncContextManager[Exchange]]  # how to call there


@dataclass(frozen=True, slots=True)
class Places:
    """One silo's: ``home`` answers everything."""

    home: Backend
    read_replicas: Backend | None = None
    canary: Canary | None = None

    def canary_of(self, principal: Principal | None) -> Backend | None:
        """Return the canary of a caller who has one: always the same, while its share stays."""
        if self.canary is not None and self.canary.takes(principal):
            return self.canary.backend
        return None

    @asynccontextmanager
    async def served(self, principal: Principal | None, at: At) -> AsyncIterator[Exchange]:
        """Hold a caller's call: at its canary where that admits it, or else at home."""
        if (canary := self.canary_of(principal)) is not None:
            async with AsyncExitStack() as stack:
                if exchange := await _tried(stack, at(canary)):
                    yield exchange
                    return
        async with at(self.home) as exchange:
            yield exchange

    def copies(self, route: Route, metadata: Metadata) -> Backend | None:
        """Return who may answer instead: for a caller who says how far a copy must have come."""
        if self.read_replicas is None or not consistency.may_be_copied(route.method):
            return None
        named = consistency.asked(route.silo, metadata)
        return None if named is None else self.read_replicas


async def _tried(
    stack: AsyncExitStack, calling: AbstractAsyncContextManager[Exchange]
) -> Exchange | None:
    """Return the call, or None where the breaker refuses it; who is admitted may be its probe."""
    with suppress(SiloUnavailable):
        return await stack.enter_async_context(calling)
    return None
