"""What an alarm or a panel sees rise is there from a process's start, at 0: the first time counts.

The processes reach neither a database nor one another, so that nothing has happened to them yet.
"""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

from mesh.ports import is_free
from mesh.postgres import free_port
from tests.architecture.test_observability import alone, expressions
from tests.support.metrics import page
from tests.support.silo_processes import START_SECONDS, Victim, told
from tests.support.silos import Keys
from tests.support.two_ways import a_router
from tests.support.waiting import until

COUNTED = re.compile(r"^(\w+_total)(?:\{.*\})? ", re.MULTILINE)
AWAY = "host=127.0.0.1 port=1 dbname=hospital user=hospital_service password=hospital_service"


async def begun(process: Victim, serving: int, metrics: int) -> set[str]:
    """Return what a process counts that has just started."""

    async def listens() -> bool:
        assert not process.has_ended, process.said
        return not await asyncio.to_thread(is_free, serving)

    process.start()
    try:
        await until(listens, START_SECONDS)
        return set(COUNTED.findall(await asyncio.to_thread(page, metrics)))
    finally:
        process.kill()


async def test_what_is_seen_to_rise_begins_at_nought(tmp_path: Path) -> None:
    ports = [free_port() for _ in range(4)]
    settings = told("hospital", AWAY, Keys(), ports[0], tmp_path)
    settings["MEDPORT_METRICS_LISTEN"] = f"127.0.0.1:{ports[1]}"
    silo = Victim("hospital_svc", settings, tmp_path / "hospital.log", "serve")
    router = a_router(1, ports[2], tmp_path, f"127.0.0.1:{ports[3]}")
    there = await begun(silo, *ports[:2]) | await begun(router, *ports[2:])
    missed = {where: found for where, text, _ in expressions() if (found := alone(text) - there)}
    assert missed == {}
