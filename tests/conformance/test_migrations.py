"""A database of the first release comes to today's schema, with everything that it held.

Whatever a released version ran, it runs for ever: another database was made by it.
"""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path
from typing import Any

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


def _held(connection: psycopg.Connection[Any]) -> Any:
    return connection.execute(HELD).fetchone()
