"""Lets in whom the contract's access option names; rows are the servicer's to decide about."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from typing import Any

from chassis.auth import Principal
from chassis.errors import PermissionDenied, Unauthenticated
from chassis.interceptors.guards import Context, Guard, Rpc
from chassis.interceptors.methods import Method

Authenticate = Callable[[str], Awaitable[Principal]]
Enter = Callable[[], Coroutine[Any, Any, None]]

MOST_TOKEN_BYTES = 4096
_OWN_TENANT = frozenset({"OWN_TENANT"})
_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
AGAIN_SECONDS = 25.0  # a stream ends within 30 s of its caller's revocation


def guard(authenticate: Authenticate, again_seconds: float = AGAIN_SECONDS) -> Guard:
    """Make the guard that verifies bearer tokens with ``authenticate``."""

    def admit(rpc: Rpc) -> AbstractAsyncContextManager[None] | Awaitable[None] | None:
        if rpc.method.anonymous:
            return None
        enter = partial(_enter, rpc, authenticate, bearer(rpc.context))
        return admitted(rpc, enter) if rpc.method.streams_answers else enter()

    @asynccontextmanager
    async def admitted(rpc: Rpc, enter: Enter) -> AsyncIterator[None]:
        await enter()
        watch = _Watch(enter, again_seconds, rpc.interruption.interrupt)
        try:
            yield
        finally:
            watch.stop()

    return admit


def bearer(context: Context, header: str = "authorization") -> str:
    """Return the caller's token; raises Unauthenticated unless there is exactly one."""
    metadata = context.invocation_metadata() or ()
    given = [value for name, value in metadata if name == header]
    if len(given) != 1:
        found = "is missing" if not given else "was given twice"
        raise Unauthenticated(f"the {header} header {found}", header=header)
    scheme, _, token = str(given[0]).partition(" ")
    if scheme.lower() != "bearer" or not token or len(token) > MOST_TOKEN_BYTES:
        raise Unauthenticated(f"the {header} header holds no token", header=header)
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


def own_tenant(rpc: Rpc, request: Any) -> None:
    """Refuse a request that names another tenant than its caller's, where nothing else is granted.

    Before its other fields are looked at, and whatever a servicer does. Wider scopes are the
    servicer's to judge, and what is no UUID is the validation's.
    """
    if rpc.call.scopes != _OWN_TENANT or not rpc.method.tenant_field:
        return
    named = getattr(request, rpc.method.tenant_field)
    principal = rpc.call.principal
    own = "" if principal is None else str(principal.tenant_id)
    if _UUID.fullmatch(named) and named.lower() != own:
        raise PermissionDenied("the tenant named is not the caller's")


class _Watch:
    """Enters again while a stream is open: tokens expire, sessions are revoked, roles change.

    A stream also ends when nobody can tell any more: its caller resumes once somebody can. In
    between this is a timer, and no task: there are a thousand of them.
    """

    def __init__(self, enter: Enter, seconds: float, end: Callable[[Exception], None]) -> None:
        self._enter, self._seconds, self._end = enter, seconds, end
        self._entering: asyncio.Task[None] | None = None
        self._timer = self._later()

    def stop(self) -> None:
        self._timer.cancel()
        if self._entering is not None:
            self._entering.cancel()

    def _later(self) -> asyncio.TimerHandle:
        return asyncio.get_running_loop().call_later(self._seconds, self._begin)

    def _begin(self) -> None:
        self._entering = asyncio.create_task(self._again())

    async def _again(self) -> None:
        try:
            await self._enter()
        except Exception as refusal:  # noqa: BLE001 - it ends the stream, which judges it
            self._end(refusal)
        else:
            self._timer = self._later()
