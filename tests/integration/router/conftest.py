"""The router before two obedient silos."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.routed_mesh import Mesh, routed_mesh


@pytest.fixture
async def mesh(tmp_path: Path) -> AsyncIterator[Mesh]:
    async with routed_mesh(tmp_path) as running:
        yield running
