"""A silo as operators see it: its consumers and dead letters, and the database behind them."""

from __future__ import annotations

import importlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID, uuid4

import grpc
import psycopg

from chassis.auth import Principal
from chassis.health import SERVING
from chassis.server import Build, Kit, Silo
from tests.integration.chassis.test_health import until_status
from tests.support.databases import superuser_of
from tests.support.silos import Keys, build, running

OPERATOR = Principal(
    user_id=UUID("0198f000-0000-7000-8000-00000000000c"),
    silo="center",
    roles=frozenset({"CENTER_ADMIN"}),
)
WHY = "the constraint was too narrow: fixed in release 7"

CHECKPOINT = """
INSERT INTO consumer_checkpoint (consumer, source, state, state_reason, epoch, position,
                                 resume_token, lease_holder, lease_term, lease_until)
VALUES (%s, %s, %s, %s, 1, %s, 'token', 'somebody', 3, %s)
"""
LETTER = """
INSERT INTO consumer_dead_letter
       (consumer, source, epoch, position, subject, type, event, reason, attempts, state)
VALUES (%s, %s, 1, %s, %s, 'medport.x.Y', 'bytes', 'CheckViolation 23514', 5, %s)
"""


@dataclass
class Desk:
    """One service of a silo, its messages, and the silo's database as the superuser."""

    silo: str
    dsn: str
    stub: Any
    pb: Any
    metadata: tuple[tuple[str, str], ...] = (("authorization", "Bearer somebody"),)

    async def ask(self, method: str, **fields: Any) -> Any:
        """Call ``method``; a verb gets a request id and a reason unless it brings its own."""
        request = getattr(self.pb, f"{method}Request")
        known = request.DESCRIPTOR.fields_by_name
        if "request_id" in known:
            fields = {"request_id": str(uuid4()), "reason": WHY, **fields}
        return await getattr(self.stub, method)(request(**fields), metadata=self.metadata)

    def checkpoint(
        self,
        consumer: str,
        *,
        source: str = "elsewhere",
        state: str = "HALTED",
        position: int = 7,
        lease_until: str = "-infinity",
    ) -> dict[str, str]:
        """Add a consumer; return how requests name it."""
        reason = None if state == "RUNNING" else "WHY"
        self.sql(CHECKPOINT, consumer, source, state, reason, position, lease_until)
        return {"consumer": consumer, "source": source}

    def letter(self, who: dict[str, str], position: int, subject: str, state: str) -> None:
        self.sql(LETTER, *who.values(), position, subject, state)

    def sql(self, text: str, *parameters: object) -> list[tuple[Any, ...]]:
        with psycopg.connect(superuser_of(self.dsn), autocommit=True) as connection:
            cursor = connection.execute(text.encode(), parameters or None)
            return cursor.fetchall() if cursor.description else []


def _for_the_operator(silo: str) -> Build:
    built = build(silo)

    def compose(kit: Kit) -> Silo:
        async def authenticate(_token: str) -> Principal:
            return OPERATOR

        return replace(built.compose(kit), authenticate=authenticate)

    return replace(built, compose=compose)


@asynccontextmanager
async def consumer_desk(
    silo: str, dsn: str, service: str = "ConsumerService"
) -> AsyncIterator[Desk]:
    """Run the silo's real process, to which everybody is the center's administrator."""
    async with running(silo, dsn, Keys(), built=_for_the_operator(silo)) as (_, channel):
        await until_status(channel, SERVING)
        yield desk_on(silo, dsn, channel, service)


def desk_on(
    silo: str,
    dsn: str,
    channel: grpc.aio.Channel,
    service: str = "ConsumerService",
    **given: Any,
) -> Desk:
    package = f"medport.{silo}.v1.{service.removesuffix('Service').lower()}s_pb2"
    stub = getattr(importlib.import_module(f"{package}_grpc"), f"{service}Stub")(channel)
    return Desk(silo, dsn, stub, importlib.import_module(package), **given)
