"""Commits at a steady rate and says when: ``python -m bench.writer``."""

from __future__ import annotations

import asyncio
import importlib
import json
import sys
import time
from itertools import count

import uvloop

from bench.peers import Commit, Told, Way
from bench.transactions import WRITERS
from chassis import telemetry


async def main() -> None:
    telemetry.configure("CRITICAL", "bench")  # standard output is for answers
    told: Told = json.loads(sys.stdin.readline())
    way: Way = importlib.import_module(told["module"])
    async with way.announcing(told) as commit:
        for _ in range(WRITERS):
            await commit()  # connections and plans are warm from here on
        sys.stdout.write(f"{json.dumps({'warm': WRITERS})}\n")
        sys.stdout.flush()
        sys.stdin.readline()
        committed = await _paced(commit, told["rate"], told["seconds"])
    sys.stdout.write(f"{json.dumps(committed)}\n")


async def _paced(commit: Commit, rate: float, seconds: float) -> dict[str, float]:
    """Begin commit number i at its moment, or as soon as a writer is free."""
    began, numbers = time.monotonic(), count()
    committed: dict[str, float] = {}

    async def write() -> None:
        while (number := next(numbers)) < rate * seconds:
            await asyncio.sleep(max(began + number / rate - time.monotonic(), 0))
            subject, moment = await commit()
            committed[subject] = moment

    await asyncio.gather(*(write() for _ in range(WRITERS)))
    return committed


if __name__ == "__main__":
    uvloop.run(main())
