"""Asks several silos on behalf of one call: each with the caller's own token, all by one deadline.

The router has no say here. A silo sees the caller whom the token proves, and decides; a silo for
which the caller gave no token is not asked.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Generic, NoReturn, TypeVar

import grpc
from google.protobuf.message import Message
from google.rpc.error_details_pb2 import ErrorInfo
from google.rpc.status_pb2 import Status

from chassis import auth, call, tracing
from chassis.auth import Principal
from chassis.errors import Refusal, Unauthenticated
from chassis.interceptors import statuses
from chassis.interceptors.errors import DETAILS, SERVED_BY
from chassis.interceptors.guards import Context
from chassis.tracing import HEADER, Kind
from router import answers
from router.access import Gate
from router.backends import Backend, Lease
from router.breaker import State
from router.metadata import Metadata, forwarded
from router.metering import Meter
from router.placing import Places
from router.policies import MOST_S, READ_S
from router.proxy import Proof
from router.routes import Route

Answer = TypeVar("Answer", bound=Message)

SHARE = 0.8  # of a call's time for the silos; the rest is for the answer to get back
_REFUSALS = {
    grpc.StatusCode.UNAUTHENTICATED,
    grpc.StatusCode.PERMISSION_DENIED,
    grpc.StatusCode.NOT_FOUND,
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.FAILED_PRECONDITION,
}


@dataclass(frozen=True, slots=True)
class Question(Generic[Answer]):
    """A unary method of a silo, and what it answers with."""

    path: str
    answer: type[Answer]


class Unanswered(Exception):
    """A silo that could not answer, or would not; ``trailers`` are its own words, if it spoke."""

    def __init__(
        self,
        silo: str,
        refusal: Refusal | None = None,
        *,
        code: grpc.StatusCode = grpc.StatusCode.UNKNOWN,
        text: str = "",
        trailers: Metadata = (),
    ) -> None:
        super().__init__(silo)
        self.silo = silo
        self._refusal, self._trailers = refusal, trailers
        self.code = statuses.code(refusal) if refusal else code
        self.text = refusal.text if refusal else text
        self.reason = refusal.reason if refusal else _reason(trailers)

    @property
    def is_refusal(self) -> bool:
        """Return whether the silo is well, and tells this caller nothing."""
        return self.code in _REFUSALS

    async def pass_on(self, context: Context) -> NoReturn:
        """End the caller's call as the silo ended ours, or as it would have been refused."""
        if self._refusal is not None:
            current = call.current()
            await answers.refuse(context, self._refusal, current.request_id if current else "")
        await context.abort(self.code, self.text, self._trailers)
        raise self


class Asking:
    """What the router needs to ask any silo anything."""

    def __init__(
        self,
        routes: Mapping[str, Route],
        places: Mapping[str, Places],
        gate: Gate,
        meter: Meter,
        proof: Proof,
    ) -> None:
        self._routes, self._places, self._gate = routes, places, gate
        self._meter, self._proof = meter, proof

    def begin(self, context: Context) -> Round:
        return Round(context, self)

    async def ask(self, round: Round, question: Question[Answer], request: Message) -> Answer:
        """Ask a silo as ``round``'s caller; raises Unanswered."""
        route = self._routes[question.path]
        try:
            if (places := self._places.get(route.silo)) is None:
                raise answers.SiloUnavailable(route.silo)
            token = await self._token(route, round, places.home)
            self._meter.count(round.caller)  # each question is a call
            metadata = _metadata(round.context, token, self._proof(route.silo))

            async def at(backend: Backend) -> bytes:
                async with backend.lease(route) as lease:
                    return await _call(lease, route, request, round, metadata)

            raw = await _answer(places, round.caller, at)
        except Refusal as refusal:
            raise Unanswered(route.silo, refusal) from refusal
        return question.answer.FromString(raw)

    async def _token(self, route: Route, round: Round, backend: Backend) -> str:
        """Return the caller's token; without one, too, the news is that the silo is away."""
        try:
            return await self._gate.token_for(route, round.context, round.caller)
        except Unauthenticated as refusal:
            if backend.breaker.state is State.OPEN:
                raise answers.SiloUnavailable(route.silo) from refusal
            raise


class Round:
    """One caller's questions, and who left one of them open."""

    def __init__(self, context: Context, asking: Asking) -> None:
        self.context, self._asking = context, asking
        self.caller = auth.caller()
        remaining = context.time_remaining()
        allowed = READ_S if remaining is None else min(remaining, MOST_S)
        self._ends_at = time.monotonic() + allowed * SHARE
        self.missing: dict[str, Unanswered] = {}
        self.has_answers = False

    @property
    def seconds_left(self) -> float:
        return max(self._ends_at - time.monotonic(), 0.0)

    async def demand(self, question: Question[Answer], request: Message) -> Answer:
        """Return the answer; raises Unanswered."""
        answer = await self._asking.ask(self, question, request)
        self.has_answers = True
        return answer

    async def ask(
        self, question: Question[Answer], request: Message, *, moot: str = ""
    ) -> Answer | None:
        """Return the answer; None where there is none, which is noted once per silo.

        A silo that refuses with the reason ``moot`` has answered: there is nothing to tell.
        """
        try:
            return await self.demand(question, request)
        except Unanswered as unanswered:
            if moot and unanswered.reason == moot:
                return None
            known = self.missing.get(unanswered.silo)
            # Where some of it is refused anyway, an outage is the news.
            if known is None or (known.is_refusal and not unanswered.is_refusal):
                self.missing[unanswered.silo] = unanswered
            return None


async def _answer(
    places: Places, caller: Principal, at: Callable[[Backend], Awaitable[bytes]]
) -> bytes:
    """Ask the caller's canary, if there is one that can answer, or else at home: we only read."""
    if (canary := places.canary_of(caller)) is not None:
        with suppress(answers.SiloUnavailable):
            return await at(canary)
    return await at(places.home)


async def _call(
    lease: Lease, route: Route, request: Message, round: Round, metadata: Metadata
) -> bytes:
    path, kind = route.path[1:], Kind.CLIENT
    with tracing.span(path, kind, {"rpc.system.name": "grpc", "rpc.method": path}) as span:
        traceparent = span.traceparent or tracing.current()
        calling = lease.leg.starts[route.path](
            request.SerializeToString(),
            timeout=round.seconds_left,
            metadata=(*metadata, (HEADER, traceparent)),
        )
        lease.begun(calling)
        try:
            raw = await _ended(calling)
        finally:
            calling.cancel()  # when our caller has left; does nothing to one that ended
        code, trailers = await calling.code(), tuple(await calling.trailing_metadata() or ())
        stamped = any(key == SERVED_BY for key, _ in trailers)
        lease.ended(code, stamped=stamped)
        if code is grpc.StatusCode.OK:
            return raw
        span.failed(code.name)
        if not stamped:
            raise answers.no_silo_spoke(route.silo, code)
        text = str(await calling.details() or "")
        raise Unanswered(route.silo, code=code, text=text, trailers=trailers)


async def _ended(calling: Any) -> bytes:  # a call has no name for types
    """Wait for a call's end, whatever it is; raises CancelledError only for our own."""
    try:
        raw: bytes = await calling
    except grpc.aio.AioRpcError:
        return b""
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise
        return b""
    return raw


def _metadata(context: Context, token: str, proof: str) -> Metadata:
    """Return what a routed call has but for its trace, with the caller's token for this silo."""
    metadata, _ = forwarded(context, proof)
    current = call.current()
    own = {"authorization", "x-request-id"}
    return (
        *((key, value) for key, value in metadata if key not in own),
        ("authorization", f"Bearer {token}"),
        ("x-request-id", current.request_id if current else ""),
    )


def _reason(trailers: Metadata) -> str:
    details = dict(trailers).get(DETAILS, b"")
    info = ErrorInfo()
    for each in Status.FromString(details if isinstance(details, bytes) else b"").details:
        if each.Unpack(info):
            return str(info.reason)
    return ""
