"""What a newcomer types, against a real mesh."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import time
from pathlib import Path
from threading import Event
from typing import Any

import grpc
import pytest
from grpc_channelz.v1 import channelz_pb2, channelz_pb2_grpc

from mesh.census import Census
from mesh.next_steps import lines, program
from mesh.ports import SILOS, WANTED
from mesh.state import DataDirectory
from tests.e2e.conftest import Mesh, free_offset

pytestmark = pytest.mark.timeout(300)

GRPCURL = program("grpcurl")


def shell(line: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["/bin/sh", "-c", line], capture_output=True, text=True, timeout=60, check=False
    )


def test_status_shows_seven_healthy_programs(mesh: Mesh) -> None:
    programs = json.loads(mesh.medport("status", "--json"))["programs"]
    assert len(programs) == 7
    assert {facts["health"] for facts in programs.values()} <= {"SERVING", "ready"}
    assert "router" in mesh.medport("status")


def test_a_second_mesh_in_the_same_directory_is_refused(mesh: Mesh) -> None:
    done = subprocess.run(
        mesh.command("up", "--no-demo"), capture_output=True, text=True, timeout=90, check=False
    )
    assert done.returncode == 1
    assert "already running" in done.stderr


def test_a_start_that_is_broken_off_leaves_nothing_running(tmp_path: Path) -> None:
    begun = Mesh(DataDirectory(tmp_path / "data"), collector="")
    starting = subprocess.Popen(
        begun.command("up", "--no-demo", "--detach", "--port-offset", str(free_offset())),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    pause, until = Event(), time.monotonic() + 60
    while not begun.data.is_locked():  # then the supervisor is there, and nothing serves yet
        assert time.monotonic() < until
        pause.wait(0.02)
    starting.send_signal(signal.SIGINT)
    _, said = starting.communicate(timeout=120)
    assert (starting.returncode, "broken off" in said) == (1, True), said
    assert not begun.data.is_locked()
    assert not list(begun.data.postgres.glob("*/postmaster.pid"))


def test_secrets_are_their_owners_alone(mesh: Mesh) -> None:
    files = [path for path in (mesh.data.root / "secrets").rglob("*") if path.is_file()]
    files += [mesh.data.passwords, *mesh.data.postgres.glob("*.password")]
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}


@pytest.mark.skipif(GRPCURL is None, reason="grpcurl is packaged for Linux on x86_64 only")
def test_grpcurl_lists_and_describes_through_the_router(mesh: Mesh) -> None:
    listed = shell(f"{GRPCURL} -plaintext {mesh.router} list").stdout.split()
    assert "medport.hospital.v1.TransportRequestService" in listed
    assert "medport.ems.v1.BidService" in listed
    assert "medport.center.v1.ServiceRegistryService" in listed
    for service in listed:
        described = shell(f"{GRPCURL} -plaintext {mesh.router} describe {service}")
        assert described.returncode == 0, described.stderr


def test_every_process_tells_of_its_connections_on_an_admin_port(mesh: Mesh) -> None:
    programs = json.loads(mesh.medport("status", "--json"))["programs"]
    for name in (*SILOS, "router"):
        with grpc.insecure_channel(f"127.0.0.1:{programs[name]['admin']}") as admin:
            asked: Any = channelz_pb2_grpc.ChannelzStub(admin)
            servers = asked.GetServers(channelz_pb2.GetServersRequest(), timeout=20).server
        assert any(each.data.calls_succeeded for each in servers), name


def test_a_day_of_transfers_leaves_every_book_right(played: dict[str, Any]) -> None:
    assert played["unexplained"] == {}
    assert [name for name, holds in played["checks"].items() if not holds] == []
    assert played["requested"] == 20
    assert played["completed"] > 10


def test_the_next_commands_work_as_they_are_printed(mesh: Mesh, played: dict[str, Any]) -> None:
    printed = [line for line in lines(mesh.data) if not line.startswith("#")]
    assert len(printed) > 3
    tokens = [line for line in printed if line.startswith("TOKEN=")]
    for line in printed:
        if " events " in f" {line} ":
            continue  # it goes on until Ctrl-C: the test below
        done = shell(line if "$TOKEN" not in line else f"{tokens[0]}\n{line}")
        assert done.returncode == 0, f"{line}\n{done.stderr}"


def test_events_are_printed_from_the_beginning(mesh: Mesh, played: dict[str, Any]) -> None:
    command = mesh.command("events", "--silo", "hospital", "--from", "earliest", "--json")
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as following:
        assert following.stdout is not None
        first = [json.loads(following.stdout.readline()) for _ in range(20)]
        following.terminate()
    positions = [int(event["placement"]["position"]) for event in first]
    assert positions == list(range(1, 21))


def test_center_catches_up_after_its_database_was_away(mesh: Mesh, played: dict[str, Any]) -> None:
    census = Census(mesh.data)
    command = mesh.command("demo", "--trips", "10", "--json")
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as day:
        until_more_events(census, 5)
        mesh.medport("stop", "center-postgres")
        until_more_events(census, 40)  # hospital and EMS go on without Center
        mesh.medport("start", "center-postgres")
        printed, complaints = day.communicate(timeout=240)
    assert printed, complaints[-3000:]
    report = json.loads(printed)
    assert report["unexplained"] == {}
    assert [name for name, holds in report["checks"].items() if not holds] == []


def test_hospital_and_ems_do_not_notice_that_center_is_away(
    mesh: Mesh, played: dict[str, Any]
) -> None:
    mesh.medport("stop", "center-postgres")
    try:
        report = mesh.demo(5)
    finally:
        mesh.medport("start", "center-postgres")
    assert report["unexplained"] == {}
    assert report["unchecked"] == ["center"]
    assert [name for name, holds in report["checks"].items() if not holds] == []
    assert "trip_facts_equal_transport_requests" not in report["checks"]


def test_a_killed_supervisor_is_succeeded_on_the_same_ports(mesh: Mesh) -> None:
    before = mesh.data.running()
    os.kill(before.supervisor, signal.SIGKILL)
    offset = before.ports["router"] - WANTED["router"]
    mesh.medport("up", "--no-demo", "--detach", "--port-offset", str(offset))
    assert mesh.data.running().ports == before.ports
    programs = json.loads(mesh.medport("status", "--json"))["programs"]
    assert {facts["health"] for facts in programs.values()} <= {"SERVING", "ready"}


def until_more_events(census: Census, count: int) -> None:
    def head() -> int:
        return int(census.rows("hospital", "SELECT last_position AS n FROM event_log_head")[0]["n"])

    goal, until = head() + count, time.monotonic() + 60
    while head() < goal:
        assert time.monotonic() < until, "the hospital announces nothing"
        os.sched_yield()
