"""A consumer's replicas, each a process of the operating system, and what may befall them."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.consumer_process import BORN, GATES
from tests.support.event_streams import Silo

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Replica:
    """One process; it stands at a gate when its effect is written and its checkpoint is not."""

    pid: int

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)

    def pause(self) -> None:
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    def pass_on(self) -> None:
        """Open the gate that it stands at; a paused one finds it open when it wakes."""
        os.kill(self.pid, signal.SIGUSR1)


@dataclass
class Team:
    """The replicas of one consumer, forked by one program."""

    nursery: Process
    _born: list[Replica] = field(default_factory=list)
    _is_over: bool = False
    _at_gates: asyncio.Queue[Replica] = field(default_factory=asyncio.Queue)

    def add(self) -> None:
        """Start one more; nobody waits until it is there."""
        assert self.nursery.stdin is not None
        self.nursery.stdin.write(b"\n")

    async def next_at_gate(self, seconds: float = 30) -> Replica:
        """Return the next replica that stands at a gate."""
        async with asyncio.timeout(seconds):
            return await self._at_gates.get()

    async def listen(self) -> None:
        assert self.nursery.stdout is not None
        while line := await self.nursery.stdout.readline():
            what, _, pid = line.decode().rstrip().partition(" ")
            if not what.startswith((GATES, BORN)):
                continue  # a log line
            replica = Replica(int(pid))
            if what.startswith(GATES):
                self._at_gates.put_nowait(replica)
            else:
                self._born.append(replica)
            if self._is_over:
                replica.kill()

    def end(self) -> None:
        """Kill them all, those too that are being born."""
        self._is_over = True
        self.nursery.kill()
        for each in self._born:
            with suppress(ProcessLookupError):
                each.kill()


@asynccontextmanager
async def replicas(dsn: str, silo: Silo, count: int) -> AsyncIterator[Team]:
    """Let ``count`` replicas, and whatever is added, follow ``silo`` until the block ends."""
    program = (sys.executable, "-m", "tests.support.consumer_process")
    nursery = await asyncio.create_subprocess_exec(
        *program, dsn, silo.kind.silo, str(silo.port), cwd=ROOT, stdin=PIPE, stdout=PIPE
    )
    team = Team(nursery)
    listening = asyncio.create_task(team.listen())
    try:
        for _ in range(count):
            team.add()
        yield team
    finally:
        team.end()
        await listening  # the pipe ends with the last of them
        await nursery.wait()
