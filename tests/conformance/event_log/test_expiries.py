"""A stream ends with what let its caller in: soon after the token expires or its session ends.

Proves events.md 14.21 for silos as their processes are, with their guards.
"""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from datetime import timedelta
from typing import Any
from uuid import uuid4

import grpc
import psycopg
import pytest

from center_svc.bootstrap import make_admin
from chassis import tokens
from chassis.clock import utc_now
from chassis.health import SERVING
from chassis.interceptors import access
from chassis.minting import identity_key, mint, process
from chassis.passwords import Passwords
from tests.integration.chassis.test_health import until_status
from tests.support.databases import superuser_of
from tests.support.event_streams import LATEST, frames
from tests.support.refusals import refusal
from tests.support.silo_logs import Kind
from tests.support.silos import Keys, running

TENANT = uuid4()
AGAIN = 0.2  # seconds; in production 25
PASSWORD = "correct horse battery staple"  # noqa: S105 - known to everybody who reads this
EMAIL = "admin@center.example"


@pytest.fixture
def asking(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the guards of a process ask again sooner than in 25 s: the rest is production's."""
    monkeypatch.setattr(access.guard, "__defaults__", (AGAIN,))
    monkeypatch.setattr(tokens, "REMEMBERED_AT_HOME", timedelta(seconds=AGAIN))


def test_both_together_are_thirty_seconds_at_most() -> None:
    assert access.AGAIN_SECONDS + tokens.REMEMBERED_AT_HOME.total_seconds() <= 30


@asynccontextmanager
async def _open(kind: Kind, channel: grpc.aio.Channel, bearer: str) -> AsyncIterator[Any]:
    """Subscribe with a token."""
    stub: Any = kind.stub(channel)
    call = stub.Subscribe(kind.wish(LATEST), metadata=(("authorization", f"Bearer {bearer}"),))
    await frames(call, 1)
    with closing(_Cancelled(call)):
        yield call


class _Cancelled:
    def __init__(self, call: Any) -> None:
        self.close = call.cancel


async def _end(call: Any) -> tuple[grpc.StatusCode, str]:
    async with asyncio.timeout(10):
        reason, _ = await refusal(call)
    return await call.code(), reason


UNAUTHENTICATED = (grpc.StatusCode.UNAUTHENTICATED, "UNAUTHENTICATED")


@pytest.mark.usefixtures("asking")
async def test_a_stream_ends_when_its_token_expires(kind: Kind, database: str) -> None:
    keys, left = Keys(), timedelta(seconds=2)
    key = identity_key(kind.peer, keys.pem(kind.peer))
    async with running(kind.silo, database, keys) as (_, channel):
        await until_status(channel, SERVING)
        now = utc_now() - tokens.LIFE - tokens.LEEWAY + left
        bearer = mint(key, process(kind.peer), kind.silo, now).bearer
        async with _open(kind, channel, bearer) as call:
            assert await _end(call) == UNAUTHENTICATED


@pytest.mark.usefixtures("asking")
async def test_a_stream_ends_when_its_session_is_revoked(kind: Kind, database: str) -> None:
    email = await _ADMITTED[kind.silo](database)
    async with running(kind.silo, database, Keys()) as (_, channel):
        await until_status(channel, SERVING)
        bearer, session = await _login(kind, channel, email)
        async with _open(kind, channel, bearer) as call:
            assert (await frames(call, 1))[0].HasField("caught_up")
            with psycopg.connect(superuser_of(database), autocommit=True) as owner:
                ended = owner.execute(
                    "UPDATE user_session SET revoked_at = now(), revoke_reason = 'ADMINISTRATOR'"
                    " WHERE id = %s",
                    [session],
                )
                assert ended.rowcount == 1
            assert await _end(call) == UNAUTHENTICATED


async def _login(kind: Kind, channel: grpc.aio.Channel, email: str) -> tuple[str, str]:
    """Log in as anybody would; return the access token and the session's id."""
    package = f"medport.{kind.silo}.v1.sessions_pb2"
    pb, grpc_pb = importlib.import_module(package), importlib.import_module(f"{package}_grpc")
    request = pb.CreateSessionRequest(email=email, password=PASSWORD)
    answer = await grpc_pb.SessionServiceStub(channel).CreateSession(request, timeout=20)
    return answer.access_token, answer.session.id


async def _admit_to_center(dsn: str) -> str:
    await make_admin(dsn, EMAIL, PASSWORD)
    return EMAIL


_HOSPITAL = """
INSERT INTO hospital (hospital_id, service_id, name, status)
VALUES (%(tenant)s, gen_random_uuid(), 'Mercy', 'ACTIVE')
"""
_AGENCY = """
INSERT INTO ems_agency (agency_id, service_id, name, phone, email, address, city, state, zip_code,
                        latitude, longitude, status, added_by)
VALUES (%(tenant)s, gen_random_uuid(), 'Swift', '555', 'a@swift.example', '1 Road', 'Altoona', 'PA',
        '16601', 40.5, -78.4, 'ACTIVE', gen_random_uuid())
"""
_STAFF = """
INSERT INTO hospital_user (hospital_id, id, email, password_hash, name, role)
VALUES (%(tenant)s, %(id)s, %(email)s, %(hash)s, 'Somebody', 'STAFF')
"""
_DISPATCHER = """
INSERT INTO ems_agency_user (agency_id, id, email, password_hash, name, role)
VALUES (%(tenant)s, %(id)s, %(email)s, %(hash)s, 'Somebody', 'DISPATCHER')
"""
_LOGIN = "INSERT INTO login_email (email, {}, user_id) VALUES (%(email)s, %(tenant)s, %(id)s)"


async def _admit(dsn: str, *statements: str) -> str:
    row = {
        "tenant": TENANT,
        "id": uuid4(),
        "email": EMAIL,
        "hash": await Passwords().hash(PASSWORD),
    }
    with psycopg.connect(superuser_of(dsn), autocommit=True) as owner:
        for statement in statements:
            owner.execute(statement.encode(), row)
    return EMAIL


_ADMITTED = {
    "hospital": lambda dsn: _admit(dsn, _HOSPITAL, _STAFF, _LOGIN.format("hospital_id")),
    "ems": lambda dsn: _admit(dsn, _AGENCY, _DISPATCHER, _LOGIN.format("agency_id")),
    "center": _admit_to_center,
}
