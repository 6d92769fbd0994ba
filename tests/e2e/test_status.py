"""``medport status`` shows a mesh at a glance, and goes on showing it while programs die."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import signal
import struct
import subprocess
import termios
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from typing import IO, Any

import grpc
import pytest
from medport.router.v1.gateway_pb2 import ListRoutesRequest
from medport.router.v1.gateway_pb2_grpc import GatewayServiceStub

from mesh.ports import SILOS
from tests.e2e.conftest import Mesh

pytestmark = pytest.mark.timeout(300)

RESTORED = b"\x1b[?25h"  # the cursor is shown again


def is_settled(seen: dict[str, Any]) -> bool:
    """Tell whether the router has been told of the newest event of every silo."""
    ends = {each["source"]: each["head"] for each in seen["following"]}
    told = {silo: seen["programs"][silo].get("event_position") for silo in SILOS}
    return ends == told


@contextmanager
def watching(mesh: Mesh, *options: str) -> Iterator[subprocess.Popen[str]]:
    command = mesh.command("status", "--watch", *options)
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as watch:
        try:
            yield watch
        finally:
            watch.kill()


def until(lines: IO[str] | None, health: str) -> dict[str, Any]:
    """Read looks until one finds the EMS silo so; return it."""
    assert lines is not None
    for line in lines:
        seen: dict[str, Any] = json.loads(line)
        if seen["programs"]["ems"]["health"] == health:
            return seen
    raise AssertionError("the watch has ended")


def test_a_watch_outlives_a_silo_whose_silence_is_a_line_of_consumers(mesh: Mesh) -> None:
    with watching(mesh, "--json") as watch:
        before = until(watch.stdout, "SERVING")
        mesh.medport("stop", "ems")
        try:
            consumers = json.loads(mesh.medport("consumers", "--json"))
            away = until(watch.stdout, "UNREACHABLE")
        finally:
            mesh.medport("start", "ems")
        back = until(watch.stdout, "SERVING")
        assert any(is_settled(json.loads(line)) for line in watch.stdout or ())
        watch.send_signal(signal.SIGINT)
        assert watch.wait(timeout=30) == 0
    assert away["programs"]["ems-postgres"]["health"] == "ready"
    assert away["programs"]["hospital"]["health"] == "SERVING"
    followed = {(each["consumer"], each["source"]) for each in before["following"]}
    assert {(each["consumer"], each["source"]) for each in back["following"]} == followed
    assert {source for _, source in followed} == set(SILOS)

    assert consumers["unanswered"].keys() == {"ems"}
    of_ems = [row for row in consumers["consumers"] if row["source"] == "ems"]
    assert {row["silo"] for row in of_ems} == {"hospital", "center"}
    assert {row["lag_positions"] for row in of_ems} == {None}


def test_a_look_counts_since_the_look_before(mesh: Mesh) -> None:
    mesh.medport("status", "--json")
    with grpc.insecure_channel(mesh.router) as channel:
        for _ in range(20):
            GatewayServiceStub(channel).ListRoutes(ListRoutesRequest(page_size=1), timeout=20)
    seen = json.loads(mesh.medport("status", "--json"))
    router = seen["programs"]["router"]
    # Each look asks the router how the mesh is, before or after its calls are counted.
    assert router["calls_per_second"] * seen["seconds"] == pytest.approx(21, abs=1.5)
    assert router["error_share"] == 0
    for silo in SILOS:
        assert seen["programs"][silo]["breaker"] in {"CLOSED", "HALF_OPEN", "OPEN"}
    for each in seen["following"]:
        assert each["lag"] == max(0, each["head"] - each["position"])
        assert each["parked"] >= 0


def test_a_database_that_is_down_is_told_beside_those_who_follow_its_silo(mesh: Mesh) -> None:
    before = json.loads(mesh.medport("status", "--json"))
    assert before["unanswered"] == {}
    mesh.medport("stop", "hospital-postgres")
    try:
        seen = json.loads(mesh.medport("status", "--json"))
        printed = watched(mesh, b"hospital does not answer")
    finally:
        mesh.medport("start", "hospital-postgres")
    assert seen["unanswered"].keys() == {"hospital"}
    rows = {(each["consumer"], each["source"]): each["lag"] for each in seen["following"]}
    others = {
        (each["consumer"], each["source"])
        for each in before["following"]
        if each["consumer"].partition(".")[0] != "hospital"
    }
    assert rows.keys() == others
    assert {lag is None for (_, source), lag in rows.items() if source == "hospital"} == {True}
    assert {lag is None for (_, source), lag in rows.items() if source != "hospital"} == {False}
    assert b"hospital-postgres" in printed


@contextmanager
def at_terminal(mesh: Mesh, kind: str = "xterm") -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """Watch at a terminal of a kind, with 80 columns and 24 lines; yield what it shows."""
    terminal, shown = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    command, env = mesh.command("status", "--watch"), {**os.environ, "TERM": kind}
    with subprocess.Popen(command, stdin=shown, stdout=shown, stderr=shown, env=env) as watch:
        os.close(shown)
        try:
            yield watch, terminal
        finally:
            watch.kill()
            os.close(terminal)


def watched(mesh: Mesh, word: bytes) -> bytes:
    """Watch until ``word`` is there."""
    with at_terminal(mesh) as (_, terminal):
        printed = b""
        while word not in printed:
            printed += os.read(terminal, 4096)
    return printed


def test_ctrl_c_ends_a_watch_at_a_terminal_cleanly(mesh: Mesh) -> None:
    with at_terminal(mesh) as (watch, terminal):
        printed = b""
        while b"Who follows whom" not in printed:
            printed += os.read(terminal, 4096)
        watch.send_signal(signal.SIGINT)
        while RESTORED not in printed:
            printed += os.read(terminal, 4096)
        assert watch.wait(timeout=30) == 0
    assert b"Traceback" not in printed
    assert b"hospital-postgres" in printed


def test_where_nothing_can_be_drawn_over_looks_follow_one_another(mesh: Mesh) -> None:
    with at_terminal(mesh, "dumb") as (_, terminal):
        printed = b""
        while printed.count(b"Who follows whom") < 2:
            printed += os.read(terminal, 4096)
    assert b"\x1b" not in printed  # nothing but text
    with watching(mesh) as watch:
        assert watch.stdout is not None
        looks = (line for line in watch.stdout if "Who follows whom" in line)
        assert len([*islice(looks, 2)]) == 2
