"""The ways a committed fact can reach another database: ours, and those of our peers.

Each module announces what a business transaction committed, and gives it its effect elsewhere:
decoded, the effect and the checkpoint in one transaction. ``PATHS`` names them all.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from medport.hospital.events.v1.event_log_pb2 import HospitalEvent

Told = Mapping[str, Any]
Commit = Callable[[], Awaitable[tuple[str, float]]]  # does it; which subject, and when
Apply = Callable[[Sequence[HospitalEvent], int], Awaitable[None]]  # events, and a position

MOST_EVENTS = 25  # of one transaction of the consumer's; our followers have no more either


class Way(Protocol):
    """What each module has."""

    def serving(self, folder: Path, variant: str) -> AbstractAsyncContextManager[Told | None]:
        """Run what it needs; None where it is not installed."""

    def announcing(self, told: Told) -> AbstractAsyncContextManager[Commit]: ...

    async def consume(self, told: Told, apply: Apply) -> None: ...


@dataclass(frozen=True)
class Peer:
    name: str
    module: str
    variant: str = ""


OURS = Peer("MedPort", "bench.peers.medport")
PEERS = (
    Peer("JetStream", "bench.peers.jetstream"),
    Peer("JetStream, synced", "bench.peers.jetstream", "always"),
    Peer("Redis stream", "bench.peers.redis_streams", "everysec"),
    Peer("Redis stream, synced", "bench.peers.redis_streams", "always"),
    Peer("PostgreSQL polled at 50 ms", "bench.peers.postgres", "poll"),
    Peer("PostgreSQL NOTIFY", "bench.peers.postgres", "notify"),
)

__all__ = ["OURS", "PEERS", "Apply", "AsyncIterator", "Commit", "Peer", "Told", "Way"]
