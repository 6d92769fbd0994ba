"""Ports: the usual ones, moved where somebody was first."""

from __future__ import annotations

import socket
import struct
import sys
from collections.abc import Iterator

import pytest

from mesh import ports

LOCAL_PORT_RANGE = 51  # of linux/in.h; the socket module has no name for it
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
    chosen.close()


@pytest.mark.skipif(sys.platform != "linux", reason="a hold can be shared on Linux only")
def test_no_outgoing_connection_takes_the_port_of_a_program_that_is_down(taken: int) -> None:
    chosen = ports.choose(0, strict=False, say=lambda _line: None, usual={"router": 42_000})
    port = chosen.ports["router"]
    chosen.release("router")
    with socket.socket() as program:
        program.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        program.bind(("127.0.0.1", port))
        program.listen()
    somewhere = ("127.0.0.1", taken + ports.WANTED["router"])
    with connecting_from(port) as late, pytest.raises(OSError, match="assign"):
        late.connect(somewhere)
    chosen.close()
    with connecting_from(port) as late:
        late.connect(somewhere)


def connecting_from(port: int) -> socket.socket:
    """Return a socket whose outgoing connection the system can give no other port."""
    connection = socket.socket()
    try:
        connection.setsockopt(
            socket.IPPROTO_IP, LOCAL_PORT_RANGE, struct.pack("I", port << 16 | port)
        )
    except OSError:
        connection.close()
        pytest.skip("this kernel has no IP_LOCAL_PORT_RANGE (Linux 6.3)")
    return connection
