"""What has a long profile, and all of the event log's conformance suite, file by file."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from typing import Any

from tests.support.silo_processes import ROOT

TESTS = ROOT / "tests"
EVENT_LOG = "conformance/event_log/test_*.py"
PROFILE = "from tests.support.profiles import"  # how a file comes to have a long one
LONGEST_SECONDS = 7200  # of one test
LAST = "conformance/event_log/test_sequencers.py"  # as long as all the others together
LIMITS = [
    *("-o", f"timeout={LONGEST_SECONDS}"),
    *("-o", f"faulthandler_timeout={LONGEST_SECONDS}"),
]


def files() -> list[str]:
    """Return them relative to ``tests``, in the order in which they run."""
    long = (path for path in TESTS.rglob("test_*.py") if PROFILE in path.read_text())
    found = {str(path.relative_to(TESTS)) for path in (*TESTS.glob(EVENT_LOG), *long)}
    return sorted(found, key=lambda name: (name == LAST, name))


def run(name: str) -> dict[str, Any]:
    """Run one file and return what the report keeps of it."""
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", *LIMITS, TESTS / name],
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
