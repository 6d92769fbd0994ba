"""The EMS silo with nothing but its logins, and an agency with users to log in."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID, uuid4

import psycopg
from medport.ems.events.v1.event_log_pb2 import EmsEvent
from medport.ems.events.v1.signing_keys_pb2 import SigningKeyPublished, SigningKeyRevoked
from medport.ems.v1 import sessions_pb2, sessions_pb2_grpc, users_pb2_grpc

from chassis.identity import Identity
from chassis.outbox import Envelope
from chassis.paging import Paging
from chassis.server import Kit, Silo
from chassis.unit_of_work import Database
from ems_svc.repositories import notifications
from ems_svc.repositories.audit_entries import keep
from ems_svc.repositories.sessions import rows
from ems_svc.servicers.sessions import SessionServicer
from ems_svc.servicers.users import UserServicer
from tests.support.databases import superuser_of
from tests.support.front_desk import PASSWORD, SECRET, Clock, hashed, pem, serving

if TYPE_CHECKING:
    from medport.ems.v1.sessions_pb2_grpc import SessionServiceAsyncStub
    from medport.ems.v1.users_pb2_grpc import UserServiceAsyncStub

_AGENCY = """
INSERT INTO ems_agency (agency_id, service_id, name, phone, email, address, city, state, zip_code,
                        latitude, longitude, status, added_by)
VALUES (%s, %s, 'Swift', '555', 'a@swift.example', '1 Road', 'Altoona', 'PA', '16601',
        40.5, -78.4, 'ACTIVE', %s)
"""
_UNIT = (
    "INSERT INTO unit (agency_id, id, unit_number, type, crew_level) VALUES (%s, %s, %s, %s, %s)"
)
_USER = """
INSERT INTO ems_agency_user (agency_id, id, email, password_hash, name, role)
VALUES (%s, %s, %s, %s, 'Somebody', %s)
"""
_LOGIN = "INSERT INTO login_email (email, agency_id, user_id) VALUES (%s, %s, %s)"


@dataclass
class Agency:
    """One agency with one unit, and the stubs to ask as its people."""

    sessions: SessionServiceAsyncStub
    users: UserServiceAsyncStub
    dsn: str
    agency_id: UUID
    unit_id: UUID

    async def login(self, role: str) -> sessions_pb2.CreateSessionResponse:
        """Add a user of ``role`` and log it in."""
        email, user_id = f"u{uuid4().hex}@swift.example", uuid4()
        self.sql(_USER, self.agency_id, user_id, email, hashed(), role)
        self.sql(_LOGIN, email, self.agency_id, user_id)
        return await self.sessions.CreateSession(
            sessions_pb2.CreateSessionRequest(email=email, password=PASSWORD)
        )

    def sql(self, text: str, *parameters: object) -> None:
        with psycopg.connect(superuser_of(self.dsn), autocommit=True) as connection:
            connection.execute(text.encode(), parameters)


@asynccontextmanager
async def agency(dsn: str) -> AsyncIterator[Agency]:
    """Serve the silo's logins from its real process, on a free port."""
    clock = Clock()

    def compose(kit: Kit) -> Silo:
        envelope = Envelope(EmsEvent, "/medport/ems")
        database = Database(kit.pool, envelope, tenant_column="agency_id")
        identity = Identity(
            "ems",
            rows,
            database,
            secret=SECRET,
            identity=pem(),
            peers={},
            published=SigningKeyPublished,
            revoked=SigningKeyRevoked,
            keep=keep,
            notifications=notifications.rows,
            clock=clock,
        )
        sessions = SessionServicer(identity, Paging(SECRET))
        users = UserServicer(database, clock, Paging(SECRET), identity)
        return Silo(
            add_to=[
                lambda to: sessions_pb2_grpc.add_SessionServiceServicer_to_server(sessions, to),
                lambda to: users_pb2_grpc.add_UserServiceServicer_to_server(users, to),
            ],
            authenticate=identity.verifier.verify,
            database=database,
            timers=identity.timers,
        )

    async with serving(dsn, "ems", clock, compose) as channel:
        opened = Agency(
            sessions=sessions_pb2_grpc.SessionServiceStub(channel),
            users=users_pb2_grpc.UserServiceStub(channel),
            dsn=dsn,
            agency_id=uuid4(),
            unit_id=uuid4(),
        )
        opened.sql(_AGENCY, opened.agency_id, uuid4(), uuid4())
        opened.sql(_UNIT, opened.agency_id, opened.unit_id, "M1", "ALS", "ALS")
        yield opened
