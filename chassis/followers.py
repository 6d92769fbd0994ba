"""What one process follows: a follower per source, for as long as the process lives.

Beside each one runs what tells how far it is behind.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from functools import partial

from chassis import channels
from chassis import event_log_metrics as metrics
from chassis.consumer_lag import Lag
from chassis.environment import BadSettings
from chassis.projection import Following
from chassis.projection_follower import Follower
from chassis.unit_of_work import Database

Bearer = Callable[[str], str]


class Followers:
    """A part of a process; ``peers`` tells where a source is, ``bearer`` makes tokens for it."""

    def __init__(
        self,
        followings: Sequence[Following],
        database: Database,
        peers: Mapping[str, str],
        bearer: Bearer,
    ) -> None:
        """Raise BadSettings for a source whose address is not configured."""
        if missing := [each.source for each in followings if each.source not in peers]:
            raise BadSettings([f"MEDPORT_PEERS names no address of {each}" for each in missing])
        self._followings = [(each, peers[each.source]) for each in followings]
        self._database = database
        self._bearer = bearer
        self._running: list[Follower | Lag] = []
        for each in followings:  # before the process listens: whoever asks then sees them at 0
            metrics.begin(each.consumer, each.source)

    async def start(self) -> None:
        """Begin; a source that is away is waited for."""
        for following, address in self._followings:
            connect = partial(channels.channel, address)
            wiring = (following, self._database, connect, self._token(following.source))
            self._running += [Follower(*wiring), Lag(*wiring)]
        for each in self._running:
            each.start()

    def drain(self) -> None:
        """Nobody waits for a follower: a frame under way ends with its transaction."""

    async def stop(self) -> None:
        """Stop, and leave the leases to other processes."""
        await asyncio.gather(*(each.stop() for each in self._running))

    def _token(self, source: str) -> Callable[[], str]:
        return lambda: self._bearer(source)
