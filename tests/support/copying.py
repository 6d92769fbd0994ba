"""A silo's rows, as its log and its snapshots tell of them, and another silo's copies of them."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import psycopg
from sqlalchemy import BigInteger, Column, MetaData, Table, Text

from chassis.copies import Copies
from chassis.outbox import Announcement
from chassis.projection import Rebuild, Received
from chassis.sql import written
from chassis.stream_snapshots import Snapshot
from chassis.unit_of_work import UnitOfWork
from tests.support.databases import superuser_of
from tests.support.event_consumers import Consumer
from tests.support.event_streams import Silo
from tests.support.silo_logs import Kind

ROWS = """
CREATE TABLE noun (subject text PRIMARY KEY, version bigint NOT NULL);
GRANT ALL ON noun TO PUBLIC;
"""
COPIES = """
CREATE TABLE live_copy (subject text PRIMARY KEY, version bigint NOT NULL);
CREATE TABLE rebuilt_copy (LIKE live_copy INCLUDING ALL);
GRANT ALL ON live_copy, rebuilt_copy TO PUBLIC;
"""
CHANGE = written(
    """
    INSERT INTO noun VALUES (%(subject)s, 1)
    ON CONFLICT (subject) DO UPDATE SET version = noun.version + 1 RETURNING version
    """,
    into=int,
)
EACH = written("SELECT subject, version FROM noun", into=lambda *row: row)
ROWS_OF = "SELECT subject, version FROM {}"
HASH = "SELECT md5(coalesce(string_agg(subject || version, ',' ORDER BY subject), '')) FROM {}"
# What a promoted standby lacks: the rows, the events, and every trace of both.
CUT_BACK = """
DELETE FROM event_log WHERE position > {0};
UPDATE event_log_head SET last_position = {0}, fingerprint = 'another life';
DELETE FROM noun;
INSERT INTO noun SELECT subject, max(subject_version) FROM event_log GROUP BY subject;
"""


@dataclass(frozen=True)
class Source:
    """A silo whose rows others copy."""

    silo: Silo

    async def change(self, *subjects: str) -> None:
        """Change a row of each subject, or make it, and announce that: one transaction."""
        async with self.silo.database.begin(None) as uow:
            for subject in subjects:
                version = await uow.one(CHANGE, subject=subject)
                uow.emit(self.silo.kind.announcement(subject, version))

    def sql(self, text: str) -> None:
        with psycopg.connect(superuser_of(self.silo.dsn), autocommit=True) as admin:
            admin.execute(text.encode())

    def hash(self) -> str:
        return str(self._one(HASH.format("noun")))

    def announced(self) -> int:
        """Return how many events there are, those that still wait for a position included."""
        return int(self._one("SELECT sum(version) FROM noun"))

    def _one(self, query: str) -> Any:
        with psycopg.connect(superuser_of(self.silo.dsn), autocommit=True) as admin:
            row = admin.execute(query.encode()).fetchone()
        assert row is not None
        return row[0]


def showing(kind: Kind) -> Snapshot:
    """Show every row as it stands."""

    async def current(uow: UnitOfWork) -> AsyncGenerator[Announcement, None]:
        async for subject, version in uow.each(EACH):
            yield kind.announcement(str(subject), int(version))

    return Snapshot(kind.envelope, current)


@dataclass(frozen=True)
class Copy:
    """What one consumer keeps of the rows; ``name`` is its table's."""

    name: str
    _metadata: MetaData = field(default_factory=MetaData)

    @cached_property
    def _rows(self) -> Copies:
        key = Column("subject", Text, primary_key=True)
        table = Table(self.name, self._metadata, key, Column("version", BigInteger))
        return Copies(table, table.c.subject)

    async def project(self, uow: UnitOfWork, event: Received) -> None:
        await self._rows.keep(uow, **_row(event))

    async def overwrite(self, uow: UnitOfWork, event: Received) -> str:
        return await self._rows.overwrite(uow, **_row(event))

    @property
    def rebuild(self) -> Rebuild:
        return Rebuild(overwrite=[self.overwrite], sweep=[self._rows.sweep])

    def hash(self, consumer: Consumer) -> str:
        return str(consumer.one(HASH.format(self.name)))

    def rows(self, consumer: Consumer) -> dict[str, int]:
        found = consumer.admin.execute(ROWS_OF.format(self.name).encode())
        return dict(found.fetchall())


def _row(event: Received) -> dict[str, object]:
    said = event.metadata
    return {"subject": said.subject, "version": said.subject_version}


LIVE, REBUILT = Copy("live_copy"), Copy("rebuilt_copy")
