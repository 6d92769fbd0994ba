"""The newcomer's effects and place are one: both are there, or neither."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from medport.hospital.events.v1 import event_log_pb2 as pb

from examples.effects import Effects


@pytest.fixture
def file(tmp_path: Path) -> str:
    return str(tmp_path / "effects.sqlite")


@pytest.fixture
def effects(file: str) -> Iterator[Effects]:
    with closing(Effects(file)) as opened:
        yield opened


def an_event(subject: str, version: int, position: int = 0) -> pb.HospitalEvent:
    event = pb.HospitalEvent()
    event.metadata.id = f"{subject} v{version}"
    event.metadata.subject, event.metadata.subject_version = subject, version
    event.placement.position = position
    return event


def a_frame(position: int, *events: pb.HospitalEvent) -> pb.SubscribeResponse:
    token = f"token {position}".encode()
    return pb.SubscribeResponse(
        batch=pb.EventBatch(events=events), position=position, resume_token=token
    )


def rows(file: str, query: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(file)) as opened:
        return list(opened.execute(query).fetchall())


def test_a_frame_that_fails_half_way_has_no_effect_and_keeps_its_place(
    effects: Effects, file: str
) -> None:
    effects.apply(a_frame(1, an_event("T1", 1, 1)))
    with closing(sqlite3.connect(file)) as opened:
        opened.execute(
            "CREATE TRIGGER full BEFORE INSERT ON journal WHEN new.position = 3"
            " BEGIN SELECT RAISE(ABORT, 'the disk is full'); END"
        )

    with pytest.raises(sqlite3.IntegrityError, match="full"):
        effects.apply(a_frame(3, an_event("T1", 2, 2), an_event("T2", 1, 3)))

    assert effects.place() == (b"token 1", 1)
    assert rows(file, "SELECT event_id FROM journal") == [("T1 v1",)]
    assert rows(file, "SELECT subject, version FROM latest") == [("T1", 1)]


def test_a_frame_without_events_moves_the_place(effects: Effects, file: str) -> None:
    effects.apply(a_frame(7))
    with closing(Effects(file)) as after_a_restart:
        assert after_a_restart.place() == (b"token 7", 7)


def test_a_snapshot_replaces_the_copy_even_by_older_versions(effects: Effects, file: str) -> None:
    effects.apply(a_frame(2, an_event("T1", 9, 1), an_event("gone", 1, 2)))

    effects.replace([an_event("T1", 4)], a_frame(5))
    effects.apply(a_frame(6, an_event("T1", 4, 6)))  # the snapshot has shown it already

    assert rows(file, "SELECT subject, version FROM latest") == [("T1", 4)]
    assert effects.place() == (b"token 6", 6)
