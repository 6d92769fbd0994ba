"""Who is sent what, and until when: each type of event to six principals, and tokens that end.

Proves events.md 14.21: delivery follows the audience alone, whatever the type; a stream ends soon
after its caller's token expired or its session was revoked. That no event holds a word about a
patient is proven in tests/architecture/test_contract.py and by the canaries of tests/e2e.
"""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import grpc
import psycopg
import pytest
from google.protobuf.message_factory import GetMessageClass

from center_svc.bootstrap import make_admin
from chassis import stream_subscriptions, tokens
from chassis.auth import Principal
from chassis.clock import utc_now
from chassis.health import SERVING
from chassis.interceptors import access
from chassis.minting import identity_key, mint, process
from chassis.outbox import Announcement
from chassis.passwords import Passwords
from tests.integration.chassis.test_health import until_status
from tests.support.databases import superuser_of
from tests.support.event_streams import EARLIEST, LATEST, Silo, frames, positions, until_head
from tests.support.event_writers import Scene
from tests.support.refusals import refusal
from tests.support.silo_logs import Kind
from tests.support.silos import Keys, running

TENANT = uuid4()
AGAIN = 0.2  # seconds; in production 25
PASSWORD = "correct horse battery staple"  # noqa: S105 - known to everybody who reads this
EMAIL = "admin@center.example"


def _user(silo: str, tenant: UUID | None, role: str) -> Principal:
    return Principal(user_id=uuid4(), silo=silo, tenant_id=tenant, roles=frozenset({role}))


def _process(silo: str) -> Principal:
    return Principal(user_id=uuid4(), silo=silo, roles=frozenset({"SERVICE"}))


HOSPITAL, AGENCY = f"hospital:{TENANT}", f"agency:{TENANT}"
AUDIENCES = (
    ("silo:ems", "silo:hospital", HOSPITAL),
    (HOSPITAL,),
    (AGENCY,),
    ("role:center_admin", "silo:center"),
    ("silo:ems",),
)
PRINCIPALS = {  # and which of the audiences they belong to
    "staff": (_user("hospital", TENANT, "HOSPITAL_STAFF"), {0, 1}),
    "staff of another hospital": (_user("hospital", uuid4(), "HOSPITAL_ADMIN"), set[int]()),
    "dispatcher": (_user("ems", TENANT, "EMS_DISPATCHER"), {2}),  # of an agency of the same id
    "administrator": (_user("center", None, "CENTER_ADMIN"), {3}),
    "coordinator": (_user("center", None, "CENTER_COORDINATOR"), set[int]()),
    "process": (_process("ems"), {0, 4}),
}


def _every_type(kind: Kind, audience: tuple[str, ...]) -> list[Announcement]:
    """Make one event of each type that the silo announces; snapshots are no events of the log."""
    payloads = kind.event.DESCRIPTOR.oneofs_by_name["payload"].fields
    return [
        Announcement(
            event=GetMessageClass(each.message_type)(),
            subject=f"subjects/{uuid4()}",
            subject_version=1,
            audience=audience,
        )
        for each in payloads
        if each.number < 100
    ]


async def test_the_audience_decides_whatever_the_type(scene: Scene, served: Silo) -> None:
    expected: dict[int, list[int]] = {}
    for index, audience in enumerate(AUDIENCES):
        announced = _every_type(scene.kind, audience)
        first = sum(map(len, expected.values())) + 1
        await served.announce(*announced)
        expected[index] = list(range(first, first + len(announced)))
    await until_head(served, sum(map(len, expected.values())))
    for name, (principal, belongs_to) in PRINCIPALS.items():
        served.principal = principal
        stream = served.subscribe(EARLIEST, stop_at_head=True)
        seen = positions([frame async for frame in stream])
        assert seen == [each for index in sorted(belongs_to) for each in expected[index]], name
        listed = await served.stub.ListEvents(scene.kind.pb.ListEventsRequest(page_size=500))
        assert [event.placement.position for event in listed.events] == seen, name


async def test_who_changes_sides_hears_the_other_side_from_then_on(
    served: Silo, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stream asks again who its caller is; what it may no longer see, it no longer gets."""
    monkeypatch.setattr(stream_subscriptions, "RECHECK_SECONDS", 0.05)
    caller = {"now": _process("ems")}
    monkeypatch.setattr("chassis.auth.caller", lambda: caller["now"])
    stream = served.subscribe(LATEST)
    await frames(stream, 2)
    await served.announce(served.kind.announcement(audience=("silo:ems",)))
    assert positions(await frames(stream, 1)) == [1]
    caller["now"] = _process("hospital")
    await asyncio.sleep(0.2)  # the interval is time itself
    await served.announce(served.kind.announcement(audience=("silo:ems",)))
    await served.announce(served.kind.announcement(audience=("silo:hospital",)))
    assert positions(await frames(stream, 1)) == [3]
    stream.cancel()


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
