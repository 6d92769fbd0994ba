"""A user at the router: logged in, patient through outages, strict about refusals."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator
from typing import TypeVar
from uuid import uuid4

import grpc
from google.protobuf.message import Message
from google.rpc.error_details_pb2 import ErrorInfo
from google.rpc.status_pb2 import Status
from grpc.aio import AioRpcError, UnaryStreamMultiCallable, UnaryUnaryMultiCallable

from mesh.demo.tally import Tally
from mesh.logins import SESSIONS

Request = TypeVar("Request", bound=Message)
Response = TypeVar("Response", bound=Message)

_PATIENCE = 180.0
_TIMEOUT = 10.0
_RENEWED_SECONDS = 45.0  # before it expires
_PASSING = {
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
}
_COLLISIONS = {"CONFLICT", "OUTCOME_UNKNOWN"}


class Refused(RuntimeError):
    """A call that its caller did not expect to be refused."""

    def __init__(self, method: str, reason: str, text: str | None) -> None:
        super().__init__(f"{method}: {reason}: {text}")
        self.reason = reason


class Caller:
    """One user of one silo. Repeats are harmless: every change carries its request id."""

    def __init__(
        self, channel: grpc.aio.Channel, silo: str, email: str, password: str, tally: Tally
    ) -> None:
        self._messages, stub = SESSIONS[silo]
        self._sessions = stub(channel)
        self._email, self._password, self._tally = email, password, tally
        self._token, self._expires_at = "", 0
        self._renewing = asyncio.Lock()
        self.name = f"{silo}/{email}"

    async def ask(
        self,
        method: UnaryUnaryMultiCallable[Request, Response],
        request: Request,
        *expected: str,
    ) -> Response | None:
        """Return the answer, or None for a refusal whose reason is ``expected``; raises Refused."""
        began, pause = time.monotonic(), 0.1
        while True:
            try:
                metadata = await self._metadata()
                return await method(request, metadata=metadata, timeout=_TIMEOUT)
            except AioRpcError as error:
                reason = reason_of(error)
                passing = error.code() in _PASSING or reason in _COLLISIONS
                if not passing or time.monotonic() - began > _PATIENCE:
                    self._refused(type(request).__name__, reason, error, expected)
                    return None
            self._tally.seen["repeated calls"] += 1
            await asyncio.sleep(pause * (0.5 + random.random()))  # noqa: S311 - jitter
            pause = min(pause * 2, 2.0)

    async def demand(
        self,
        method: UnaryUnaryMultiCallable[Request, Response],
        request: Request,
    ) -> Response:
        """Return the answer; raises Refused for any refusal."""
        answer = await self.ask(method, request)
        if answer is None:
            raise Refused(type(request).__name__, "NO_ANSWER", None)
        return answer

    async def stream(
        self, method: UnaryStreamMultiCallable[Request, Response], request: Request
    ) -> AsyncIterator[Response]:
        """Yield what a server streams until the stream ends, well or not; with its token, too."""
        metadata, ends_at = await self._metadata(), self._expires_at - 1
        try:
            async for frame in method(request, metadata=metadata):
                yield frame
        except AioRpcError as error:
            is_over = error.code() is grpc.StatusCode.UNAUTHENTICATED and time.time() >= ends_at
            if not is_over and error.code() not in _PASSING:
                self._refused(type(request).__name__, reason_of(error), error, ())

    def _refused(
        self, method: str, reason: str, error: AioRpcError, expected: tuple[str, ...]
    ) -> None:
        if reason in expected:
            self._tally.explained[f"{method}: {reason}"] += 1
            return
        self._tally.unexplained[f"{method}: {error.code().name} {reason}"] += 1
        raise Refused(method, reason, error.details())

    async def _metadata(self) -> tuple[tuple[str, str], ...]:
        async with self._renewing:
            if time.time() >= self._expires_at - _RENEWED_SECONDS:
                request = self._messages.CreateSessionRequest(
                    email=self._email, password=self._password
                )
                answer = await self._sessions.CreateSession(request, timeout=_TIMEOUT)
                self._token = answer.access_token
                self._expires_at = answer.access_token_expire_time.seconds
        return (("authorization", f"Bearer {self._token}"),)


def reason_of(error: AioRpcError) -> str:
    """Return ErrorInfo's reason, or the status code's name."""
    for key, value in error.trailing_metadata() or ():
        if key == "grpc-status-details-bin" and isinstance(value, bytes):
            for detail in Status.FromString(value).details:
                info = ErrorInfo()
                if detail.Unpack(info):
                    return str(info.reason)
    return str(error.code().name)


def request_id() -> str:
    """Return a fresh request id."""
    return str(uuid4())
