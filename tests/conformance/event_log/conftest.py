"""One suite, three silos: each test runs on the really migrated database of each of them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack

import pytest

from tests.support.databases import Databases
from tests.support.event_streams import Silo, serving
from tests.support.event_writers import Scene, Stages, a_scene
from tests.support.silo_logs import KINDS, Kind


@pytest.fixture(params=KINDS, ids=str)
def kind(request: pytest.FixtureRequest) -> Kind:
    found: Kind = request.param
    return found


@pytest.fixture
def database(kind: Kind, databases: Databases) -> Iterator[str]:
    """Give the service role's DSN of a fresh database of the silo."""
    with databases.fresh(kind.silo) as dsn:
        yield dsn


@pytest.fixture
def peer_database(kind: Kind, databases: Databases) -> Iterator[str]:
    """Give the service role's DSN of a fresh database of the silo that follows ``kind``'s."""
    with databases.fresh(kind.peer) as dsn:
        yield dsn


@pytest.fixture(scope="session")
def stages(databases: Databases) -> Iterator[Stages]:
    """Give one database per silo to all scenes of a run."""
    with ExitStack() as stack:
        yield Stages(databases, stack)


@pytest.fixture
def scene(kind: Kind, stages: Stages) -> Iterator[Scene]:
    """Give the silo's log, empty again, with writers and sequencers to interleave by hand."""
    with a_scene(stages.dsn(kind), kind) as opened:
        yield opened


@pytest.fixture
async def silo(kind: Kind, database: str) -> AsyncIterator[Silo]:
    """Serve the silo's log from this process; its caller is ``kind.reader``."""
    async with serving(database, kind=kind) as served:
        yield served


@pytest.fixture
async def served(scene: Scene) -> AsyncIterator[Silo]:
    """Serve the scene's log, which is sooner there than a database of its own is."""
    async with serving(scene.dsn, kind=scene.kind) as silo:
        yield silo
