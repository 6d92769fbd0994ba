"""Each silo's notifications, a user of each silo to be told, and what stands in the tables."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

import psycopg
from medport.center.events.v1.event_log_pb2 import CenterEvent
from medport.ems.events.v1.event_log_pb2 import EmsEvent
from medport.hospital.events.v1.event_log_pb2 import HospitalEvent

import center_svc.repositories.notifications
import ems_svc.repositories.notifications
import hospital_svc.repositories.notifications
from chassis.clock import utc_now
from chassis.mail_rows import MailRows
from chassis.notification_rows import NEWEST, Notice, NotificationRows, Told
from chassis.outbox import Envelope
from chassis.pool import pool
from chassis.unit_of_work import Database
from tests.support.databases import superuser_of

_HOSPITAL = """
WITH t AS (INSERT INTO hospital (hospital_id, service_id, name) VALUES (%(t)s, %(t)s, 'Mercy')
           ON CONFLICT DO NOTHING)
INSERT INTO hospital_user (hospital_id, id, email, name, role)
VALUES (%(t)s, %(u)s, %(email)s, 'Somebody', 'ADMIN')
"""
_AGENCY = """
WITH t AS (INSERT INTO ems_agency (agency_id, service_id, name, phone, email, address, city, state,
  zip_code, latitude, longitude, added_by) VALUES (%(t)s, %(t)s, 'Blue Heron', '1', 'a@b.example',
  '1 Road', 'Altoona', 'PA', '16601', 40, -78, %(t)s) ON CONFLICT DO NOTHING)
INSERT INTO ems_agency_user (agency_id, id, email, name, role)
VALUES (%(t)s, %(u)s, %(email)s, 'Somebody', 'ADMIN')
"""
_CENTER = """
INSERT INTO center_user (id, email, name, role) VALUES (%(u)s, %(email)s, 'Somebody', 'ADMIN')
"""
_KINDS: dict[str, tuple[Any, str | None, NotificationRows, MailRows, str]] = {
    "hospital": (
        HospitalEvent,
        "hospital_id",
        hospital_svc.repositories.notifications.rows,
        hospital_svc.repositories.notifications.mail,
        _HOSPITAL,
    ),
    "ems": (
        EmsEvent,
        "agency_id",
        ems_svc.repositories.notifications.rows,
        ems_svc.repositories.notifications.mail,
        _AGENCY,
    ),
    "center": (
        CenterEvent,
        None,
        center_svc.repositories.notifications.rows,
        center_svc.repositories.notifications.mail,
        _CENTER,
    ),
}


@dataclass
class Notified:
    """One silo's tables, and one tenant of it, or Center's none."""

    silo: str
    dsn: str
    database: Database
    tenant: UUID | None
    rows: NotificationRows
    mail: MailRows
    adding: str
    people: dict[UUID, str] = field(default_factory=dict)

    def user(self) -> UUID:
        """Add a user with an address; ``people`` keeps it."""
        id = uuid4()
        email = self.people[id] = f"u{id.hex}@{self.silo}.example"
        with psycopg.connect(superuser_of(self.dsn), autocommit=True) as connection:
            connection.execute(self.adding.encode(), {"t": self.tenant, "u": id, "email": email})
        return id

    async def tell(self, *recipients: UUID, **changes: Any) -> Notice:
        """Queue the notice of a missed service level, or one that is changed by ``changes``."""
        known: dict[str, Any] = {
            "template_name": "sla_breached",
            "variables": {"trip_number": "T-1", "sla_kind": "FIRST_BID", "due_time": "noon"},
            "source_event_id": uuid4(),
        }
        notice = Notice(**(known | changes))
        await self.queue(notice, *recipients)
        return notice

    async def queue(self, notice: Notice, *recipients: UUID) -> None:
        async with self.database.begin(self.tenant) as uow:
            await self.rows.queue(
                uow, notice, tenant=self.tenant, recipients=recipients, at=utc_now()
            )

    def configure(self, key: str, type: str, value: str) -> None:
        """Configure a key as Center does, or as its event leaves it here; ``value`` is JSON."""
        row = {"key": key, "value_type": type, "value": value, "is_active": True}
        table = "system_configuration_copy"
        if self.silo == "center":
            table = "system_configuration"
            row |= {"id": uuid4(), "description": "-", "category": "-", "updated_by": uuid4()}
        row |= {"version": 1}
        places = ", ".join(["%s"] * len(row))
        self.sql(f"INSERT INTO {table} ({', '.join(row)}) VALUES ({places})", *row.values())  # noqa: S608 - ours

    def template(self, name: str, type: str, **changes: Any) -> None:
        """Put a template where Center keeps it, or where its event leaves it here."""
        row: dict[str, Any] = {"template_name": name, "template_type": type, "content": "x"}
        row |= {"variables": [], "is_active": True, "version": 1, **changes}
        table = "notification_template_copy"
        if self.silo == "center":
            table, row = "notification_template", row | {"id": uuid4()}
        places = ", ".join(["%s"] * len(row))
        self.sql(f"INSERT INTO {table} ({', '.join(row)}) VALUES ({places})", *row.values())  # noqa: S608 - ours

    async def told(self, user_id: UUID) -> list[Told]:
        """Return what a user was told in the application."""
        asked: dict[str, Any] = {"only_unread": False, "before": NEWEST, "limit": 10}
        rows = self.database.read(self.tenant)
        return await self.rows.list_newest(rows, self.tenant, user_id, **asked)

    def sql(self, text: str, *parameters: object) -> list[tuple[Any, ...]]:
        with psycopg.connect(superuser_of(self.dsn), autocommit=True) as connection:
            cursor = connection.execute(text.encode(), parameters or None)
            return cursor.fetchall() if cursor.description else []


@asynccontextmanager
async def notified(silo: str, dsn: str) -> AsyncIterator[Notified]:
    event, column, rows, mail, adding = _KINDS[silo]
    async with pool(dsn) as connections:
        await connections.wait()
        database = Database(connections, Envelope(event, f"/medport/{silo}"), tenant_column=column)
        yield Notified(silo, dsn, database, uuid4() if column else None, rows, mail, adding)
