"""The EMS silo, running, for every test of this folder."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.support.databases import Databases
from tests.support.ems_silo import EmsSilo, ems_silo


@pytest.fixture
async def silo(ems_database: str) -> AsyncIterator[EmsSilo]:
    async with ems_silo(ems_database) as opened:
        yield opened


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared_silo(databases: Databases) -> AsyncIterator[EmsSilo]:
    """One silo for all tests of a file, each of which has agencies and trips of its own."""
    with databases.fresh("ems") as dsn:
        async with ems_silo(dsn) as opened:
            yield opened
