"""One silo and one router's process for each file of this suite: a start takes a second."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.support.databases import Databases
from tests.support.two_ways import Ways, two_ways


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def ways(
    databases: Databases, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Ways]:
    with databases.fresh("hospital") as dsn:
        async with two_ways(dsn, tmp_path_factory.mktemp("router")) as opened:
            yield opened
