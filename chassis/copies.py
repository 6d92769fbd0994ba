"""Statements on a copy of another silo's rows: keep the newer, overwrite, sweep what is gone."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Table, bindparam, delete, exists
from sqlalchemy import column as named
from sqlalchemy import table as relation
from sqlalchemy.dialects.postgresql import Insert, insert

from chassis.sql import Statement, compiled

# Subjects met while a consumer rebuilds; chassis/event_log.sql has the table.
_noted = relation("consumer_snapshot_subject", named("consumer"), named("source"), named("subject"))


def newer(copy: Table, version: str = "version") -> Statement[dict[str, Any]]:
    """Keep a row of parameters named as its columns, unless one as new is here already."""
    new = _new(copy)
    return compiled(_over(copy, new, copy.c[version] < new.excluded[version]))


def overwritten(copy: Table) -> Statement[dict[str, Any]]:
    """Keep the row whatever is here: after its source was cut back, versions go down."""
    return compiled(_over(copy, _new(copy), None))


def swept(
    copy: Table, name: ColumnElement[str], *also: ColumnElement[bool]
) -> Statement[dict[str, Any]]:
    """Delete the rows that ``consumer`` did not note by their ``name``; ``also`` narrows it."""
    noted = exists().where(
        _noted.c.consumer == bindparam("consumer"),
        _noted.c.source == bindparam("source"),
        _noted.c.subject == name,
    )
    return compiled(delete(copy).where(~noted, *also))


def _new(copy: Table) -> Insert:
    return insert(copy).values({each.key: bindparam(each.key) for each in copy.c})


def _over(copy: Table, new: Insert, where: ColumnElement[bool] | None) -> Insert:
    return new.on_conflict_do_update(
        index_elements=list(copy.primary_key),
        set_={each.key: new.excluded[each.key] for each in copy.c if not each.primary_key},
        where=where,
    )
