"""The processes of a mesh as the operating system knows them: killed, frozen, asked to leave."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import signal
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from psycopg.conninfo import conninfo_to_dict, make_conninfo

from mesh.health import serves
from mesh.supervision import Service
from tests.support.databases import SILOS
from tests.support.silos import NOWHERE, Keys
from tests.support.waiting import until

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 180.0  # of a machine that has better things to do


def listening_on(port: int) -> int:
    """Return the id of the service that was told to listen on this port of the loopback."""
    told = f"MEDPORT_LISTEN=127.0.0.1:{port}".encode()
    for process in Path("/proc").glob("[0-9]*"):
        if told in _environment(process):
            return int(process.name)
    raise LookupError(f"no service listens on {port}")


def kill(pid: int) -> None:
    """End a process as a crash does: it is asked nothing and writes nothing down."""
    os.kill(pid, signal.SIGKILL)


def kill_those_of(folder: Path) -> None:
    """Kill what an earlier run, killed itself, has left: whoever was told of a file in there."""
    told = f"={folder}/".encode()
    for process in Path("/proc").glob("[0-9]*"):
        if any(told in each for each in _environment(process)):
            with suppress(ProcessLookupError):
                kill(int(process.name))


class Victim(Service):
    """One of our programs, and what a machine may do to it; ``stop`` asks it to leave."""

    def __init__(self, module: str, told: Mapping[str, str], log: Path, *arguments: str) -> None:
        paths = {"PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'protos' / 'gen'}"}
        command = [sys.executable, "-m", module, *arguments]
        super().__init__(log.stem, command, {**paths, **told}, log)

    def kill(self) -> None:
        """End it, if it runs, and return when it is gone."""
        if self._child is not None:
            self._child.kill()
            self._child.wait()

    def freeze(self) -> None:
        """Stop its clock: it neither ends nor answers, until ``thaw``."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    @property
    def megabytes(self) -> float:
        """Return what of the process is in memory now."""
        assert self._child is not None
        status = Path(f"/proc/{self._child.pid}/status").read_text()
        (line,) = (each for each in status.splitlines() if each.startswith("VmRSS:"))
        return round(int(line.split()[1]) / 1024, 1)

    def _signal(self, number: int) -> None:
        if self._child is not None:
            self._child.send_signal(number)


class SiloVictim(Victim):
    """``python -m <silo>_svc serve``, on the same port after every start."""

    def __init__(self, silo: str, dsn: str, keys: Keys, port: int, folder: Path) -> None:
        self.port = port
        log = folder / f"{silo}.log"
        super().__init__(f"{silo}_svc", told(silo, dsn, keys, port, folder), log, "serve")

    async def start_serving(self) -> None:
        """Start it and return when it says that it serves."""
        self.start()
        await until(self._serves, START_SECONDS)

    async def _serves(self) -> bool:
        assert not self.has_ended, self.said
        return await asyncio.to_thread(serves, self.port)


def told(silo: str, dsn: str, keys: Keys, port: int, folder: Path) -> dict[str, str]:
    """Write the files that a silo reads, and return its settings."""
    peers = {name: base64.b64encode(key).decode() for name, key in keys.public().items()}
    contents = {
        "MEDPORT_DATABASE_PASSWORD_FILE": str(conninfo_to_dict(dsn)["password"]).encode(),
        "MEDPORT_IDENTITY_KEY_FILE": keys.pem(silo),
        "MEDPORT_PEER_KEYS_FILE": json.dumps(peers).encode(),
        "MEDPORT_KEY_ENCRYPTION_KEY_FILE": b"0123456789abcdef" * 4,
    }
    files = {name: folder / f"{silo}.{name.lower()}" for name in contents}
    for name, file in files.items():
        file.write_bytes(contents[name])
    return {
        **{name: str(file) for name, file in files.items()},
        "MEDPORT_DATABASE_URL": make_conninfo(dsn, password=""),
        "MEDPORT_LISTEN": f"127.0.0.1:{port}",
        "MEDPORT_PEERS": ",".join(f"{name}={NOWHERE}" for name in SILOS if name != silo),
        "MEDPORT_LOG_LEVEL": "WARNING",
    }


def _environment(process: Path) -> list[bytes]:
    try:
        return (process / "environ").read_bytes().split(b"\0")
    except OSError:  # it ended, or it belongs to somebody else
        return []
