"""The conformance suite of the event log at length, file by file."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from typing import Any

from tests.support.silo_processes import ROOT

FOLDER = ROOT / "tests" / "conformance" / "event_log"
LONGEST_SECONDS = 7200  # of one test


def files() -> list[str]:
    return sorted(path.name for path in FOLDER.glob("test_*.py"))


def run(name: str) -> dict[str, Any]:
    """Run one file and return what the report keeps of it."""
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-o", f"timeout={LONGEST_SECONDS}", FOLDER / name],
        cwd=ROOT,
        env={**os.environ, "MEDPORT_TEST_PROFILE": "long"},
        capture_output=True,
        text=True,
        check=False,
    )
    lines = done.stdout.strip().splitlines() or [done.stderr[-500:]]
    failed = [line for line in lines if line.startswith(("FAILED", "ERROR"))]
    violations = failed or ([] if done.returncode == 0 else lines[-1:])
    return {
        "seconds": round(time.monotonic() - began, 1),
        "said": lines[-1],
        "violations": violations,
    }
