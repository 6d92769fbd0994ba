"""From a commit to its effect in another database: writer, silo and consumer are processes."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from tempfile import mkdtemp

from bench.cases import Stage
from bench.figures import Goal, share
from bench.peers import OURS, PEERS, Peer, Way
from bench.processes import run_sql, working

RATES = (200, 1_000)
CASE = "latency"
GOALS = (
    Goal(CASE, "p50 ms at 200/s", 15),
    Goal(CASE, "p99 ms at 200/s", 75),
)
BENCH = "bench"  # the consumer's database, on the server of the EMS silo


async def run(stage: Stage) -> None:
    """Measure each path alone, the first of them another one each round."""
    stage.mesh.only("hospital")
    paths = (OURS, *PEERS)
    turn = stage.turn % len(paths)
    for path in (*paths[turn:], *paths[:turn]):
        for rate in RATES:
            seconds = stage.count(5 if rate == RATES[0] else 3, 1)
            stage.figures.add(CASE, path.name, await _measured(stage, path, rate, seconds))


def _shares(
    committed: Mapping[str, float], applied: Mapping[str, float], rate: int
) -> dict[str, float]:
    took = [(applied[each] - at) * 1000 for each, at in committed.items() if each in applied]
    at_rate = f"at {rate:,}/s"
    shares = {f"p{each} ms {at_rate}": share(took, each) for each in (50, 99)}
    return {**shares, f"lost of a million {at_rate}": 1e6 * (1 - len(took) / len(committed))}


async def _measured(stage: Stage, path: Peer, rate: int, seconds: int) -> dict[str, float] | None:
    """Return how long events took, or None without the peer."""
    mesh = stage.mesh
    folder = Path(mkdtemp(dir=stage.folder))
    await run_sql(mesh.dsn("hospital", "postgres"), "TRUNCATE bench_queue")
    way: Way = importlib.import_module(path.module)
    async with AsyncExitStack() as stack:
        if (served := await stack.enter_async_context(way.serving(folder, path.variant))) is None:
            return None
        told = {
            **served,
            "module": path.module,
            "source": mesh.dsn("hospital"),
            "target": mesh.dsn("ems", database=BENCH),
            "address": mesh.address("hospital"),
            "bearer": mesh.bearer("hospital", "hospital"),
        }
        reader = await stack.enter_async_context(working("bench.reader"))
        reader.tell(**told)
        writer = await stack.enter_async_context(working("bench.writer"))
        warm = (await writer.ask(**told, rate=rate, seconds=seconds))["warm"]
        before = await reader.ask(until=warm)
        committed = await writer.ask(go=True)
        applied = await reader.ask(until=len(before) + len(committed))
    return _shares(committed, applied, rate)
