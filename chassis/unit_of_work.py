"""One transaction: the rows a use case changed and the events it announced, or neither."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Protocol, TypeVar
from uuid import UUID

from google.protobuf.message import Message
from psycopg import AsyncConnection, AsyncCursor, Error
from psycopg.pq import PipelineStatus

from chassis import call, outbox, standby, tracing
from chassis.errors import DeadlineExceeded, OutcomeUnknown
from chassis.idempotency import Claims
from chassis.outbox import Announcement, Envelope
from chassis.pool import Pool
from chassis.sql import Statement
from chassis.tracing import Kind

Row = TypeVar("Row")
Answer = TypeVar("Answer", bound=Message)

LEAST_SECONDS = 0.02  # a transaction that begins with less left would outlive its caller
# Transaction-local, so that a borrowed connection never carries a tenant to its next borrower.
SET_TENANT = "SELECT set_config('medport.tenant_id', %(tenant)s, true)"


_SQL = {"db.system.name": "postgresql"}

# Building rows holds the loop: few at a time, as fast (measured: 3,200-4,800 a second, 50 or 500).
_FETCH = b"FETCH 50 FROM each"


class Rows(Protocol):
    """What a repository reads with: a unit of work, or ``Database.read``."""

    async def one(self, statement: Statement[Row], /, **parameters: object) -> Row:
        """Return the first row; raises LookupError when there is none."""

    async def optional(self, statement: Statement[Row], /, **parameters: object) -> Row | None:
        """Return the first row, or None."""

    async def all(self, statement: Statement[Row], /, **parameters: object) -> list[Row]:
        """Return every row; give the statement a LIMIT."""


class UnitOfWork:
    """Runs statements and collects events; open for the length of its ``async with``."""

    def __init__(
        self, connection: AsyncConnection, envelope: Envelope, tenant: UUID | None
    ) -> None:
        self._connection = connection
        self._envelope = envelope
        self._tenant = tenant
        self._emitted: list[dict[str, Any]] = []
        self._answer: bytes | None = None

    async def one(self, statement: Statement[Row], /, **parameters: object) -> Row:
        """Return the first row; raises LookupError when there is none."""
        row = await self.optional(statement, **parameters)
        if row is None:
            raise LookupError(statement.text)
        return row

    async def optional(self, statement: Statement[Row], /, **parameters: object) -> Row | None:
        """Return the first row, or None."""
        return await (await self._run(statement, parameters)).fetchone()

    async def all(self, statement: Statement[Row], /, **parameters: object) -> list[Row]:
        """Return every row; give the statement a LIMIT."""
        return await (await self._run(statement, parameters)).fetchall()

    async def each(
        self, statement: Statement[Row], /, **parameters: object
    ) -> AsyncGenerator[Row, None]:
        """Yield every row, however many: the server keeps those that were not asked for yet.

        Run it to its end before the next; the end of the transaction ends one that was left.
        """
        # In SQL, not psycopg's server cursor: that one, left behind, would be closed later, on a
        # connection that is another's by then. FETCH has another row type every time: unprepared.
        cursor = self._connection.cursor(binary=True, row_factory=statement.rows)
        known = {**statement.constants, **parameters}
        await cursor.execute(f"DECLARE each CURSOR FOR {statement.text}", known, prepare=False)
        while rows := await (await cursor.execute(_FETCH, prepare=False)).fetchall():
            for row in rows:
                yield row
        await cursor.execute(b"CLOSE each", prepare=False)

    async def execute(self, statement: Statement[Any], /, **parameters: object) -> int:
        """Return the number of rows changed."""
        return (await self._run(statement, parameters)).rowcount

    async def use_tenant(self, tenant: UUID) -> None:
        """Turn to another tenant's rows: projectors and timers do, servicers have no need."""
        if tenant != self._tenant:
            await self._connection.execute(SET_TENANT, {"tenant": str(tenant)})
            self._tenant = tenant

    def emit(self, announcement: Announcement) -> None:
        """Announce, if and only if this transaction commits.

        Wrapped now, written last: a projector's next event is another cause.
        """
        with tracing.span(f"announce {announcement.name}", Kind.PRODUCER):
            self._emitted.append(self._envelope.row(announcement))

    def answered(self, response: Answer) -> Answer:
        """Keep ``response`` under the caller's request id, with the effect it tells of."""
        self._answer = response.SerializeToString(deterministic=True)
        return response

    async def _run(
        self, statement: Statement[Row], parameters: dict[str, object]
    ) -> AsyncCursor[Row]:
        cursor = self._connection.cursor(binary=True, row_factory=statement.rows)
        with tracing.span(statement.name, Kind.CLIENT, _SQL):
            return await cursor.execute(statement.text, {**statement.constants, **parameters})

    async def _finish(self, claimed: Claims | None) -> bool:
        """Write the answer, then the outbox: an event follows the locks its decision took."""
        if claimed is not None:
            await claimed.answer(self._connection, self._answer)
        if self._emitted:
            await outbox.append(self._connection, self._emitted)
        return bool(self._emitted)


class Database:
    """A silo's own database, as its use cases see it.

    ``tenant_column`` is ``hospital_id``, ``agency_id``, or None where there are no tenants.
    ``after_commit`` is called, without being awaited, after each commit that announced something.
    """

    def __init__(
        self,
        pool: Pool,
        envelope: Envelope,
        *,
        tenant_column: str | None,
        after_commit: Callable[[], None] = lambda: None,
    ) -> None:
        self._pool = pool
        self._envelope = envelope
        self._tenant_column = tenant_column
        self.after_commit = after_commit

    @asynccontextmanager
    async def begin(self, tenant: UUID | None) -> AsyncIterator[UnitOfWork]:
        """Open a transaction on ``tenant``'s rows: leaving it commits, an exception rolls back.

        In an RPC with a request id it first claims that id: raises ``idempotency.Replayed`` when
        the request was answered before, and RequestIdReused when that was another request.
        Raises OutcomeUnknown when the connection is lost during COMMIT.
        """
        async with self._traced() as connection:
            await _open(connection, tenant)
            try:
                uow = UnitOfWork(connection, self._envelope, tenant)
                claimed = await Claims.claim(connection, self._tenant_column, tenant)
                yield uow
                announced = await uow._finish(claimed)  # noqa: SLF001 - one piece
            except BaseException:
                await _roll_back(connection)
                raise
            await _commit(connection)
        if announced:
            self.after_commit()

    @asynccontextmanager
    async def aside(self, tenant: UUID | None) -> AsyncIterator[UnitOfWork]:
        """Open a transaction beside that of the RPC under way: it stands whatever becomes of that.

        It claims no request id, which is the use case's to claim.
        """
        current = call.current()
        promise = current.idempotency if current else None
        if current is not None:
            current.idempotency = None
        try:
            async with self.begin(tenant) as uow:
                yield uow
        finally:
            if current is not None:
                current.idempotency = promise

    @asynccontextmanager
    async def _traced(self) -> AsyncIterator[AsyncConnection]:
        """Lend a connection; waiting for it is a part of the unit of work, as traces show it."""
        with tracing.span("unit of work"):
            async with self._pool.connection() as connection:
                yield connection

    def read(self, tenant: UUID | None) -> Rows:
        """Read ``tenant``'s rows outside of any transaction: each statement sees its own moment."""
        return _Reading(self._pool, tenant)


class _Reading:
    """Sets the tenant and selects in one pipeline, hence in one implicit transaction.

    A pipeline costs one round trip; BEGIN, SET LOCAL, SELECT, COMMIT would cost four.
    """

    def __init__(self, pool: Pool, tenant: UUID | None) -> None:
        self._pool = pool
        self._tenant = "" if tenant is None else str(tenant)

    async def one(self, statement: Statement[Row], /, **parameters: object) -> Row:
        row = await self.optional(statement, **parameters)
        if row is None:
            raise LookupError(statement.text)
        return row

    async def optional(self, statement: Statement[Row], /, **parameters: object) -> Row | None:
        return next(iter(await self.all(statement, **parameters)), None)

    async def all(self, statement: Statement[Row], /, **parameters: object) -> list[Row]:
        with tracing.span(statement.name, Kind.CLIENT, _SQL):
            return await self._all(statement, parameters)

    async def _all(self, statement: Statement[Row], parameters: dict[str, object]) -> list[Row]:
        async with self._pool.connection() as connection:
            cursor = connection.cursor(binary=True, row_factory=statement.rows)
            try:
                async with connection.pipeline():
                    await connection.execute(SET_TENANT, {"tenant": self._tenant})
                    await cursor.execute(statement.text, {**statement.constants, **parameters})
                    return await cursor.fetchall()
            finally:
                # Given up halfway it may still be in the pipeline, where nobody can BEGIN.
                # Compared by value: psycopg's C part answers with a plain int.
                if connection.pgconn.pipeline_status != PipelineStatus.OFF:
                    await connection.close()


async def _open(connection: AsyncConnection, tenant: UUID | None) -> None:
    """Begin, name the tenant and bound every statement by the caller's deadline, in one message."""
    begin = f"BEGIN; SELECT set_config('medport.tenant_id', '{tenant or ''}', true)"
    if (left := _seconds_left()) is not None:
        begin += f"; SET LOCAL statement_timeout = {int(left * 1000)}"
    await connection.execute(begin.encode(), prepare=False)


def _seconds_left() -> float | None:
    current = call.current()
    if current is None or current.deadline is None:
        return None
    left = current.deadline - time.monotonic()
    if left < LEAST_SECONDS:
        raise DeadlineExceeded("too little time is left to begin")
    return left


async def _roll_back(connection: AsyncConnection) -> None:
    """Roll back if there is still somebody to tell; a lost connection has rolled back by itself."""
    if not connection.broken:
        await connection.rollback()


async def _commit(connection: AsyncConnection) -> None:
    current = call.current() or call.Call("")
    current.is_committing = True  # and stays so when a cancellation comes before the answer
    try:
        with tracing.span("COMMIT", Kind.CLIENT, _SQL):
            if current.wants_position:
                current.position = await standby.commit(connection)
            else:
                await connection.commit()
    except Error as lost:
        if connection.broken:
            raise OutcomeUnknown from lost
        current.is_committing = False  # a conflict, or a deferred constraint: nothing happened
        raise
    current.is_committing = False
