"""A database of the first release comes to today's schema, with everything that it held.

Whatever a released version ran, it runs for ever: another database was made by it.
"""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest

import chassis
from chassis import migrations
from tests.support.databases import SILOS, Databases, owner_of

FIRST = "0001"
# Of event_log.sql, as 0001 released it.
EVENT_LOG = "a2db29830a0ff6679b318bdcf98b1804a0a921bc2c63bc19ce4f8834c14286bf"
WRITE = """
INSERT INTO outbox (event_id, type, subject, subject_version, audience, data)
SELECT gen_random_uuid(), 'x', 'subjects/' || n, 1, '{silo:ems}', '' FROM generate_series(1, 3) n
"""
HELD = """
SELECT (SELECT array_agg((event_log.*)::text ORDER BY position) FROM event_log),
       (SELECT array_agg((event_log_epoch.*)::text) FROM event_log_epoch),
       (SELECT (log_id, token_key, first_position, last_position)::text FROM event_log_head),
       (SELECT array_agg(subject ORDER BY id) FROM outbox),
       (SELECT (position, resume_token, state)::text FROM consumer_checkpoint)
"""
CHECKPOINT = """
INSERT INTO consumer_checkpoint (consumer, source, position, resume_token)
VALUES ('here', 'there', 7, 'a token')
"""


def test_the_first_release_of_the_event_log_stays_as_it_was() -> None:
    text = Path(chassis.__file__).with_name("event_log.sql").read_bytes()
    assert sha256(text).hexdigest() == EVENT_LOG, "add a version to every silo instead"


@pytest.mark.parametrize("silo", SILOS)
def test_a_log_of_the_first_release_goes_on_in_todays_schema(
    databases: Databases, silo: str
) -> None:
    package, role = f"{silo}_svc", f"{silo}_service"
    with databases.fresh(silo, migrated=False) as dsn:
        migrations.migrate(package, owner_of(dsn), role, FIRST)
        with psycopg.connect(dsn, autocommit=True) as process:
            process.execute(WRITE)
            process.execute("SELECT event_log_tick()")
            process.execute(WRITE.replace("subjects/", "waiting/"))
            process.execute(CHECKPOINT)
            before = _held(process)
            migrations.migrate(package, owner_of(dsn), role)
            assert _held(process) == before
            moved: Any = process.execute("SELECT * FROM event_log_tick()").fetchone()
            assert moved == (3, 6)


def test_drops_counted_per_trip_go_to_the_agencies_that_gave_them_back(
    databases: Databases,
) -> None:
    with databases.fresh("center", migrated=False) as dsn:
        owner = owner_of(dsn)
        migrations.migrate("center_svc", owner, "center_service", "0009")
        with psycopg.connect(owner, autocommit=True) as process:
            process.execute(COUNTED)
            migrations.migrate("center_svc", owner, "center_service", "0010")
            dropped = "SELECT agency_id FROM drop_fact WHERE transport_request_id = %s"
            assert process.execute(dropped, (UUID(int=2),)).fetchall() == [(UUID(int=10),)]
            assert len(process.execute("SELECT FROM drop_fact").fetchall()) == 1
            stale: Any = process.execute("SELECT facts FROM stale_bucket").fetchall()
            assert stale == [("TRIPS",)]
            migrations.migrate_down("center_svc", owner, "center_service", "0009")
            counts: Any = process.execute("SELECT drop_count FROM trip_fact").fetchall()
            assert sorted(counts) == [(0,), (1,)]


# Trip 2 was dropped by agency 10, carried by 11 until it was cancelled; trip 3 never was dropped.
COUNTED = """
INSERT INTO trip_fact (hospital_id, transport_request_id, transport_level, priority, status,
  origin_facility_id, destination_facility_id, requested_at, hospital_version, drop_count)
SELECT lpad('1', 32, '0')::uuid, lpad(trip, 32, '0')::uuid, 'ALS', 'HIGH', 'CANCELLED',
       gen_random_uuid(), gen_random_uuid(), '2026-11-23 12:00Z', 1, drops
  FROM (VALUES ('2', 1), ('3', 0)) AS counted (trip, drops);
INSERT INTO bid_fact (agency_id, bid_id, hospital_id, transport_request_id, status, submitted_at,
  bid_version)
SELECT lpad(agency, 32, '0')::uuid, gen_random_uuid(), hospital_id, transport_request_id,
       bid.status, timestamptz '2026-11-23 12:00Z' + minutes * interval '1 minute', 1
  FROM trip_fact, (VALUES ('a', 'RELEASED', 3), ('b', 'RELEASED', 5), ('c', 'REJECTED', 1))
       AS bid (agency, status, minutes);
"""


def _held(connection: psycopg.Connection[Any]) -> Any:
    return connection.execute(HELD).fetchone()
