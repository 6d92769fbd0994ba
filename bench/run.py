"""Measures case after case, round after round: ``python -m bench --cases latency --rounds 3``."""

from __future__ import annotations

import argparse
import asyncio
import importlib
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory

import uvloop

from bench import facts, machine
from bench.cases import Stage
from bench.cases.latency import BENCH
from bench.figures import Figures, Goal, table
from bench.peers import OURS
from bench.processes import Mesh, run_sql
from chassis import event_log

CASES = ("latency", "sequencing", "replay", "fanout", "recovery", "isolation", "tracing")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--cases", default="", help=f"of {', '.join(CASES)}; all by default")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--brief", action="store_true", help="few events: does it work at all?")
    parser.add_argument("--out", type=Path, default=Path("build/bench/event_log.json"))
    wanted = parser.parse_args()
    cases = [each for each in wanted.cases.split(",") if each] or list(CASES)
    if unknown := set(cases) - set(CASES):
        parser.error(f"no case {', '.join(sorted(unknown))}")
    wanted.out.parent.mkdir(parents=True, exist_ok=True)
    uvloop.run(measure(cases, wanted.rounds, wanted.out, brief=wanted.brief))


async def measure(cases: Sequence[str], rounds: int, out: Path, *, brief: bool) -> Figures:
    """Run the cases on a mesh of their own; print the table, and keep the raw rounds."""
    figures, began = Figures(), time.monotonic()
    modules = [importlib.import_module(f"bench.cases.{each}") for each in cases]
    goals: list[Goal] = [goal for module in modules for goal in module.GOALS]
    with TemporaryDirectory(dir=out.parent) as folder:
        limits = machine.limits(Path(folder))
        mesh = Mesh(Path(folder) / "mesh")
        await asyncio.to_thread(mesh.up)
        try:
            await _prepare(mesh)
            for turn in range(rounds):
                machine.control(figures)
                for module in modules:
                    print(f"round {turn + 1} of {rounds}: {module.CASE}", flush=True)
                    await module.run(Stage(mesh, Path(folder), figures, turn, brief))
                    await asyncio.to_thread(_keep, out, limits, goals, figures)
        finally:
            await asyncio.to_thread(mesh.down)
    seconds = time.monotonic() - began
    print("\n".join(("", *machine.lines(limits), "", *table(figures, goals, OURS.name))))
    print(f"\n{rounds} rounds in {seconds:,.0f} s; every round is in {out}")
    return figures


def _keep(out: Path, limits: Mapping[str, str], goals: Sequence[Goal], figures: Figures) -> None:
    """Write what is known so far: a run that is broken off was not for nothing."""
    kept = {"machine": limits, "goals": [asdict(each) for each in goals], "figures": figures.json()}
    out.write_text(json.dumps(kept, indent=2))


async def _prepare(mesh: Mesh) -> None:
    """Lay what peers need beside the silos' tables, and a database for the consumer."""
    await run_sql(mesh.dsn("hospital", "postgres"), facts.SOURCE)
    await run_sql(mesh.dsn("ems", "postgres"), f"CREATE DATABASE {BENCH} OWNER ems_owner")
    owner = mesh.dsn("ems", "owner", BENCH)
    await run_sql(owner, event_log.schema("ems_service"), facts.TARGET)
