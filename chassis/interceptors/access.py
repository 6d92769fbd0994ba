"""Lets in whom the contract's access option names; rows are the servicer's to decide about."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from chassis.auth import Principal
from chassis.errors import PermissionDenied, Unauthenticated
from chassis.interceptors.guards import Context, Guard, Rpc
from chassis.interceptors.methods import Method

Authenticate = Callable[[str], Awaitable[Principal]]

MOST_TOKEN_BYTES = 4096
AGAIN_SECONDS = 25.0  # a stream ends within 30 s of its caller's revocation


def guard(authenticate: Authenticate, again_seconds: float = AGAIN_SECONDS) -> Guard:
    """Make the guard that verifies bearer tokens with ``authenticate``."""

    @asynccontextmanager
    async def admit(rpc: Rpc) -> AsyncIterator[None]:
        if rpc.method.anonymous:
            yield
            return
        token = bearer(rpc.context)
        await _enter(rpc, authenticate, token)
        if not rpc.method.streams_answers:
            yield
            return
        watch = asyncio.create_task(_again(rpc, authenticate, token, again_seconds))
        try:
            yield
        finally:
            watch.cancel()

    return admit


def bearer(context: Context) -> str:
    """Return the caller's token; raises Unauthenticated unless there is exactly one."""
    metadata = context.invocation_metadata() or ()
    given = [value for name, value in metadata if name == "authorization"]
    if len(given) != 1:
        found = "is missing" if not given else "was given twice"
        raise Unauthenticated(f"the authorization header {found}", header="authorization")
    scheme, _, token = str(given[0]).partition(" ")
    if scheme.lower() != "bearer" or not token or len(token) > MOST_TOKEN_BYTES:
        raise Unauthenticated("the authorization header holds no token", header="authorization")
    return token


async def _enter(rpc: Rpc, authenticate: Authenticate, token: str) -> None:
    principal = await authenticate(token)
    rpc.call.principal = principal
    rpc.call.scopes = granted(rpc.method, principal)


def granted(method: Method, principal: Principal) -> frozenset[str]:
    """Return the scopes of the grants that fit ``principal``; raises PermissionDenied for none."""
    scopes = frozenset(grant.scope for grant in method.grants if grant.admits(principal))
    if not scopes:
        raise PermissionDenied("the caller's role does not allow this", method=method.path)
    return scopes


async def _again(rpc: Rpc, authenticate: Authenticate, token: str, seconds: float) -> None:
    """Ask again while a stream is open: tokens expire, sessions are revoked, roles change.

    A stream also ends when nobody can tell any more: its caller resumes once somebody can.
    """
    while True:
        await asyncio.sleep(seconds)
        try:
            await _enter(rpc, authenticate, token)
        except Exception as refusal:  # noqa: BLE001 - it ends the stream, which judges it
            rpc.interruption.interrupt(refusal)
            return
