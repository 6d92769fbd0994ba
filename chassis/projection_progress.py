"""Moves one consumer along one stream, frame by frame."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID

from chassis import event_log_metrics as metrics
from chassis.checkpoint import Place
from chassis.projection_effects import Effects, Halted, Lost

IDLE_MOVE_SECONDS = 5.0  # how far behind the checkpoint may be when nothing has an effect
LOOK_SECONDS = 2.0  # how long an operator's wish waits, at least for the next frame


class Progress:
    """Gives a stream's frames to ``effects``, and the checkpoint what lies between them.

    ``rebuilds``: the source's rows do for events that it no longer keeps.
    """

    def __init__(
        self, effects: Effects, labels: tuple[str, str], *, rebuilds: bool = False
    ) -> None:
        self._effects = effects
        self._labels = labels
        self._rebuilds = rebuilds
        self._clock = asyncio.get_running_loop().time
        self._moved_at = self._clock()
        self._looked_at = self._clock()
        self._reached: Place | None = None
        self._log_id = effects.place.log_id
        self._epoch = effects.place.epoch

    async def take(self, frame: Any) -> bool:
        """Apply ``frame``; return whether it brought an event."""
        if frame.WhichOneof("frame") == "started":
            self._begin(frame.started)
        await self._look_when_due()
        known = self._effects.place.position
        events = [each for each in frame.batch.events if each.placement.position > known]
        repeated = len(frame.batch.events) - len(events)
        metrics.REDELIVERIES.labels(*self._labels).inc(repeated)
        if events:
            self._epoch = events[-1].placement.epoch
            await self._effects.apply(events, self._target(frame))
            self._moved_at, self._reached = self._clock(), None
        elif frame.position >= known:  # behind it, a frame was half applied: its token stays
            self._reached = self._target(frame)
            if self._clock() - self._moved_at > IDLE_MOVE_SECONDS:
                await self.settle()
        return bool(events)

    def completes(self, frame: Any) -> bool:
        """Tell whether all that the source had committed by ``server_time`` has its effect here.

        Not while an event is parked, nor while the source does not know what it has committed.
        """
        told = frame.HasField("bookmark") and frame.bookmark.HasField("server_time")
        return told and not self._effects.has_parked

    async def settle(self) -> None:
        """Move the checkpoint over what had no effect."""
        if self._reached is not None and self._reached != self._effects.place:
            await self._effects.move(self._reached)
        self._moved_at, self._reached = self._clock(), None

    def _begin(self, started: Any) -> None:
        log_id = UUID(started.event_log.log_id)
        if self._log_id is not None and self._log_id != log_id:
            raise Halted("LOG_MISMATCH")
        is_new = self._effects.place.resume_token is None
        if is_new and self._rebuilds and started.event_log.earliest_position > 1:
            raise Lost("BEGINNING_COMPACTED")
        self._log_id = log_id

    def _target(self, frame: Any) -> Place:
        return Place(
            log_id=self._log_id,
            epoch=self._epoch,
            position=frame.position,
            resume_token=frame.resume_token,
        )

    async def _look_when_due(self) -> None:
        """See to what an operator may have asked for meanwhile."""
        if self._clock() - self._looked_at > LOOK_SECONDS:
            await self._effects.check()
            await self._effects.retry_parked()
            self._looked_at = self._clock()
