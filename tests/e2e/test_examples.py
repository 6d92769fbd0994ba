"""What the README shows a newcomer loses nothing and repeats nothing, whatever is killed."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import jwt
import pytest

from examples.follow_events import LOGS
from examples.sessions import Session
from mesh import passwords
from mesh.demo import cast
from mesh.logins import center_tokens
from mesh.passwords import CENTER_ADMIN
from mesh.ports import SILOS
from mesh.postgres import PostgresServer
from tests.e2e.conftest import Mesh
from tests.support.mesh_load import under_load
from tests.support.silo_processes import kill, listening_on
from tests.support.waiting import until

ROOT = Path(__file__).parents[2]
PROGRAMS = ("router", *SILOS, *(f"{silo}-postgres" for silo in SILOS))
RECOVERY_SECONDS = 60.0  # a supervisor's pause, a start, and a follower's longest wait until then

pytestmark = pytest.mark.timeout(300, func_only=True)  # the mesh starts in the first test


@dataclass
class Example:
    """One log's follower, as a reader of the README starts it."""

    mesh: Mesh
    silo: str
    folder: Path
    child: subprocess.Popen[bytes] | None = None

    @property
    def file(self) -> Path:
        return self.folder / f"{self.silo}.sqlite"

    def start(self, email: str = CENTER_ADMIN) -> None:
        command = [sys.executable, "-m", "examples.follow_events", "--router", self.mesh.router]
        command += ["--silo", self.silo, "--home", "center", "--email", email]
        password = passwords.known(self.mesh.data)[f"center/{CENTER_ADMIN}"]
        with (self.folder / f"{self.silo}.log").open("ab") as log:
            self.child = subprocess.Popen(
                [*command, "--file", str(self.file)],
                cwd=ROOT,
                env={**os.environ, "MEDPORT_PASSWORD": password, "PYTHONPATH": ".:protos/gen"},
                stdout=log,
                stderr=log,
            )

    def kill(self) -> None:
        assert self.child is not None
        self.child.kill()
        self.child.wait()

    def last_words(self) -> str:
        """Return the line with which it gave up."""
        assert self.child is not None
        assert self.child.wait(RECOVERY_SECONDS) == 1, self.said
        return self.said.splitlines()[-1]

    @property
    def said(self) -> str:
        return (self.folder / f"{self.silo}.log").read_text()[-3000:]

    def opened(self) -> closing[sqlite3.Connection]:
        return closing(sqlite3.connect(self.file))

    def journal(self) -> list[tuple[int, str]]:
        """Return the position and id of every event that had an effect, in that order."""
        with self.opened() as file:
            rows = file.execute("SELECT position, event_id FROM journal ORDER BY entry")
            return list(rows.fetchall())

    def count(self) -> int:
        try:
            return len(self.journal())
        except sqlite3.OperationalError:  # it has only just been started
            return 0


@pytest.fixture
def example(mesh: Mesh, tmp_path: Path) -> Iterator[Example]:
    """Give a follower of Center's log, not started yet."""
    made = Example(mesh, "center", tmp_path)
    yield made
    if made.child is not None:
        made.kill()


@pytest.fixture
def examples(mesh: Mesh, tmp_path: Path) -> Iterator[list[Example]]:
    with ExitStack() as stack:
        started = [Example(mesh, silo, tmp_path) for silo in SILOS]
        for each in started:
            each.start()
            stack.callback(each.kill)
        yield started


async def test_a_newcomers_follower_resumes_across_kills_of_every_process(
    mesh: Mesh, played: dict[str, Any], examples: list[Example]
) -> None:
    parts = cast.load(mesh.data)
    assert parts is not None
    async with under_load(mesh.data, parts) as tally:
        await until_all_move(examples)
        for example in examples:
            example.kill()
            example.start()
        await until_all_move(examples)
        for name in PROGRAMS:
            killed = program(mesh, name)
            kill(killed)
            await until(lambda: succeeded(mesh, name, killed), RECOVERY_SECONDS)  # noqa: B023
            await until_all_move(examples)
    assert tally.unexplained == {}

    for example in examples:
        expected = listed(mesh, example.silo)
        await until(lambda: has(example, expected[-1][0]), RECOVERY_SECONDS)  # noqa: B023
        assert example.journal()[: len(expected)] == expected


async def test_a_follower_that_comes_too_late_rebuilds_its_copy(
    mesh: Mesh, played: dict[str, Any], example: Example
) -> None:
    example.start()
    await until_all_move([example])
    example.kill()
    with example.opened() as file, file:
        file.execute("UPDATE place SET position = 0, resume_token = ?", [earliest(mesh)])
        file.execute("INSERT INTO latest VALUES ('services/gone', 7, 'ServiceRegistered', '')")
    with trimmed(mesh):
        example.start()
        await until(lambda: is_rebuilt(example), RECOVERY_SECONDS)
    with example.opened() as file:
        types = dict(file.execute("SELECT subject, type FROM latest").fetchall())
    assert "services/gone" not in types
    assert "medport.center.events.v1.ServiceSnapshot" in types.values()


async def test_what_only_a_person_can_put_right_ends_a_follower_in_one_line(
    played: dict[str, Any], example: Example
) -> None:
    example.start()
    await until_all_move([example])
    example.kill()
    with example.opened() as file, file:
        file.execute("UPDATE place SET resume_token = x'746f726e'")
    example.start()
    assert example.last_words().startswith("center: INVALID_RESUME_TOKEN")
    example.start("nobody@center.example")
    assert example.last_words().startswith("center: unknown e-mail address")


async def test_a_session_goes_on_with_one_login(mesh: Mesh) -> None:
    password = passwords.known(mesh.data)[f"center/{CENTER_ADMIN}"]
    session = Session("center", "hospital", CENTER_ADMIN, password)
    messages, stub = LOGS["hospital"]
    async with grpc.aio.insecure_channel(mesh.router) as opened:
        first = await session.token(opened)
        assert await session.token(opened) == first
        session.forget()
        second = await session.token(opened)
        assert second != first
        assert session_of(second) == session_of(first)
        metadata = (("authorization", f"Bearer {second}"),)
        await stub(opened).GetEventLog(messages.GetEventLogRequest(), metadata=metadata)


def session_of(token: str) -> str:
    return str(jwt.decode(token, options={"verify_signature": False})["sid"])


def program(mesh: Mesh, name: str) -> int:
    """Return the process id of a program of the mesh."""
    port = mesh.data.running().ports[name]
    if not name.endswith("-postgres"):
        return listening_on(port)
    pid = PostgresServer(name, port, mesh.data.postgres).pid
    if pid is None:
        raise LookupError(f"{name} is down")
    return pid


async def succeeded(mesh: Mesh, name: str, killed: int) -> bool:
    """Tell whether another process runs in the place of the one that was killed."""
    try:
        return program(mesh, name) != killed
    except LookupError:  # the supervisor pauses first
        return False


async def until_all_move(examples: list[Example]) -> None:
    """Return when every follower has had effects that it had not when this was called."""
    counts = [each.count() for each in examples]

    async def moved() -> bool:
        return all(each.count() > count + 1 for each, count in zip(examples, counts, strict=True))

    try:
        await until(moved, RECOVERY_SECONDS)
    except TimeoutError:
        pytest.fail("\n".join(f"{each.silo} {each.count()}: {each.said}" for each in examples))


def earliest(mesh: Mesh) -> bytes:
    """Return the token from before Center's first event."""
    messages, stub = LOGS["center"]
    metadata = [("authorization", f"Bearer {center_tokens(mesh.data, ['center'])['center']}")]
    with grpc.insecure_channel(mesh.router) as opened:
        answer = stub(opened).GetEventLog(messages.GetEventLogRequest(), metadata=metadata)
    return bytes(answer.event_log.earliest_token)


@contextmanager
def trimmed(mesh: Mesh) -> Iterator[None]:
    """Let Center's log keep its newest event alone, for a while."""
    name = "center-postgres"
    server = PostgresServer(name, mesh.data.running().ports[name], mesh.data.postgres)
    server.psql("UPDATE event_log_head SET first_position = last_position", database="center")
    try:
        yield
    finally:
        server.psql("UPDATE event_log_head SET first_position = 1", database="center")


async def is_rebuilt(example: Example) -> bool:
    with example.opened() as file:
        return bool(file.execute("SELECT 1 FROM journal WHERE type = 'REBUILT'").fetchall())


async def has(example: Example, position: int) -> bool:
    return example.journal()[-1][0] >= position


def listed(mesh: Mesh, silo: str) -> list[tuple[int, str]]:
    """Return what the log says to the same user, page by page, with nothing killed meanwhile."""
    messages, stub = LOGS[silo]
    token, page_token = center_tokens(mesh.data, [silo])[silo], ""
    found: list[tuple[int, str]] = []
    with grpc.insecure_channel(mesh.router) as opened:
        while True:
            request = messages.ListEventsRequest(page_size=500, page_token=page_token)
            metadata = [("authorization", f"Bearer {token}")]
            page = stub(opened).ListEvents(request, metadata=metadata, timeout=10)
            found += [(each.placement.position, each.metadata.id) for each in page.events]
            page_token = page.next_page_token
            if not page_token:
                return found
