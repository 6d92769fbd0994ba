"""Why a consumer stands is to be read on a terminal of 80 columns. No I/O."""

from __future__ import annotations

import io
from dataclasses import replace

from rich.console import Console

from mesh.consumers import Row, drawn

FINE = Row(
    silo="hospital",
    consumer="hospital.signing_keys",
    source="center",
    state="RUNNING",
    state_reason="",
    epoch=1,
    position=123_456_789,
    lag_positions=123_456,
    lag_seconds=86_400.0,
    lag_refusal="",
    lease_holder="01900000-0000-7000-8000-000000000000",
    parked=0,
)
WHY = (
    "LOG_TRUNCATED: the source's log was cut back behind position 4710, and rows do not tell who"
    " waits for an answer, or how often something was"
)


def lines(*rows: Row) -> list[str]:
    console = Console(width=80, file=io.StringIO())
    return [
        "".join(part.text for part in line).rstrip() for line in console.render_lines(drawn(rows))
    ]


def test_a_reason_is_told_in_whole_words_below_the_table() -> None:
    halted = replace(FINE, state="HALTED", state_reason=WHY)
    shown = lines(FINE, halted)
    assert max(map(len, shown)) <= 80
    assert "…" not in "".join(shown)
    assert f"hospital.signing_keys of center: {WHY}" in " ".join(shown)


def test_nothing_is_told_of_who_is_fine() -> None:
    assert [line for line in lines(FINE) if "of center" in line] == []
    row = "hospital.signing_keys center RUNNING 123456789 123456, 86400.0 s 01900000"
    assert row in " ".join(" ".join(lines(FINE)).split())


def test_what_is_parked_and_what_hides_a_lag_are_told_as_well() -> None:
    unknown = replace(FINE, lag_positions=None, lag_seconds=None, lag_refusal="SILO_UNAVAILABLE")
    told = [line for line in lines(replace(unknown, parked=3)) if " of " in line and ":" in line]
    assert told == ["hospital.signing_keys of center: 3 parked; lag not known: SILO_UNAVAILABLE"]


def test_a_reason_is_no_markup() -> None:
    halted = replace(FINE, state="HALTED", state_reason="ValueError: [red] at position 7")
    assert "hospital.signing_keys of center: ValueError: [red] at position 7" in lines(halted)
