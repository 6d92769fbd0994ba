"""Forwards any call to the silo that owns its package, as bytes, for all four arities.

Messages, metadata, trailers, status details, deadline and cancellation reach the other side as a
direct call has them. No business message is parsed here.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import grpc

from chassis.addresses import of_peer
from chassis.auth import Principal
from chassis.errors import RateLimited, Refusal, Unauthenticated
from chassis.interceptors.errors import traceparent
from chassis.interceptors.guards import Context, Handler
from router import answers, metrics, observing
from router.access import RoleDenied
from router.backends import Backend, Lease
from router.metadata import Metadata, forwarded
from router.metering import Meter
from router.observing import Observation, observed
from router.placing import Exchange, Places, is_stamped
from router.policies import COPY_S, deadline_of
from router.routes import Route
from router.uploads import Uploads

Admit = Callable[[Route, Context], Awaitable[Principal | None]]
Proof = Callable[[str], str]  # shows a silo that this is the router

TOLD_SECONDS = 1.0  # that a refused caller waits for the silo to note it


def unproven(_: str) -> str:
    """Show nothing: silos then take the router's address for its clients'."""
    return ""


MAKE = {
    (False, False): grpc.unary_unary_rpc_method_handler,
    (False, True): grpc.unary_stream_rpc_method_handler,
    (True, False): grpc.stream_unary_rpc_method_handler,
    (True, True): grpc.stream_stream_rpc_method_handler,
}


class Proxy(grpc.GenericRpcHandler):
    """Answers for every path: with the handler built for it at the start, or with a refusal."""

    def __init__(
        self,
        routes: Iterable[Route],
        places: Mapping[str, Places],
        admit: Admit,
        meter: Meter,
        proof: Proof = unproven,
    ) -> None:
        self._forwarders = {
            route.path: Forwarder(route, places[route.silo], admit, meter, proof)
            for route in routes
            if route.silo in places
        }
        self._meter = meter
        self._handlers = {path: each.handler() for path, each in self._forwarders.items()}

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> Handler:
        path = handler_call_details.method
        return self._handlers.get(path) or _unknown(path, self._meter)

    def end_streams(self) -> None:
        """Tell every open stream to go on elsewhere; unary calls come to their own end."""
        for forwarder in self._forwarders.values():
            forwarder.end_streams()


@dataclass(frozen=True, slots=True)
class Asked:
    """What a client sent, and when its time is over, wherever it is tried until then."""

    request: Any  # bytes, or an iterator of them
    metadata: Metadata
    ends_at: float  # monotonic


class Forwarder:
    """Forwards one method; its cardinality decides the handler's shape."""

    def __init__(
        self, route: Route, places: Places, admit: Admit, meter: Meter, proof: Proof
    ) -> None:
        self._route, self._places, self._admit, self._meter = route, places, admit, meter
        self._proof = proof
        self._deadline = deadline_of(route)
        self._uploads = Uploads()
        self._open: set[grpc.aio.Call] = set()
        self._draining = False

    def handler(self) -> Handler:
        method = self._route.method
        answer = self._many if method.streams_answers else self._one
        # A handler without serializers moves bytes.
        return MAKE[method.streams_requests, method.streams_answers](answer)

    def end_streams(self) -> None:
        self._draining = True
        for call in () if self._route.unary else tuple(self._open):
            call.cancel()

    async def _one(self, request: Any, context: Context) -> bytes:
        response: bytes = b""
        async with self._exchange(request, context) as exchange:
            with _ending_is_read_later():
                response = await exchange.call
                exchange.seen.answer_passed()
            if initial := await exchange.call.initial_metadata():
                await context.send_initial_metadata(tuple(initial))
            await self._finish(exchange, context)
        return response

    async def _many(self, request: Any, context: Context) -> None:
        async with self._exchange(request, context) as exchange:
            call, lease = exchange.call, exchange.lease
            await context.send_initial_metadata(tuple(await call.initial_metadata() or ()))
            with _ending_is_read_later():
                # A write completes before the next read starts: a slow client slows the silo down.
                while (message := await call.read()) is not grpc.aio.EOF:
                    lease.answered()
                    await context.write(message)
                    exchange.seen.answer_passed()
            await self._finish(exchange, context)

    @asynccontextmanager
    async def _exchange(self, request: Any, context: Context) -> AsyncIterator[Exchange]:
        """Let the caller in and start the silo's call; whatever ends one side ends the other."""
        metadata, request_id = forwarded(context, self._proof(self._route.silo))
        asked = Asked(request, metadata, time.monotonic() + self._seconds(context))
        told = traceparent(context.invocation_metadata() or ())
        with observed(self._route, request_id, told) as seen:
            try:
                seen.principal = await self._let_in(context)
                address = of_peer(context.peer())
                with self._meter.metered(seen, address), self._meter.held(seen):
                    async with self._placed(asked, seen) as exchange:
                        yield exchange
            except grpc.aio.InternalError as gone:  # a write that met a client who has left
                raise asyncio.CancelledError from gone
            except Refusal as refusal:
                judged = await self._told(refusal, metadata, seen, context)
                seen.refused(judged)
                await answers.refuse(context, judged, request_id)

    async def _let_in(self, context: Context) -> Principal | None:
        """Return whose call it is; a wrong token counts against its address, as none does."""
        try:
            return await self._admit(self._route, context)
        except Unauthenticated:
            self._meter.count_address(of_peer(context.peer()))
            raise

    async def _told(
        self, refusal: Refusal, metadata: Metadata, seen: Observation, context: Context
    ) -> Refusal:
        """Let the silo refuse a known caller too, since the trail is the silo's to keep.

        Returns what to answer. The silo gets nothing of the request, whatever it would make of it.
        """
        if isinstance(refusal, RoleDenied):
            seen.principal = refusal.principal
            nothing = () if self._route.method.streams_requests else b""
            try:
                with self._meter.metered(seen, of_peer(context.peer())):
                    async with self._places.home.lease(self._route) as lease:
                        start = lease.leg.starts[self._route.path]
                        await start(nothing, timeout=TOLD_SECONDS, metadata=metadata).code()
            except RateLimited as limited:
                return limited
            except Refusal:  # the silo is away: there is no trail to write to
                return refusal
        return refusal

    @asynccontextmanager
    async def _placed(self, asked: Asked, seen: Observation) -> AsyncIterator[Exchange]:
        """Start the call where it is answered: by a copy that may and can, or else at home."""
        copies = self._places.copies(self._route, asked.metadata, seen.principal)
        if copies is not None:
            async with AsyncExitStack() as stack:
                if exchange := await self._tried(stack, copies, asked, seen):
                    yield exchange
                    return
        at = partial(self._at, asked=asked, seen=seen)
        async with self._places.served(seen.principal, at) as exchange:
            yield exchange

    async def _tried(
        self, stack: AsyncExitStack, copies: Backend, asked: Asked, seen: Observation
    ) -> Exchange | None:
        """Return a copy's answer if it is a good one: only the primary may refuse."""
        code = grpc.StatusCode.UNAVAILABLE
        with suppress(Refusal):
            brief = replace(asked, ends_at=min(asked.ends_at, time.monotonic() + COPY_S))
            exchange = await stack.enter_async_context(self._at(copies, brief, seen))
            code = seen.code = await exchange.call.code()
            exchange.lease.ended(code, stamped=await is_stamped(exchange.call))
        metrics.copy_asked(self._route.silo, code)
        return exchange if code is grpc.StatusCode.OK else None

    @asynccontextmanager
    async def _at(
        self, backend: Backend, asked: Asked, seen: Observation
    ) -> AsyncIterator[Exchange]:
        async with backend.lease(self._route) as lease:
            with seen.calling(asked.metadata) as onward:
                told = replace(asked, metadata=onward)
                async with self._call(lease, told, seen) as call:
                    yield Exchange(lease, call, seen)

    @asynccontextmanager
    async def _call(self, lease: Lease, asked: Asked, seen: Observation) -> AsyncIterator[Any]:
        call = self._start(lease, asked, seen)
        self._open.add(call)
        try:
            yield call
        finally:
            self._open.discard(call)
            call.cancel()  # passes the client's on; does nothing to one that ended

    def _start(self, lease: Lease, asked: Asked, seen: Observation) -> Any:
        if self._draining and not self._route.unary:
            raise answers.Draining
        start, left = lease.leg.starts[self._route.path], asked.ends_at - time.monotonic()
        timeout = left if math.isfinite(left) else None
        if not self._route.method.streams_requests:
            seen.request_passed()
            call = start(asked.request, timeout=timeout, metadata=asked.metadata)
            if self._route.unary:
                lease.begun(call)
            return call
        call = start(timeout=timeout, metadata=asked.metadata)
        self._uploads.start(asked.request, call, seen.request_passed)
        return call

    def _seconds(self, context: Context) -> float:
        """Return how long a call may take in all."""
        remaining, deadline = context.time_remaining(), self._deadline
        if deadline is None:
            return math.inf if remaining is None else remaining
        return min(deadline.default if remaining is None else remaining, deadline.most)

    async def _finish(self, exchange: Exchange, context: Context) -> None:
        """End the client's call as the silo ended ours, or in our own words when none spoke."""
        call = exchange.call
        code, trailers = await call.code(), tuple(await call.trailing_metadata() or ())
        stamped = await is_stamped(call)
        if self._draining and code is grpc.StatusCode.CANCELLED:
            raise answers.Draining
        exchange.lease.ended(code, stamped=stamped)
        exchange.seen.code = code
        if code is grpc.StatusCode.OK:
            context.set_trailing_metadata(trailers)
        elif stamped:
            await context.abort(code, await call.details() or "", answers.final(code, trailers))
        else:
            raise answers.no_silo_spoke(self._route.silo, code)


@contextmanager
def _ending_is_read_later() -> Iterator[None]:
    """Let a call end with any status, or by ``end_streams``, but never hide our own ending."""
    try:
        yield
    except grpc.aio.AioRpcError:
        pass
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise


def _unknown(path: str, meter: Meter) -> Handler:
    async def refuse(_: Any, context: Context) -> None:
        _, request_id = forwarded(context)
        refusal: Refusal = answers.UnknownMethod(path)
        try:
            meter.count_address(of_peer(context.peer()))
        except RateLimited as limited:
            refusal = limited
        observing.unknown(request_id, traceparent(context.invocation_metadata() or ()), refusal)
        await answers.refuse(context, refusal, request_id)

    return grpc.stream_stream_rpc_method_handler(refuse)
