"""Which port everything listens on: the usual ones, moved where another program was first."""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping

SILOS = ("hospital", "ems", "center")

WANTED: Mapping[str, int] = {
    "hospital-postgres": 5432,
    "ems-postgres": 5433,
    "center-postgres": 5434,
    "router": 50050,
    "hospital": 50051,
    "ems": 50052,
    "center": 50053,
}


class PortTaken(RuntimeError):
    """A port is another program's, and moving was forbidden."""


def is_free(port: int) -> bool:
    """Tell whether a server could listen there, on loopback, now."""
    with socket.socket() as probe:
        # As servers do: a connection that merely lingers after its close is no obstacle.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def choose(
    offset: int,
    *,
    strict: bool,
    say: Callable[[str], None],
    usual: Mapping[str, int] = WANTED,
) -> dict[str, int]:
    """Return a port per process; each one that had to move is said in a line of its own."""
    reserved = {port + offset for port in usual.values()}
    chosen: dict[str, int] = {}
    for name, port in usual.items():
        wanted = port + offset
        if is_free(wanted):
            chosen[name] = wanted
            continue
        if strict:
            raise PortTaken(f"{name}: port {wanted} is taken by another program")
        chosen[name] = _next_free(wanted, reserved | set(chosen.values()))
        say(f"{name}: port {wanted} is taken by another program, listening on {chosen[name]}")
    return chosen


def _next_free(wanted: int, avoided: set[int]) -> int:
    for port in range(wanted + 1, min(wanted + 1000, 65_536)):
        if port not in avoided and is_free(port):
            return port
    raise PortTaken(f"no free port in the thousand above {wanted}")
