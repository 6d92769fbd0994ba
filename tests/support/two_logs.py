"""Two silos' logs and the center's database, which follows them when a test says so."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import grpc
import psycopg
from medport.ems.events.v1 import event_log_pb2 as ems_log
from medport.hospital.events.v1 import event_log_pb2 as hospital_log
from psycopg import AsyncConnection

from center_svc.recount import Log, rebuild, spool
from center_svc.timers.analytics import sweep
from chassis import outbox
from chassis.clock import utc_now
from chassis.outbox import Announcement, Envelope
from chassis.projection import received
from chassis.unit_of_work import Database
from tests.support.center_events import PROJECTS, Sent
from tests.support.databases import superuser_of
from tests.support.silo_processes import ROOT, told
from tests.support.silos import Keys
from tests.support.waiting import until

EVENT: dict[str, Any] = {"hospital": hospital_log.HospitalEvent, "ems": ems_log.EmsEvent}
_REACHED = """
SELECT position FROM consumer_checkpoint WHERE consumer = 'center' AND source = %s
"""
CHECKPOINT = """
INSERT INTO consumer_checkpoint (consumer, source, position) VALUES ('center', %s, %s)
ON CONFLICT (consumer, source) DO UPDATE SET position = excluded.position
"""


def sql(dsn: str, text: str, *parameters: object) -> list[tuple[Any, ...]]:
    with psycopg.connect(superuser_of(dsn), autocommit=True) as admin:
        cursor = admin.execute(text.encode(), parameters or None)
        return cursor.fetchall() if cursor.description else []


async def announce(dsns: dict[str, str], events: Sequence[Sent]) -> None:
    """Put events into the logs of the silos that tell them."""
    for source, kind in EVENT.items():
        envelope = Envelope(kind, f"/medport/{source}")
        rows = [envelope.row(_told(each)) for each in events if each.source == source]
        if rows:
            async with await AsyncConnection.connect(dsns[source]) as connection:
                await outbox.append(connection, rows)
    await until(partial(_have_positions, dsns))


async def _have_positions(dsns: dict[str, str]) -> bool:
    return not any(sql(dsn, "SELECT 1 FROM outbox") for dsn in dsns.values())


def _told(event: Sent) -> Announcement:
    trip = getattr(event.payload, "trip", None)
    own = trip is not None and event.source == "hospital"
    return Announcement(
        event=event.payload,
        subject=f"transport_requests/{trip.transport_request_id}"
        if trip and own
        else f"news/{uuid4()}",
        subject_version=event.version if own else 1,
        audience=["silo:center"],
    )


@dataclass
class TwoLogs:
    """Two silos with their logs, and the center's database."""

    database: Database
    center: str
    dsns: dict[str, str]
    channels: dict[str, grpc.aio.Channel]
    peers: dict[str, str]
    keys: Keys

    async def follow(self) -> None:
        """Apply what was announced since the last time, as the center's followings would."""
        for source, channel in self.channels.items():
            with spool() as file:
                log = await Log(source, file).read(channel, self.keys.bearer("center", source))
                reached = sql(self.center, _REACHED, source)
                for event in log.events():
                    if (event.placement.position,) > max(reached, default=(0,)):
                        async with self.database.begin(None) as uow:
                            for project in PROJECTS[source]:
                                known = received(event)
                                assert known is not None
                                await project(uow, known)
            sql(self.center, CHECKPOINT, source, log.position)

    async def command(self, folder: Path) -> None:
        """Run what an operator would."""
        given = told("center", self.center, self.keys, 0, folder)
        given["MEDPORT_PEERS"] = ",".join(f"{name}={at}" for name, at in self.peers.items())
        paths = f"{ROOT}{os.pathsep}{ROOT / 'protos' / 'gen'}"
        command = [sys.executable, "-m", "center_svc", "rebuild-analytics"]
        process = await asyncio.create_subprocess_exec(
            *command,
            env={**given, "PYTHONPATH": paths, "PYTHONDONTWRITEBYTECODE": "1"},
            stdout=asyncio.subprocess.PIPE,
        )
        said, _ = await process.communicate()
        assert (process.returncode, b"events counted again" in said) == (0, True)
        await until(lambda: fresh(self.center, self.database))

    async def count(self) -> None:
        await rebuild(self.center, self.peers, lambda silo: self.keys.bearer("center", silo))
        await until(lambda: fresh(self.center, self.database))


async def fresh(dsn: str, database: Database) -> bool:
    await sweep(database, utc_now)
    return not sql(dsn, "SELECT 1 FROM stale_bucket")
