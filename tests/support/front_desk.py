"""The hospital silo with nothing but its logins, a clock to turn, and users to log in."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import grpc
import psycopg
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpc_health.v1.health_pb2_grpc import HealthStub
from medport.common.v1.vocabulary_pb2 import SILO_HOSPITAL, Silo
from medport.hospital.events.v1.event_log_pb2 import HospitalEvent
from medport.hospital.events.v1.signing_keys_pb2 import SigningKeyPublished, SigningKeyRevoked
from medport.hospital.v1 import sessions_pb2, sessions_pb2_grpc, users_pb2_grpc

from chassis import passwords, server
from chassis.channels import CHANNEL
from chassis.identity import Identity
from chassis.minting import SigningKey, mint, process
from chassis.outbox import Envelope
from chassis.paging import Paging
from chassis.pool import pool
from chassis.server import Build, Kit, Process
from chassis.tokens import IDENTITY
from chassis.unit_of_work import Database
from hospital_svc.repositories import notifications
from hospital_svc.repositories.audit_entries import keep
from hospital_svc.repositories.sessions import rows
from hospital_svc.servicers.sessions import SessionServicer
from hospital_svc.servicers.users import UserServicer
from tests.support.clinic import settings
from tests.support.databases import superuser_of
from tests.support.waiting import until

if TYPE_CHECKING:
    from medport.hospital.v1.sessions_pb2_grpc import SessionServiceAsyncStub
    from medport.hospital.v1.users_pb2_grpc import UserServiceAsyncStub

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
PASSWORD = "correct horse battery staple"  # noqa: S105 - known to everybody who reads this
SECRET = bytes(range(32))
ROUTER = SigningKey(silo="router", name=IDENTITY, private_key=Ed25519PrivateKey.generate())

Metadata = tuple[tuple[str, str], ...]

_HOSPITAL = """
INSERT INTO hospital (hospital_id, service_id, name, status) VALUES (%s, %s, 'Mercy', 'ACTIVE')
"""
_USER = """
INSERT INTO hospital_user (hospital_id, id, email, password_hash, name, role)
VALUES (%s, %s, %s, %s, 'Somebody', %s)
"""
_LOGIN = "INSERT INTO login_email (email, hospital_id, user_id) VALUES (%s, %s, %s)"


@dataclass
class Clock:
    now: datetime = NOON

    def __call__(self) -> datetime:
        return self.now


@dataclass(frozen=True)
class Person:
    hospital_id: UUID
    user_id: UUID
    email: str


@dataclass
class Desk:
    """What a test asks: the silo's stubs, and its database as the superuser."""

    sessions: SessionServiceAsyncStub
    users: UserServiceAsyncStub
    dsn: str
    clock: Clock
    identity: Identity
    hospital_id: UUID = field(default_factory=uuid4)

    async def user(self, role: str = "STAFF", hospital_id: UUID | None = None) -> Person:
        """Add a user with the PASSWORD, to a hospital that is made if need be."""
        person = Person(hospital_id or self.hospital_id, uuid4(), f"u{uuid4().hex}@mercy.example")
        known = (person.hospital_id, person.user_id)
        self.sql(f"{_HOSPITAL} ON CONFLICT DO NOTHING", person.hospital_id, uuid4())
        self.sql(_USER, *known, person.email, hashed(), role)
        self.sql(_LOGIN, person.email, *known)
        return person

    async def login(self, person: Person, **changes: Any) -> sessions_pb2.CreateSessionResponse:
        request = sessions_pb2.CreateSessionRequest(email=person.email, password=PASSWORD)
        for name, value in changes.items():
            setattr(request, name, value)
        return await self.sessions.CreateSession(request, timeout=20)

    async def refresh(
        self, token: str, audience: Silo.ValueType = SILO_HOSPITAL, address: str | None = None
    ) -> sessions_pb2.RefreshSessionResponse:
        request = sessions_pb2.RefreshSessionRequest(refresh_token=token, audience=audience)
        metadata = routed(address, self.clock.now) if address else ()
        return await self.sessions.RefreshSession(request, metadata=metadata)

    def sql(self, text: str, *parameters: object) -> list[tuple[Any, ...]]:
        with psycopg.connect(superuser_of(self.dsn), autocommit=True) as connection:
            cursor = connection.execute(text.encode(), parameters)
            return cursor.fetchall() if cursor.description else []


@cache
def hashed() -> str:
    """Return the PASSWORD's hash, which takes its time to make: once per process."""
    return passwords._hash(PASSWORD.encode())


def routed(address: str, now: datetime) -> Metadata:
    """Return what the router adds to the call of a client at ``address``."""
    proof = mint(ROUTER, process("router"), "hospital", now).bearer
    return (("x-forwarded-for", address), ("x-medport-router", proof))


def bearer(token: str) -> tuple[tuple[str, str], ...]:
    return (("authorization", f"Bearer {token}"),)


def pem() -> bytes:
    return Ed25519PrivateKey.generate().private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
    )


def identity_on(database: Database, clock: Clock, secret: bytes = SECRET) -> Identity:
    return Identity(
        "hospital",
        rows,
        database,
        secret=secret,
        identity=pem(),
        peers={"router": ROUTER.private_key.public_key().public_bytes_raw()},
        published=SigningKeyPublished,
        revoked=SigningKeyRevoked,
        keep=keep,
        notifications=notifications.rows,
        clock=clock,
    )


@asynccontextmanager
async def database_on(dsn: str) -> AsyncIterator[Database]:
    async with pool(dsn) as connections:
        await connections.wait()
        envelope = Envelope(HospitalEvent, "/medport/hospital")
        yield Database(connections, envelope, tenant_column="hospital_id")


async def _is_serving(channel: grpc.aio.Channel) -> bool:
    answer = await HealthStub(channel).Check(HealthCheckRequest())
    return bool(answer.status == HealthCheckResponse.SERVING)


@asynccontextmanager
async def serving(
    dsn: str, silo: str, clock: Clock, compose: Callable[[Kit], server.Silo]
) -> AsyncIterator[grpc.aio.Channel]:
    """Run what ``compose`` makes as the silo's process; yield a channel once it serves."""
    build = Build(name=silo, revision="0001", compose=compose)
    process = Process(build, replace(settings(dsn), key_encryption_key=SECRET), clock)
    await process.start()
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{process.port}", CHANNEL) as channel:
            await until(lambda: _is_serving(channel))
            yield channel
    finally:
        await process.stop(grace=0)


@asynccontextmanager
async def desk(dsn: str) -> AsyncIterator[Desk]:
    """Serve the hospital's logins from its real process, on a free port."""
    clock, made = Clock(), list[Identity]()

    def compose(kit: Kit) -> server.Silo:
        envelope = Envelope(HospitalEvent, "/medport/hospital")
        database = Database(kit.pool, envelope, tenant_column="hospital_id")
        identity, paging = identity_on(database, clock), Paging(SECRET)
        made.append(identity)
        sessions = SessionServicer(identity, paging)
        users = UserServicer(database, clock, paging, identity)
        return server.Silo(
            add_to=[
                lambda to: sessions_pb2_grpc.add_SessionServiceServicer_to_server(sessions, to),
                lambda to: users_pb2_grpc.add_UserServiceServicer_to_server(users, to),
            ],
            authenticate=identity.verifier.verify,
            guards=identity.guards,
            database=database,
            timers=identity.timers,
            parts=identity.parts,
        )

    async with serving(dsn, "hospital", clock, compose) as channel:
        yield Desk(
            sessions=sessions_pb2_grpc.SessionServiceStub(channel),
            users=users_pb2_grpc.UserServiceStub(channel),
            dsn=dsn,
            clock=clock,
            identity=made[0],
        )
