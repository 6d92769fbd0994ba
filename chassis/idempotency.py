"""One effect per request id: its answer is stored in the transaction of the effect."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from psycopg import AsyncConnection

from chassis import auth, call
from chassis.errors import DataLoss, RequestIdReused
from chassis.sealing import Seal

KEPT_HOURS = 24  # how long a repeat is recognised (contract, rule 8)
# Of what operators ask about the silo itself: its request ids need a tenant, as the others do.
NO_TENANT = UUID(int=0)


class Replayed(Exception):
    """The request was answered before; ``response`` is that answer, serialised."""

    def __init__(self, response: bytes) -> None:
        super().__init__("answered before")
        self.response = response


@dataclass(frozen=True, slots=True)
class Claims:
    """A request id that this transaction owns: a concurrent repeat waits for its end."""

    _where: str
    _key: dict[str, Any]
    _answers: Seal

    @classmethod
    async def claim(
        cls, connection: AsyncConnection, tenant_column: str | None, tenant: UUID | None
    ) -> Claims | None:
        """Claim the request id of the RPC under way, if it carries one and has not been claimed.

        Raises Replayed; RequestIdReused when the earlier request had another payload; DataLoss when
        the silo's key-encryption key is another than at its answer.
        """
        current = call.current()
        if current is None or current.idempotency is None:
            return None
        promise, current.idempotency = current.idempotency, None
        key: dict[str, Any] = {
            "principal_id": auth.caller().user_id,
            "method": promise.method,
            "request_id": promise.request_id,
        }
        if tenant_column is not None:
            key = {tenant_column: tenant, **key}
        where = " AND ".join(f"{column} = %({column})s" for column in key)
        claims = cls(where, key, promise.answers)
        if not await claims._insert(connection, promise.request_hash):
            await claims._replay(connection, promise.request_hash)
        return claims

    async def _insert(self, connection: AsyncConnection, request_hash: bytes) -> bool:
        """Insert the row; waits for a concurrent repeat and is False if that one committed."""
        names = ", ".join(self._key)
        values = ", ".join(f"%({column})s" for column in self._key)
        inserted = await connection.execute(
            _constant(
                f"INSERT INTO idempotency_key ({names}, request_hash, expires_at)"  # noqa: S608 - columns
                f" VALUES ({values}, %(request_hash)s, now() + interval '{KEPT_HOURS} hours')"
                " ON CONFLICT DO NOTHING"
            ),
            {**self._key, "request_hash": request_hash},
        )
        return inserted.rowcount == 1

    async def _replay(self, connection: AsyncConnection, request_hash: bytes) -> None:
        found = await connection.execute(
            _constant(f"SELECT request_hash, response FROM idempotency_key WHERE {self._where}"),  # noqa: S608
            self._key,
        )
        row = await found.fetchone()
        if row is None or row[0] != request_hash:
            raise RequestIdReused
        try:
            answer = self._answers.open(row[1], self._place)
        except ValueError as error:
            raise DataLoss("this was done before; what was answered cannot be read") from error
        raise Replayed(answer)

    async def answer(self, connection: AsyncConnection, response: bytes | None) -> None:
        """Store ``response``; raises LookupError if the use case forgot to give one."""
        if response is None:
            raise LookupError("a use case with a request id gave no answer to keep")
        await connection.execute(
            _constant(f"UPDATE idempotency_key SET response = %(response)s WHERE {self._where}"),  # noqa: S608
            {**self._key, "response": self._answers.close(response, self._place)},
        )

    @property
    def _place(self) -> bytes:
        return "/".join(str(each) for each in self._key.values()).encode()


def _constant(text: str) -> bytes:
    """Give a text made of the silo's own column names, never of input, the type psycopg trusts."""
    return text.encode()
