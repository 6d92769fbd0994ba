"""Ports: the usual ones, moved where somebody was first."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from mesh import ports

ROUTER = {"router": ports.WANTED["router"]}


@pytest.fixture
def taken() -> Iterator[int]:
    """Yield an offset under which the router's port is another program's."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1] - ports.WANTED["router"]


def test_a_taken_port_moves_and_is_said(taken: int) -> None:
    said: list[str] = []
    chosen = ports.choose(taken, strict=False, say=said.append, usual=ROUTER)
    chosen.close()
    wanted = ports.WANTED["router"] + taken
    assert chosen.ports["router"] != wanted
    assert said == [
        f"router: port {wanted} is taken by another program, listening on {chosen.ports['router']}"
    ]


def test_a_taken_port_is_an_error_when_ports_are_strict(taken: int) -> None:
    with pytest.raises(ports.PortTaken, match="router"):
        ports.choose(taken, strict=True, say=lambda _line: None, usual=ROUTER)


def test_a_reserved_port_is_nobody_elses_until_it_is_released() -> None:
    chosen = ports.Reservation()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    assert chosen.take("router", port)
    assert not ports.is_free(port)
    chosen.release("router")
    assert ports.is_free(port)
