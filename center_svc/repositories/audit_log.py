"""The trail of all silos: appended to, never edited."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    DateTime,
    Text,
    Uuid,
    any_,
    bindparam,
    func,
    or_,
    select,
    tuple_,
    update,
)
from sqlalchemy.dialects.postgresql import insert

from center_svc.domain.audit_log import AuditEntry, Recorded, Wanted
from center_svc.tables import audit_chain as chain
from center_svc.tables import audit_log as table
from chassis import auth, call, ids
from chassis.audit_entries import Entry, uuid_of
from chassis.errors import NotFound
from chassis.sql import columns, compiled, same_key
from chassis.unit_of_work import Rows, UnitOfWork
from chassis.vocabulary import ActorKind, AuditOutcome, Silo

_ORGANIZATION = bindparam("organization_id", type_=Uuid)
_USER = bindparam("user_id", type_=Uuid)
_ENTITY = bindparam("entity_id", type_=Uuid)
_ACTIONS = bindparam("actions", type_=ARRAY(Text))
_BEFORE = tuple_(
    bindparam("before_at", type_=DateTime(timezone=True)), bindparam("before_id", type_=Uuid)
)
_OUTCOME, _TYPE = (bindparam(name, type_=Text) for name in ("outcome", "entity_type"))
_VISIBLE = or_(_ORGANIZATION.is_(None), table.c.organization_id == _ORGANIZATION)

END = compiled(select(chain.c.chain_hash).where(same_key(chain)).with_for_update(), into=bytes)
# The place in the chain is the column's default, taken under the lock: it orders the chain.
_row: dict[str, Any] = {c.key: bindparam(c.key) for c in table.c if c.key != "chain_position"}
_row["recorded_at"] = func.clock_timestamp()
ADD = compiled(insert(table).values(_row).on_conflict_do_nothing())
GROW = compiled(
    update(chain)
    .where(same_key(chain))
    .values(audit_log_id=bindparam("id"), chain_hash=bindparam("chain_hash"))
)
GET = compiled(select(table).where(same_key(table), _VISIBLE), into=Recorded)
# What a Wanted asks for.
MATCHES = (
    _VISIBLE,
    table.c.source_silo == any_(bindparam("source_silos", type_=ARRAY(Text))),
    or_(_USER.is_(None), table.c.user_id == _USER),
    or_(_TYPE == "", table.c.entity_type == _TYPE),
    or_(_ENTITY.is_(None), table.c.entity_id == _ENTITY),
    or_(func.cardinality(_ACTIONS) == 0, table.c.action == any_(_ACTIONS)),
    or_(_OUTCOME == "", table.c.outcome == _OUTCOME),
    table.c.occurred_at >= bindparam("since"),
    table.c.occurred_at < bindparam("until"),
)
LIST = compiled(
    select(table)
    .where(*MATCHES, tuple_(table.c.occurred_at, table.c.id) < _BEFORE)
    .order_by(table.c.occurred_at.desc(), table.c.id.desc())
    .limit(bindparam("limit")),
    into=Recorded,
)


async def add(uow: UnitOfWork, entry: AuditEntry) -> None:
    """Append ``entry`` to its silo's chain, unless it is there already.

    Locks the chain's end: call it after every other lock.
    """
    end = await uow.one(END, source_silo=entry.source_silo)
    chain_hash = entry.link(end)
    if await uow.execute(ADD, **columns(entry), chain_hash=chain_hash) == 1:
        await uow.execute(GROW, source_silo=entry.source_silo, id=entry.id, chain_hash=chain_hash)


async def keep(uow: UnitOfWork, told: Entry) -> None:
    """Append what the chassis tells: logins, refusals, operators' decisions."""
    known = columns(told)
    organization_id, changes = known.pop("tenant"), dict(known.pop("changes"))
    entry = AuditEntry(
        source_silo=Silo.CENTER, organization_id=organization_id, changes=changes, **known
    )
    await add(uow, entry)


async def note(
    uow: UnitOfWork,
    entity_type: str,
    entity_id: UUID,
    *,
    at: datetime,
    fields: Collection[str] = (),
    reason: str = "",
    **known: Any,  # noqa: ANN401 - what JSON holds
) -> None:
    """Append what the caller of this RPC just did; call it after every other lock.

    ``fields`` names what was changed, ``known`` is what else is to be told of it.
    """
    caller, current = auth.caller(), call.current()
    entry = AuditEntry(
        id=ids.new(),
        source_silo=Silo.CENTER,
        organization_id=caller.tenant_id,
        user_id=caller.user_id,
        actor_kind=ActorKind.CENTER_USER,
        action=current.method.rpartition("/")[2] if current else "",
        entity_type=entity_type,
        entity_id=entity_id,
        changes=known | ({"fields": sorted(fields)} if fields else {}),
        outcome=AuditOutcome.ALLOWED,
        reason=reason or None,
        occurred_at=at,
        ip_address=current.client_address if current else None,
        request_id=uuid_of(current.request_id) if current else None,
    )
    await add(uow, entry)


async def get(rows: Rows, organization_id: UUID | None, id: UUID) -> Recorded:
    """Return an entry of an organization, or of any for None."""
    entry = await rows.optional(GET, organization_id=organization_id, id=id)
    if entry is None:  # the same answer for another organization's: that it exists is not leaked
        raise NotFound(f"audit log entry {id} does not exist", resource="audit_log", id=str(id))
    return entry


async def list_newest(
    rows: Rows, wanted: Wanted, *, before: tuple[datetime, UUID], fetch: int
) -> list[Recorded]:
    at, id = before
    return await rows.all(LIST, **columns(wanted), before_at=at, before_id=id, limit=fetch)
