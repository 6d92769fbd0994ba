"""The README's lines work as they are printed, from the first to the last."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from mesh.next_steps import program
from tests.e2e.conftest import Mesh

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")

pytestmark = pytest.mark.timeout(300)


@pytest.mark.skipif(
    program("grpcurl") is None, reason="grpcurl is packaged for Linux on x86_64 only"
)
def test_the_readmes_lines_work_as_printed(
    mesh: Mesh, played: dict[str, Any], tmp_path: Path
) -> None:
    """One shell for all: later lines use what earlier ones set. Only the router's port differs."""
    (tmp_path / ".medport").symlink_to(mesh.data.root)
    (tmp_path / ".venv").symlink_to(sys.prefix)
    lines = "\n".join(re.findall(r"^```sh\n(.*?)^```$", README, re.DOTALL | re.MULTILINE))
    script = "set -euo pipefail\n" + lines.replace("localhost:50050", mesh.router)
    done = subprocess.run(
        ["/bin/bash", "-c", script],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert '"tripNumber"' in done.stdout  # a trip was made
    assert '"transportRequestCreated"' in done.stdout  # and its event came
    assert "STREAM_END_REASON_HEAD_REACHED" in done.stdout
    assert "medport.hospital.v1.TransportRequestService" in done.stdout


def test_the_files_that_the_readme_names_exist() -> None:
    named = set(re.findall(r"`([\w./-]+/[\w./-]*)`", README))
    folders = ("protos/", "chassis/", "router/", "mesh/", "tests/", "docs/", "hospital_svc/")
    paths = {each for each in named if each.startswith((*folders, "ems_svc/", "center_svc/"))}
    assert len(paths) > 20
    missing = {each for each in paths if not (ROOT / each).exists()}
    assert missing == set()
