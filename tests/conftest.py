"""Databases for every test: a fresh, migrated copy per test, of the real thing.

``hospital_database`` and its siblings give the service role's DSN; ``plain_database`` has the
roles of the hospital silo and no tables. ``tests.support.databases.owner_of`` and
``superuser_of`` turn such a DSN into another role's.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from tests.support.databases import Databases
from tests.support.servers import source

# How long an example takes says how busy the machine is, and nothing about the code.
settings.register_profile(
    "any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("any machine")


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
