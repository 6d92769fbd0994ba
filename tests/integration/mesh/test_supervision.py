"""Programs are started again when they end, and stay down when they are held."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from threading import Event

import pytest

from mesh.supervision import Service, Supervisor

_PAUSE = Event()


def until(condition: Callable[[], bool]) -> None:
    for _ in range(400):
        if condition():
            return
        _PAUSE.wait(0.05)
    raise TimeoutError


class Counted:
    """A program that writes a line into its log and ends, or waits to be stopped."""

    def __init__(self, folder: Path, then: str) -> None:
        self.log = folder / "log"
        code = f"import sys, time; print('began', flush=True); {then}"
        self.program = Service("counted", [sys.executable, "-c", code], {}, self.log)

    @property
    def starts(self) -> int:
        return self.log.read_text().count("began") if self.log.exists() else 0


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def supervisor(tmp_path: Path, said: list[str]) -> Supervisor:
    return Supervisor(said.append, lambda name: tmp_path / f"{name}.held")


def test_a_program_that_ends_is_started_again_a_little_later_each_time(
    supervisor: Supervisor, tmp_path: Path, said: list[str]
) -> None:
    counted = Counted(tmp_path, "sys.exit(3)")
    counted.program.start()
    supervisor.watch(counted.program)
    until(lambda: counted.starts >= 3)
    supervisor.stop([[counted.program]])
    assert said[:2] == [
        "counted ended with 3; starting it again in 0.2 s",
        "counted ended with 3; starting it again in 0.4 s",
    ]


def test_a_held_program_ends_and_stays_down_until_it_is_let_go(
    supervisor: Supervisor, tmp_path: Path, said: list[str]
) -> None:
    counted = Counted(tmp_path, "sys.stdin.close(); [time.sleep(1) for _ in range(600)]")
    counted.program.start()
    supervisor.watch(counted.program)
    until(lambda: counted.starts == 1)
    held = tmp_path / "counted.held"
    held.touch()
    until(lambda: any("kept down" in line for line in said))
    assert counted.starts == 1
    held.unlink()
    until(lambda: counted.starts == 2)
    supervisor.stop([[counted.program]])
    assert counted.program.has_ended
