"""The registry: which hospitals and agencies there are."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import contextmanager
from uuid import UUID

from psycopg.errors import UniqueViolation
from sqlalchemy import ARRAY, Text, any_, bindparam, insert, select, update

from center_svc.domain.services import Service, ServiceNameTaken
from center_svc.tables import service_registry as table
from chassis.errors import NotFound
from chassis.sql import columns, compiled, other_columns, same_key
from chassis.unit_of_work import Rows, UnitOfWork

NEWEST = UUID(int=2**128 - 1)  # no id lies behind it

GET = compiled(select(table).where(same_key(table)), into=Service)
EACH = compiled(select(table).where(table.c.row_version > 0), into=Service)
LOCK = compiled(select(table).where(same_key(table)).with_for_update(), into=Service)
LOCK_TENANT = compiled(
    select(table).where(table.c.external_id == bindparam("external_id")).with_for_update(),
    into=Service,
)
ADD = compiled(insert(table))
SAVE = compiled(update(table).where(same_key(table)).values(other_columns(table)))
LIST = compiled(
    select(table)
    .where(
        table.c.id < bindparam("before"),
        table.c.service_type == any_(bindparam("service_types", type_=ARRAY(Text))),
        table.c.status == any_(bindparam("statuses", type_=ARRAY(Text))),
    )
    .order_by(table.c.id.desc())
    .limit(bindparam("limit")),
    into=Service,
)


def each(uow: UnitOfWork) -> AsyncGenerator[Service, None]:
    """Yield the services that their silos were told of, one by one."""
    return uow.each(EACH)


async def get(rows: Rows, id: UUID) -> Service:
    service = await rows.optional(GET, id=id)
    return _found(service, id)


async def lock(uow: UnitOfWork, id: UUID) -> Service:
    """Read a service and hold its row until the transaction ends."""
    service = await uow.optional(LOCK, id=id)
    return _found(service, id)


async def lock_tenant(uow: UnitOfWork, external_id: UUID) -> Service | None:
    """Hold the row of the service whose tenant it is; None for one that the center never named."""
    return await uow.optional(LOCK_TENANT, external_id=external_id)


async def add(uow: UnitOfWork, service: Service) -> None:
    """Add a service; raises ServiceNameTaken."""
    with _name_is_free():
        await uow.execute(ADD, **columns(service))


async def save(uow: UnitOfWork, service: Service) -> None:
    """Write back a service read with ``lock`` in the same transaction; raises ServiceNameTaken."""
    with _name_is_free():
        await uow.execute(SAVE, **columns(service))


async def list_newest(
    rows: Rows, service_types: Sequence[str], statuses: Sequence[str], before: UUID, limit: int
) -> list[Service]:
    """Return services of any of the types in any of the statuses, newest first."""
    return await rows.all(
        LIST,
        service_types=list(service_types),
        statuses=list(statuses),
        before=before,
        limit=limit,
    )


def _found(service: Service | None, id: UUID) -> Service:
    if service is None:
        raise NotFound(f"service {id} does not exist", resource="service", id=str(id))
    return service


@contextmanager
def _name_is_free() -> Iterator[None]:
    try:
        yield
    except UniqueViolation as taken:
        if taken.diag.constraint_name != "service_registry_name":
            raise
        raise ServiceNameTaken("another service of the type has the name") from taken
