"""Copies of another silo's rows: kept while newer, overwritten by a snapshot, swept when gone."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from psycopg.types.json import Jsonb
from sqlalchemy import ColumnElement, Table, bindparam, delete, exists
from sqlalchemy import column as named
from sqlalchemy import table as relation
from sqlalchemy.dialects.postgresql import JSONB, insert

from chassis.sql import compiled
from chassis.unit_of_work import UnitOfWork

# What a consumer has met while it rebuilds; chassis/event_log.sql has the table.
_noted = relation("consumer_snapshot_subject", named("consumer"), named("source"), named("subject"))


class Copies:
    """The statements on one table of copies; a row is given by the names of all its columns.

    ``name`` is what a row is noted under while its consumer rebuilds, unique among all that the
    consumer copies of that source. ``version`` is the column that tells the newer; without one a
    row never changes. ``own`` are columns that no source overwrites.
    """

    def __init__(
        self,
        table: Table,
        name: ColumnElement[str],
        *only: ColumnElement[bool],
        version: str | None = "version",
        own: Collection[str] = (),
    ) -> None:
        """Sweep, of ``table``, no rows but those that are ``only`` of the source, if it says so."""
        new = insert(table).values({each.key: bindparam(each.key) for each in table.c})
        over = {
            each.key: new.excluded[each.key]
            for each in table.c
            if not each.primary_key and each.key not in own
        }
        self._json = [each.key for each in table.c if isinstance(each.type, JSONB)]
        key = list(table.primary_key)
        if version is None:
            kept = new.on_conflict_do_nothing(index_elements=key)
        else:
            is_newer = table.c[version] < new.excluded[version]
            kept = new.on_conflict_do_update(index_elements=key, set_=over, where=is_newer)
        written = new.on_conflict_do_update(index_elements=key, set_=over)
        self._keep = compiled(kept)
        self._overwrite = compiled(written.returning(name), into=str)
        self._sweep = compiled(delete(table).where(~_is_noted(name), *only))

    async def keep(self, uow: UnitOfWork, **row: Any) -> None:
        """Keep a row, unless one as new is here already."""
        await uow.execute(self._keep, **self._stored(row))

    async def overwrite(self, uow: UnitOfWork, **row: Any) -> str:
        """Keep a row whatever is here: after its source was cut back, versions go down.

        Returns what to note it under.
        """
        return await uow.one(self._overwrite, **self._stored(row))

    async def sweep(self, uow: UnitOfWork, consumer: str, source: str) -> None:
        """Delete what ``consumer`` has not noted of ``source``'s rows."""
        await uow.execute(self._sweep, consumer=consumer, source=source)

    def _stored(self, row: dict[str, Any]) -> dict[str, Any]:
        """Give JSON of any shape as such: a bare text is JSON there too."""
        return {**row, **{name: Jsonb(row[name]) for name in self._json}}


def _is_noted(name: ColumnElement[str]) -> ColumnElement[bool]:
    return exists().where(
        _noted.c.consumer == bindparam("consumer"),
        _noted.c.source == bindparam("source"),
        _noted.c.subject == name,
    )
