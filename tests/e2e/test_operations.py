"""An operator's night: an event that cannot be applied, and a stream that is cut again and again.

Proves, through the router and with the commands of the runbooks: a poison event parks its subject
and nothing else, is found with what refused it, has its effect once it is requeued, in order, and
Center's audit log tells who did that and why. ``medport events`` misses and repeats nothing when
the silo and the router are killed while it follows.
"""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event
from typing import Any
from urllib.request import urlopen
from uuid import uuid4

import grpc
import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from medport.center.v1 import audit_log_pb2
from medport.center.v1.audit_log_pb2_grpc import AuditLogServiceStub
from medport.common.v1 import vocabulary_pb2 as words
from medport.ems.v1 import agencies_pb2
from medport.ems.v1.agencies_pb2_grpc import AgencyServiceStub
from medport.hospital.v1.consumers_pb2 import ListConsumersRequest
from medport.hospital.v1.consumers_pb2_grpc import ConsumerServiceStub

from mesh.demo import cast
from mesh.demo.cast import AgencyPart
from mesh.health import serves
from mesh.logins import LoginFailed, token
from mesh.passwords import CENTER_ADMIN
from mesh.postgres import PostgresServer
from tests.e2e.conftest import Mesh
from tests.support.silo_processes import kill, listening_on

pytestmark = pytest.mark.timeout(300)

# What a release forgot: no phone number ends in 0199.
POISON = (
    "ALTER TABLE agency_directory ADD CONSTRAINT drill CHECK (phone NOT LIKE '%0199') NOT VALID"
)
CURE = "ALTER TABLE agency_directory DROP CONSTRAINT IF EXISTS drill"
_PAUSE = Event()  # never set: its wait is the pause between two looks
WHY = f"drill {uuid4()}: the constraint is gone again"  # what an earlier drill gave is another


@pytest.fixture
def hospitals_database(mesh: Mesh) -> Iterator[Callable[[str], str]]:
    name = "hospital-postgres"
    server = PostgresServer(name, mesh.data.running().ports[name], mesh.data.postgres)
    yield lambda text: server.psql(text, database="hospital")
    server.psql(CURE, database="hospital")


@pytest.fixture
def channel(mesh: Mesh) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(mesh.router) as opened:
        yield opened


def bearer(mesh: Mesh, silo: str, email: str) -> tuple[tuple[str, str], ...]:
    return (("authorization", f"Bearer {token(mesh.data, silo, email)}"),)


def test_a_login_gives_a_token_for_another_silo(mesh: Mesh, channel: grpc.Channel) -> None:
    stub: Any = ConsumerServiceStub(channel)
    metadata = [("authorization", f"Bearer {token(mesh.data, 'center', CENTER_ADMIN, 'hospital')}")]
    assert stub.ListConsumers(ListConsumersRequest(), metadata=metadata, timeout=10).consumers
    with pytest.raises(LoginFailed, match="nowhere is no silo"):
        token(mesh.data, "center", CENTER_ADMIN, "nowhere")


class Office:
    """An agency's administrator, who lets it announce another phone number."""

    def __init__(self, mesh: Mesh, channel: grpc.Channel, agency: AgencyPart) -> None:
        self.agency = agency
        self._agencies: Any = AgencyServiceStub(channel)
        self._asked = agencies_pb2.GetAgencyRequest(agency_id=agency.id)
        self._bearer = bearer(mesh, "ems", agency.admin)

    def is_answered(self) -> bool:
        """Tell whether the router leads to EMS: it takes a moment to believe in a silo again."""
        try:
            self._agencies.GetAgency(self._asked, metadata=self._bearer, timeout=20)
        except grpc.RpcError:
            return False
        return True

    def announce(self, phone: str) -> None:
        until(self.is_answered)
        found = self._agencies.GetAgency(self._asked, metadata=self._bearer, timeout=20).agency
        request = agencies_pb2.UpdateAgencyRequest(
            agency_id=self.agency.id,
            agency=agencies_pb2.EmsAgency(phone=phone),
            update_mask=FieldMask(paths=["phone"]),
            etag=found.etag,
            request_id=str(uuid4()),
        )
        self._agencies.UpdateAgency(request, metadata=self._bearer, timeout=20)


@pytest.fixture
def office(mesh: Mesh, played: dict[str, Any], channel: grpc.Channel) -> Office:
    known = cast.load(mesh.data)
    assert known is not None
    return Office(mesh, channel, known.agencies[0])


def letters(mesh: Mesh, *arguments: str) -> list[dict[str, Any]]:
    asked = ("dead-letters", "list", "--consumer", "hospital", "--source", "ems", "--json")
    listed = json.loads(medport(mesh, *asked, *arguments))
    found: list[dict[str, Any]] = listed["dead_letters"]
    return found


def medport(mesh: Mesh, *arguments: str) -> str:
    """Run a command whose own name is two words: the directory is named behind them."""
    command = [*mesh.command(arguments[0])[:4], *arguments[1:], "--data", str(mesh.data.root)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, f"{arguments}: {done.stderr}"
    return done.stdout


def until(condition: Callable[[], bool], seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come true in time"
        _PAUSE.wait(0.05)


def parked_by_the_metrics(mesh: Mesh) -> float:
    port = mesh.data.running().ports["hospital-metrics"]
    with urlopen(f"http://127.0.0.1:{port}/metrics") as page:
        lines = page.read().decode().splitlines()
    begun = 'medport_parked_events{consumer="hospital",source="ems"} '
    return sum(float(line.removeprefix(begun)) for line in lines if line.startswith(begun))


def test_a_poison_event_is_found_requeued_and_accounted_for(
    mesh: Mesh,
    office: Office,
    channel: grpc.Channel,
    hospitals_database: Callable[[str], str],
) -> None:
    hospitals_database(POISON)
    for phone in ("412-555-0199", "412-555-0142"):
        office.announce(phone)
    until(lambda: parked_by_the_metrics(mesh) == 2)
    first, second = letters(mesh, "--state", "PARKED")
    assert (first["reason"], second["reason"]) == ("CheckViolation 23514 drill", "BEHIND_PARKED")
    who = ("--silo", "hospital", "--consumer", "hospital", "--source", "ems")
    at = ("--position", str(first["position"]))
    shown = json.loads(medport(mesh, "dead-letters", "show", *who, *at))
    assert shown["event"]["agency_updated"]["phone"] == "412-555-0199"

    hospitals_database(CURE)
    subject = ("--subject", first["subject"], "--reason", WHY)
    medport(mesh, "dead-letters", "requeue", *who, *subject)
    until(lambda: letters(mesh) == [])
    known = f"SELECT phone FROM agency_directory WHERE agency_id = '{office.agency.id}'"  # noqa: S608
    assert hospitals_database(known) == "412-555-0142"
    until(lambda: parked_by_the_metrics(mesh) == 0)

    (entry,) = until_audited(mesh, channel)
    assert (entry.changes["subject"], entry.source_silo) == (first["subject"], words.SILO_HOSPITAL)
    assert (entry.entity_type, entry.organization_id) == ("dead_letter", "")
    assert entry.changes["count"] == 2


def until_audited(mesh: Mesh, channel: grpc.Channel) -> list[audit_log_pb2.AuditLog]:
    """Return the retries that Center's audit log has with this drill's reason, once it has one."""
    trail: Any = AuditLogServiceStub(channel)
    request = audit_log_pb2.ListAuditLogsRequest()
    request.filter.actions.append("RetryDeadLetters")
    admin = bearer(mesh, "center", CENTER_ADMIN)

    def told() -> list[audit_log_pb2.AuditLog]:
        found = trail.ListAuditLogs(request, metadata=admin, timeout=20).audit_logs
        return [each for each in found if each.reason == WHY]

    until(lambda: bool(told()))
    return told()


def test_events_go_on_across_the_death_of_what_serves_them(
    mesh: Mesh, office: Office, tmp_path: Path
) -> None:
    command = mesh.command("events", "--silo", "ems", "--type", "AgencyUpdated", "--json")
    heard, ports = tmp_path / "heard", mesh.data.running().ports
    with heard.open("w") as out:
        following = subprocess.Popen([*command, "--from", "earliest", "--follow"], stdout=out)
    try:
        before = len(mesh.medport(*command[3:4], *command[6:], "--from", "earliest").splitlines())
        until(lambda: len(heard.read_text().splitlines()) == before)
        for name, phone in (("ems", "412-555-0101"), ("router", "412-555-0102")):
            kill(listening_on(ports[name]))
            until(lambda: serves(ports["ems"]) and serves(ports["router"]))
            office.announce(phone)
        until(lambda: len(heard.read_text().splitlines()) >= before + 2)
    finally:
        following.kill()
        following.wait()
    again = mesh.medport(*command[3:4], *command[6:], "--from", "earliest")
    assert heard.read_text() == again


def test_a_copy_is_made_anew_as_its_runbook_says(mesh: Mesh, played: dict[str, Any]) -> None:
    who = ("--silo", "ems", "--consumer", "ems.settings", "--source", "center")
    said = medport(mesh, "consumers", "rebuild", *who, "--reason", WHY)
    assert said == "ems: ems.settings of center is REBUILDING\n"

    def state() -> str:
        rows = json.loads(mesh.medport("consumers", "--json"))["consumers"]
        (found,) = (row["state"] for row in rows if row["consumer"] == "ems.settings")
        return str(found)

    until(lambda: state() == "RUNNING")
