"""Which metadata travels on: order and duplicates kept, what only MedPort may say made anew."""

from __future__ import annotations

from chassis.addresses import CLIENT_ADDRESS, ROUTER, of_peer
from chassis.interceptors.errors import REQUEST_ID, request_id
from chassis.interceptors.guards import Context
from chassis.tracing import HEADER

Metadata = tuple[tuple[str, str | bytes], ...]

_OURS = ("grpc-", "x-medport-", "x-forwarded-", "authorization-")
_REPLACED = {"user-agent", "forwarded", REQUEST_ID, HEADER}


def forwarded(context: Context, proof: str = "") -> tuple[Metadata, str]:
    """Return what the silo gets but for the traceparent, and the request id in it.

    ``proof`` shows the silo that this is the router, and the client's address no invention.
    """
    kept = tuple(
        (key, value)
        for key, value in context.invocation_metadata() or ()
        if not key.startswith(_OURS) and key not in _REPLACED
    )
    id = request_id(context)
    ours = ((REQUEST_ID, id), (CLIENT_ADDRESS, of_peer(context.peer())))
    return (*kept, *ours, *(((ROUTER, proof),) if proof else ())), id
