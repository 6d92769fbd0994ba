"""The chains that the trail's entries form, one per silo, read in the order they grew in."""

from __future__ import annotations

from sqlalchemy import bindparam, func, literal, select

from center_svc.domain.audit_log import BEGINNING, ChainEnd, ChainPoint, Recorded, Wanted
from center_svc.repositories.audit_log import MATCHES
from center_svc.tables import audit_chain as chain
from center_svc.tables import audit_log as table
from chassis.sql import columns, compiled
from chassis.unit_of_work import Rows
from chassis.vocabulary import Silo

_MINE = table.c.source_silo == bindparam("source_silo")
_STRETCH = (
    table.c.chain_position > bindparam("after"),
    table.c.chain_position <= bindparam("last"),
)
_last = select(func.coalesce(func.max(table.c.chain_position), literal(0))).where(
    table.c.source_silo == chain.c.source_silo
)
_end = select(table.c.chain_position).where(table.c.id == chain.c.audit_log_id)

STANDS = compiled(
    select(table.c.id).where(
        _MINE,
        table.c.chain_position == bindparam("position"),
        table.c.chain_hash == bindparam("chain_hash"),
    )
)
# One statement, hence one moment: an entry and the end that it moves are committed together.
END = compiled(
    select(
        chain.c.audit_log_id,
        _end.scalar_subquery().label("position"),
        chain.c.chain_hash,
        _last.scalar_subquery().label("last_position"),
    ).where(chain.c.source_silo == bindparam("source_silo")),
    into=ChainEnd,
)
LIST = compiled(
    select(table)
    .where(_MINE, *_STRETCH)
    .order_by(table.c.chain_position)
    .limit(bindparam("limit")),
    into=Recorded,
)
EXPORT = compiled(
    select(table)
    .where(_MINE, *_STRETCH, *MATCHES)
    .order_by(table.c.chain_position)
    .limit(bindparam("limit")),
    into=Recorded,
)


async def stands(rows: Rows, silo: Silo, point: ChainPoint) -> bool:
    """Say whether the entry at ``point`` is there, with its hash; the beginning always is."""
    if point.position == 0:
        return point == BEGINNING
    known = {"position": point.position, "chain_hash": point.chain_hash}
    return await rows.optional(STANDS, source_silo=silo, **known) is not None


async def end(rows: Rows, silo: Silo) -> ChainEnd:
    return await rows.one(END, source_silo=silo)


async def list_stretch(
    rows: Rows, silo: Silo, *, after: int, last: int, fetch: int
) -> list[Recorded]:
    return await rows.all(LIST, source_silo=silo, after=after, last=last, limit=fetch)


async def list_wanted(
    rows: Rows, silo: Silo, wanted: Wanted, *, after: int, last: int, fetch: int
) -> list[Recorded]:
    stretch = {"source_silo": silo, "after": after, "last": last}
    return await rows.all(EXPORT, **columns(wanted), **stretch, limit=fetch)
