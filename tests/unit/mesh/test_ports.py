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
    wanted = ports.WANTED["router"] + taken
    assert chosen["router"] != wanted
    assert said == [
        f"router: port {wanted} is taken by another program, listening on {chosen['router']}"
    ]


def test_a_taken_port_is_an_error_when_ports_are_strict(taken: int) -> None:
    with pytest.raises(ports.PortTaken, match="router"):
        ports.choose(taken, strict=True, say=lambda _line: None, usual=ROUTER)
