"""A stolen signing key is revoked: what it signed is refused soon, and another signs at once."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import grpc
import pytest
from medport.hospital.events.v1.event_log_pb2 import HospitalEvent
from medport.hospital.v1 import sessions_pb2 as pb

from chassis import call
from chassis.call import Call
from chassis.minting import SigningKey, mint
from chassis.signing_keys import AHEAD, SIGNS_FOR
from tests.support.colleagues import a_key, a_user, introduce
from tests.support.front_desk import Clock, Desk, bearer, database_on, desk, identity_on

WHY = "a backup was stolen"
ANNOUNCED = """
SELECT data FROM (SELECT id, data FROM outbox UNION ALL SELECT position, data FROM event_log)
    AS announced ORDER BY id
"""


@pytest.fixture
async def hospital(hospital_database: str) -> AsyncIterator[Desk]:
    async with desk(hospital_database) as opened:
        yield opened


@pytest.fixture
def center(hospital: Desk, tmp_path: Path) -> SigningKey:
    key = a_key("center")
    introduce(key, hospital.dsn, tmp_path)
    return key


def revoked(
    hospital: Desk, center: SigningKey, key_name: str
) -> Awaitable[pb.RevokeVerificationKeyResponse]:
    request = pb.RevokeVerificationKeyRequest(key_name=key_name, reason=WHY)
    token = mint(center, a_user("center", "CENTER_ADMIN"), "hospital", hospital.clock()).bearer
    call: Awaitable[pb.RevokeVerificationKeyResponse]
    call = hospital.sessions.RevokeVerificationKey(request, metadata=bearer(token))
    return call


async def names(hospital: Desk) -> list[str]:
    answer = await hospital.sessions.ListVerificationKeys(pb.ListVerificationKeysRequest())
    return [each.key_name for each in answer.verification_keys]


def announced(hospital: Desk, payload: str) -> list[Any]:
    """Return what was announced of one kind."""
    events = [HospitalEvent.FromString(data) for (data,) in hospital.sql(ANNOUNCED)]
    return [getattr(each, payload) for each in events if each.WhichOneof("payload") == payload]


async def test_what_a_revoked_key_signed_is_refused_and_its_user_goes_on(
    hospital: Desk, center: SigningKey
) -> None:
    opened = await hospital.login(await hospital.user())
    who = pb.GetSessionRequest(hospital_id=opened.session.hospital_id, session_id=opened.session.id)
    await hospital.sessions.GetSession(who, metadata=bearer(opened.access_token))
    [stolen] = await names(hospital)

    answer = await revoked(hospital, center, stolen)

    assert answer.verification_key.key_name == stolen
    assert answer.verification_key.not_after_time.ToDatetime(hospital.clock.now.tzinfo) == (
        hospital.clock.now
    )
    hospital.clock.now += timedelta(seconds=35)  # as long as the contract says
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await hospital.sessions.GetSession(who, metadata=bearer(opened.access_token))
    assert refused.value.code() is grpc.StatusCode.UNAUTHENTICATED
    refreshed = await hospital.refresh(opened.refresh_token)
    await hospital.sessions.GetSession(who, metadata=bearer(refreshed.access_token))
    assert stolen not in await names(hospital)
    published = [each.key_name for each in announced(hospital, "signing_key_published")]
    assert sorted(published) == sorted([stolen, *await names(hospital)])
    [told] = announced(hospital, "signing_key_revoked")
    assert told.key_name == stolen


async def test_a_revocation_is_made_once_and_audited(hospital: Desk, center: SigningKey) -> None:
    await hospital.login(await hospital.user())
    [stolen] = await names(hospital)
    first = await revoked(hospital, center, stolen)
    hospital.clock.now += timedelta(seconds=1)
    assert (await revoked(hospital, center, stolen)) == first  # it stays as it is
    assert len(await names(hospital)) == 1
    assert len(announced(hospital, "signing_key_revoked")) == 1
    kept = announced(hospital, "access_audited")
    [entry] = [each for each in kept if each.entity_type == "signing_key"]
    assert (entry.action, entry.reason, entry.entity_id) == ("RevokeVerificationKey", WHY, stolen)


async def test_the_next_key_does_not_sign_before_its_time(
    hospital: Desk, center: SigningKey
) -> None:
    """Nobody would believe it: the key that takes over is a new one."""
    await hospital.login(await hospital.user())
    hospital.clock.now += SIGNS_FOR - AHEAD
    async with database_on(hospital.dsn) as database:
        await hospital.identity.keys.rotate(database, hospital.clock)
    stolen, coming = await names(hospital)

    await revoked(hospital, center, stolen)

    opened = await hospital.login(await hospital.user())
    signer = await hospital.identity.keys.current()
    assert signer.name not in {stolen, coming}
    who = pb.GetSessionRequest(hospital_id=opened.session.hospital_id, session_id=opened.session.id)
    hospital.clock.now += timedelta(seconds=1)
    await hospital.sessions.GetSession(who, metadata=bearer(opened.access_token))


async def test_a_key_that_nobody_has_is_not_found(hospital: Desk, center: SigningKey) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await revoked(hospital, center, str(uuid4()))
    assert refused.value.code() is grpc.StatusCode.NOT_FOUND


async def test_keys_under_a_lost_key_encryption_key_are_replaced(hospital_database: str) -> None:
    async with database_on(hospital_database) as database:
        clock = Clock()
        lost = await identity_on(database, clock).keys.current()
        keys = identity_on(database, clock, secret=bytes(32)).keys
        with pytest.raises(ValueError, match="key-encryption key"):
            await keys.current()

        call.enter(Call("/test/RevokeVerificationKey", principal=a_user("center", "CENTER_ADMIN")))
        await keys.revoke(lost.name, WHY)

        assert (await keys.current()).name != lost.name
