"""A consumer that begins anew comes to what the living one has, with the silos' own projectors.

Run: ``python -m pytest tests/conformance/event_log/test_replays.py``; needs PostgreSQL.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from google.protobuf.message import Message
from medport.common.v1 import vocabulary_pb2 as words
from medport.ems.events.v1.units_pb2 import UnitStatusChanged

from chassis import checkpoint
from chassis.auth import Principal
from chassis.clock import timestamp
from chassis.outbox import Announcement
from tests.support.center_events import (
    NOON,
    Story,
    a_completed_trip,
    a_dropped_and_cancelled_trip,
)
from tests.support.databases import Databases, superuser_of
from tests.support.event_consumers import Consumer, consuming, until
from tests.support.event_streams import Silo, serving
from tests.support.followings import everything, following
from tests.support.real_copies import HASH, KEYS, SETTINGS, Rows, announce, showing
from tests.support.silo_logs import KINDS

FORGET = "DELETE FROM consumer_checkpoint; TRUNCATE {}"
REVOKED = "SELECT string_agg(key_name, ' ') FROM trusted_key WHERE revoked_at IS NOT NULL"
FACTS = ("trip_fact", "bid_fact", "drop_fact", "unit_interval_fact", "sla_timer")
COPIES: list[tuple[str, str, Rows]] = [
    ("hospital.settings", "center", SETTINGS),
    ("ems.settings", "center", SETTINGS),
    ("hospital.signing_keys", "ems", KEYS),
    ("ems.signing_keys", "hospital", KEYS),
    ("center.signing_keys", "hospital", KEYS),
]


@asynccontextmanager
async def publishing(databases: Databases, source: str, reader: str) -> AsyncIterator[Silo]:
    """Serve a source's really migrated database; whoever calls it is ``reader``'s process."""
    kind = next(each for each in KINDS if each.silo == source)
    with databases.fresh(source) as dsn:
        async with serving(dsn, kind=kind, snapshot=showing(kind)) as silo:
            silo.principal = Principal(
                user_id=UUID(int=1), silo=reader, roles=frozenset({"SERVICE"})
            )
            yield silo


@pytest.mark.parametrize(
    ("name", "source", "rows"), COPIES, ids=[f"{name}-{source}" for name, source, _ in COPIES]
)
async def test_copies_made_live_and_replayed_and_rebuilt_are_equal(
    databases: Databases, name: str, source: str, rows: Rows
) -> None:
    reader = name.partition(".")[0]
    followed, known = following(name, source), set[tuple[str, int]]()
    with databases.fresh(reader) as dsn:
        async with publishing(databases, source, reader) as silo, consuming(dsn) as consumer:
            live = consumer.start(followed, silo.port)
            with psycopg.connect(superuser_of(silo.dsn), autocommit=True) as admin:
                for change in (rows.made, rows.changed):
                    admin.execute(change.encode())
                    head = await announce(silo, list(followed.types), known)
                    await consumer.until_at(head)
            expected = rows.hash(consumer)
            await live.stop()

            tables = ("trusted_key",) if rows is KEYS else rows.copies
            consumer.admin.execute(FORGET.format(", ".join(tables)).encode())
            replayed = consumer.start(followed, silo.port)
            await consumer.until_at(head)
            assert rows.hash(consumer) == expected
            await replayed.stop()

            consumer.admin.execute(rows.damaged.encode())
            assert rows.hash(consumer) != expected
            async with consumer.database.begin(None) as uow:
                assert await checkpoint.request_rebuild(uow, name, source)
            consumer.start(followed, silo.port)
            await consumer.until_state("RUNNING")
            assert rows.hash(consumer) == expected
            if rows is KEYS:  # who is not trusted any more is not trusted by a snapshot
                assert consumer.one(REVOKED) == "one"


async def tell(silos: dict[str, Silo], story: Story) -> None:
    """Announce what both silos say of a trip, each in its own log."""
    for sent in story.sent:
        subject = f"transport_requests/{story.trip_id}"
        if sent.source == "ems":
            subject = f"told/{uuid4()}"
        await say(silos[sent.source], sent.payload, subject, sent.version)


async def say(silo: Silo, payload: Message, subject: str, version: int = 1) -> None:
    await silo.announce(
        Announcement(
            event=payload, subject=subject, subject_version=version, audience=("silo:center",)
        )
    )


def facts(consumer: Consumer) -> list[str]:
    return [str(consumer.one(HASH.format(table))) for table in FACTS]


async def test_centers_facts_come_out_equal_when_both_logs_are_followed_anew(
    databases: Databases,
) -> None:
    async with AsyncExitStack() as stack, AsyncExitStack() as centers:
        silos = {
            source: await stack.enter_async_context(publishing(databases, source, "center"))
            for source in ("hospital", "ems")
        }
        living = await centers.enter_async_context(_center(databases, silos))
        for make in (a_completed_trip, a_dropped_and_cancelled_trip, a_completed_trip):
            await tell(silos, make())
        unit: dict[str, Any] = {"agency_id": str(uuid4()), "unit_id": str(uuid4())}
        for status in (words.UNIT_STATUS_AVAILABLE, words.UNIT_STATUS_EN_ROUTE):
            changed = UnitStatusChanged(status=status, change_time=timestamp(NOON), **unit)
            await say(silos["ems"], changed, f"told/{uuid4()}")
        heads = {source: await _head(silo) for source, silo in silos.items()}
        await _until_at(living, heads)
        expected = facts(living)
        assert "None" not in expected
        again = await centers.enter_async_context(_center(databases, silos))
        await _until_at(again, heads)
        assert facts(again) == expected


async def _head(silo: Silo) -> int:
    with psycopg.connect(superuser_of(silo.dsn), autocommit=True) as admin:
        query = "SELECT last_position FROM event_log_head WHERE NOT EXISTS (SELECT FROM outbox)"
        await until(lambda: admin.execute(query).fetchone() is not None)
        row = admin.execute(query).fetchone()
    assert row is not None
    return int(row[0])


async def _until_at(consumer: Consumer, heads: dict[str, int]) -> None:
    query = "SELECT position FROM consumer_checkpoint WHERE consumer = 'center' AND source = %s"
    for source, head in heads.items():
        await until(lambda: consumer.one(query, source) >= head)  # noqa: B023


@asynccontextmanager
async def _center(databases: Databases, silos: dict[str, Silo]) -> AsyncIterator[Consumer]:
    """Let Center's own followings follow both silos into a database of their own."""
    with ExitStack() as stack:
        dsn = stack.enter_context(databases.fresh("center"))
        async with consuming(dsn) as consumer:
            for each in everything()["center"]:
                quick = replace(each, heartbeat_seconds=1.0)
                consumer.start(quick, silos[each.source].port)
            await until(
                lambda: (
                    consumer.one("SELECT count(*) FROM consumer_checkpoint")
                    == len(everything()["center"])
                )
            )
            yield consumer
