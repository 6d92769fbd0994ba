"""An event log of the hospital's kind in an otherwise empty database, and rows to announce."""

from __future__ import annotations

import psycopg

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


def a_provision(
    subject: str = "", version: int = 1, audience: tuple[str, ...] = ("silo:ems",)
) -> Announcement:
    return HOSPITAL.announcement(subject, version, audience)


def database_on(pool: Pool, kind: Kind = HOSPITAL) -> Database:
    return Database(pool, kind.envelope, tenant_column=None)
