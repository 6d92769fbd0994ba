"""The EMS silo, running, for every test of this folder."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.support.ems_silo import EmsSilo, ems_silo


@pytest.fixture
async def silo(ems_database: str) -> AsyncIterator[EmsSilo]:
    async with ems_silo(ems_database) as opened:
        yield opened
