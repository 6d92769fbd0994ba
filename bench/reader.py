"""Applies what comes to its own database and says when: ``python -m bench.reader``."""

from __future__ import annotations

import asyncio
import importlib
import json
import sys
import time
from collections.abc import Sequence

import uvloop
from medport.hospital.events.v1.event_log_pb2 import HospitalEvent
from psycopg import AsyncConnection

from bench.peers import OURS, Told, Way
from bench.transactions import Effects
from chassis import telemetry

PATIENCE_SECONDS = 10.0


class Reader:
    """Notes when each event's effect was committed."""

    def __init__(self) -> None:
        self.applied: dict[str, float] = {}
        self._moved = asyncio.Condition()

    async def note(self, events: Sequence[HospitalEvent], _position: int) -> None:
        moment = time.monotonic()
        async with self._moved:
            for event in events:
                self.applied.setdefault(event.metadata.subject, moment)
            self._moved.notify_all()

    async def until(self, count: int) -> None:
        """Return once ``count`` were applied, or when no more of them come: some were lost."""
        while (before := len(self.applied)) < count:
            try:
                async with asyncio.timeout(PATIENCE_SECONDS), self._moved:
                    await self._moved.wait_for(lambda: len(self.applied) > before)
            except TimeoutError:
                return


async def main() -> None:
    telemetry.configure("CRITICAL", "bench")  # standard output is for answers
    told: Told = json.loads(sys.stdin.readline())
    way: Way = importlib.import_module(told["module"])
    reader = Reader()
    async with await AsyncConnection.connect(
        told["target"], autocommit=True, prepare_threshold=0
    ) as connection:
        effects = Effects(connection, told["module"])

        async def apply(events: Sequence[HospitalEvent], position: int) -> None:
            await effects.apply(events, position)
            await reader.note(events, position)

        # Our own followers commit effect and checkpoint by themselves.
        heard = reader.note if told["module"] == OURS.module else apply
        consuming = asyncio.create_task(way.consume(told, heard))
        loop = asyncio.get_running_loop()
        while line := await loop.run_in_executor(None, sys.stdin.readline):
            waiting = asyncio.create_task(reader.until(json.loads(line)["until"]))
            await asyncio.wait({waiting, consuming}, return_when=asyncio.FIRST_COMPLETED)
            if consuming.done():
                consuming.result()
            sys.stdout.write(f"{json.dumps(reader.applied)}\n")
            sys.stdout.flush()
        consuming.cancel()
        await asyncio.wait({consuming})


if __name__ == "__main__":
    uvloop.run(main())
