"""A process that commits an event and is killed before it can tell anybody: run as a program.

It is the silos' own unit of work, stopped where ``after_commit`` would wake the sequencer. One
program forks a producer per order, because starting one takes longer than the proof:
``python -m tests.support.doomed_producers``, orders on stdin and answers on stdout, a line each.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from chassis.pool import pool
from tests.support.event_logs import database_on
from tests.support.event_writers import Scene
from tests.support.histories import Outcome, Written
from tests.support.silo_logs import KINDS


@dataclass
class Producers:
    """The running program."""

    program: subprocess.Popen[str]

    def commit_and_die(self, scene: Scene, subject: str) -> None:
        """Let a process commit version 1 of ``subject``, and kill it before it wakes anybody."""
        assert self.program.stdin is not None
        assert self.program.stdout is not None
        order = {"dsn": scene.dsn, "silo": scene.kind.silo, "subject": subject}
        self.program.stdin.write(json.dumps(order) + "\n")
        self.program.stdin.flush()
        answer = json.loads(self.program.stdout.readline())
        os.kill(answer["pid"], signal.SIGKILL)
        written = Written(event_id=UUID(answer["event_id"]), subject=subject, version=1)
        scene.history.writers.tell(Outcome.ACKED, [written])


@contextmanager
def running_producers() -> Iterator[Producers]:
    """Run the program until the block ends."""
    command = [sys.executable, "-m", "tests.support.doomed_producers"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    ) as program:
        try:
            yield Producers(program)
        finally:
            program.kill()


async def _produce(order: dict[str, Any]) -> None:
    kind = next(kind for kind in KINDS if kind.silo == order["silo"])
    async with pool(order["dsn"], size=1) as connections:
        database = database_on(connections, kind)
        async with database.begin(None) as uow:
            uow.emit(kind.announcement(order["subject"]))
            event_id = uow._emitted[0]["event_id"]
            database.after_commit = lambda: _stop(event_id)


def _stop(event_id: str) -> None:
    """Say that it is committed, and come no further."""
    print(json.dumps({"pid": os.getpid(), "event_id": event_id}), flush=True)  # noqa: T201
    signal.pause()


def main() -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # whoever is killed leaves no zombie
    for line in sys.stdin:
        if os.fork() == 0:
            asyncio.run(_produce(json.loads(line)))
            os._exit(1)


if __name__ == "__main__":
    main()
