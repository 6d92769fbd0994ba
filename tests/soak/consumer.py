"""One replica of a consumer with a ledger, as a process that can be killed: it follows for ever."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path

from chassis import channels, signals
from chassis.minting import ProcessTokens, identity_key
from chassis.pool import pool
from chassis.projection import Following
from chassis.projection_follower import Follower
from tests.support.event_consumers import note
from tests.support.event_logs import database_on
from tests.support.silo_logs import KINDS, Kind


async def follow(name: str, kind: Kind, dsn: str, port: int, identity: bytes) -> None:
    """Compete with the other replicas until SIGTERM; its lease bears its name."""
    stopping = signals.stopping()
    tokens = ProcessTokens(identity_key(kind.peer, identity))
    following = Following(
        source=kind.silo,
        consumer=kind.peer,
        file=kind.file,
        projects=[note],
        heartbeat_seconds=1.0,
    )
    async with pool(dsn) as connections:
        follower = Follower(
            following,
            database_on(connections),
            lambda: channels.channel(f"127.0.0.1:{port}"),
            lambda: tokens(kind.silo),
        )
        follower._holder = name  # so that a fault can be done to whoever leads
        follower.start()
        await stopping.wait()
        await follower.stop()


def main() -> None:
    told = json.loads(os.environ["SOAK_CONSUMER"])
    identity = Path(os.environ["SOAK_IDENTITY_FILE"]).read_bytes()
    (kind,) = (each for each in KINDS if each.silo == told["silo"])
    asyncio.run(follow(told["name"], kind, told["dsn"], told["port"], identity))


if __name__ == "__main__":
    main()
