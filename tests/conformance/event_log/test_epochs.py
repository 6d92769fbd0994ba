"""Which log, and which life of it: what a resume token is worth when the log is another one.

Proves events.md section 6 without a second server; those are in test_failovers.py.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

import psycopg
import pytest
from google.protobuf.duration_pb2 import Duration
from medport.common.v1 import event_log_pb2 as common
from psycopg.conninfo import conninfo_to_dict

from chassis.event_log_epochs import open_epoch
from chassis.event_log_errors import LogUnavailable
from chassis.pool import pool
from chassis.processes import new_epoch
from chassis.resume_tokens import READ, Lineage, lineage
from chassis.stream_entries import Interest
from chassis.stream_frames import Limits
from chassis.stream_pages import Pages
from chassis.stream_subscriptions import Subscription, Wish
from tests.support.databases import Databases, owner_of, superuser_of
from tests.support.event_logs import add
from tests.support.event_streams import (
    EARLIEST,
    Silo,
    after,
    events,
    frames,
    positions,
    serving,
    until_kind,
)
from tests.support.refusals import refusal
from tests.support.silo_logs import KINDS, Kind

SECOND = Duration(seconds=1)


@pytest.fixture
def operator(database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Set what a command of the database's owner reads."""
    owner = conninfo_to_dict(owner_of(database))
    secret = tmp_path / "owner.password"
    secret.write_text(str(owner["password"]))
    url = "postgresql://{user}@{host}:{port}/{dbname}".format(**owner)
    monkeypatch.setenv("MEDPORT_MIGRATION_DATABASE_URL", url)
    monkeypatch.setenv("MEDPORT_MIGRATION_PASSWORD_FILE", str(secret))


async def command(kind: Kind, *arguments: str) -> tuple[int | None, str]:
    """Run ``new-epoch`` as an operator does; return its status and what it prints."""
    run = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", f"{kind.silo}_svc", "new-epoch", *arguments),
        stdout=asyncio.subprocess.PIPE,
    )
    printed, _ = await run.communicate()
    return run.returncode, printed.decode()


async def five(silo: Silo) -> tuple[Any, dict[int, Any]]:
    """Announce five events; return the stream that follows, and each one's frame by position."""
    stream = silo.subscribe(EARLIEST, heartbeat_duration=SECOND)
    received = await frames(stream, 2)
    for _ in range(5):
        await silo.announce(silo.kind.announcement())
        received += await until_kind(stream, "batch")
    return stream, {frame.position: frame for frame in received if events([frame])}


async def test_an_epoch_opened_by_hand_harms_nobody_who_lost_nothing(silo: Silo) -> None:
    stream, known = await five(silo)

    assert open_epoch(owner_of(silo.dsn)).start == 6

    await silo.announce(silo.kind.announcement())
    [event] = events(await until_kind(stream, "batch"))
    assert (event.placement.position, event.placement.epoch) == (6, 2)
    for position in (3, 5):
        again = silo.subscribe(after(known[position]), stop_at_head=True)
        expected = list(range(position + 1, 7))
        assert positions(await until_kind(again, "stream_end")) == expected


# What is left when a machine forgot all behind 3, and has since written at 4 and 5 anew.
SET_BACK = """
UPDATE event_log SET data = first.data FROM event_log first
 WHERE first.position = 1 AND event_log.position > 3
"""


@pytest.mark.usefixtures("operator")
async def test_who_holds_what_a_set_back_server_lost_is_told_where_it_was_cut(silo: Silo) -> None:
    stream, known = await five(silo)
    [first] = [event.metadata.id for event in events([known[1]])]
    with psycopg.connect(superuser_of(silo.dsn)) as machine:
        machine.execute(SET_BACK)
    unaware = silo.subscribe(after(known[5]), stop_at_head=True)
    assert not positions(await until_kind(unaware, "stream_end"))  # it misses both, and cannot know

    assert await command(silo.kind, "3") == (0, "epoch 2 begins at position 4\n")

    assert await refusal(stream) == ("LOG_UNAVAILABLE", {})
    for position in (4, 5):
        cut = silo.subscribe(after(known[position]))
        assert await refusal(cut) == ("LOG_TRUNCATED", {"last_common_position": "3"})
    again = silo.subscribe(after(known[3]), stop_at_head=True)
    received = events(await until_kind(again, "stream_end"))
    assert [event.metadata.id for event in received] == [first, first]
    assert [(event.placement.position, event.placement.epoch) for event in received] == [
        (4, 2),
        (5, 2),
    ]


@pytest.mark.usefixtures("operator")
def test_an_epoch_cannot_begin_where_none_can(
    kind: Kind, database: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with psycopg.connect(database, autocommit=True) as writer:
        writer.execute("SELECT event_log_tick(0)")  # the log is empty: position 0 is its end
    for argument, complaint in (
        ("three", f"usage: python -m {kind.silo}_svc new-epoch [LAST_COMMON_POSITION]\n"),
        ("1", "LAST_COMMON_POSITION: 1 is not from 0 to 0\n"),
    ):
        assert new_epoch(kind.silo, f"{kind.silo}_svc", [argument]) == 2
        assert capsys.readouterr().err == complaint
    with psycopg.connect(superuser_of(database)) as admin:
        admin.execute("UPDATE event_log_head SET last_position = 7")
        admin.execute("INSERT INTO event_log_epoch VALUES (2, DEFAULT, 5, '')")
    assert new_epoch(kind.silo, f"{kind.silo}_svc", ["3"]) == 2
    assert capsys.readouterr().err == "LAST_COMMON_POSITION: 3 is not from 4 to 7\n"


def test_a_new_life_is_asked_nothing_before_its_epoch_is_open(database: str) -> None:
    """Else what was lost would be called ahead of the log, which is another mistake."""
    with psycopg.connect(superuser_of(database), autocommit=True) as admin:
        admin.execute("SELECT event_log_tick(0)")
        assert _lineage(admin).epoch == 1
        admin.execute("UPDATE event_log_head SET fingerprint = 'of an earlier life'")
        with pytest.raises(LogUnavailable):
            _lineage(admin)
        admin.execute("SELECT event_log_tick(0)")
        assert _lineage(admin).epoch == 2


def _lineage(connection: psycopg.Connection[Any]) -> Lineage:
    cursor: Any = connection.cursor()
    cursor.row_factory = READ.rows
    return lineage(cursor.execute(READ.text).fetchall())


async def test_a_page_of_another_servers_life_is_refused(kind: Kind, databases: Databases) -> None:
    """While servers are switched, the pool may be with one and the tailer with the other."""
    with databases.fresh(kind.silo) as here, databases.fresh(kind.silo) as there:
        async with serving(here, kind=kind) as one, serving(there, kind=kind) as twin:
            tailer = twin.publishing.source.tailer
            assert tailer.lineage.epoch == one.publishing.source.tailer.lineage.epoch
            async with pool(here) as connections:
                pages = Pages(connections, tailer.seen)
                with pytest.raises(LogUnavailable):
                    await pages.lineage()
                with pytest.raises(LogUnavailable):
                    await pages.read(0, 5, Interest(frozenset({f"silo:{kind.peer}"})), 10)


async def test_a_stream_that_found_its_place_before_the_log_was_cut_tells_nothing(
    silo: Silo,
) -> None:
    source, written = silo.publishing.source, list[bytes]()
    interest = Interest(frozenset({f"silo:{silo.kind.peer}"}))
    wish = Wish(interest, Limits(), heartbeat=5, generation=source.tailer.generation)

    async def write(frame: bytes) -> None:
        written.append(frame)

    source.tailer.generation += 1  # what a tailer does that finds its position cut off
    stream = Subscription(source, wish, 5, write, lambda: interest)
    with pytest.raises(LogUnavailable):
        await asyncio.wait_for(stream.run(common.Started()), 20)
    assert not written


async def test_another_logs_token_is_told_from_a_lost_one(
    silo: Silo, kind: Kind, peer_database: str
) -> None:
    peer = next(each for each in KINDS if each.silo == kind.peer)
    async with serving(peer_database, kind=peer) as other:
        [started] = await frames(other.subscribe(EARLIEST), 1)
        assert await refusal(silo.subscribe(after(started))) == ("LOG_MISMATCH", {})


async def test_a_token_is_too_old_once_what_follows_it_has_been_trimmed(
    database: str, kind: Kind
) -> None:
    add(
        database,
        "DROP TABLE event_log_p0, event_log_p1, event_log_p2; SELECT event_log_extend(3, 4)",
    )
    async with serving(database, kind=kind) as silo:
        _, known = await five(silo)
        add(database, "SELECT event_log_trim('0 s', '0 s', 4)")  # 1 to 3
        reason, facts = await refusal(silo.subscribe(after(known[2])))
        assert (reason, facts["earliest_position"]) == ("RESUME_POINT_COMPACTED", "4")
        for token in (known[3].resume_token, bytes.fromhex(facts["earliest_token"])):
            start = common.StartPosition(resume_token=token)
            again = silo.subscribe(start, stop_at_head=True)
            assert positions(await until_kind(again, "stream_end")) == [4, 5]
