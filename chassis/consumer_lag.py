"""Tells how far each consumer is behind its source, whether or not it moves: the alarm's figures.

A consumer that stands cannot tell how far behind it is. Its source's log can: it knows the head,
and when what is outstanding was recorded. Every process of a silo asks, leaseholder or not.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import grpc
from medport.common.v1 import consumers_pb2, event_log_pb2
from psycopg import Error

from chassis import consumer_rows
from chassis import event_log_metrics as metrics
from chassis.backoff import around
from chassis.event_contract import EventContract
from chassis.event_log_connections import Tasks
from chassis.projection import Following
from chassis.rpc_metrics import calling
from chassis.unit_of_work import Database
from chassis.within import within

SECONDS = 5.0
ANSWER_SECONDS = 2.0


class Lag:
    """Measures one following; ``connect`` opens channels to its source, ``token`` makes a bearer's.

    While the source does not answer, what was outstanding grows older; what came since is unknown.
    While the silo's own database does not, the consumer stands where it stood last.
    """

    def __init__(
        self,
        following: Following,
        database: Database,
        connect: Callable[[], grpc.aio.Channel],
        token: Callable[[], str],
        seconds: float = SECONDS,
    ) -> None:
        self._following = following
        self._database = database
        self._contract = EventContract.of(following.file)
        self._connect = connect
        self._token = token
        self._seconds = seconds
        self._labels = (following.consumer, following.source)
        self._known: consumers_pb2.Consumer | None = None
        self._oldest = 0.0  # when the oldest outstanding event was recorded; 0: there is none
        self._tasks = Tasks()

    def start(self) -> None:
        self._tasks.start(f"lag behind {self._following.source}", self.run)

    async def stop(self) -> None:
        await self._tasks.stop()

    async def run(self) -> None:
        """Measure again and again, until cancelled."""
        async with self._connect() as channel:
            while True:
                await self._measure(channel)
                await asyncio.sleep(around(self._seconds, 0.2))

    async def _measure(self, channel: grpc.aio.Channel) -> None:
        with suppress(Error, TimeoutError):  # the silo's own database is away: others tell of that
            self._known = await within(ANSWER_SECONDS, self._standing())
        with suppress(grpc.aio.AioRpcError):  # or the source is
            if self._known is not None:
                await self._compare(channel, self._known)
        age = time.time() - self._oldest if self._oldest else 0.0
        metrics.LAG_SECONDS.labels(*self._labels).set(max(age, 0.0))

    async def _standing(self) -> consumers_pb2.Consumer | None:
        """Read the checkpoint, which is there once a process has competed for it."""
        consumer, source = self._labels
        rows = self._database.read(None)
        known = await rows.optional(consumer_rows.GET, consumer=consumer, source=source)
        if known is not None:
            metrics.POSITION.labels(*self._labels).set(known.position)
            metrics.PARKED.labels(*self._labels).set(known.parked_count)
        return known

    async def _compare(self, channel: grpc.aio.Channel, known: consumers_pb2.Consumer) -> None:
        """Ask for the head first: the rest, where a rare type is far behind it, takes long."""
        log = (await self._ask(channel)).event_log
        behind = log.head_position - known.position
        metrics.LAG_POSITIONS.labels(*self._labels).set(max(behind, 0))
        if behind <= 0:
            self._oldest = 0.0
            return
        answer = await self._ask(
            channel,
            resume_token=known.resume_token or log.earliest_token,
            filter=event_log_pb2.EventFilter(types=self._following.types),
        )
        self._oldest = answer.backlog.oldest_recorded_time.ToMilliseconds() / 1000

    async def _ask(self, channel: grpc.aio.Channel, **fields: Any) -> Any:
        call = channel.unary_unary(
            f"/{self._contract.service}/GetEventLog",
            request_serializer=self._contract.state_request.SerializeToString,
            response_deserializer=self._contract.state_response.FromString,
        )
        metadata = (("authorization", f"Bearer {self._token()}"),)
        request = self._contract.state_request(**fields)
        with calling("unary", self._contract.service, "GetEventLog"):
            return await call(request, metadata=metadata, timeout=ANSWER_SECONDS)
