"""What the runbooks tell an operator to look at can be looked at, and every figure is there.

Proves: every reading command of every runbook runs as it is printed; each process exposes what
``docs/metrics.md`` lists, and nothing that it does not list.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from mesh.next_steps import program
from mesh.ports import SILOS, WANTED
from tests.e2e.conftest import Mesh
from tests.support.metrics import exposed, listed, page

DOCS = Path(__file__).parents[2] / "docs"
BLOCK = re.compile(r"^```sh\n(.*?)^```$", re.DOTALL | re.MULTILINE)

pytestmark = pytest.mark.timeout(300)


def blocks() -> dict[str, str]:
    """Return each block once, with the runbook that has it first."""
    found: dict[str, str] = {}
    for path in sorted((DOCS / "runbooks").glob("*.md")):
        for block in BLOCK.findall(path.read_text()):
            found.setdefault(block, path.name)
    return found


@pytest.mark.skipif(
    program("grpcurl") is None or shutil.which("curl") is None, reason="needs grpcurl and curl"
)
def test_the_reading_commands_of_the_runbooks_work_as_printed(
    mesh: Mesh, played: dict[str, Any], tmp_path: Path
) -> None:
    (tmp_path / ".medport").symlink_to(mesh.data.root)
    ports = mesh.data.running().ports
    moved = {f"localhost:{usual}": f"localhost:{ports[name]}" for name, usual in WANTED.items()}
    script = [f'PATH="{Path(sys.executable).parent}:$PATH"', "set -euo pipefail"]
    for block, name in blocks().items():
        lines = block
        for usual, port in moved.items():
            lines = lines.replace(usual, port)
        script += [f"echo '# {name}' >&2", lines]
    done = subprocess.run(
        ["/bin/bash", "-c", "\n".join(script)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert len(blocks()) > 15
    assert "hospital.settings" in done.stdout  # medport consumers
    assert 'medport_subscribers{state="live"}' in done.stdout  # curl
    assert "event_log_p" in done.stdout  # medport psql


@pytest.mark.parametrize("process", [*SILOS, "router"])
def test_a_process_exposes_what_is_listed_and_nothing_else(
    mesh: Mesh, played: dict[str, Any], process: str
) -> None:
    text = page(mesh.data.running().ports[f"{process}-metrics"])
    own = "The router" if process == "router" else "A silo"
    known = {(each.name, each.type) for each in listed("Every process", own)}
    assert exposed(text) == known
    for side in ("server", "client"):
        assert f'grpc_{side}_handled_total{{grpc_code="OK",' in text


@pytest.mark.parametrize("silo", SILOS)
def test_a_silo_tells_of_its_streams_consumers_and_pools(
    mesh: Mesh, played: dict[str, Any], silo: str
) -> None:
    text = page(mesh.data.running().ports[f"{silo}-metrics"])
    for pool in (silo, "event_log"):
        assert f'medport_pool_connections{{pool="{pool}"}}' in text
    for state in ("live", "catching_up", "stalled"):
        assert f'medport_subscribers{{state="{state}"}}' in text
    for name in ("position", "lag_positions", "lag_seconds"):
        assert f'medport_consumer_{name}{{consumer="{silo}",source=' in text
    assert f'medport_continuity_violations_total{{consumer="{silo}",source=' in text
