"""Keeps programs running: started again when they end, a little later each time."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from threading import Event, Thread
from typing import Protocol

_FIRST_PAUSE, _LONGEST_PAUSE, _HEALTHY_AFTER = 0.2, 10.0, 30.0
_LOOK_AGAIN = 0.2
_GRACE = 15.0


class Program(Protocol):
    """What can be kept running: a service, or a PostgreSQL server."""

    @property
    def name(self) -> str: ...

    def start(self) -> None: ...

    def wait(self) -> int:
        """Return the exit code, once it has ended."""

    def stop(self) -> None: ...


class Service:
    """One of our processes, as a direct child whose output goes to its log."""

    def __init__(
        self, name: str, command: Sequence[str], environment: Mapping[str, str], log: Path
    ) -> None:
        self.name, self._command, self._environment, self._log = name, command, environment, log
        self._child: subprocess.Popen[bytes] | None = None
        self._began_at = 0

    @property
    def has_ended(self) -> bool:
        return self._child is not None and self._child.poll() is not None

    @property
    def said(self) -> str:
        """Return the end of what it logged since its last start."""
        with self._log.open("rb") as log:
            log.seek(self._began_at)
            return log.read().decode(errors="replace")[-1500:].strip()

    def start(self) -> None:
        with self._log.open("ab") as log:
            self._began_at = log.tell()
            self._child = subprocess.Popen(
                self._command,
                env={**os.environ, **self._environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C reaches us alone: we stop them, in order
            )

    def wait(self) -> int:
        return self._child.wait() if self._child else 0

    def stop(self) -> None:
        """Ask it to drain; after the grace it is ended."""
        if self._child is None or self._child.poll() is not None:
            return
        self._child.send_signal(signal.SIGTERM)
        try:
            self._child.wait(_GRACE)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()


class Supervisor:
    """Watches programs, a thread each; ``held`` tells which are meant to stay down."""

    def __init__(self, say: Callable[[str], None], held: Callable[[str], Path]) -> None:
        self._say, self._held = say, held
        self._stopping = Event()
        self._watchers: list[Thread] = []

    def watch(self, program: Program) -> None:
        """Keep an already started program running until ``stop``."""
        for work in (self._keep, self._hold):
            watcher = Thread(target=work, args=(program,), daemon=True)
            watcher.start()
            self._watchers.append(watcher)

    def stop(self, stages: Sequence[Sequence[Program]]) -> None:
        """Stop stage after stage, the programs of one stage at once."""
        self._stopping.set()
        for stage in (*stages, *stages):  # twice: a watcher may have been starting one just then
            stoppers = [Thread(target=program.stop) for program in stage]
            for stopper in stoppers:
                stopper.start()
            for stopper in stoppers:
                stopper.join()
        for watcher in self._watchers:
            watcher.join(timeout=_GRACE)

    def _keep(self, program: Program) -> None:
        pause, began = _FIRST_PAUSE, time.monotonic()
        while True:
            code = program.wait()
            if self._stopping.is_set():
                return
            pause = _FIRST_PAUSE if time.monotonic() - began > _HEALTHY_AFTER else pause
            again = "kept down" if self._is_held(program) else f"starting it again in {pause:.1f} s"
            self._say(f"{program.name} ended with {code}; {again}")
            if not self._rest(program, pause):
                return
            pause, began = min(pause * 2, _LONGEST_PAUSE), time.monotonic()
            self._try_to_start(program)

    def _hold(self, program: Program) -> None:
        """Stop a program as soon as it is marked to stay down."""
        while not self._stopping.wait(_LOOK_AGAIN):
            if self._is_held(program):
                program.stop()

    def _is_held(self, program: Program) -> bool:
        return self._held(program.name).exists()

    def _rest(self, program: Program, pause: float) -> bool:
        """Wait out the pause, and for as long as it is held; False means: stopping."""
        until = time.monotonic() + pause
        while time.monotonic() < until or self._is_held(program):
            if self._stopping.wait(_LOOK_AGAIN):
                return False
        return not self._stopping.is_set()

    def _try_to_start(self, program: Program) -> None:
        try:
            program.start()
        except (OSError, RuntimeError) as error:  # the next round tries again, later
            self._say(f"{program.name} did not start: {error}")
