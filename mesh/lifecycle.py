"""Up and down: in the foreground until Ctrl-C, or left running behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Event
from types import FrameType

from rich.console import Console

from mesh import leftovers, next_steps, ports
from mesh.processes import Mesh, StartFailed
from mesh.state import DataDirectory, NotRunning, State

_PATIENCE = 120.0
_PAUSE = Event()  # never set: its wait is the pause between two looks


@dataclass(frozen=True)
class Wish:
    """What ``medport up`` was asked for."""

    offset: int
    strict: bool
    demo: bool


def in_front(data: DataDirectory, wish: Wish, console: Console) -> int:
    """Serve until Ctrl-C or SIGTERM, then stop everything in order; returns the exit code."""
    with data.supervised(), _ending() as asked:
        leftovers.end(data)
        chosen = ports.choose(wish.offset, strict=wish.strict, say=_say)
        mesh = Mesh(data, chosen, _say, lambda: asked.to_end)
        try:
            mesh.start()
            data.publish(State(supervisor=os.getpid(), ports=chosen.ports))
            _say(f"the mesh serves on 127.0.0.1:{chosen.ports['router']}")
            if wish.demo and not asked.to_end:
                _play(data)
            if console.is_terminal and not asked.to_end:  # a log needs no advice
                next_steps.show(data, console)
                _say("Ctrl-C stops everything; the data stays.")
            while not asked.to_end:
                _PAUSE.wait(0.2)
            return 0
        finally:
            _say("stopping")
            mesh.stop()
            chosen.close()


def behind(data: DataDirectory, wish: Wish, console: Console) -> int:
    """Serve from a process of its own; returns the demonstration's exit code."""
    if data.is_locked():
        _say(f"already running in {data.root}")
    else:
        _launch(data, wish)
    code = _play(data) if wish.demo else 0
    next_steps.show(data, console)
    _say("medport down stops it; the data stays.")
    return code


def down(data: DataDirectory) -> None:
    """Ask the supervisor to stop, and wait until it has."""
    supervisor = data.running().supervisor
    os.kill(supervisor, signal.SIGTERM)
    for _ in range(int(_PATIENCE / 0.1)):
        if not data.is_locked():
            return
        _PAUSE.wait(0.1)
    raise StartFailed(f"process {supervisor} does not end; see {data.log('mesh')}")


def _launch(data: DataDirectory, wish: Wish) -> None:
    log = data.log("mesh")
    log.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    command = [sys.executable, "-m", "mesh", "up", "--no-demo", "--data", str(data.root)]
    command += ["--port-offset", str(wish.offset)]
    command += ["--strict-ports"] if wish.strict else []
    with log.open("wb") as output:
        child = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,  # it outlives this terminal
        )
    try:
        while not _is_up(data, child.pid):  # each program has its time, or the child ends
            if child.poll() is not None:
                raise StartFailed(log.read_text().strip().removeprefix("medport: "))
            _PAUSE.wait(0.1)
    except KeyboardInterrupt as interrupt:
        child.terminate()  # or half a mesh would stay, which no command could end
        child.wait()
        raise StartFailed("broken off; nothing of it runs on") from interrupt
    _say(log.read_text().strip())


def _is_up(data: DataDirectory, supervisor: int) -> bool:
    try:
        return data.running().supervisor == supervisor
    except NotRunning:
        return False


def _play(data: DataDirectory) -> int:
    """Play the day once per data directory, as a program of its own: Ctrl-C ends only that."""
    if data.played.exists():
        _say("the demonstration day is in the books already; medport demo plays another one")
        return 0
    command = [sys.executable, "-m", "mesh", "demo", "--data", str(data.root)]
    return subprocess.run(command, check=False).returncode


class _Asked:
    """Whether a signal asked us to end; a plain flag, since a handler may hold no lock."""

    to_end = False


@contextmanager
def _ending() -> Iterator[_Asked]:
    """Note SIGINT, SIGTERM and SIGHUP instead of dying from them."""
    asked = _Asked()

    def ask(_number: int, _frame: FrameType | None) -> None:
        asked.to_end = True

    signals = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    previous = {number: signal.signal(number, ask) for number in signals}
    try:
        yield asked
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _say(line: str) -> None:
    print(line, flush=True)
