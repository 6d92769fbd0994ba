"""Where a call came from: what the router says, if it is the router, else what the socket says."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from functools import lru_cache
from ipaddress import ip_address
from urllib.parse import unquote

from chassis.call import Address

CLIENT_ADDRESS = "x-forwarded-for"
ROUTER = "x-medport-router"  # holds the router's own token; the router lets no client's through

IsRouter = Callable[[str], Awaitable[bool]]
Metadata = Iterable[tuple[str, str | bytes]]


async def client_address(metadata: Metadata, peer: str, is_router: IsRouter) -> Address | None:
    """Return the client's address; None when it has none, as behind a socket file.

    Anybody can write ``x-forwarded-for``: it is believed beside the router's proof alone.
    """
    given = [(name, str(value)) for name, value in metadata if name in {CLIENT_ADDRESS, ROUTER}]
    proofs = [value for name, value in given if name == ROUTER]
    told = [value for name, value in given if name == CLIENT_ADDRESS]
    if len(proofs) == len(told) == 1 and await is_router(proofs[0]):
        return parsed(told[0])
    return parsed(of_peer(peer))


def of_peer(peer: str) -> str:
    """Return the address in ``ipv4:127.0.0.1:50050`` or ``ipv6:%5B::1%5D:50050``."""
    kind, _, rest = unquote(peer).partition(":")
    return rest.rpartition(":")[0].strip("[]") if kind in {"ipv4", "ipv6"} else "unknown"


@lru_cache(maxsize=1024)
def parsed(text: str) -> Address | None:
    try:
        return ip_address(text)
    except ValueError:
        return None
