"""Reads of a real streaming standby: never older than what the caller has written.

Run: ``python -m pytest tests/integration/router/test_read_replicas.py``; needs PostgreSQL's own
programs on this machine.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import grpc
import pytest
from medport.hospital.events.v1 import event_log_pb2, event_log_pb2_grpc
from medport.hospital.v1 import facilities_pb2 as pb
from medport.hospital.v1 import facilities_pb2_grpc, sessions_pb2, sessions_pb2_grpc
from psycopg.conninfo import make_conninfo

from chassis.channels import channel as channel_to
from chassis.passwords import Passwords
from chassis.server import Process
from hospital_svc.server import BUILD
from router.routes import read_descriptors
from tests.support.clinic import settings
from tests.support.front_desk import PASSWORD, SECRET, bearer, pem
from tests.support.hospital_silo import refused
from tests.support.hospital_trips import a_facility
from tests.support.routed_mesh import router_settings, routing, until_true
from tests.support.standbys import Member, home

Metadata = tuple[tuple[str, str], ...]
IMAGE = Path("build/medport.binpb")
_HOSPITAL = """
INSERT INTO hospital (hospital_id, service_id, name, status) VALUES (%s, %s, 'Mercy', 'ACTIVE')
"""
_USER = """
INSERT INTO hospital_user (hospital_id, id, email, password_hash, name, role)
VALUES (%s, %s, %s, %s, 'Somebody', 'ADMIN')
"""
_LOGIN = "INSERT INTO login_email (email, hospital_id, user_id) VALUES (%s, %s, %s)"


@dataclass(frozen=True)
class Family:
    primary: Member
    standby: Member

    def dsn(self, member: Member) -> str:
        who = "hospital_service"
        return make_conninfo(member.dsn, dbname="hospital", user=who, password=who)


@pytest.fixture(scope="module")
def family(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Family]:
    primary = home(tmp_path_factory.mktemp("family"), ["hospital"])
    primary.start()
    primary.configure("ALTER SYSTEM SET fsync = on")  # or no service would use it
    standby = primary.standby("copy")
    yield Family(primary, standby)
    for each in (standby, primary):
        each.remove()


@dataclass
class Stage:
    """The hospital on both servers, behind a router that knows which is which."""

    family: Family
    router: grpc.aio.Channel
    copy: Process
    copy_address: str
    hospital_id: UUID = field(default_factory=uuid4)
    admin: Metadata = ()

    async def asked(self, call: Any) -> tuple[Any, dict[str, Any]]:
        answer = await call
        return answer, dict(await call.trailing_metadata())

    async def login(self) -> None:
        hashed = await Passwords().hash(PASSWORD)
        hospital, user, email = str(self.hospital_id), str(uuid4()), f"{uuid4()}@mercy.example"
        add = partial(self.family.primary.query, database="hospital")
        add(_HOSPITAL, hospital, str(uuid4()))
        add(_USER, hospital, user, email, hashed)
        add(_LOGIN, email, hospital, user)
        stub = sessions_pb2_grpc.SessionServiceStub(self.router)
        request = sessions_pb2.CreateSessionRequest(email=email, password=PASSWORD)
        answer, trailers = await self.asked(stub.CreateSession(request, timeout=20))
        assert trailers["medport-consistency"].startswith("hospital=")
        self.admin = bearer(answer.access_token)

    async def write(self) -> tuple[str, Metadata]:
        """Make a facility; return its id, and what a later read of it sends along."""
        stub = facilities_pb2_grpc.FacilityServiceStub(self.router)
        request = pb.CreateFacilityRequest(
            hospital_id=str(self.hospital_id),
            facility=a_facility(name=f"Ward {uuid4()}"),
            request_id=str(uuid4()),
        )
        answer, trailers = await self.asked(stub.CreateFacility(request, metadata=self.admin))
        return answer.facility.id, (("medport-consistency", trailers["medport-consistency"]),)

    async def read(self, facility: str, metadata: Metadata = ()) -> bool:
        """List the facilities, which must show this one; say whether the copy answered."""
        stub = facilities_pb2_grpc.FacilityServiceStub(self.router)
        request = pb.ListFacilitiesRequest(hospital_id=str(self.hospital_id))
        answer, trailers = await self.asked(
            stub.ListFacilities(request, metadata=(*self.admin, *metadata))
        )
        assert facility in [each.id for each in answer.facilities]
        return str(trailers["x-medport-served-by"]) == self.copy.served_by

    async def until_copied(self, facility: str, metadata: Metadata) -> None:
        """Read until the copy answers; meanwhile the primary does, and nobody misses anything."""
        while not await self.read(facility, metadata):
            pass


@pytest.fixture
async def stage(family: Family, tmp_path: Path) -> AsyncIterator[Stage]:
    given = replace(
        settings(family.dsn(family.primary)),
        identity_key=pem(),
        key_encryption_key=SECRET,
        peers={"ems": "127.0.0.1:1", "center": "127.0.0.1:1"},
    )
    primary = Process(BUILD, given)
    copy = Process(BUILD, replace(given, database=family.dsn(family.standby), serves="reads"))
    async with AsyncExitStack() as stack:
        for each in (primary, copy):
            await each.start()
            stack.push_async_callback(each.stop, 0)
        at = {"hospital": f"127.0.0.1:{primary.port}"}
        copy_address = f"127.0.0.1:{copy.port}"
        known = replace(
            router_settings(at | dict.fromkeys(("ems", "center"), "127.0.0.1:1"), tmp_path),
            read_replicas={"hospital": (copy_address,)},
        )
        router, channel = await stack.enter_async_context(routing(known, read_descriptors(IMAGE)))
        await until_true(lambda: router.monitors["hospital"].seen.serving)
        stage = Stage(family, channel, copy, copy_address)
        await stage.login()
        yield stage


async def test_a_copy_answers_reads_and_never_misses_the_callers_own_write(stage: Stage) -> None:
    first, after_first = await stage.write()
    await stage.until_copied(first, after_first)
    assert not await stage.read(first)  # who does not say how far, is answered by the primary

    stage.family.standby.query("SELECT pg_wal_replay_pause()")
    stage.family.standby.until("SELECT pg_get_wal_replay_pause_state() = 'paused'")
    second, after_second = await stage.write()
    for _ in range(10):
        assert not await stage.read(second, after_second)
    assert await stage.read(first, after_first)  # what it has, it still answers
    async with channel_to(stage.copy_address) as direct:
        stub = facilities_pb2_grpc.FacilityServiceStub(direct)
        request = pb.GetFacilityRequest(hospital_id=str(stage.hospital_id), facility_id=second)
        behind = await refused(stub.GetFacility(request, metadata=(*stage.admin, *after_second)))
    assert (behind.code, behind.reason) == (
        grpc.StatusCode.FAILED_PRECONDITION,
        "REPLICA_BEHIND",
    )

    stage.family.standby.query("SELECT pg_wal_replay_resume()")
    await stage.until_copied(second, after_second)


async def test_a_copy_takes_no_write_and_no_stream_and_its_loss_costs_nothing(
    stage: Stage,
) -> None:
    ward, after = await stage.write()
    await stage.until_copied(ward, after)
    async with channel_to(stage.copy_address) as direct:
        write = facilities_pb2_grpc.FacilityServiceStub(direct).CreateFacility(
            pb.CreateFacilityRequest(
                hospital_id=str(stage.hospital_id), facility=a_facility(), request_id=str(uuid4())
            ),
            metadata=stage.admin,
        )
        assert (await refused(write)).reason == "PRIMARY_ONLY"
        log = event_log_pb2_grpc.EventLogServiceStub(direct)
        stream = log.Subscribe(
            event_log_pb2.SubscribeRequest(subscriber="a.test"), metadata=stage.admin
        )
        assert (await refused(stream.read())).reason == "PRIMARY_ONLY"

    await stage.copy.stop(0)

    for _ in range(20):
        assert not await stage.read(ward, after)
