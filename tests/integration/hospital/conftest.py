"""One hospital silo for all tests of a file, each of which has a hospital of its own in it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio

from tests.support.databases import Databases
from tests.support.hospital_silo import HospitalSilo, hospital_silo
from tests.support.hospital_trips import Ward, ward


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared_silo(databases: Databases) -> AsyncIterator[HospitalSilo]:
    with databases.fresh("hospital") as dsn:
        async with hospital_silo(dsn) as opened:
            yield opened


@pytest_asyncio.fixture(loop_scope="module")
async def mercy(shared_silo: HospitalSilo) -> Ward:
    """Open a ward of a hospital that no other test knows; use it on the module's loop."""
    return await ward(shared_silo.of_another_hospital())
