"""Who is calling, and whose rows the call may touch: read by servicers."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from chassis import call
from chassis.errors import PermissionDenied, Unauthenticated


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """A user, or a process of the mesh, as its verified token describes it.

    ``silo`` is where the user lives; ``tenant_id`` the hospital or agency it acts for, None for
    the center's users and for processes. Roles and permissions are the contract's names without
    prefix: ``HOSPITAL_STAFF``, ``SERVICE``; ``REGISTRY_WRITE``.
    """

    user_id: UUID
    silo: str
    roles: frozenset[str]
    tenant_id: UUID | None = None
    permissions: frozenset[str] = frozenset()
    session_id: UUID | None = None
    unit_id: UUID | None = None  # that an agency's crew staffs


def caller() -> Principal:
    """Return the caller; raises Unauthenticated where nobody has been let in by name."""
    current = call.current()
    if current is None or current.principal is None:
        raise Unauthenticated("the caller is not known")
    return current.principal


def scopes() -> frozenset[str]:
    """Return the scopes of the grants that let the caller in."""
    current = call.current()
    return current.scopes if current else frozenset()


def tenant(named: str) -> UUID:
    """Return the tenant a request names, if the caller may act for it: the only way to one.

    Raises PermissionDenied, before anything is looked up, so that the answer is the same whether
    the tenant exists or not.
    """
    own = caller().tenant_id
    if "ANY_TENANT" in scopes() or (own is not None and named.lower() == str(own)):
        return UUID(named)
    raise PermissionDenied("the tenant named is not the caller's")


def tenant_or_any(named: str) -> UUID | None:
    """Return the tenant a request names, or None: every tenant's rows, for a caller of all.

    Raises PermissionDenied like ``tenant``, also when a tenant's user names none.
    """
    if not named and "ANY_TENANT" in scopes():
        return None
    return tenant(named)
