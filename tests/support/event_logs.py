"""An event log of the hospital's kind in an otherwise empty database, and writers of events."""

from __future__ import annotations

from typing import Any

import psycopg
from psycopg import Connection

from chassis import event_log
from chassis.outbox import Announcement
from chassis.pool import Pool
from chassis.unit_of_work import Database
from tests.support.databases import owner_of
from tests.support.silo_logs import HOSPITAL, Kind

# What a unit of work changes: a row whose version its event carries.
TRIPS = """
CREATE TABLE trip (name text PRIMARY KEY, version bigint NOT NULL DEFAULT 0);
CREATE TABLE unrelated (note text);
INSERT INTO trip VALUES ('T1'), ('T2'), ('T3');
GRANT ALL ON trip, unrelated TO PUBLIC;
"""


def lay(dsn: str, extra: str = "") -> str:
    """Create the event log, and ``extra``, in the empty database of the service role's ``dsn``."""
    add(dsn, event_log.schema("hospital_service"))
    return add(dsn, extra)


def add(dsn: str, extra: str) -> str:
    """Run ``extra`` as the owner of the database of the service role's ``dsn``."""
    with psycopg.connect(owner_of(dsn), autocommit=True) as owner:
        owner.execute(extra.encode())
    return dsn


def change(writer: Connection[Any], trip: str) -> str:
    """Do what a unit of work does: lock and change the row, and only then announce it."""
    row = writer.execute(
        "UPDATE trip SET version = version + 1 WHERE name = %s RETURNING version", [trip]
    ).fetchone()
    assert row is not None
    writer.execute(
        "INSERT INTO outbox (event_id, type, subject, subject_version, audience, data)"
        " VALUES (gen_random_uuid(), 'TripChanged', %s, %s, '{silo:ems}', '')",
        [trip, row[0]],
    )
    return f"{trip} v{row[0]}"


def logged(reader: Connection[Any]) -> list[str]:
    """Return the log's events in order; its positions are checked to be 1, 2, 3 ..."""
    rows = reader.execute(
        "SELECT position, subject || ' v' || subject_version FROM event_log ORDER BY position"
    ).fetchall()
    assert [position for position, _ in rows] == list(range(1, len(rows) + 1))
    return [event for _, event in rows]


def a_provision(
    subject: str = "", version: int = 1, audience: tuple[str, ...] = ("silo:ems",)
) -> Announcement:
    return HOSPITAL.announcement(subject, version, audience)


def database_on(pool: Pool, kind: Kind = HOSPITAL) -> Database:
    return Database(pool, kind.envelope, tenant_column=None)
