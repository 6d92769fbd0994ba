"""Nobody's watches take a whole process: a user has so many of each kind, and each is free again.

Run: ``python -m pytest tests/integration/ems/test_open_streams.py``; needs PostgreSQL.
"""

from __future__ import annotations

import asyncio

import grpc
import pytest

from chassis.open_streams import PER_USER
from tests.support.ems_silo import EmsSilo
from tests.support.ems_watches import Watch, available_trips, notifications, units
from tests.support.hospital_silo import refused
from tests.support.waiting import until


@pytest.mark.parametrize("watch", [available_trips, units, notifications])
async def test_a_user_has_so_many_watches_open_and_no_more(silo: EmsSilo, watch: Watch) -> None:
    agency = await silo.agency()
    streams = [watch(agency) for _ in range(PER_USER)]
    await asyncio.gather(*(each.read() for each in streams))
    assert (await refused(watch(agency).read())).reason == "STREAM_LIMIT"

    streams.pop().cancel()

    async def is_let_in() -> bool:  # once the silo has noticed who left
        again = watch(agency)
        try:
            await again.read()
        except grpc.aio.AioRpcError:
            return False
        streams.append(again)
        return True

    await until(is_let_in)
    for each in streams:
        each.cancel()
