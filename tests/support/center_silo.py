"""The center silo as it runs, with callers of every kind, and its database to look into."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import grpc
import psycopg
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from google.protobuf.message import Message
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpc_health.v1.health_pb2_grpc import HealthStub
from medport.center.v1 import (
    analytics_pb2_grpc,
    audit_log_pb2_grpc,
    services_pb2_grpc,
    sessions_pb2,
    sessions_pb2_grpc,
)

from center_svc.bootstrap import make_admin
from center_svc.server import BUILD
from chassis.auth import Principal
from chassis.channels import CHANNEL
from chassis.clock import utc_now
from chassis.minting import SigningKey, mint
from chassis.server import Process
from tests.support.clinic import settings
from tests.support.databases import superuser_of
from tests.support.front_desk import PASSWORD, SECRET, bearer, hashed, pem
from tests.support.waiting import until

if TYPE_CHECKING:
    from medport.center.v1.analytics_pb2_grpc import AnalyticsServiceAsyncStub
    from medport.center.v1.audit_log_pb2_grpc import AuditLogServiceAsyncStub
    from medport.center.v1.services_pb2_grpc import ServiceRegistryServiceAsyncStub

ADMIN = "admin@center.example"
NOWHERE = "127.0.0.1:1"  # nobody listens: the other silos are away

Metadata = tuple[tuple[str, str], ...]

_TRUST = """
INSERT INTO trusted_key (silo, key_name, algorithm, public_key, not_before_at, not_after_at)
VALUES (%s, 'test', 'EDDSA', %s, '2020-01-01Z', '2100-01-01Z')
"""
_USER = """
INSERT INTO center_user (id, email, password_hash, name, role, permissions)
VALUES (%s, %s, %s, 'Somebody', 'COORDINATOR', %s)
"""


@dataclass
class Center:
    """What a test asks: stubs, callers, and the database as the superuser."""

    channel: grpc.aio.Channel
    dsn: str
    keys: dict[str, SigningKey]
    services: ServiceRegistryServiceAsyncStub = field(init=False)
    analytics: AnalyticsServiceAsyncStub = field(init=False)
    audit: AuditLogServiceAsyncStub = field(init=False)

    def __post_init__(self) -> None:
        self.services = services_pb2_grpc.ServiceRegistryServiceStub(self.channel)
        self.analytics = analytics_pb2_grpc.AnalyticsServiceStub(self.channel)
        self.audit = audit_log_pb2_grpc.AuditLogServiceStub(self.channel)

    async def login(self, email: str = ADMIN) -> Metadata:
        sessions = sessions_pb2_grpc.SessionServiceStub(self.channel)
        request = sessions_pb2.CreateSessionRequest(email=email, password=PASSWORD)
        return bearer((await sessions.CreateSession(request, timeout=20)).access_token)

    async def coordinator(self, *permissions: str) -> Metadata:
        """Log in as a coordinator who has these permissions and no others."""
        id, email = uuid4(), f"c{uuid4().hex}@center.example"
        self.sql(_USER, id, email, hashed(), list(permissions))
        self.sql("INSERT INTO login_email (email, user_id) VALUES (%s, %s)", email, id)
        return await self.login(email)

    def user_of(self, silo: str, role: str, tenant: UUID) -> Metadata:
        """Call as a user of another silo, by a token that its key signed for the center."""
        principal = Principal(
            user_id=uuid4(),
            session_id=uuid4(),
            silo=silo,
            roles=frozenset({role}),
            tenant_id=tenant,
        )
        return bearer(mint(self.keys[silo], principal, "center", utc_now()).bearer)

    def sql(self, text: str, *parameters: object) -> list[tuple[Any, ...]]:
        with psycopg.connect(superuser_of(self.dsn), autocommit=True) as connection:
            cursor = connection.execute(text.encode(), parameters or None)
            return cursor.fetchall() if cursor.description else []

    def events(self) -> list[str]:
        """Return what was announced, as ``type subject version``, in the order of the log."""
        query = """
        SELECT type || ' ' || subject || ' ' || subject_version FROM (
          SELECT position, type, subject, subject_version FROM event_log UNION ALL
          SELECT 1000000 + id, type, subject, subject_version FROM outbox) AS all_of_them
        WHERE type NOT LIKE '%SigningKey%' ORDER BY position
        """
        return [str(row[0]).removeprefix("medport.center.events.v1.") for row in self.sql(query)]


async def refusal(call: Awaitable[Any]) -> grpc.StatusCode:
    """Return the code of a call that is refused."""
    try:
        answer: Message = await call
    except grpc.aio.AioRpcError as refused:
        return refused.code()
    raise AssertionError(f"it was answered: {answer}")


@asynccontextmanager
async def center(dsn: str) -> AsyncIterator[Center]:
    """Run the center on ``dsn``, with the other silos away and one administrator."""
    await make_admin(dsn, ADMIN, PASSWORD)
    keys = {silo: _trusted_key(dsn, silo) for silo in ("hospital", "ems")}
    given = replace(
        settings(dsn),
        identity_key=pem(),
        key_encryption_key=SECRET,
        peers={"hospital": NOWHERE, "ems": NOWHERE},
    )
    process = Process(BUILD, given)
    await process.start()
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{process.port}", CHANNEL) as channel:
            await until(lambda: _is_serving(channel))
            yield Center(channel, dsn, keys)
    finally:
        await process.stop(grace=0)


def _trusted_key(dsn: str, silo: str) -> SigningKey:
    """Make a key that the center believes, as if its silo had announced it."""
    key = SigningKey(silo=silo, name="test", private_key=Ed25519PrivateKey.generate())
    public = key.private_key.public_key().public_bytes_raw()
    with psycopg.connect(superuser_of(dsn), autocommit=True) as connection:
        connection.execute(_TRUST.encode(), (silo.upper(), public))
    return key


async def _is_serving(channel: grpc.aio.Channel) -> bool:
    answer = await HealthStub(channel).Check(HealthCheckRequest())
    return bool(answer.status == HealthCheckResponse.SERVING)
