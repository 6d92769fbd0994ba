"""Serves a Watch: what is there, then what changes, as the silo's own event log tells of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from medport.common.v1 import event_log_pb2 as pb

from chassis import auth
from chassis.event_contract import EventContract
from chassis.open_streams import OpenStreams
from chassis.stream_entries import Interest
from chassis.stream_frames import Limits
from chassis.stream_subscriptions import Source, Subscription, Wish

HEARTBEAT_SECONDS = 5.0
MOST_CHANGES = 100  # told of at once


class Audience(Protocol):
    """Who watches: a servicer's translation of the log into its own frames."""

    async def snapshot(self, resume_token: bytes) -> None:
        """Send what is there now; ``resume_token`` is a place that it is no older than."""

    async def changed(self, subjects: Sequence[str], resume_token: bytes) -> None:
        """Send what these subjects have become."""

    async def heartbeat(self, mark: pb.Bookmark, resume_token: bytes) -> None: ...

    async def end(self, end: pb.StreamEnd, resume_token: bytes) -> None: ...


class Watching:
    """One process's watches; ``contract`` is the silo's own."""

    def __init__(self, source: Source, contract: EventContract) -> None:
        self._source = source
        self._response = contract.subscribe_response
        self._open = OpenStreams()

    async def watch(
        self, audience: Audience, recheck: Callable[[], Interest], resume_token: bytes
    ) -> None:
        """Tell ``audience`` until the stream is old or the process drains.

        ``recheck`` returns what the caller may see, or raises once it may no more. Raises the
        log's refusals, and StreamLimit.
        """
        user_id = auth.caller().user_id
        self._open.enter(user_id)
        try:
            interest, generation = recheck(), self._source.tailer.generation
            lineage = await self._source.pages.lineage()
            cursor = lineage.position(resume_token) if resume_token else lineage.last
            if not resume_token:  # whatever changes meanwhile lies behind the cursor
                await audience.snapshot(lineage.token(cursor))
            limits = Limits(events=MOST_CHANGES)
            wish = Wish(interest, limits, HEARTBEAT_SECONDS, generation=generation)
            stream = Subscription(self._source, wish, cursor, self._told(audience), recheck)
            await stream.run(pb.Started())
        finally:
            self._open.leave(user_id)

    def _told(self, audience: Audience) -> Callable[[bytes], Any]:
        async def tell(raw: bytes) -> None:
            frame = self._response.FromString(raw)
            match frame.WhichOneof("frame"):
                case "batch":
                    subjects = dict.fromkeys(each.metadata.subject for each in frame.batch.events)
                    await audience.changed(list(subjects), frame.resume_token)
                case "bookmark":
                    await audience.heartbeat(frame.bookmark, frame.resume_token)
                case "stream_end":
                    await audience.end(frame.stream_end, frame.resume_token)

        return tell
