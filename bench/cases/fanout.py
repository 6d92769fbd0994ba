"""A thousand subscribers of one silo's process: its memory, and how late the last ones hear."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID, uuid4

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from psycopg import AsyncConnection

from bench import facts
from bench.cases import Stage
from bench.figures import Goal
from bench.peers import OURS
from bench.peers.medport import writing
from bench.processes import Mesh, megabytes, working
from chassis.auth import Principal
from chassis.clock import utc_now
from chassis.minting import SigningKey, mint

CASE = "fanout"
RATE = 20  # events a second, each of which goes to everybody
PRINCIPALS = 40  # of 32 streams each
GOALS = (
    Goal(CASE, "1,000 subscribers: MB", 150),
    Goal(CASE, "1,000 subscribers: p99 ms", 100),
    Goal(CASE, "200 of 1,000 stalled: MB more", 40),
)
_TRUST = """
INSERT INTO trusted_key (silo, key_name, algorithm, public_key, not_before_at, not_after_at)
VALUES ('EMS', %s, 'EDDSA', %s, %s, %s)
"""


async def run(stage: Stage) -> None:
    stage.mesh.only("hospital")
    size = stage.count(1_000, 20)
    everybody = await _crowd(stage, size, 0)
    stalled = await _crowd(stage, size, size // 5)
    more = stalled.pop("MB") - everybody["MB"]
    add = stage.figures.add
    add(CASE, OURS.name, {f"1,000 subscribers: {name}": each for name, each in everybody.items()})
    named = {f"200 of 1,000 stalled: {name}": each for name, each in stalled.items()}
    add(CASE, OURS.name, {**named, "200 of 1,000 stalled: MB more": more})


@dataclass
class Audience:
    """Users of one agency, whom the silo comes to trust; only they hear of ``facility``."""

    agency: UUID = field(default_factory=uuid4)
    facility: str = field(default_factory=lambda: str(uuid4()))
    key: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)
    name: str = field(default_factory=lambda: f"bench-{uuid4()}")

    async def trust(self, mesh: Mesh) -> None:
        now, until = utc_now(), utc_now() + timedelta(days=1)
        public = self.key.public_key().public_bytes_raw()
        async with await AsyncConnection.connect(
            mesh.dsn("hospital", "owner"), autocommit=True
        ) as owner:
            await owner.execute(_TRUST, (self.name, public, now, until))

    def tokens(self) -> list[str]:
        key = SigningKey(silo="ems", name=self.name, private_key=self.key)
        return [mint(key, self._user(), "hospital", utc_now()).bearer for _ in range(PRINCIPALS)]

    def _user(self) -> Principal:
        return Principal(
            user_id=uuid4(),
            silo="ems",
            roles=frozenset({"EMS_DISPATCHER"}),
            tenant_id=self.agency,
            session_id=uuid4(),
        )


async def _crowd(stage: Stage, size: int, stalled: int) -> dict[str, float]:
    """Let a process that was just started serve them; return its memory, and who was how late."""
    mesh, audience = stage.mesh, Audience()
    mesh.restart("hospital")
    await audience.trust(mesh)
    server = mesh.pid("hospital")
    alone = megabytes(server)
    async with working("bench.crowd") as crowd:
        told = {"address": mesh.address("hospital"), "silo": "hospital", "size": size}
        await crowd.ask(**told, tokens=audience.tokens(), stalled=stalled)
        await _announce(mesh, audience, 1, 1)
        await crowd.ask(until=1)  # all are there
        events = RATE * stage.count(10, 1)
        await _announce(mesh, audience, 2, events)
        seen = await crowd.ask(until=events)
        memory = megabytes(server)
    if seen["faults"] or seen["events"] != (size - stalled) * events:
        raise RuntimeError(f"the crowd lost events: {seen['faults']}")
    return {"MB": memory, "MB before": alone, "p50 ms": seen["p50"], "p99 ms": seen["p99"]}


async def _announce(mesh: Mesh, audience: Audience, first: int, last: int) -> None:
    """Commit one version after another, at a steady rate."""
    began = time.monotonic()
    async with writing(mesh.dsn("hospital"), 1) as database:
        for version in range(first, last + 1):
            await asyncio.sleep(max(began + (version - first) / RATE - time.monotonic(), 0))
            keys = (f"agency:{audience.agency}",)
            async with database.begin(None) as uow:
                uow.emit(facts.changed(audience.facility, version, keys))
