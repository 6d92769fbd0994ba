"""Which logs are asked for what, by the words of the terminal."""

from __future__ import annotations

from typing import Any

import pytest
from medport.common.v1 import event_log_pb2 as common

from mesh.events import UnknownType, Wish, wishes


def asked(**given: Any) -> list[Wish]:
    defaults: dict[str, Any] = {
        "silo": None,
        "types": [],
        "subjects": [],
        "earliest": False,
        "follow": None,
    }
    return wishes(**{**defaults, **given})


def test_every_silo_is_asked_for_everything() -> None:
    assert [wish.silo for wish in asked()] == ["hospital", "ems", "center"]
    assert {wish.types for wish in asked()} == {()}


def test_from_the_latest_there_is_no_end_and_from_the_earliest_there_is() -> None:
    assert {wish.request().stop_at_head for wish in asked()} == {False}
    assert {wish.request().stop_at_head for wish in asked(earliest=True)} == {True}
    assert {wish.request().stop_at_head for wish in asked(earliest=True, follow=True)} == {False}
    assert {wish.request().stop_at_head for wish in asked(follow=False)} == {True}
    origins = [asked(earliest=each)[0].request().start.origin for each in (True, False)]
    assert origins == [common.START_ORIGIN_EARLIEST, common.START_ORIGIN_LATEST]


def test_a_type_is_asked_of_the_silo_that_announces_it() -> None:
    (wish,) = asked(types=["TransportRequestAwarded"])
    full = "medport.hospital.events.v1.TransportRequestAwarded"
    assert (wish.silo, wish.types) == ("hospital", (full,))
    assert asked(types=[full]) == [wish]
    shared = asked(types=["AccessAudited", "TransportRequestAwarded"])
    assert [len(each.types) for each in shared] == [2, 1, 1]


def test_subjects_are_asked_of_every_silo() -> None:
    subjects = {wish.request().filter.subjects[0] for wish in asked(subjects=["units/1"])}
    assert subjects == {"units/1"}


@pytest.mark.parametrize(
    "given",
    [
        {"types": ["TransportRequestAwardd"]},
        {"types": ["TransportRequestAwarded"], "silo": "ems"},
        {"types": ["AccessAudited", "Nothing"]},
    ],
)
def test_a_type_that_nobody_asked_announces_is_named(given: dict[str, Any]) -> None:
    with pytest.raises(UnknownType, match="is no type of event"):
        asked(**given)
