"""What is wrong with a mesh is to be seen on a terminal of 80 columns and 24 lines. No I/O."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from mesh.census import Following
from mesh.looks import Look, Program
from mesh.ports import SILOS
from mesh.status import drawn, fitted

CONSUMERS = [
    (silo, f"{silo}{kind}", source)
    for silo in SILOS
    for kind, source in (("", "hospital"), ("", "ems"), (".settings", "center"))
]


def a_look(state: str = "RUNNING", parked: int = 0, silent: str = "", lag: float = 0.3) -> Look:
    """Make a look at fifteen consumers; one of EMS is as told, and ``silent`` does not answer."""
    programs = {
        f"{silo}-postgres": Program(port=5432, health="down" if silo == silent else "ready")
        for silo in SILOS
    }
    programs |= {
        name: Program(
            port=50051,
            metrics=50063,
            health="NOT_SERVING" if name == silent else "SERVING",
            breaker="" if name == "router" else "HALF_OPEN",
            calls_per_second=1234.5,
            error_share=1.0,
        )
        for name in (*SILOS, "router")
    }
    following = [
        Following(
            source, f"{name}{number}", 100_000, None if source == silent else 100_007, "RUNNING"
        )
        for silo, name, source in CONSUMERS
        for number in ("", ".signing_keys")
        if silo != silent
    ]
    following.append(Following("center", "ems.poor", 100_000, 100_007, state, parked))
    return Look(
        at=1.0,
        seconds=2.0,
        programs=programs,
        following=following,
        unanswered={silent: "Connection refused"} if silent else {},
        lag_seconds={("ems.poor", "center"): lag},
    )


def lines(seen: Look, height: int | None) -> list[str]:
    console = Console(width=80, height=height or 24, file=io.StringIO())
    shown = drawn(seen) if height is None else fitted(seen, console)
    return ["".join(part.text for part in line) for line in console.render_lines(shown)]


@pytest.mark.parametrize("height", [None, 24])
def test_no_word_is_cut_at_eighty_columns(height: int | None) -> None:
    text = "\n".join(lines(a_look("REBUILDING", 100, "hospital"), height))
    assert "…" not in text
    for word in ("NOT_SERVING", "HALF_OPEN", "1,234.5", "100.0%", "breaker", "metrics", "parked"):
        assert word in text


def test_a_high_terminal_shows_every_consumer() -> None:
    seen = a_look()
    text = "\n".join(lines(seen, 60))
    assert all(each.consumer in text for each in seen.following)
    assert "more follow" not in text


@pytest.mark.parametrize(
    "seen",
    [a_look("HALTED"), a_look("REBUILDING"), a_look(parked=3), a_look(lag=12.5)],
    ids=["halted", "rebuilding", "parked", "behind"],
)
def test_a_low_terminal_shows_who_is_in_trouble_and_how_many_are_not(seen: Look) -> None:
    shown = lines(seen, 24)
    text = "\n".join(shown)
    assert len(shown) < 24
    assert "ems.poor" in text
    assert "18 more follow closely" in text
    assert all(program in text for program in seen.programs)


def test_a_silo_that_does_not_answer_is_told_and_its_followers_stay() -> None:
    seen = a_look("HALTED", silent="hospital")
    text = "\n".join(lines(seen, None))
    assert "hospital does not answer: Connection refused" in text
    assert all(each.consumer in text for each in seen.following)
    low = lines(seen, 24)
    assert len(low) < 24
    text = "\n".join(low)
    assert "hospital does not answer: Connection refused" in text
    assert "HALTED" in text
    assert "do not follow closely: medport consumers" in text
