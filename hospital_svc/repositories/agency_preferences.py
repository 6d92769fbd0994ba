"""Which agencies a hospital asks first."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any
from uuid import UUID

from psycopg.errors import UniqueViolation
from sqlalchemy import (
    Integer,
    Select,
    Uuid,
    bindparam,
    delete,
    false,
    func,
    insert,
    or_,
    select,
    tuple_,
    update,
)

from chassis.errors import NotFound
from chassis.sql import columns, compiled, if_given, other_columns, same_key
from chassis.unit_of_work import Rows, UnitOfWork
from chassis.vocabulary import RegistryStatus
from hospital_svc.domain.agency_preferences import AgencyPreference, Shown
from hospital_svc.domain.offers import Preference
from hospital_svc.domain.refusals import PreferenceExists
from hospital_svc.tables import agency_directory
from hospital_svc.tables import hospital_agency_preference as table

ONE_PER_AGENCY = "hospital_agency_preference_agency"


def _shown(*row: Any) -> Shown:  # noqa: ANN401 - the table's columns, then the name
    *values, agency_name = row
    fields = dict(zip((column.key for column in table.c), values, strict=True))
    return Shown(AgencyPreference(**fields), agency_name)


def _select() -> Select[Any]:
    named = agency_directory.c.agency_id == table.c.agency_id
    return select(table, agency_directory.c.name).outerjoin(agency_directory, named)


_after_order = bindparam("after_order", type_=Integer)
_after = tuple_(_after_order, bindparam("after_id", type_=Uuid))
_own = table.c.hospital_id == bindparam("hospital_id")
SHOW = compiled(_select().where(same_key(table)), into=_shown)
LOCK = compiled(select(table).where(same_key(table)).with_for_update(), into=AgencyPreference)
# In the order of their ids, so that two who put them in order do not wait in a circle.
LOCK_ALL = compiled(
    select(table).where(_own).order_by(table.c.id).with_for_update(), into=AgencyPreference
)
EVERY = compiled(_select().where(_own).order_by(table.c.preference_order, table.c.id), into=_shown)
LIST = compiled(
    _select()
    .where(
        _own,
        if_given(table.c.is_active, "is_active"),
        or_(_after_order.is_(None), tuple_(table.c.preference_order, table.c.id) > _after),
    )
    .order_by(table.c.preference_order, table.c.id)
    .limit(bindparam("fetch")),
    into=_shown,
)
ACTIVE = compiled(
    select(
        table.c.preference_order,
        table.c.agency_id,
        func.coalesce(agency_directory.c.registry_status == RegistryStatus.ACTIVE, false()).label(
            "can_bid"
        ),
    )
    .outerjoin(agency_directory, agency_directory.c.agency_id == table.c.agency_id)
    .where(_own, table.c.is_active),
    into=Preference,
)
ADD = compiled(insert(table).values({column.key: bindparam(column.key) for column in table.c}))
SAVE = compiled(update(table).where(same_key(table)).values(other_columns(table)))
REMOVE = compiled(delete(table).where(same_key(table)))


def _missing(id: UUID) -> NotFound:
    return NotFound("the preference does not exist", resource="agency_preference", id=str(id))


async def show(rows: Rows, hospital_id: UUID, id: UUID) -> Shown:
    shown = await rows.optional(SHOW, hospital_id=hospital_id, id=id)
    if shown is None:
        raise _missing(id)
    return shown


async def lock(uow: UnitOfWork, hospital_id: UUID, id: UUID) -> AgencyPreference:
    preference = await uow.optional(LOCK, hospital_id=hospital_id, id=id)
    if preference is None:
        raise _missing(id)
    return preference


async def lock_all(
    uow: UnitOfWork, hospital_id: UUID, named: Collection[UUID]
) -> list[AgencyPreference]:
    """Hold all of a hospital's preferences; raises NotFound for one named that is not among them.

    A hospital has tens of them, not thousands.
    """
    held = await uow.all(LOCK_ALL, hospital_id=hospital_id)
    if absent := set(named) - {each.id for each in held}:
        raise _missing(min(absent))
    return held


async def show_all(rows: Rows, hospital_id: UUID) -> list[Shown]:
    return await rows.all(EVERY, hospital_id=hospital_id)


async def list_in_order(
    rows: Rows,
    hospital_id: UUID,
    *,
    is_active: bool | None,
    after: Sequence[str] | None,
    fetch: int,
) -> list[Shown]:
    order, id = after or (None, None)
    key = {"after_order": order and int(order), "after_id": id and UUID(id)}
    wanted = {"hospital_id": hospital_id, "is_active": is_active}
    return await rows.all(LIST, **wanted, **key, fetch=fetch)


async def list_active(rows: Rows, hospital_id: UUID) -> list[Preference]:
    """Return what the planning of offers needs; a hospital has tens of them, not thousands."""
    return await rows.all(ACTIVE, hospital_id=hospital_id)


async def add(uow: UnitOfWork, preference: AgencyPreference) -> None:
    """Add a preference; raises PreferenceExists when the hospital has one for the agency."""
    try:
        await uow.execute(ADD, **columns(preference))
    except UniqueViolation as taken:
        if taken.diag.constraint_name == ONE_PER_AGENCY:
            raise PreferenceExists("the hospital has a preference for this agency") from taken
        raise


async def save(uow: UnitOfWork, preference: AgencyPreference) -> None:
    await uow.execute(SAVE, **columns(preference))


async def remove(uow: UnitOfWork, hospital_id: UUID, id: UUID) -> None:
    await uow.execute(REMOVE, hospital_id=hospital_id, id=id)
