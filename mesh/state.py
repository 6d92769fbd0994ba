"""The data directory: where things are, and what a running mesh says about itself."""

from __future__ import annotations

import fcntl
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from threading import Event
from typing import IO

from mesh.problems import Problem

_PAUSE = Event()  # never set: its wait is the pause between two tries


class AlreadyRunning(Problem):
    """Another supervisor serves this data directory."""


class NotRunning(Problem):
    """No supervisor serves this data directory."""


@dataclass(frozen=True)
class State:
    """Written by the supervisor when everything serves, and removed when it stops."""

    supervisor: int
    ports: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class DataDirectory:
    """Paths below ``root``; nothing outside of it is ever written."""

    root: Path

    @property
    def postgres(self) -> Path:
        return self.root / "postgres"

    @property
    def secrets(self) -> Path:
        return self.root / "secrets"

    @property
    def passwords(self) -> Path:
        return self.root / "passwords.json"

    @property
    def demonstration(self) -> Path:
        """Return who takes part in the demonstration: ids and addresses, no secrets."""
        return self.root / "demonstration.json"

    @property
    def played(self) -> Path:
        """Return the mark of a day played to its end."""
        return self.root / "played"

    @property
    def looked(self) -> Path:
        """Return what the latest look at the mesh has counted, for the next one to compare."""
        return self.root / "looked.json"

    def log(self, name: str) -> Path:
        return self.root / "logs" / f"{name}.log"

    def held(self, name: str) -> Path:
        """Return the mark that keeps one process from being started again."""
        return self.root / "held" / name

    @contextmanager
    def supervised(self) -> Iterator[None]:
        """Hold the directory for one supervisor; the lock ends with its process, in any case."""
        for folder in ("logs", "held", "postgres"):
            (self.root / folder).mkdir(mode=0o700, parents=True, exist_ok=True)
        with (self.root / "lock").open("w") as lock:
            if not _locked(lock):
                raise AlreadyRunning(f"a mesh is already running in {self.root}")
            self._state.unlink(missing_ok=True)
            try:
                yield
            finally:
                self._state.unlink(missing_ok=True)

    def publish(self, state: State) -> None:
        partial = self._state.with_suffix(".partial")
        partial.write_text(json.dumps(asdict(state), indent=2))
        partial.rename(self._state)

    def running(self) -> State:
        """Return what the running mesh published; raises NotRunning."""
        try:
            state = State(**json.loads(self._state.read_text()))
        except FileNotFoundError:
            raise NotRunning(f"no mesh is running in {self.root}: medport up") from None
        if not self.is_locked():  # it was killed before it could say goodbye
            raise NotRunning(f"the mesh in {self.root} ended without a goodbye: medport up")
        return state

    def is_locked(self) -> bool:
        try:
            with (self.root / "lock").open() as lock:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except FileNotFoundError:
            return False
        except BlockingIOError:
            return True
        return False

    @property
    def _state(self) -> Path:
        return self.root / "mesh.json"


def _locked(lock: IO[str]) -> bool:
    """Take the lock; a few tries, since whoever asks ``is_locked`` holds it for an instant."""
    for _ in range(20):
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            _PAUSE.wait(0.05)
        else:
            return True
    return False
