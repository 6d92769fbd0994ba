"""Where the calls of a silo go: to its processes, to a canary, or to copies of its database."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

import grpc

from chassis import consistency
from chassis.auth import Principal
from chassis.interceptors.errors import SERVED_BY
from router.answers import SiloUnavailable
from router.backends import Backend, Lease
from router.canaries import Canary
from router.metadata import Metadata
from router.observing import Observation
from router.policies import repeatable
from router.routes import Route


@dataclass(frozen=True, slots=True)
class Exchange:
    """One call under way on the silo's side."""

    lease: Lease
    call: Any  # one of four kinds, none of which has a name for types
    seen: Observation

    async def lost(self) -> bool:
        """Say whether the transport ended the call, with no word of the silo's, and note it.

        Of a stream only until the silo begins to answer.
        """
        if not self.seen.route.unary:
            await self.call.initial_metadata()
            if not self.call.done():
                return False
        code = await self.call.code()
        if code not in _LOST or await is_stamped(self.call):
            return False
        self.seen.code = code
        self.lease.ended(code, stamped=False)
        return True


# How calls of a process end that dies, or is given up.
_LOST = {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED}
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
        """Hold a caller's call: at its canary where that admits and keeps it, or else at home."""
        if (canary := self.canary_of(principal)) is not None:
            async with AsyncExitStack() as stack:
                if exchange := await _tried(stack, at(canary)):
                    yield exchange
                    return
        async with at(self.home) as exchange:
            yield exchange

    def copies(
        self, route: Route, metadata: Metadata, principal: Principal | None
    ) -> Backend | None:
        """Return who may answer instead: for a caller who says how far a copy must have come.

        Not for a canary's caller, whom the version that is tried out shall answer.
        """
        if self.read_replicas is None or not consistency.may_be_copied(route.method):
            return None
        if self.canary_of(principal) is not None:
            return None
        named = consistency.asked(route.silo, metadata)
        return None if named is None else self.read_replicas


async def is_stamped(call: Any) -> bool:
    """Say whether the silo itself ended the call; what has no stamp is the transport's word."""
    return any(key == SERVED_BY for key, _ in await call.trailing_metadata() or ())


async def _tried(
    stack: AsyncExitStack, calling: AbstractAsyncContextManager[Exchange]
) -> Exchange | None:
    """Return the call; None where the breaker refuses it, or it is lost and may be made again."""
    with suppress(SiloUnavailable):
        exchange = await stack.enter_async_context(calling)
        if not (repeatable(exchange.seen.route) and await exchange.lost()):
            return exchange
    return None
