"""Stops single programs of a running mesh and lets them run again: outages on purpose."""

from __future__ import annotations

from collections.abc import Callable
from threading import Event

from mesh import health
from mesh.ports import PROGRAMS, is_free
from mesh.problems import Problem
from mesh.state import DataDirectory

_PAUSE = Event()  # never set: its wait is the pause between two looks


class TooSlow(Problem):
    """A program neither stopped nor served within a minute."""


class UnknownProgram(Problem):
    """No program of a mesh has this name."""


def stop(data: DataDirectory, name: str) -> None:
    """Mark a program to stay down; returns when nothing listens on its port."""
    port = _port(data, name)
    data.held(name).touch()
    _wait(lambda: is_free(port), f"{name} does not stop")


def start(data: DataDirectory, name: str) -> None:
    """Remove the mark; returns when a service serves, or a database listens, again."""
    port = _port(data, name)
    data.held(name).unlink(missing_ok=True)
    if name.endswith("-postgres"):
        _wait(lambda: not is_free(port), f"{name} does not start")
    else:
        _wait(lambda: health.serves(port), f"{name} does not serve")


def _port(data: DataDirectory, name: str) -> int:
    ports = data.running().ports
    if name not in PROGRAMS:
        raise UnknownProgram(f"no program {name}; there are {', '.join(PROGRAMS)}")
    return ports[name]


def _wait(condition: Callable[[], bool], otherwise: str) -> None:
    for _ in range(600):
        if condition():
            return
        _PAUSE.wait(0.1)
    raise TooSlow(otherwise)
