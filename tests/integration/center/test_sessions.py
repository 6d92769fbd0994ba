"""The center's users belong to no tenant, and its first one is made on the machine."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import TYPE_CHECKING

import grpc
import pytest
from medport.center.v1 import sessions_pb2 as pb
from medport.center.v1 import sessions_pb2_grpc
from medport.common.v1.vocabulary_pb2 import SILO_CENTER, SILO_HOSPITAL

from center_svc.bootstrap import make_admin
from center_svc.server import compose
from chassis.server import Kit, Silo
from tests.support.front_desk import PASSWORD, SECRET, Clock, bearer, pem, serving

if TYPE_CHECKING:
    from medport.center.v1.sessions_pb2_grpc import SessionServiceAsyncStub

EMAIL = "Admin@Center.example"


def alone(kit: Kit) -> Silo:
    """Put the real center together, with peers that never answer."""
    peers = {"hospital": "127.0.0.1:1", "ems": "127.0.0.1:1"}
    mine = replace(kit.settings, peers=peers, identity_key=pem(), key_encryption_key=SECRET)
    return compose(replace(kit, settings=mine))


@pytest.fixture
async def center(center_database: str) -> AsyncIterator[SessionServiceAsyncStub]:
    await make_admin(center_database, EMAIL, PASSWORD)
    async with serving(center_database, "center", Clock(), alone) as channel:
        yield sessions_pb2_grpc.SessionServiceStub(channel)


async def login(center: SessionServiceAsyncStub, password: str) -> pb.CreateSessionResponse:
    return await center.CreateSession(pb.CreateSessionRequest(email=EMAIL, password=password))


async def test_the_first_administrator_logs_in_for_every_silo(
    center: SessionServiceAsyncStub,
) -> None:
    opened = await login(center, PASSWORD)
    me = bearer(opened.access_token)
    got = await center.GetSession(pb.GetSessionRequest(session_id=opened.session.id), metadata=me)
    assert got.session == opened.session
    for audience in (SILO_HOSPITAL, SILO_CENTER):
        request = pb.RefreshSessionRequest(refresh_token=opened.refresh_token, audience=audience)
        opened.refresh_token = (await center.RefreshSession(request)).refresh_token
    listed = await center.ListSessions(pb.ListSessionsRequest(), metadata=me)
    assert [session.id for session in listed.sessions] == [opened.session.id]
    leaving = pb.RevokeSessionRequest(session_id=opened.session.id)
    ended = await center.RevokeSession(leaving, metadata=me)
    assert ended.session.revoke_reason == pb.SESSION_REVOKE_REASON_LOGOUT


async def test_an_administrator_made_again_has_a_new_password(
    center: SessionServiceAsyncStub, center_database: str
) -> None:
    before = await login(center, PASSWORD)
    await make_admin(center_database, EMAIL.lower(), "another long password")
    after = await login(center, "another long password")
    assert after.session.user_id == before.session.user_id
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await login(center, PASSWORD)
    assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED


async def test_a_refresh_token_of_another_silo_is_none(center: SessionServiceAsyncStub) -> None:
    request = pb.RefreshSessionRequest(refresh_token="A" * 64, audience=SILO_CENTER)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await center.RefreshSession(request)
    assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED
