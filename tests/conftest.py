"""Databases for every test: a fresh, migrated copy per test, of the real thing.

``hospital_database`` and its siblings give the service role's DSN; ``plain_database`` has the
roles of the hospital silo and no tables. ``tests.support.databases.owner_of`` and
``superuser_of`` turn such a DSN into another role's.
"""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from xdist.remote import Producer
from xdist.scheduler import LoadFileScheduling

from tests.support.databases import Databases
from tests.support.servers import source

_MEMORY = Path("/dev/shm")  # noqa: S108 - pytest makes its own private directory there
_ROOM = 8 << 30  # bytes; a run takes about one gigabyte

# Databases force what they write to the disk: in memory a run waits for none.
if _MEMORY.is_dir() and shutil.disk_usage(_MEMORY).free > _ROOM:
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(_MEMORY))

# A run in the background may have been told to ignore Ctrl-C, and would tell the programs it tests.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# How long an example takes says how busy the machine is, and nothing about the code.
settings.register_profile(
    "any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("any machine")


class OneMesh(LoadFileScheduling):  # type: ignore[misc] # it has no types
    """A file goes to one worker; all end-to-end tests go to one, with the mesh they share."""

    def _split_scope(self, nodeid: str) -> str:
        return "tests/e2e" if nodeid.startswith("tests/e2e/") else super()._split_scope(nodeid)


@pytest.hookimpl(optionalhook=True)  # there is none without xdist, as in a debugger
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> OneMesh:
    return OneMesh(config, log)


@pytest.fixture(scope="session")
def databases(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Iterator[Databases]:
    opened = Databases(source(tmp_path_factory.mktemp("postgres")), worker_id)
    try:
        yield opened
    finally:
        opened.close()


@pytest.fixture
def hospital_database(databases: Databases) -> Iterator[str]:
    with databases.fresh("hospital") as dsn:
        yield dsn


@pytest.fixture
def ems_database(databases: Databases) -> Iterator[str]:
    with databases.fresh("ems") as dsn:
        yield dsn


@pytest.fixture
def center_database(databases: Databases) -> Iterator[str]:
    with databases.fresh("center") as dsn:
        yield dsn


@pytest.fixture
def plain_database(databases: Databases) -> Iterator[str]:
    with databases.fresh("hospital", migrated=False) as dsn:
        yield dsn
