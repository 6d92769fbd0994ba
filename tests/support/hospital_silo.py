"""The hospital silo as it runs, with callers of every kind, EMS's news, and its database."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import grpc
import psycopg
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from google.protobuf.message import Message
from google.rpc import error_details_pb2
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpc_health.v1.health_pb2_grpc import HealthStub
from grpc_status import rpc_status
from medport.common.v1.event_log_pb2 import EventActor, EventMetadata, EventPlacement
from medport.hospital.v1 import (
    agency_preferences_pb2_grpc,
    facilities_pb2_grpc,
    hospitals_pb2_grpc,
    received_bids_pb2_grpc,
    sessions_pb2,
    sessions_pb2_grpc,
    transport_requests_pb2_grpc,
)

from chassis.auth import Principal
from chassis.channels import CHANNEL
from chassis.clock import timestamp, utc_now
from chassis.minting import SigningKey, mint
from chassis.passwords import Passwords
from chassis.projection import Project, Received
from chassis.server import Process
from chassis.unit_of_work import Database
from hospital_svc.projectors import (
    agencies,
    assignments,
    services,
    sla_timers,
    transport_bids,
    units,
)
from hospital_svc.server import BUILD
from tests.support.clinic import settings
from tests.support.databases import superuser_of
from tests.support.front_desk import PASSWORD, SECRET, bearer, database_on, pem
from tests.support.waiting import until

if TYPE_CHECKING:
    from medport.hospital.v1.agency_preferences_pb2_grpc import AgencyPreferenceServiceAsyncStub
    from medport.hospital.v1.facilities_pb2_grpc import FacilityServiceAsyncStub
    from medport.hospital.v1.hospitals_pb2_grpc import HospitalServiceAsyncStub
    from medport.hospital.v1.received_bids_pb2_grpc import ReceivedBidServiceAsyncStub
    from medport.hospital.v1.transport_requests_pb2_grpc import TransportRequestServiceAsyncStub

NOWHERE = "127.0.0.1:1"  # nobody listens: the other silos are away
PROJECTS: list[Project] = [
    agencies.project,
    transport_bids.project,
    assignments.project,
    units.project,
    services.project,
    sla_timers.project,
]

Metadata = tuple[tuple[str, str], ...]

_TRUST = """
INSERT INTO trusted_key (silo, key_name, algorithm, public_key, not_before_at, not_after_at)
VALUES (%s, 'test', 'EDDSA', %s, '2020-01-01Z', '2100-01-01Z')
"""
_HOSPITAL = """
INSERT INTO hospital (hospital_id, service_id, name, status) VALUES (%s, %s, %s, 'ACTIVE')
ON CONFLICT DO NOTHING
"""
_USER = """
INSERT INTO hospital_user (hospital_id, id, email, password_hash, name, role)
VALUES (%s, %s, %s, %s, 'Somebody', %s)
"""
_LOGIN = "INSERT INTO login_email (email, hospital_id, user_id) VALUES (%s, %s, %s)"


@dataclass
class HospitalSilo:
    """What a test asks: stubs, callers, EMS's news, and the database as the superuser."""

    channel: grpc.aio.Channel
    dsn: str
    database: Database
    keys: dict[str, SigningKey]
    password_hash: str  # made once: it is meant to take long
    hospital_id: UUID = field(default_factory=uuid4)
    trips: TransportRequestServiceAsyncStub = field(init=False)
    bids: ReceivedBidServiceAsyncStub = field(init=False)
    facilities: FacilityServiceAsyncStub = field(init=False)
    hospitals: HospitalServiceAsyncStub = field(init=False)
    preferences: AgencyPreferenceServiceAsyncStub = field(init=False)

    def __post_init__(self) -> None:
        self.trips = transport_requests_pb2_grpc.TransportRequestServiceStub(self.channel)
        self.bids = received_bids_pb2_grpc.ReceivedBidServiceStub(self.channel)
        self.facilities = facilities_pb2_grpc.FacilityServiceStub(self.channel)
        self.hospitals = hospitals_pb2_grpc.HospitalServiceStub(self.channel)
        self.preferences = agency_preferences_pb2_grpc.AgencyPreferenceServiceStub(self.channel)

    def of_another_hospital(self) -> HospitalSilo:
        """Ask the same process in the name of a hospital of its own."""
        return HospitalSilo(self.channel, self.dsn, self.database, self.keys, self.password_hash)

    async def login(self, role: str = "STAFF", hospital_id: UUID | None = None) -> Metadata:
        """Add a user of ``role`` to a hospital, made if need be, and log it in."""
        tenant, user_id = hospital_id or self.hospital_id, uuid4()
        email, hashed = f"u{user_id.hex}@mercy.example", self.password_hash
        self.sql(_HOSPITAL, tenant, uuid4(), f"Mercy {tenant.hex[:6]}")
        self.sql(_USER, tenant, user_id, email, hashed, role)
        self.sql(_LOGIN, email, tenant, user_id)
        sessions = sessions_pb2_grpc.SessionServiceStub(self.channel)
        request = sessions_pb2.CreateSessionRequest(email=email, password=PASSWORD)
        return bearer((await sessions.CreateSession(request, timeout=20)).access_token)

    def user_of(
        self,
        silo: str,
        role: str,
        tenant: UUID | None = None,
        *permissions: str,
        unit_id: UUID | None = None,
    ) -> Metadata:
        """Call as a user of another silo, by a token that its key signed for the hospital."""
        principal = Principal(
            user_id=uuid4(),
            silo=silo,
            roles=frozenset({role}),
            tenant_id=tenant,
            permissions=frozenset(permissions),
            session_id=uuid4(),
            unit_id=unit_id,
        )
        return bearer(mint(self.keys[silo], principal, "hospital", utc_now()).bearer)

    async def hear(self, *payloads: Message, event_id: UUID | None = None) -> None:
        """Apply events of the other silos, in one transaction, as their followers would.

        ``event_id`` makes one of them the same as before.
        """
        async with self.hearing(*payloads, event_id=event_id):
            pass

    @asynccontextmanager
    async def hearing(
        self, *payloads: Message, event_id: UUID | None = None
    ) -> AsyncIterator[None]:
        """Apply events of the other silos, and commit on leaving."""
        async with self.database.begin(None) as uow:
            for payload in payloads:
                metadata = EventMetadata(
                    id=str(event_id or uuid4()),
                    time=timestamp(utc_now()),
                    actor=EventActor(user_id=str(uuid4()), role="EMS_DISPATCHER"),
                )
                for project in PROJECTS:
                    await project(uow, Received(payload, metadata, EventPlacement(position=1)))
            yield

    def sql(self, text: str, *parameters: object) -> list[tuple[Any, ...]]:
        with psycopg.connect(superuser_of(self.dsn), autocommit=True) as connection:
            cursor = connection.execute(text.encode(), parameters or None)
            return cursor.fetchall() if cursor.description else []

    def events(self, subject: str = "transport_requests/%") -> list[tuple[str, int]]:
        """Return what was announced about ``subject``: type and version, in the log's order."""
        query = """
        SELECT type, subject_version FROM (
          SELECT position, type, subject, subject_version FROM event_log UNION ALL
          SELECT 1000000 + id, type, subject, subject_version FROM outbox) AS all_of_them
        WHERE subject LIKE %s ORDER BY position
        """
        return [
            (str(type).rpartition(".")[2], version) for type, version in self.sql(query, subject)
        ]


@dataclass(frozen=True)
class Refused:
    """What a refused call was told."""

    code: grpc.StatusCode
    text: str
    reason: str
    facts: dict[str, str]
    fields: list[str]


async def refused(call: Any) -> Refused:
    """Return what a call was refused with; fails when it is answered."""
    try:
        answer = await call
    except grpc.aio.AioRpcError as error:
        return _refused(error)
    raise AssertionError(f"it was answered: {answer}")


def _refused(error: grpc.aio.AioRpcError) -> Refused:
    info, bad = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
    status = rpc_status.from_call(error)
    for detail in status.details if status else ():
        detail.Unpack(info)
        detail.Unpack(bad)
    return Refused(
        code=error.code(),
        text=error.details() or "",
        reason=info.reason,
        facts=dict(info.metadata),
        fields=[each.field for each in bad.field_violations],
    )


@asynccontextmanager
async def hospital_silo(dsn: str) -> AsyncIterator[HospitalSilo]:
    """Run the silo on ``dsn``, with the other silos away."""
    keys = {silo: _trusted_key(dsn, silo) for silo in ("ems", "center")}
    given = replace(
        settings(dsn),
        identity_key=pem(),
        key_encryption_key=SECRET,
        peers={"ems": NOWHERE, "center": NOWHERE},
    )
    process = Process(BUILD, given)
    await process.start()
    try:
        address = f"127.0.0.1:{process.port}"
        async with grpc.aio.insecure_channel(address, CHANNEL) as channel, database_on(dsn) as own:
            await until(lambda: _is_serving(channel))
            hashed = await Passwords().hash(PASSWORD)
            yield HospitalSilo(channel, dsn, own, keys, hashed)
    finally:
        await process.stop(grace=0)


def _trusted_key(dsn: str, silo: str) -> SigningKey:
    """Make a key that the hospital believes, as if its silo had announced it."""
    key = SigningKey(silo=silo, name="test", private_key=Ed25519PrivateKey.generate())
    public = key.private_key.public_key().public_bytes_raw()
    with psycopg.connect(superuser_of(dsn), autocommit=True) as connection:
        connection.execute(_TRUST.encode(), (silo.upper(), public))
    return key


async def _is_serving(channel: grpc.aio.Channel) -> bool:
    answer = await HealthStub(channel).Check(HealthCheckRequest())
    return bool(answer.status == HealthCheckResponse.SERVING)


def soon(**ahead: float) -> datetime:
    return utc_now() + timedelta(**ahead)
