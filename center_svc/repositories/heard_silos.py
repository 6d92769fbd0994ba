"""How far the other silos have been heard, by whichever process of this one follows them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import bindparam, func, select
from sqlalchemy.dialects.postgresql import insert

from center_svc.tables import heard_silo as table
from chassis.sql import compiled
from chassis.unit_of_work import Rows, UnitOfWork
from chassis.vocabulary import Silo

_HEARD = insert(table).values(silo=bindparam("silo"), until_at=bindparam("until_at"))
# Of two processes that took turns the later moment counts: both are true.
NOTE = compiled(
    _HEARD.on_conflict_do_update(
        index_elements=list(table.primary_key),
        set_={"until_at": _HEARD.excluded.until_at},
        where=table.c.until_at < _HEARD.excluded.until_at,
    )
)
UNTIL = compiled(
    select(func.min(table.c.until_at)).having(func.count() == bindparam("silos")),
    into=lambda each: each,
)


async def note(uow: UnitOfWork, heard: Mapping[Silo, datetime]) -> None:
    """Note that all that these silos announced by then has had its effect here."""
    for silo in sorted(heard):  # in one order, or two processes wait for each other
        await uow.execute(NOTE, silo=silo, until_at=heard[silo])


async def until(rows: Rows, *, silos: int) -> datetime | None:
    """Return the moment up to which all of ``silos`` silos have been heard; None: not all were."""
    return await rows.optional(UNTIL, silos=silos)
