"""The contract says who may call what, and a silo holds to it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID, uuid4

import grpc
import pytest

from chassis import auth
from chassis.auth import Principal
from chassis.errors import Unauthenticated
from chassis.interceptors.guards import GuardedServer
from tests.support import echo
from tests.support.echo import (
    EchoRequest,
    EchoResponse,
    OwnRequest,
    call,
    finish,
    refused,
    refused_unasked,
)
from tests.support.guarded import AS_STAFF, ECHOING, HOSPITAL, SECURED, authenticate, guards


@pytest.mark.parametrize(
    ("metadata", "says"),
    [
        ((), "missing"),
        ((*AS_STAFF, *AS_STAFF), "twice"),
        ((("authorization", "staff"),), "no token"),
        ((("authorization", "Bearer " + "x" * 5000),), "no token"),
        ((("authorization", "Bearer stranger"),), "does not hold"),
    ],
)
@pytest.mark.parametrize("name", SECURED)
async def test_nobody_comes_in_without_one_good_token(
    name: str, metadata: tuple[tuple[str, str], ...], says: str
) -> None:
    async with echo.serving(ECHOING, guards()) as channel:
        error = await refused_unasked(channel, name, metadata=metadata)

    assert error.code() is grpc.StatusCode.UNAUTHENTICATED
    assert says in (error.details() or "")


async def test_a_role_is_refused_before_the_request_is_looked_at() -> None:
    as_beginner = (("authorization", "bearer beginner"),)
    async with echo.serving(ECHOING, guards()) as channel:
        for name in (*SECURED, "Override"):
            too_long = EchoRequest(text="x" * 99)
            error = await refused_unasked(channel, name, too_long, metadata=as_beginner)
            assert error.code() is grpc.StatusCode.PERMISSION_DENIED


async def test_an_anonymous_method_asks_for_no_token() -> None:
    async with echo.serving(ECHOING, guards()) as channel:
        await finish(call(channel, "Open"))


async def test_scopes_decide_whose_tenant_a_caller_may_name() -> None:
    async def named(request: Any, _context: Any) -> Any:
        return EchoResponse(text=str(auth.tenant(request.request_id)))

    foreign = EchoRequest(request_id=str(uuid4()))
    own = EchoRequest(request_id=str(HOSPITAL).upper())
    as_coordinator = (("authorization", "Bearer coordinator"),)
    async with echo.serving({"Override": named}, guards()) as channel:
        await finish(call(channel, "Override", own, metadata=AS_STAFF))
        await finish(call(channel, "Override", foreign, metadata=as_coordinator))
        error = await refused(call(channel, "Override", foreign, metadata=AS_STAFF))

    assert error.code() is grpc.StatusCode.PERMISSION_DENIED


@pytest.mark.parametrize(
    ("hospital_id", "text", "code"),
    [
        (str(HOSPITAL), "fine", None),
        (str(HOSPITAL).upper(), "fine", None),
        (str(HOSPITAL), "x" * 21, grpc.StatusCode.INVALID_ARGUMENT),
        (str(UUID(int=9)), "fine", grpc.StatusCode.PERMISSION_DENIED),
        (str(UUID(int=9)), "x" * 21, grpc.StatusCode.PERMISSION_DENIED),
        ("zz", "fine", grpc.StatusCode.INVALID_ARGUMENT),
    ],
)
async def test_another_tenant_is_refused_before_anything_else_is_looked_at(
    hospital_id: str, text: str, code: grpc.StatusCode | None
) -> None:
    request = OwnRequest(hospital_id=hospital_id, text=text)
    async with echo.serving(ECHOING, guards()) as channel:
        under_way = call(channel, "Own", request, metadata=AS_STAFF)
        if code is None:
            await finish(under_way)
        else:
            assert (await refused(under_way)).code() is code


async def test_a_stream_ends_when_its_caller_is_no_longer_let_in() -> None:
    is_revoked = asyncio.Event()

    async def until_revoked(token: str) -> Principal:
        if is_revoked.is_set():
            raise Unauthenticated("the session is over")
        return await authenticate(token)

    async def endless(_request: Any, _context: Any) -> AsyncIterator[Any]:
        yield EchoResponse(text="begun")
        is_revoked.set()
        await asyncio.Event().wait()

    asked = guards(authenticate=until_revoked, again_seconds=0.01)
    async with echo.serving({"Stream": endless}, asked) as channel:
        error = await refused(call(channel, "Stream", metadata=AS_STAFF))

    assert error.code() is grpc.StatusCode.UNAUTHENTICATED


async def test_a_method_without_access_rule_cannot_be_served() -> None:
    server = grpc.aio.server()
    with pytest.raises(LookupError, match="nobody could call it"):
        echo.register(GuardedServer(server, guards()), ECHOING, f"{echo.PACKAGE}.UnruledService")
