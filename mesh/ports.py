"""Which port everything listens on: the usual ones, moved where another program was first."""

from __future__ import annotations

import socket
import sys
from collections.abc import Callable, Mapping

from mesh.problems import Problem

SILOS = ("hospital", "ems", "center")

WANTED: Mapping[str, int] = {
    "hospital-postgres": 5432,
    "ems-postgres": 5433,
    "center-postgres": 5434,
    "router": 50050,
    "hospital": 50051,
    "ems": 50052,
    "center": 50053,
    # Where Prometheus asks, a dozen above who answers.
    "router-metrics": 50062,
    "hospital-metrics": 50063,
    "ems-metrics": 50064,
    "center-metrics": 50065,
    # Where Channelz answers, ten above.
    "router-admin": 50072,
    "hospital-admin": 50073,
    "ems-admin": 50074,
    "center-admin": 50075,
}
PROGRAMS = tuple(name for name in WANTED if not name.endswith(("-metrics", "-admin")))


class PortTaken(Problem):
    """A port is another program's, and moving was forbidden."""


def is_free(port: int) -> bool:
    """Tell whether a server could listen there, on loopback, now."""
    try:
        _hold(port).close()
    except OSError:
        return False
    return True


# Linux lets a server listen on a port that another socket of ours is bound to, if both say so.
_SHARES = sys.platform == "linux"


class Reservation:
    """Ports that nobody else gets, before and after they are released to who listens there.

    The usual ports of services lie in the range from which systems number outgoing connections:
    without a hold, a connection can take one of them while its program is started again, and keeps
    it down for as long as that connection lasts. Where a hold cannot be shared it ends with the
    release.
    """

    def __init__(self) -> None:
        self.ports: dict[str, int] = {}
        self._holds: dict[str, socket.socket] = {}

    def take(self, name: str, port: int) -> bool:
        """Hold a port for ``name``; False when it is another program's."""
        try:
            self._holds[name] = _hold(port)
        except OSError:
            return False
        self.ports[name] = port
        return True

    def release(self, name: str) -> None:
        """Let ``name`` listen on its port, now and whenever it is started again."""
        if _SHARES and name in self._holds:
            self._holds[name].setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        elif hold := self._holds.pop(name, None):
            hold.close()

    def close(self) -> None:
        """Give every port back."""
        while self._holds:
            self._holds.popitem()[1].close()


def _hold(port: int) -> socket.socket:
    hold = socket.socket()
    # As servers do: a connection that merely lingers after its close is no obstacle.
    hold.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        hold.bind(("127.0.0.1", port))
    except OSError:
        hold.close()
        raise
    hold.setsockopt(
        socket.SOL_SOCKET, socket.SO_REUSEADDR, 0
    )  # from now on it is shared with nobody
    return hold


def choose(
    offset: int,
    *,
    strict: bool,
    say: Callable[[str], None],
    usual: Mapping[str, int] = WANTED,
) -> Reservation:
    """Reserve a port per process; each one that had to move is said in a line of its own."""
    chosen, avoided = Reservation(), {port + offset for port in usual.values()}
    for name, port in usual.items():
        wanted = port + offset
        if chosen.take(name, wanted):
            continue
        if strict:
            chosen.close()
            raise PortTaken(f"{name}: port {wanted} is taken by another program")
        _take_next_free(chosen, name, wanted, avoided)
        say(f"{name}: port {wanted} is taken by another program, listening on {chosen.ports[name]}")
    return chosen


def _take_next_free(chosen: Reservation, name: str, wanted: int, avoided: set[int]) -> None:
    for port in range(wanted + 1, min(wanted + 1000, 65_536)):
        if port not in avoided and chosen.take(name, port):
            return
    chosen.close()
    raise PortTaken(f"{name}: no free port in the thousand above {wanted}")
