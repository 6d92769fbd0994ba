"""What all players of one day share: the router, the script and the tally."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass

import grpc

from mesh.demo.callers import Refused
from mesh.demo.script import Script
from mesh.demo.tally import Tally


@dataclass(frozen=True)
class Stage:
    """One day's."""

    channel: grpc.aio.Channel
    script: Script
    tally: Tally

    async def play(self, part: Coroutine[object, object, None]) -> None:
        """Play one part; a refusal that nobody expected is counted and ends this part alone."""
        try:
            await part
        except Refused:
            self.tally.seen["parts broken off"] += 1


async def forever(part: Coroutine[object, object, None]) -> None:
    """Play a part that only the end of the day ends."""
    try:
        await part
    except asyncio.CancelledError:
        return
