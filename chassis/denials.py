"""Calls that were refused for who makes them: each known caller's, and strangers' by the minute."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Iterable
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any

import psycopg

from chassis import ids, telemetry
from chassis.audit_entries import Entry, Keep, entry
from chassis.auth import Principal
from chassis.call import Address, Call
from chassis.clock import Clock
from chassis.errors import PermissionDenied, RateLimited, Refusal, Unauthenticated, WrongPassword
from chassis.idempotency import NO_TENANT
from chassis.unit_of_work import Database
from chassis.vocabulary import ActorKind, AuditOutcome

SECONDS = 1.0  # how long a failed login may wait for its row
MOST_WAITING = 10_000
MOST_ADDRESSES = 1_000  # per minute; strangers beyond share one row
AT_ONCE = 100
STRANGERS = "StrangersRefused"  # the action of the rows that count

_MINUTE = timedelta(minutes=1)


class Denials:
    """What one process refused, on its way into the silo's trail. A part of the process.

    A caller whose token is known is told only when its row is written. Who merely claims to be
    somebody, as a failed login does, must not tell by the time it takes whether that user exists:
    such a row is written soon after. Everybody else is counted, a row per address and minute.
    """

    def __init__(self, keep: Keep, database: Database, clock: Clock) -> None:
        self._keep = keep
        self._database = database
        self._clock = clock
        self._waiting: deque[Entry] = deque()
        self._counts: dict[tuple[datetime, Address | None], Counter[str]] = {}
        self._writing = asyncio.Lock()

    async def note(self, call: Call, service: str, refusal: Refusal) -> None:
        """Record ``refusal``, if it is about who calls."""
        if isinstance(refusal, RateLimited):
            self._count(call, refusal)
        elif call.principal is not None:
            if isinstance(refusal, PermissionDenied | WrongPassword):
                made = self._denied(service, call.principal, refusal)
                async with self._database.aside(made.tenant or NO_TENANT) as uow:
                    await self._keep(uow, made)
        elif isinstance(refusal, Unauthenticated):
            if call.claimed is None or len(self._waiting) >= MOST_WAITING:
                self._count(call, refusal)
            else:
                self._waiting.append(self._denied(service, call.claimed, refusal))

    async def write(self, database: Database, clock: Clock) -> int:
        """Write what waits, and the counts of the minutes that have passed: a timer's sweep."""
        async with self._writing:
            self._settle(_minute(clock()))
            written = 0
            while self._waiting:
                batch = [self._waiting[each] for each in range(min(AT_ONCE, len(self._waiting)))]
                for tenant, entries in groupby(batch, lambda each: each.tenant or NO_TENANT):
                    written += await self._add(database, tenant, entries)
            return written

    async def start(self) -> None:
        """Nothing begins: the timer writes."""

    def drain(self) -> None:
        """Wait: calls still end, and are refused."""

    async def stop(self) -> None:
        """Write what is left, this minute's counts too; without a database it is lost."""
        self._settle(None)
        try:
            await self.write(self._database, self._clock)
        except psycopg.Error:
            telemetry.log.warning("denials_lost", count=len(self._waiting))

    async def _add(self, database: Database, tenant: Any, entries: Iterable[Entry]) -> int:
        written = 0
        async with database.begin(tenant) as uow:
            for each in entries:
                await self._keep(uow, each)
                written += 1
        for _ in range(written):  # only now: what could not be written waits on
            self._waiting.popleft()
        return written

    def _denied(self, service: str, by: Principal, refusal: Refusal) -> Entry:
        kind = service.rpartition(".")[2]
        denied, at = AuditOutcome.DENIED, self._clock()
        return entry(kind, by=by, at=at, outcome=denied, reason=refusal.reason)

    def _count(self, call: Call, refusal: Refusal) -> None:
        key = (_minute(self._clock()), call.client_address)
        if key not in self._counts and len(self._counts) >= MOST_ADDRESSES:
            key = (key[0], None)
        method = call.method.rpartition("/")[2]
        self._counts.setdefault(key, Counter())[f"{method} {refusal.reason}"] += 1

    def _settle(self, before: datetime | None) -> None:
        """Turn counts into entries: those of the minutes before, or all."""
        passed = [key for key in self._counts if before is None or key[0] < before]
        for minute, address in passed:
            counts = self._counts.pop((minute, address))
            self._waiting.append(_counted(minute, address, counts))


def _minute(at: datetime) -> datetime:
    return at.replace(second=0, microsecond=0)


def _counted(minute: datetime, address: Address | None, counts: Counter[str]) -> Entry:
    return Entry(
        id=ids.new(),
        tenant=None,
        user_id=None,
        actor_kind=ActorKind.SYSTEM,
        action=STRANGERS,
        entity_type="call",
        entity_id=None,
        changes={"count": counts.total(), "calls": dict(counts)},
        outcome=AuditOutcome.DENIED,
        occurred_at=minute,
        ip_address=address,
        request_id=None,
    )
