"""Facts and figures can be counted again from the logs, and are then the same.

Proves, with the logs of two real silos: whatever was changed, lost or made up among the facts is as
the events tell it, once more and again; the live following goes on behind it, and no level is
announced as missed again. And: nothing is counted that the live following has
yet to see, or has given up; what a log no longer tells is kept.
Run: ``python -m pytest tests/integration/center/test_recount.py``; needs PostgreSQL.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import AsyncExitStack
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import grpc
import pytest
from medport.common.v1 import vocabulary_pb2 as words

from center_svc.recount import Behind, Log, count, spool
from chassis.unit_of_work import Database
from tests.support.center_events import (
    NOON,
    Sent,
    Story,
    a_completed_trip,
    a_dropped_and_cancelled_trip,
    a_trip_carried_by_the_second_agency,
    apply,
    database_on,
    turned,
)
from tests.support.databases import Databases
from tests.support.silos import Keys, running
from tests.support.two_logs import CHECKPOINT, EVENT, TwoLogs, announce, fresh, sql
from tests.support.waiting import until

TABLES = {
    "trip_fact": "*",
    "bid_fact": "*",
    "drop_fact": "*",
    "unit_interval_fact": "*",
    "sla_timer": "*",
    "system_analytics": "id, metric_name, dimensions_key, metric_value, metadata",
}


def known(dsn: str) -> dict[str, list[tuple[Any, ...]]]:
    """Return every fact, timer and figure, to the last column."""
    return {
        table: sorted(sql(dsn, f"SELECT {columns} FROM {table}"), key=repr)  # noqa: S608
        for table, columns in TABLES.items()
    }


def a_history() -> list[Sent]:
    agency = uuid4()
    stories = [a_completed_trip(agency_id=agency), a_dropped_and_cancelled_trip(), Story()]
    stories[-1].requested()
    unit, retired = str(uuid4()), str(uuid4())
    out = words.UNIT_STATUS_OUT_OF_SERVICE
    return [
        *(event for story in stories for event in story.sent),
        turned(1, agency, unit, 0, words.UNIT_STATUS_AVAILABLE),
        turned(1, agency, retired, 0, words.UNIT_STATUS_AVAILABLE),
        turned(1, agency, unit, 40, words.UNIT_STATUS_EN_ROUTE),
        turned(1, agency, retired, 40, out, is_retired=True),
    ]


@pytest.fixture
async def mesh(databases: Databases) -> AsyncIterator[TwoLogs]:
    async with AsyncExitStack() as stack:
        keys, center = Keys(), stack.enter_context(databases.fresh("center"))
        dsns: dict[str, str] = {}
        channels: dict[str, grpc.aio.Channel] = {}
        peers: dict[str, str] = {}
        for silo in EVENT:
            dsns[silo] = stack.enter_context(databases.fresh(silo))
            process, channels[silo] = await stack.enter_async_context(
                running(silo, dsns[silo], keys)
            )
            peers[silo] = f"127.0.0.1:{process.port}"
        database = await stack.enter_async_context(database_on(center))
        yield TwoLogs(database, center, dsns, channels, peers, keys)


async def test_facts_are_what_the_logs_tell_whatever_became_of_them(
    mesh: TwoLogs, tmp_path: Path
) -> None:
    await announce(mesh.dsns, a_history())
    await mesh.follow()
    await until(lambda: fresh(mesh.center, mesh.database))
    before = known(mesh.center)
    assert all(before.values())
    under_way = "SELECT status FROM unit_interval_fact WHERE ended_at IS NULL"
    assert sql(mesh.center, under_way) == [("EN_ROUTE",)]  # the retired unit does nothing

    sql(mesh.center, _SPOIL)
    assert known(mesh.center) != before
    await mesh.command(tmp_path)
    assert known(mesh.center) == before
    await mesh.count()  # and it stays so
    assert known(mesh.center) == before
    assert sql(mesh.center, "SELECT count(*) FROM outbox") == [(0,)]  # nothing is missed again

    late = Story()
    late.requested()
    await announce(mesh.dsns, late.sent)
    await mesh.count()  # not before the live following has seen it
    assert known(mesh.center) == before
    await mesh.follow()
    assert len(known(mesh.center)["trip_fact"]) == len(before["trip_fact"]) + 1


_SPOIL = """
UPDATE trip_fact SET bid_amount = 1, status = 'EXPIRED';
UPDATE drop_fact SET agency_id = gen_random_uuid();
INSERT INTO drop_fact SELECT hospital_id, transport_request_id, agency_id, gen_random_uuid()
  FROM drop_fact;
DELETE FROM bid_fact;
UPDATE unit_interval_fact SET status = 'OFF_DUTY';
INSERT INTO unit_interval_fact VALUES (gen_random_uuid(), gen_random_uuid(), '2026-11-20Z', NULL,
                                       'AVAILABLE');
INSERT INTO trip_fact (hospital_id, transport_request_id, transport_level, priority, status,
  origin_facility_id, destination_facility_id, requested_at, hospital_version)
SELECT gen_random_uuid(), gen_random_uuid(), transport_level, priority, status,
  origin_facility_id, destination_facility_id, '2026-11-01Z', 1 FROM trip_fact LIMIT 1;
UPDATE sla_timer SET cleared_at = NULL WHERE breached_at IS NULL;
UPDATE system_analytics SET metric_value = 99;
"""


@pytest.fixture
async def database(center_database: str) -> AsyncIterator[Database]:
    async with database_on(center_database) as opened:
        yield opened


def read(source: str, file: Any, events: Iterable[Sent], **known: Any) -> Log:
    """Read a log of these events, as a stream of it would be."""
    log = Log(source, file)
    for sent in (each for each in events if each.source == source):
        event = EVENT[source](metadata=sent.received().metadata)
        event.placement.position = sent.position
        event.placement.recorded_time.FromDatetime(sent.at)
        fields = event.DESCRIPTOR.oneofs_by_name["payload"].fields
        (field,) = (each for each in fields if each.message_type == sent.payload.DESCRIPTOR)
        getattr(event, field.name).CopyFrom(sent.payload)
        log.add(event)
        log.position = max(log.position, sent.position)
    for name, value in known.items():
        setattr(log, name, value)
    return log


async def counted(database: Database, dsn: str, events: Sequence[Sent], **known: Any) -> int:
    """Count, where the live followings have applied ``events`` to the last."""
    for source in EVENT:
        last = max(each.position for each in events if each.source == source)
        sql(dsn, CHECKPOINT, source, last)
    with spool() as one, spool() as other:
        logs = [read("hospital", one, events, **known), read("ems", other, events, **known)]
        return await count(database, logs)


async def test_nothing_is_counted_that_was_not_followed_or_was_given_up(
    database: Database, center_database: str
) -> None:
    story = a_completed_trip()
    await apply(database, story.sent)
    before = known(center_database)
    with pytest.raises(Behind):  # the live following is further than what was read
        await counted(database, center_database, story.sent, position=3)
    assert known(center_database) == before

    assert await counted(database, center_database, story.sent) == len(story.sent)
    assert known(center_database)["trip_fact"] == before["trip_fact"]

    (driven,) = (each for each in story.sent if hasattr(each.payload, "loaded_miles"))
    sql(center_database, _PARKED, driven.position)
    assert await counted(database, center_database, story.sent) == len(story.sent) - 1
    assert sql(center_database, "SELECT loaded_miles FROM trip_fact") == [(None,)]


_PARKED = """
INSERT INTO consumer_dead_letter (consumer, source, epoch, position, subject, type, event, reason,
  attempts) VALUES ('center', 'ems', 1, %s, 'subjects/1', 'a.type', '', 'ValueError', 1)
"""


async def test_what_a_log_no_longer_tells_is_kept(database: Database, center_database: str) -> None:
    old = a_trip_carried_by_the_second_agency(began=NOON - timedelta(days=3))
    new = a_completed_trip(first_position=100)
    unit, out = str(uuid4()), words.UNIT_STATUS_OUT_OF_SERVICE
    begun = turned(50, old.agency_id, unit, -3 * 24 * 60, words.UNIT_STATUS_AVAILABLE)
    retired = turned(200, old.agency_id, unit, 0, out, is_retired=True)
    await apply(database, [*old.sent, begun, *new.sent, retired])
    before = known(center_database)
    sql(center_database, _MADE_UP, NOON)

    # All that is left of the old trip is its end, and of the unit that it was retired.
    rest, begins = [*old.sent[-2:], *new.sent, retired], _moment(old.sent[-2].at)
    await counted(database, center_database, rest, is_whole=False, first_recorded=begins)
    assert known(center_database) == before


_MADE_UP = """
INSERT INTO drop_fact
SELECT hospital_id, transport_request_id, agency_id, gen_random_uuid()
  FROM trip_fact WHERE requested_at >= %s
"""


def _moment(at: datetime) -> datetime:
    return at + timedelta(seconds=1)
