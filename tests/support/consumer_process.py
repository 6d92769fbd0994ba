"""Replicas of a consumer, each a process of its own: to be killed, paused and revived.

Run: ``python -m tests.support.consumer_process DSN SILO PORT``. For each line on standard input it
forks a replica that follows SILO at PORT with the ledger of ``event_consumers``, and rebuilds the
copies of ``copying``: it has loaded everything once. A replica says its process id when it is born,
and again at each event or row about ``gates/...``: there it waits for SIGUSR1, between the effect
and the checkpoint.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys

from chassis import channels, projection_follower
from chassis.pool import pool
from chassis.projection import Following, Rebuild, Received
from chassis.projection_follower import Follower
from chassis.unit_of_work import UnitOfWork
from tests.support.copying import LIVE
from tests.support.event_consumers import note
from tests.support.event_logs import database_on
from tests.support.silo_logs import KINDS

projection_follower.COMPETE_SECONDS = 0.2  # a standby's patience is not what is tested

BORN, GATES = "born", "gates/"


def say(what: str) -> None:
    sys.stdout.write(f"{what} {os.getpid()}\n")
    sys.stdout.flush()


async def follow(dsn: str, silo: str, port: str) -> None:
    passing = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, passing.set)
    say(BORN)

    async def stop_at_gates(_: UnitOfWork, event: Received) -> None:
        if event.metadata.subject.startswith(GATES):
            passing.clear()
            say(event.metadata.subject)
            await passing.wait()

    async def overwrite(uow: UnitOfWork, row: Received) -> str:
        name = await LIVE.overwrite(uow, row)
        await stop_at_gates(uow, row)
        return name

    kind = next(each for each in KINDS if each.silo == silo)
    following = Following(
        source=kind.silo,
        consumer=kind.peer,
        file=kind.file,
        projects=[note, stop_at_gates],
        heartbeat_seconds=1.0,
        rebuild=Rebuild(overwrite=[overwrite], sweep=LIVE.rebuild.sweep),
    )
    address = f"127.0.0.1:{port}"
    async with pool(dsn) as connections:
        database = database_on(connections, kind)
        await Follower(
            following, database, lambda: channels.channel(address), lambda: "a token"
        ).run()


def main() -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # who was killed leaves nothing behind
    for _ in sys.stdin:
        if os.fork() == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            asyncio.run(follow(*sys.argv[1:]))


if __name__ == "__main__":
    main()
