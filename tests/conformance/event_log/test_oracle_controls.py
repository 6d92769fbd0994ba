"""Negative controls: what is known to be wrong, through the real database, is caught by the oracle.

Proves: each tempting way to number, cut, tail, resume or project breaks a promise on a fixed
schedule, and the check of that promise says so; where the code under test has a guard of its own,
the guard refuses on the same schedule. If a control is no longer caught, the suite proves nothing.
"""

from __future__ import annotations

from typing import Any

import pytest

from chassis import checkpoint, resume_tokens
from chassis.event_log_errors import LogTruncated
from chassis.resume_tokens import Lineage
from tests.conformance.event_log.test_sequencing import interleave
from tests.support import oracle
from tests.support.event_streams import LATEST, frames, serving
from tests.support.event_writers import Scene
from tests.support.histories import Origin, Subscriber, read_log
from tests.support.naive_logs import (
    BigserialReader,
    Crash,
    NaiveProjector,
    SkippingRing,
    deliver,
    honours_number,
    honours_position,
    ordered_by_lowest_ids,
    ordered_by_xid,
)
from tests.support.oracle import Check


def _caught(scene: Scene) -> set[Check]:
    return {each.check for each in oracle.check(scene.history)}


def test_a_cursor_over_a_bigserial_loses_what_commits_late(scene: Scene) -> None:
    a, b = scene.writers(2)
    reader = BigserialReader(scene.sequencer)
    a.change("T1")
    b.change("T2")
    for writer in (b, a):
        writer.commit()
        reader.read()
    scene.history.log = reader.log()
    assert _caught(scene) == {Check.RELIABLE}


def test_the_order_of_transaction_ids_inverts_versions(scene: Scene) -> None:
    a, b = scene.writers(2)
    a.connection.execute("INSERT INTO unrelated VALUES ('takes a transaction id')")
    for writer in (b, a):
        writer.change("T1")
        writer.commit()
    scene.history.log = ordered_by_xid(scene.sequencer)
    assert _caught(scene) == {Check.CAUSAL}


def test_a_cut_at_the_lowest_ids_separates_an_effect_from_its_cause(scene: Scene) -> None:
    interleave(scene)
    scene.history.log = ordered_by_lowest_ids(scene.sequencer)
    assert _caught(scene) == {Check.CAUSAL}


async def test_a_tailer_that_skips_a_position_loses_an_event(scene: Scene) -> None:
    async with serving(scene.dsn, kind=scene.kind, ring=SkippingRing()) as silo:
        stream = silo.subscribe(LATEST)
        recorded = scene.history.subscriber("peer").opened(Origin.LATEST)
        [frame] = await frames(stream, 1)
        recorded.frame(frame)
        scene.written("T1", "T2", "T3", "T4", "T5")
        while frame.position < 5:
            [frame] = await frames(stream, 1)
            recorded.frame(frame)
    scene.history.log = read_log(scene.admin)
    assert _caught(scene) == {Check.RELIABLE}


def test_a_sequencer_that_skips_a_position_leaves_a_gap(scene: Scene) -> None:
    for trip in ("T1", "T2"):
        scene.written(trip)
        scene.tick()
        scene.admin.execute("UPDATE event_log_head SET last_position = last_position + 1")
    scene.history.log = read_log(scene.admin)
    assert _caught(scene) == {Check.DENSE}


def _lineage(scene: Scene) -> Lineage:
    rows: Any = resume_tokens.READ.rows  # made for asynchronous cursors, and good for any
    cursor = scene.admin.cursor(binary=True, row_factory=rows)
    return resume_tokens.lineage(cursor.execute(resume_tokens.READ.text).fetchall())


def _read_to_the_end(scene: Scene, subscriber: Subscriber) -> Lineage:
    """Let five events be written and read; return the log as it was then."""
    scene.tick(0)
    scene.written("T1", "T2")
    scene.sequence()
    scene.another_life("a standby's")
    scene.written("T1", "T2", "T3")
    scene.sequence()
    assert deliver(scene, subscriber.opened(Origin.EARLIEST), after=0) == 5
    return _lineage(scene)


def _write_another_end(scene: Scene) -> Lineage:
    """Cut the log back to two events, as a standby that lacked the rest; write four others."""
    scene.another_life("another standby's")
    scene.written("T4", "T5", "T6", "T7")
    scene.sequence()
    scene.history.log = read_log(scene.admin)
    return _lineage(scene)


def test_a_token_that_is_only_a_position_outlives_a_cut_back_log(scene: Scene) -> None:
    subscriber = scene.history.subscriber("peer")
    before = _read_to_the_end(scene, subscriber)
    scene.cut_back(2)
    after = _write_another_end(scene)
    assert honours_position(after, 5)
    deliver(scene, subscriber.opened(5), after=5)
    assert _caught(scene) == {Check.RESUMABLE, Check.RELIABLE}
    with pytest.raises(LogTruncated) as refused:
        after.position(before.token(5))
    assert refused.value.facts["last_common_position"] == "2"


def test_a_token_with_an_epochs_number_outlives_a_second_standby(scene: Scene) -> None:
    subscriber = scene.history.subscriber("peer")
    before = _read_to_the_end(scene, subscriber)
    scene.cut_back(2, epoch=1)  # where epoch 2 was never opened: this one's is another
    after = _write_another_end(scene)
    assert (before.epoch, after.epoch) == (2, 2)
    assert honours_number(after, before.epoch_of(5), 5)
    deliver(scene, subscriber.opened(5), after=5)
    assert _caught(scene) == {Check.RESUMABLE, Check.RELIABLE}
    with pytest.raises(LogTruncated):
        after.position(before.token(5))


def _a_followed_log(scene: Scene) -> None:
    scene.written("T1", "T2", "T3", "T4")
    scene.sequence()
    scene.admin.execute("INSERT INTO consumer_checkpoint (consumer, source) VALUES ('c', 's')")


def _read_ledger(scene: Scene) -> None:
    rows = scene.admin.execute("SELECT event_id, position FROM ledger ORDER BY entry")
    scene.history.ledger("c").effects(rows)
    scene.history.log = read_log(scene.admin)


def test_a_checkpoint_that_is_committed_first_loses_an_effect(scene: Scene) -> None:
    _a_followed_log(scene)
    projector = NaiveProjector(scene)
    with pytest.raises(Crash):
        projector.checkpoint_first(projector.frame(), dies_at=3)
    revived = NaiveProjector(scene)
    revived.checkpoint_first(revived.frame())
    _read_ledger(scene)
    assert _caught(scene) == {Check.EXACTLY_ONCE_EFFECT}


def test_without_a_fence_a_revived_process_has_the_effect_again(scene: Scene) -> None:
    _a_followed_log(scene)
    paused, heir = NaiveProjector(scene), NaiveProjector(scene)
    held = paused.frame()  # and here it stops, for longer than its lease
    heir.without_fence(heir.frame())
    assert not _is_let_through(scene, old=0, new=4)
    paused.without_fence(held)
    _read_ledger(scene)
    assert _caught(scene) == {Check.EXACTLY_ONCE_EFFECT}


def _is_let_through(scene: Scene, old: int, new: int) -> bool:
    """Ask the real fence for a process that left the checkpoint at ``old``."""
    parameters: dict[str, Any] = {
        "consumer": "c",
        "source": "s",
        "term": 0,
        "old": old,
        "position": new,
        "epoch": 1,
        "resume_token": b"",
        "log_id": None,
    }
    return scene.admin.execute(checkpoint.ADVANCE.text, parameters).rowcount == 1
