"""The clients that a newcomer may copy do what they say, one for each kind of call.

``follow_events``, the one that misses nothing, has a file of its own: ``test_examples``.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from mesh import passwords
from mesh.demo import cast
from tests.e2e.conftest import Mesh
from tests.support.silo_processes import kill, listening_on
from tests.support.waiting import until

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.timeout(300, func_only=True)  # the mesh starts in the first test


def command(mesh: Mesh, name: str, *arguments: str) -> list[str]:
    return [sys.executable, "-m", f"examples.{name}", "--router", mesh.router, *arguments]


def environment(mesh: Mesh, user: str) -> dict[str, str]:
    paths = {"PYTHONPATH": ".:protos/gen"}
    return {**os.environ, **paths, "MEDPORT_PASSWORD": passwords.known(mesh.data)[user]}


def ran(
    mesh: Mesh, name: str, user: str, *arguments: str, said: str = "", password: str = ""
) -> subprocess.CompletedProcess[str]:
    """Run an example to its end as ``silo/email``."""
    return subprocess.run(
        command(mesh, name, "--email", user.partition("/")[2], *arguments),
        cwd=ROOT,
        env={**environment(mesh, user), **({"MEDPORT_PASSWORD": password} if password else {})},
        input=said,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture
def manager(mesh: Mesh, played: dict[str, Any]) -> str:
    parts = cast.load(mesh.data)
    assert parts is not None
    return f"hospital/{parts.hospitals[0].manager}"


@contextmanager
def watching(mesh: Mesh, user: str, screen: Path) -> Iterator[None]:
    with screen.open("wb") as output:
        child = subprocess.Popen(
            command(mesh, "watch_transport_requests", "--email", user.partition("/")[2]),
            cwd=ROOT,
            env=environment(mesh, user),
            stdout=output,
            stderr=output,
        )
    try:
        yield
    finally:
        child.kill()
        child.wait()


def test_a_transport_is_asked_for_twice_and_made_once(mesh: Mesh, manager: str) -> None:
    done = ran(mesh, "request_transport", manager)

    assert done.returncode == 0, done.stderr
    trip, *_ = done.stdout.split()
    assert done.stdout.splitlines() == [
        f"{trip} asked for",
        f"{trip} asked for again: the same",
        f"{trip} changed since it was read: read again",
        f"{trip} TRIP_STATUS_CANCELLED",
    ]


def test_a_refusal_is_told_by_its_reason(mesh: Mesh, manager: str) -> None:
    done = ran(mesh, "request_transport", manager, password="another one's")  # noqa: S106

    assert done.returncode == 1
    assert done.stderr.startswith("UNAUTHENTICATED: ")


async def test_a_screen_shows_every_change_whatever_breaks_meanwhile(
    mesh: Mesh, manager: str, tmp_path: Path
) -> None:
    screen = tmp_path / "screen"

    async def shows(line: str) -> bool:
        return line in screen.read_text()

    with watching(mesh, manager, screen):
        await until(lambda: shows("that is all: "), 30)
        for is_first in (True, False):
            asked = ran(mesh, "request_transport", manager)
            assert asked.returncode == 0, asked.stderr
            trip, *_ = asked.stdout.split()
            await until(lambda: shows(f"{trip} TRIP_STATUS_CANCELLED"), 30)  # noqa: B023
            if is_first:
                kill(listening_on(mesh.data.running().ports["router"]))
    # It went on where it was: a second snapshot would have said so.
    assert screen.read_text().count("that is all: ") == 1


def test_positions_count_one_by_one(mesh: Mesh, manager: str) -> None:
    parts = cast.load(mesh.data)
    assert parts is not None
    agency = parts.agencies[0]
    places = "40.4406 -79.9959\n40.4410 -79.9960\n40.4500 -79.9900\n"

    done = ran(
        mesh, "report_location", f"ems/{agency.crew}", "--unit", agency.crew_unit, said=places
    )
    nobody = ran(mesh, "report_location", f"ems/{agency.crew}", "--unit", agency.id, said=places)

    assert done.stdout == "3 positions were news\n", done.stderr
    assert nobody.returncode == 1
    assert re.match(r"[A-Z_]+: ", nobody.stderr)
