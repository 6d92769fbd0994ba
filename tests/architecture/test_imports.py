"""Who may import whom: the contracts in pyproject.toml, all kept."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def test_every_import_contract_is_kept() -> None:
    program = Path(sys.executable).with_name("lint-imports")
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'protos' / 'gen'}"}
    ran = subprocess.run(
        [program, "--no-cache"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout


@pytest.mark.parametrize("silo", ["hospital", "ems", "center"])
def test_a_process_that_serves_carries_no_migrations(silo: str) -> None:
    served = f"import sys, {silo}_svc.server, chassis.processes; print('alembic' in sys.modules)"
    ran = subprocess.run(
        [sys.executable, "-c", served], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert ran.stdout == "False\n"  # it would be 10 MB of each of them
