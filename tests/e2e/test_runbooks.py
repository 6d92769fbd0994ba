"""What the runbooks tell an operator to look at can be looked at, and every figure is there.

Proves: every reading command of every runbook runs as it is printed, and so do those that run a
silo's own program; each process exposes what ``docs/metrics.md`` lists, and nothing else.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from mesh.census import Census
from mesh.next_steps import program
from mesh.ports import SILOS, WANTED
from tests.e2e.conftest import Mesh
from tests.support.metrics import exposed, listed, page

DOCS = Path(__file__).parents[2] / "docs"
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
EPOCHS = "SELECT epoch, start_position FROM event_log_epoch ORDER BY epoch DESC"

pytestmark = pytest.mark.timeout(300)


def blocks() -> dict[str, str]:
    """Return each block that reads once, with the runbook that has it first."""
    found: dict[str, str] = {}
    for path in sorted((DOCS / "runbooks").glob("*.md")):
        for language, block in BLOCK.findall(path.read_text()):
            if language == "sh":
                found.setdefault(block, path.name)
    return found


def shell(mesh: Mesh, folder: Path, script: str) -> subprocess.CompletedProcess[str]:
    """Run what an operator types, beside the mesh's directory."""
    (folder / ".medport").symlink_to(mesh.data.root)
    beside = f'PATH="{Path(sys.executable).parent}:$PATH"'
    return subprocess.run(
        ["/bin/bash", "-c", f"{beside}\n{script}"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


def printed(runbook: str, command: str) -> str:
    """Return the block of a runbook that has this command."""
    text = (DOCS / "runbooks" / runbook).read_text()
    [found] = [block for _, block in BLOCK.findall(text) if f"medport {command}" in block]
    return str(found)


@pytest.mark.skipif(
    program("grpcurl") is None or shutil.which("curl") is None, reason="needs grpcurl and curl"
)
def test_the_reading_commands_of_the_runbooks_work_as_printed(
    mesh: Mesh, played: dict[str, Any], tmp_path: Path
) -> None:
    ports = mesh.data.running().ports
    moved = {f"localhost:{usual}": f"localhost:{ports[name]}" for name, usual in WANTED.items()}
    script = ["set -euo pipefail"]
    for block, name in blocks().items():
        lines = block
        for usual, port in moved.items():
            lines = lines.replace(usual, port)
        script += [f"echo '# {name}' >&2", lines]
    done = shell(mesh, tmp_path, "\n".join(script))
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


# Here and below, processes are stopped, and then count from zero: the figures above come first.
def test_an_epoch_is_opened_as_printed(mesh: Mesh, played: dict[str, Any], tmp_path: Path) -> None:
    """Behind the head, where nobody loses anything: the other tests go on with this mesh."""
    census = Census(mesh.data)
    epoch = max((row["epoch"] for row in census.rows("ems", EPOCHS)), default=1)
    stop, opening, start = printed("log-truncated.md", "new-epoch").splitlines()
    mesh.medport(*stop.split()[1:])
    [head] = census.rows("ems", "SELECT last_position AS n FROM event_log_head")
    try:
        done = shell(mesh, tmp_path, opening.replace("4711", str(head["n"])))
    finally:
        mesh.medport(*start.split()[1:])
    begun = {"epoch": epoch + 1, "start_position": head["n"] + 1}
    said = "epoch {epoch} begins at position {start_position}\n".format(**begun)
    assert (done.returncode, done.stdout) == (0, said), done.stderr
    assert census.rows("ems", EPOCHS)[0] == begun


def test_an_epoch_behind_a_position_that_is_not_there_is_refused_in_the_programs_words(
    mesh: Mesh, played: dict[str, Any]
) -> None:
    before = Census(mesh.data).rows("ems", EPOCHS)
    asked = mesh.command("new-epoch", "ems", "999999999")
    done = subprocess.run(asked, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert "LAST_COMMON_POSITION: 999999999 is not from " in done.stderr
    assert Census(mesh.data).rows("ems", EPOCHS) == before


def test_figures_are_counted_again_as_printed_while_center_is_stopped(
    mesh: Mesh, played: dict[str, Any], tmp_path: Path
) -> None:
    facts = "SELECT transport_request_id, status FROM trip_fact"
    counted = Census(mesh.data).rows("center", facts)
    mesh.medport("stop", "center")
    try:
        done = shell(mesh, tmp_path, printed("rebuild-a-projection.md", "rebuild-analytics"))
        again = Census(mesh.data).rows("center", facts)
    finally:
        mesh.medport("start", "center")
    assert done.returncode == 0, done.stderr
    said = re.fullmatch(r"(\d+) events counted again\n", done.stdout)
    assert said, done.stdout
    assert int(said[1]) > len(counted) > 0
    assert sorted(map(str, again)) == sorted(map(str, counted))
