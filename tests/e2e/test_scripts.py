"""The scripts for grpcurl, buf and k6 work as they are printed; the index names each example."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from mesh import passwords
from mesh.demo import cast
from mesh.next_steps import program
from tests.e2e.conftest import Mesh

EXAMPLES = Path(__file__).parents[2] / "examples"
INDEX = (EXAMPLES / "README.md").read_text(encoding="utf-8")

pytestmark = [
    pytest.mark.timeout(300, func_only=True),  # the mesh starts in the first test
    pytest.mark.skipif(program("k6") is None, reason="packaged for Linux on x86_64 only"),
]
# What each says when it works, in this order.
SAYS = {
    "grpcurl/discover.sh": ("TransportRequestService", '"SERVING"', "BREAKER_STATE_CLOSED"),
    "grpcurl/request_transport.sh": ("made once: ", "ETAG_MISMATCH", "TRIP_STATUS_CANCELLED"),
    "grpcurl/watch_transport_requests.sh": ('"snapshotEnd"', "DeadlineExceeded"),
    "grpcurl/report_location.sh": ('"acceptedCount": "3"',),
    "buf_curl/discover.sh": ("TransportRequestService/CreateTransportRequest", "CLOSED", "CLOSED"),
    "buf_curl/list_transport_requests.sh": ("nextPageToken", "tripNumber", "invalid_argument"),
    "k6/discover.js": ("count==4",),
    "k6/reads.js": ("count==60", "count==0"),
}


@pytest.fixture
def given(mesh: Mesh, played: dict[str, Any]) -> dict[str, tuple[str, ...]]:
    """Give each script its user and its arguments."""
    parts = cast.load(mesh.data)
    assert parts is not None
    manager, agency = parts.hospitals[0].manager, parts.agencies[0]
    hospital = (f"hospital/{manager}", manager)
    return {
        "grpcurl/request_transport.sh": hospital,
        "grpcurl/watch_transport_requests.sh": (*hospital, "2"),
        "grpcurl/report_location.sh": (f"ems/{agency.crew}", agency.crew, agency.crew_unit),
        "buf_curl/list_transport_requests.sh": hospital,
        "k6/reads.js": hospital,
    }


@pytest.mark.parametrize("script", SAYS)
def test_a_script_works_as_printed(
    mesh: Mesh, given: dict[str, tuple[str, ...]], script: str
) -> None:
    user, *arguments = given.get(script, ("",))
    tools = {
        path for name in ("grpcurl", "buf", "k6") if (path := shutil.which(program(name) or ""))
    }
    environment = {
        **os.environ,
        "MEDPORT_ROUTER": mesh.router,
        "MEDPORT_PASSWORD": passwords.known(mesh.data).get(user, ""),
        "MEDPORT_EMAIL": user.partition("/")[2],
        "PATH": os.pathsep.join([*(str(Path(each).parent) for each in tools), os.environ["PATH"]]),
    }
    started = ["k6", "run", "--no-usage-report"] if script.endswith(".js") else []
    done = subprocess.run(
        [*started, f"examples/{script}", *(arguments if not started else ())],
        cwd=EXAMPLES.parent,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    said = done.stdout + done.stderr
    assert done.returncode == 0, said[-3000:]
    assert re.search(".*".join(map(re.escape, SAYS[script])), said, re.DOTALL), said[-3000:]


def test_the_index_names_every_example() -> None:
    files = {str(each.relative_to(EXAMPLES)) for each in EXAMPLES.rglob("*.*") if each.is_file()}
    files -= {"README.md", "__init__.py"} | {each for each in files if "__pycache__" in each}
    assert {each for each in files if f"{each}]" not in INDEX and f"`{each}`" not in INDEX} == set()
    assert {each for each in files if "/" in each} - {"grpcurl/login.sh"} == set(SAYS)
