"""The hospital silo believes its own users, EMS's under EMS's key, and its configured peers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from uuid import uuid4

import grpc
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from medport.hospital.events.v1 import event_log_pb2, event_log_pb2_grpc
from medport.hospital.v1 import sessions_pb2, sessions_pb2_grpc
from medport.hospital.v1 import transport_requests_pb2 as trips
from medport.hospital.v1 import transport_requests_pb2_grpc as trips_rpc

from chassis.auth import Principal
from chassis.key_rows import TrustedKey
from chassis.minting import ProcessTokens, SigningKey, mint
from chassis.server import Kit, Silo
from hospital_svc.repositories.sessions import rows
from hospital_svc.server import compose
from tests.support.front_desk import NOON, SECRET, Clock, bearer, database_on, pem, serving
from tests.support.waiting import until

Metadata = tuple[tuple[str, str], ...]


@dataclass
class Hospital:
    channel: grpc.aio.Channel
    clock: Clock
    ems: SigningKey

    async def asked_for_a_trip(self, token: str) -> grpc.StatusCode:
        """Ask for a trip that does not exist: who is let in hears that."""
        request = trips.GetTransportRequestRequest(
            hospital_id=str(uuid4()), transport_request_id=str(uuid4())
        )
        stub = trips_rpc.TransportRequestServiceStub(self.channel)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.GetTransportRequest(request, metadata=bearer(token))
        return caught.value.code()

    async def asked_for_the_log(self, token: str) -> event_log_pb2.GetEventLogResponse:
        stub = event_log_pb2_grpc.EventLogServiceStub(self.channel)
        return await stub.GetEventLog(event_log_pb2.GetEventLogRequest(), metadata=bearer(token))


@pytest.fixture
async def hospital(hospital_database: str) -> AsyncIterator[Hospital]:
    clock, private_key = Clock(), Ed25519PrivateKey.generate()
    ems = SigningKey(silo="ems", name="identity", private_key=private_key)

    def alone(kit: Kit) -> Silo:
        mine = replace(
            kit.settings,
            peers={"ems": "127.0.0.1:1", "center": "127.0.0.1:1"},
            peer_keys={"ems": private_key.public_key().public_bytes_raw()},
            identity_key=pem(),
            key_encryption_key=SECRET,
        )
        return compose(replace(kit, settings=mine))

    async with serving(hospital_database, "hospital", clock, alone) as channel:
        yield Hospital(channel, clock, ems)


def dispatcher() -> Principal:
    return Principal(
        user_id=uuid4(),
        silo="ems",
        roles=frozenset({"EMS_DISPATCHER"}),
        tenant_id=uuid4(),
        session_id=uuid4(),
    )


async def test_a_dispatcher_is_known_once_emss_key_is(
    hospital: Hospital, hospital_database: str
) -> None:
    key = SigningKey(silo="ems", name="k1", private_key=Ed25519PrivateKey.generate())
    token = mint(key, dispatcher(), "hospital", NOON).bearer
    assert await hospital.asked_for_a_trip(token) is grpc.StatusCode.UNAUTHENTICATED
    async with database_on(hospital_database) as database, database.begin(None) as uow:
        trusted = TrustedKey(
            silo="EMS",
            key_name="k1",
            algorithm="EDDSA",
            public_key=key.private_key.public_key().public_bytes_raw(),
            not_before_at=NOON,
            not_after_at=NOON.replace(year=2027),
        )
        await rows.keys.trust(uow, trusted)
    hospital.clock.now = NOON.replace(second=1)
    assert await hospital.asked_for_a_trip(token) is not grpc.StatusCode.UNAUTHENTICATED


async def test_a_peer_follows_the_log_under_its_own_key(hospital: Hospital) -> None:
    answer = await hospital.asked_for_the_log(
        ProcessTokens(hospital.ems, hospital.clock)("hospital")
    )
    assert answer.event_log.log_id


async def test_a_stranger_with_a_key_of_its_own_does_not(hospital: Hospital) -> None:
    stranger = replace(hospital.ems, private_key=Ed25519PrivateKey.generate())
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await hospital.asked_for_the_log(ProcessTokens(stranger, hospital.clock)("hospital"))
    assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED


async def test_the_first_key_is_published_before_anybody_logs_in(hospital: Hospital) -> None:
    stub = sessions_pb2_grpc.SessionServiceStub(hospital.channel)

    async def has_a_key() -> bool:
        answer = await stub.ListVerificationKeys(sessions_pb2.ListVerificationKeysRequest())
        return len(answer.verification_keys) == 1

    await until(has_a_key)
