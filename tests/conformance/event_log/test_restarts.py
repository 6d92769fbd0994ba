"""Replicas that are restarted one after the other, under load: no stream ends badly, no event goes.

Proves events.md 14.14, with real processes that are told to end by SIGTERM, and again and again in
this process: each stream ends with StreamEnd and OK, and goes on at the other replica.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
import pytest

from chassis.clock import utc_now
from chassis.minting import mint
from tests.support import oracle
from tests.support.colleagues import a_key, a_user, introduce
from tests.support.crowds import SiloProcess
from tests.support.databases import Databases, superuser_of
from tests.support.event_streams import EARLIEST, serving
from tests.support.event_writers import Scene, Stages, a_scene
from tests.support.histories import Filter, read_log
from tests.support.profiles import count
from tests.support.recording import Recording, anywhere, following
from tests.support.refusals import refusal
from tests.support.silo_logs import Kind
from tests.support.waiting import until_blocked

ROLES = {"hospital": "HOSPITAL_STAFF", "ems": "EMS_DISPATCHER"}
OWNERS = {"hospital": "hospital", "ems": "agency"}


@asynccontextmanager
async def _load(scene: Scene, audience: str) -> AsyncIterator[Callable[[], int]]:
    """Commit an event every few milliseconds; give how many there are."""
    writer, written = scene.writer(), 0

    async def write() -> None:
        nonlocal written
        while True:
            writer.announce("subjects/load", written + 1, audience=(audience,))
            writer.commit()
            written += 1
            await asyncio.sleep(0.01)

    writing = asyncio.create_task(write())
    try:
        yield lambda: written
    finally:
        writing.cancel()
        with suppress(asyncio.CancelledError):
            await writing


async def _arrived(recordings: list[Recording], scene: Scene, written: int) -> None:
    """Wait until everybody has everything, and let the oracle judge it."""
    for each in recordings:
        await _has(each, written)
    scene.history.log, scene.history.is_whole = read_log(scene.admin), False
    assert oracle.check(scene.history) == []
    for each in recordings:
        assert set(each.ends) == {"DRAINING"}, each.ends


async def _are_served(recordings: list[Recording], events: int) -> None:
    """Wait until each has a stream again: it gets what is written from now on."""
    for each in recordings:
        await _has(each, events + 1)


async def _has(recording: Recording, events: int) -> None:
    await recording.until(lambda: len(recording.record.events) >= events)


@pytest.fixture
def own(kind: Kind, databases: Databases) -> Iterator[Scene]:
    """Give a scene that no other test has: a silo's process leaves more there than its log."""
    with ExitStack() as stack, a_scene(Stages(databases, stack).dsn(kind), kind) as scene:
        yield scene


async def test_real_processes_are_restarted_and_nobody_notices(own: Scene, tmp_path: Path) -> None:
    kind, replicas = own.kind, list[SiloProcess]()
    key, user = a_key(kind.peer), a_user(kind.peer, ROLES[kind.peer])
    introduce(key, own.dsn, tmp_path)
    audience = f"{OWNERS[kind.peer]}:{user.tenant_id}"
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        replicas.append(SiloProcess(kind.silo, own.dsn, tmp_path / name))
    ports = [each.port for each in replicas]
    recordings = [
        Recording(
            kind,
            own.history.subscriber(name, Filter(keys=frozenset({audience}))),
            anywhere(*order),
            bearer=lambda: mint(key, user, kind.silo, utc_now()).bearer,
        )
        for name, order in (("first", ports), ("second", ports[::-1]))
    ]
    try:
        await asyncio.gather(*(each.start() for each in replicas))
        async with following(*recordings):
            async with _load(own, audience) as written:
                turns = replicas * count(1, 20)
                for left, replica in zip(range(len(turns) - 1, -1, -1), turns, strict=True):
                    await _are_served(recordings, written())
                    assert await replica.stop() == 0
                    if left:  # a start costs seconds, and the last one would prove nothing
                        await replica.start()
                await _are_served(recordings, written())
            await _arrived(recordings, own, written())
    finally:
        for replica in replicas:
            replica.kill()


@dataclass
class Replica:
    """One in this process, ended and begun again on its port."""

    scene: Scene
    stack: AsyncExitStack = field(default_factory=AsyncExitStack)
    port: int = 0

    async def start(self) -> None:
        opened = serving(self.scene.dsn, port=self.port, kind=self.scene.kind)
        self.silo = await self.stack.enter_async_context(opened)
        self.port = self.silo.port

    async def stop(self) -> None:
        self.silo.publishing.drain()
        await self.silo.server.stop(5)
        await self.stack.aclose()


async def test_who_comes_before_the_first_look_at_the_log_waits_for_it(scene: Scene) -> None:
    with psycopg.connect(superuser_of(scene.dsn)) as admin:
        admin.execute("SELECT FROM event_log_head FOR UPDATE")  # what the first look waits for
        async with serving(scene.dsn, kind=scene.kind, looked=False) as silo:
            early = silo.subscribe(EARLIEST)
            await until_blocked(scene.dsn, 1)
            assert not early.done()
            admin.rollback()
            assert (await early.read()).WhichOneof("frame") == "started"
            early.cancel()


async def test_who_comes_too_early_is_refused_before_long(scene: Scene) -> None:
    with psycopg.connect(superuser_of(scene.dsn)) as admin:
        admin.execute("SELECT FROM event_log_head FOR UPDATE")
        async with serving(scene.dsn, kind=scene.kind, looked=False) as silo:
            assert await refusal(silo.subscribe(EARLIEST)) == ("LOG_UNAVAILABLE", {})
            admin.rollback()


async def test_again_and_again_in_turn(scene: Scene) -> None:
    replicas = [Replica(scene), Replica(scene)]
    for replica in replicas:
        await replica.start()
    ports = [each.port for each in replicas]
    recordings = [
        Recording(scene.kind, scene.history.subscriber(name), anywhere(*order))
        for name, order in (("first", ports), ("second", ports[::-1]))
    ]
    async with following(*recordings):
        async with _load(scene, f"silo:{scene.kind.peer}") as written:
            for replica in replicas * count(3, 20):
                await _are_served(recordings, written())
                await replica.stop()
                await replica.start()
        await _arrived(recordings, scene, written())
    for replica in replicas:
        await replica.stop()
