"""Which metadata travels on: order and duplicates kept, what only MedPort may say made anew."""

from __future__ import annotations

from urllib.parse import unquote

from chassis.interceptors.errors import REQUEST_ID, request_id
from chassis.interceptors.guards import Context
from chassis.tracing import HEADER

Metadata = tuple[tuple[str, str | bytes], ...]

CLIENT_ADDRESS = "x-forwarded-for"

_OURS = ("grpc-", "x-medport-", "x-forwarded-")
_REPLACED = {"user-agent", "forwarded", REQUEST_ID, HEADER}


def forwarded(context: Context) -> tuple[Metadata, str]:
    """Return what the silo gets but for the traceparent, and the request id in it."""
    kept = tuple(
        (key, value)
        for key, value in context.invocation_metadata() or ()
        if not key.startswith(_OURS) and key not in _REPLACED
    )
    id = request_id(context)
    return (*kept, (REQUEST_ID, id), (CLIENT_ADDRESS, address(context.peer()))), id


def address(peer: str) -> str:
    """Return the address in ``ipv4:127.0.0.1:50050`` or ``ipv6:%5B::1%5D:50050``."""
    kind, _, rest = unquote(peer).partition(":")
    return rest.rpartition(":")[0].strip("[]") if kind in {"ipv4", "ipv6"} else "unknown"
