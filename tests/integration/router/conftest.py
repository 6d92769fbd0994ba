"""The router before two obedient silos, and before the three real ones."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import pytest_asyncio

from tests.support.databases import Databases
from tests.support.joined_silos import SILOS, Joined, joined
from tests.support.routed_mesh import Mesh, routed_mesh


@pytest.fixture
async def mesh(tmp_path: Path) -> AsyncIterator[Mesh]:
    async with routed_mesh(tmp_path) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def silos(
    databases: Databases, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Joined]:
    with ExitStack() as stack:
        dsns = {silo: stack.enter_context(databases.fresh(silo)) for silo in SILOS}
        async with joined(dsns, tmp_path_factory.mktemp("keys")) as running:
            yield running
