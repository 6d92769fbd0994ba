"""Ends what a killed supervisor left running, before its ports and directories are used again."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from pathlib import Path
from threading import Event

from mesh.ports import SILOS
from mesh.postgres import PostgresServer
from mesh.state import DataDirectory

_PATIENCE = 5.0
_PAUSE = Event()  # never set: its wait is the pause between two looks


def end(data: DataDirectory) -> None:
    """End the services and databases of this data directory; call it while holding its lock."""
    processes = [each for each in Path("/proc").glob("[0-9]*") if _is_of(each, data)]
    for number in (signal.SIGTERM, signal.SIGKILL):
        for process in processes:
            with suppress(ProcessLookupError):
                os.kill(int(process.name), number)
        if _have_ended(processes, data):
            break
    for silo in SILOS:
        PostgresServer(f"{silo}-postgres", 0, data.postgres).stop()


def _is_of(process: Path, data: DataDirectory) -> bool:
    """Tell one of our services by the paths in its environment, which lead into our directory."""
    try:
        environment = (process / "environ").read_bytes().split(b"\0")
    except OSError:  # it ended, or it belongs to somebody else
        return False
    ours = {f"MEDPORT_KEY_CACHE={data.root / 'router'}"}
    ours |= {f"MEDPORT_IDENTITY_KEY_FILE={data.secrets / s / 'identity.pem'}" for s in SILOS}
    return not ours.isdisjoint(line.decode(errors="replace") for line in environment)


def _have_ended(processes: list[Path], data: DataDirectory) -> bool:
    for _ in range(int(_PATIENCE / 0.1)):
        if not any(_is_of(process, data) for process in processes):
            return True
        _PAUSE.wait(0.1)
    return False
