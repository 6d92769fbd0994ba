"""What is known about the RPC, or the event, that this task works on."""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address
from typing import TYPE_CHECKING
from uuid import UUID

if TYPE_CHECKING:
    from chassis.auth import Principal
    from chassis.sealing import Seal


Address = IPv4Address | IPv6Address


@dataclass(frozen=True, slots=True)
class Idempotency:
    """The caller's promise that a repeat of this request is the same request.

    ``answers`` seals what is stored for a repeat: it may hold a token that the silo itself keeps
    as a hash only.
    """

    method: str
    request_id: UUID
    request_hash: bytes
    answers: Seal


@dataclass(slots=True)
class Call:
    """One RPC under way; guards fill it in as they learn more.

    ``scopes`` are those of the grants that let the caller in, as named in the contract without
    prefix. ``idempotency`` is set for requests that carry a request id, and cleared by the unit
    of work that claims it. ``claimed`` is whom a login names, before it is proven.
    """

    method: str
    request_id: str = ""
    traceparent: str = ""
    peer: str = ""
    client_address: Address | None = None  # as the router saw it, or else the caller's own
    principal: Principal | None = None
    claimed: Principal | None = None
    scopes: frozenset[str] = frozenset()
    idempotency: Idempotency | None = None
    deadline: float | None = None  # on the clock of time.monotonic()
    is_committing: bool = False  # COMMIT was sent, and nobody knows yet what became of it
    wants_position: bool = False  # it is a write: its caller is told how far the log has come
    position: str = ""


@dataclass(frozen=True, slots=True)
class Cause:
    """The event that a projector is applying: what it announces follows from it."""

    event_id: str
    correlation_id: str
    traceparent: str = field(default="")


_call: ContextVar[Call | None] = ContextVar("call", default=None)
_cause: ContextVar[Cause | None] = ContextVar("cause", default=None)


def enter(call: Call) -> None:
    """Make ``call`` the RPC that the rest of this task works on."""
    _call.set(call)


def current() -> Call | None:
    """Return the RPC under way, or None in a projector, a timer or a test."""
    return _call.get()


def follow(cause: Cause | None) -> None:
    """Make ``cause`` the event behind whatever this task announces next."""
    _cause.set(cause)


def cause() -> Cause | None:
    return _cause.get()
