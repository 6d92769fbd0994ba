"""Runs a silo's rare commands, with the settings that ``medport up`` gives its processes."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping

from mesh import environments
from mesh.state import DataDirectory


def new_epoch(data: DataDirectory, silo: str, last_common: int) -> int:
    """Open an epoch of the silo's log behind ``last_common``; return the program's exit code."""
    environment = environments.migration(silo, data.running().ports, data)
    return _run(silo, environment, "new-epoch", str(last_common))


def rebuild_analytics(data: DataDirectory) -> int:
    """Count both logs again; return the program's exit code."""
    environment = environments.service("center", data.running().ports, data)
    return _run("center", environment, "rebuild-analytics")


def _run(silo: str, environment: Mapping[str, str], *arguments: str) -> int:
    """Let the program say to the terminal what it has to say."""
    command = [sys.executable, "-m", f"{silo}_svc", *arguments]
    return subprocess.run(command, env={**os.environ, **environment}, check=False).returncode
