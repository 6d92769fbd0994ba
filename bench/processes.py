"""The mesh as its users start it, and what the operating system says of its processes."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

from psycopg import AsyncConnection

from chassis.clock import utc_now
from chassis.minting import ProcessTokens, identity_key

ROOT = Path(__file__).resolve().parent.parent
GOODBYE_SECONDS = 5.0
ENVIRONMENT = {
    **os.environ,
    "MEDPORT_LOG_LEVEL": "WARNING",
    "PYTHONPATH": os.pathsep.join(
        [str(ROOT), str(ROOT / "protos/gen"), os.environ.get("PYTHONPATH", "")]
    ),
}


@dataclass
class Mesh:
    """``medport up`` on a directory of its own; ``held`` are the programs that were stopped."""

    data: Path
    held: set[str] = field(default_factory=set)

    def up(self) -> None:
        self._medport("up", "--no-demo", "--detach", "--port-offset", "2000")

    def down(self) -> None:
        self._medport("down")

    def only(self, *wanted: str) -> None:
        """Let these services run and no other; the databases always do."""
        for name in ("router", "hospital", "ems", "center"):
            if (name in wanted) is (name in self.held):
                self._medport("start" if name in wanted else "stop", name)
                self.held ^= {name}

    def demo(self, trips: int) -> None:
        """Admit the demonstration's users, and play a few transfers."""
        self._medport("demo", "--trips", str(trips))

    def restart(self, name: str) -> None:
        self._medport("stop", name)
        self._medport("start", name)

    @property
    def ports(self) -> dict[str, int]:
        found: dict[str, int] = json.loads((self.data / "mesh.json").read_text())["ports"]
        return found

    def address(self, name: str) -> str:
        return f"127.0.0.1:{self.ports[name]}"

    def dsn(self, silo: str, role: str = "service", database: str = "") -> str:
        """Name a silo's server as its ``service``, its ``owner``, or as ``postgres``."""
        user, file = f"{silo}_{role}", self.data / "secrets" / silo / f"{role}.password"
        if role == "postgres":
            user, file = role, next((self.data / "postgres").glob(f"{silo}-postgres-*.password"))
        password = quote(file.read_text().strip(), safe="")
        return (
            f"postgresql://{user}:{password}@{self.address(f'{silo}-postgres')}/{database or silo}"
        )

    def bearer(self, silo: str, audience: str) -> str:
        """Make the token that a silo's process shows to another's."""
        pem = (self.data / "secrets" / silo / "identity.pem").read_bytes()
        return ProcessTokens(identity_key(silo, pem), utc_now)(audience)

    def pid(self, name: str) -> int:
        """Return the process of a service, or the postmaster of a database."""
        if name.endswith("-postgres"):
            file = next((self.data / "postgres").glob(f"{name}-*/postmaster.pid"))
            return int(file.read_text().split()[0])
        told = f"MEDPORT_LISTEN={self.address(name)}".encode()
        for process in Path("/proc").glob("[0-9]*"):
            try:
                if told in (process / "environ").read_bytes().split(b"\0"):
                    return int(process.name)
            except OSError:  # it ended, or it belongs to somebody else
                continue
        raise LookupError(f"{name} does not run")

    def _medport(self, *arguments: str) -> None:
        command = [sys.executable, "-m", "mesh", *arguments, "--data", str(self.data)]
        done = subprocess.run(
            command, cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise RuntimeError(f"medport {arguments[0]}: {done.stdout}{done.stderr}")


def megabytes(pid: int) -> float:
    """Return what of a process is in memory now."""
    status = Path(f"/proc/{pid}/status").read_text()
    (line,) = (each for each in status.splitlines() if each.startswith("VmRSS:"))
    return int(line.split()[1]) / 1024


@dataclass
class Worker:
    """One of our programs, which takes and gives lines of JSON."""

    process: asyncio.subprocess.Process

    async def ask(self, **told: Any) -> Any:
        self.tell(**told)
        return await self.answer()

    def tell(self, **told: Any) -> None:
        if self.process.stdin is not None:
            self.process.stdin.write(json.dumps(told).encode() + b"\n")

    async def answer(self) -> Any:
        if self.process.stdout is None or not (line := await self.process.stdout.readline()):
            raise RuntimeError("a worker ended without an answer")
        return json.loads(line)


@asynccontextmanager
async def working(module: str) -> AsyncIterator[Worker]:
    """Run ``python -m module`` until the block ends."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", module),
        cwd=ROOT,
        env=ENVIRONMENT,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=64 * 1024 * 1024,
    )
    try:
        yield Worker(process)
    finally:
        if process.stdin is not None:
            process.stdin.close()  # it says goodbye, and leaves its lease to the next
        try:
            await asyncio.wait_for(process.wait(), GOODBYE_SECONDS)
        except TimeoutError:
            process.kill()
            await process.wait()


async def run_sql(dsn: str, *statements: str) -> None:
    async with await AsyncConnection.connect(dsn, autocommit=True) as connection:
        for each in statements:
            await connection.execute(each.encode())


async def one(dsn: str, query: str) -> Any:
    """Return the first column of a query's first row."""
    async with await AsyncConnection.connect(dsn, autocommit=True) as connection:
        row = await (await connection.execute(query.encode())).fetchone()
        return row[0] if row else None
