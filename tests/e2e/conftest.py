"""One real mesh for all end-to-end tests: seven processes, started as a user would.

It ends with the last of them, or it would take its share of the machine from all other tests.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from mesh.ports import WANTED, is_free
from mesh.state import DataDirectory
from tests.support.otlp import Collector, collecting


@dataclass(frozen=True)
class Mesh:
    """A running mesh, by its data directory."""

    data: DataDirectory
    collector: str

    @property
    def router(self) -> str:
        return f"127.0.0.1:{self.data.running().ports['router']}"

    def medport(self, *arguments: str, code: int = 0) -> str:
        """Run a command of the program and return what it prints."""
        done = subprocess.run(
            self.command(*arguments),
            env={**os.environ, "MEDPORT_OTLP_ENDPOINT": self.collector},
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )
        assert done.returncode == code, f"{arguments}: {done.stdout[-3000:]}\n{done.stderr[-3000:]}"
        return done.stdout

    def command(self, name: str, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "mesh", name, "--data", str(self.data.root), *arguments]

    def demo(self, trips: int) -> dict[str, Any]:
        """Play a short day; its report, whatever its checks say."""
        done = subprocess.run(
            self.command("demo", "--trips", str(trips), "--json"),
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )
        assert done.stdout, done.stderr[-3000:]
        report: dict[str, Any] = json.loads(done.stdout)
        return report


def free_offset() -> int:
    """Return an offset under which all usual ports are free, below the ephemeral range."""
    for offset in range(2000, 12_000, 97):
        if all(port + offset < 65_536 and is_free(port + offset) for port in WANTED.values()):
            return offset
    raise LookupError("no free ports")


@pytest.fixture(scope="package")
def collector() -> Iterator[Collector]:
    """Take the spans of the mesh's processes, whatever a test makes them do."""
    with collecting() as opened:
        yield opened


@pytest.fixture(scope="package")
def mesh(tmp_path_factory: pytest.TempPathFactory, collector: Collector) -> Iterator[Mesh]:
    started = Mesh(DataDirectory(tmp_path_factory.mktemp("mesh") / "data"), collector.address)
    started.medport("up", "--no-demo", "--detach", "--port-offset", str(free_offset()))
    try:
        yield started
    finally:
        started.medport("down")


@pytest.fixture(scope="package")
def played(mesh: Mesh) -> dict[str, Any]:
    """Admit everybody and play a short day."""
    return mesh.demo(20)
