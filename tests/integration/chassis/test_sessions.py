"""Sessions last as long as they may, and no longer, whoever holds a copy of their tokens."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import uuid4

import grpc
import psycopg
import pytest
from medport.common.v1.vocabulary_pb2 import SILO_CENTER, SILO_EMS, SILO_UNSPECIFIED
from medport.hospital.v1 import sessions_pb2 as pb

from tests.support.databases import superuser_of
from tests.support.front_desk import NOON, Desk, bearer, database_on, desk
from tests.support.waiting import until_blocked


@pytest.fixture
async def hospital(hospital_database: str) -> AsyncIterator[Desk]:
    async with desk(hospital_database) as opened:
        yield opened


async def refused(code: grpc.StatusCode, call: object) -> grpc.aio.AioRpcError:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call  # type: ignore[misc]
    assert caught.value.code() is code, caught.value
    return caught.value


def get(hospital: Desk, opened: pb.CreateSessionResponse, token: str | None = None) -> object:
    request = pb.GetSessionRequest(
        hospital_id=opened.session.hospital_id, session_id=opened.session.id
    )
    return hospital.sessions.GetSession(request, metadata=bearer(token or opened.access_token))


async def test_a_login_gives_tokens_that_work(hospital: Desk) -> None:
    person = await hospital.user()
    opened = await hospital.login(person)
    assert opened.session.user_id == str(person.user_id)
    assert opened.access_token_expire_time.ToDatetime(NOON.tzinfo) == NOON + timedelta(minutes=5)
    assert (await get(hospital, opened)).session == opened.session  # type: ignore[misc]


async def test_a_refresh_token_is_traded_for_the_next(hospital: Desk) -> None:
    opened = await hospital.login(await hospital.user())
    hospital.clock.now += timedelta(minutes=10)
    refreshed = await hospital.refresh(opened.refresh_token)
    assert refreshed.refresh_token != opened.refresh_token
    await get(hospital, opened, refreshed.access_token)  # type: ignore[misc]
    again = await hospital.refresh(refreshed.refresh_token)
    assert again.refresh_token not in {opened.refresh_token, refreshed.refresh_token}


async def test_a_second_use_of_a_refresh_token_ends_the_session(hospital: Desk) -> None:
    opened = await hospital.login(await hospital.user())
    refreshed = await hospital.refresh(opened.refresh_token)
    await get(hospital, opened, refreshed.access_token)  # type: ignore[misc]
    hospital.clock.now += timedelta(seconds=11)
    await refused(grpc.StatusCode.UNAUTHENTICATED, hospital.refresh(opened.refresh_token))
    await refused(grpc.StatusCode.UNAUTHENTICATED, hospital.refresh(refreshed.refresh_token))
    await refused(grpc.StatusCode.UNAUTHENTICATED, get(hospital, opened, refreshed.access_token))
    assert hospital.sql("SELECT revoke_reason FROM user_session") == [("TOKEN_REUSED",)]


async def test_another_clients_second_use_ends_the_session_at_once(hospital: Desk) -> None:
    opened = await hospital.login(await hospital.user())
    refreshed = await hospital.refresh(opened.refresh_token)
    await refused(
        grpc.StatusCode.UNAUTHENTICATED,
        hospital.refresh(opened.refresh_token, address="192.0.2.7"),
    )
    await refused(grpc.StatusCode.UNAUTHENTICATED, hospital.refresh(refreshed.refresh_token))


async def test_a_client_that_lost_the_answer_gets_it_again(hospital: Desk) -> None:
    opened = await hospital.login(await hospital.user())
    first = await hospital.refresh(opened.refresh_token)
    hospital.clock.now += timedelta(seconds=10)
    second = await hospital.refresh(opened.refresh_token)
    assert second.refresh_token == first.refresh_token
    assert second.refresh_token_expire_time == first.refresh_token_expire_time
    await hospital.refresh(second.refresh_token)


async def test_the_answer_is_not_given_again_once_it_was_used(hospital: Desk) -> None:
    opened = await hospital.login(await hospital.user())
    first = await hospital.refresh(opened.refresh_token)
    await hospital.refresh(first.refresh_token)
    await refused(grpc.StatusCode.UNAUTHENTICATED, hospital.refresh(opened.refresh_token))


async def test_two_refreshes_at_once_agree(hospital: Desk) -> None:
    opened = await hospital.login(await hospital.user())
    async with await psycopg.AsyncConnection.connect(superuser_of(hospital.dsn)) as holder:
        await holder.execute("SELECT FROM user_session FOR UPDATE")
        both = [asyncio.ensure_future(hospital.refresh(opened.refresh_token)) for _ in range(2)]
        await until_blocked(hospital.dsn, 2)
        await holder.commit()
    first, second = await asyncio.gather(*both)
    assert first.refresh_token == second.refresh_token
    assert hospital.sql("SELECT count(*) FROM refresh_token") == [(2,)]


async def test_a_session_ends_after_fifteen_idle_minutes(hospital: Desk) -> None:
    opened = await hospital.login(await hospital.user())
    hospital.clock.now += timedelta(minutes=15)
    await refused(grpc.StatusCode.UNAUTHENTICATED, hospital.refresh(opened.refresh_token))


async def test_a_session_ends_after_twelve_hours(hospital: Desk) -> None:
    opened = await hospital.login(await hospital.user())
    token = opened.refresh_token
    for _ in range(12 * 6 - 1):
        hospital.clock.now += timedelta(minutes=10)
        token = (await hospital.refresh(token)).refresh_token
    hospital.clock.now += timedelta(minutes=10)
    await refused(grpc.StatusCode.UNAUTHENTICATED, hospital.refresh(token))


@pytest.mark.parametrize("token", ["x", "A" * 64, "A" * 43, "ÿ", "a.b", "=" * 8])
async def test_what_is_no_refresh_token_is_refused(hospital: Desk, token: str) -> None:
    error = await refused(grpc.StatusCode.UNAUTHENTICATED, hospital.refresh(token))
    assert error.details() == "the refresh token is not valid"


async def test_an_access_token_is_for_one_silo(hospital: Desk) -> None:
    opened = await hospital.login(await hospital.user())
    for_ems = await hospital.refresh(opened.refresh_token, SILO_EMS)
    await refused(grpc.StatusCode.UNAUTHENTICATED, get(hospital, opened, for_ems.access_token))
    for_center = await hospital.refresh(for_ems.refresh_token, SILO_CENTER)
    await refused(grpc.StatusCode.UNAUTHENTICATED, get(hospital, opened, for_center.access_token))
    await get(hospital, opened)  # type: ignore[misc]


async def test_an_audience_must_be_named(hospital: Desk) -> None:
    opened = await hospital.login(await hospital.user())
    await refused(
        grpc.StatusCode.INVALID_ARGUMENT, hospital.refresh(opened.refresh_token, SILO_UNSPECIFIED)
    )
    await hospital.refresh(opened.refresh_token)


def revoke(hospital: Desk, opened: pb.CreateSessionResponse, token: str) -> object:
    request = pb.RevokeSessionRequest(
        hospital_id=opened.session.hospital_id, session_id=opened.session.id
    )
    return hospital.sessions.RevokeSession(request, metadata=bearer(token))


async def test_a_user_logs_out(hospital: Desk) -> None:
    opened = await hospital.login(await hospital.user())
    answer = await revoke(hospital, opened, opened.access_token)  # type: ignore[misc]
    assert answer.session.revoke_reason == pb.SESSION_REVOKE_REASON_LOGOUT
    await refused(grpc.StatusCode.UNAUTHENTICATED, hospital.refresh(opened.refresh_token))
    hospital.clock.now += timedelta(seconds=5)
    await refused(grpc.StatusCode.UNAUTHENTICATED, get(hospital, opened))


async def test_another_users_session_does_not_exist(hospital: Desk) -> None:
    mine = await hospital.login(await hospital.user())
    other = await hospital.login(await hospital.user())
    for call in (
        get(hospital, other, mine.access_token),
        revoke(hospital, other, mine.access_token),
    ):
        error = await refused(grpc.StatusCode.NOT_FOUND, call)
        assert error.details() == f"session {other.session.id} does not exist"


async def test_an_administrator_ends_a_users_session_but_not_another_hospitals(
    hospital: Desk,
) -> None:
    boss = await hospital.login(await hospital.user("ADMIN"))
    other = await hospital.login(await hospital.user())
    stranger = await hospital.login(await hospital.user(hospital_id=uuid4()))
    answer = await revoke(hospital, other, boss.access_token)  # type: ignore[misc]
    assert answer.session.revoke_reason == pb.SESSION_REVOKE_REASON_ADMINISTRATOR
    again = await revoke(hospital, other, boss.access_token)  # type: ignore[misc]
    assert again.session == answer.session
    await refused(grpc.StatusCode.PERMISSION_DENIED, revoke(hospital, stranger, boss.access_token))
    moved = pb.CreateSessionResponse()
    moved.CopyFrom(stranger)
    moved.session.hospital_id = boss.session.hospital_id
    await refused(grpc.StatusCode.NOT_FOUND, revoke(hospital, moved, boss.access_token))


async def test_sessions_are_listed_newest_first_a_page_at_a_time(hospital: Desk) -> None:
    person = await hospital.user()
    ids = [(await hospital.login(person)).session.id for _ in range(3)]
    opened = await hospital.login(person)
    request = pb.ListSessionsRequest(hospital_id=opened.session.hospital_id, page_size=3)
    me = bearer(opened.access_token)
    first = await hospital.sessions.ListSessions(request, metadata=me)
    request.page_token = first.next_page_token
    second = await hospital.sessions.ListSessions(request, metadata=me)
    found = [each.id for each in (*first.sessions, *second.sessions)]
    assert found == [opened.session.id, *reversed(ids)]
    assert not second.next_page_token


async def test_another_users_sessions_are_not_listed(hospital: Desk) -> None:
    opened, other = await hospital.login(await hospital.user()), await hospital.user()
    request = pb.ListSessionsRequest(
        hospital_id=opened.session.hospital_id, user_id=str(other.user_id)
    )
    await refused(
        grpc.StatusCode.NOT_FOUND,
        hospital.sessions.ListSessions(request, metadata=bearer(opened.access_token)),
    )


async def test_a_disabled_users_tokens_stop_working(hospital: Desk) -> None:
    opened = await hospital.login(await hospital.user())
    await get(hospital, opened)  # type: ignore[misc]
    hospital.sql("UPDATE hospital_user SET is_active = false")
    await refused(grpc.StatusCode.UNAUTHENTICATED, hospital.refresh(opened.refresh_token))
    hospital.clock.now += timedelta(seconds=5)
    await refused(grpc.StatusCode.UNAUTHENTICATED, get(hospital, opened))


async def test_no_token_is_in_the_database(hospital: Desk) -> None:
    opened = await hospital.login(await hospital.user())
    await hospital.refresh(opened.refresh_token)
    rows = hospital.sql("SELECT t::text FROM refresh_token t")
    assert len(rows) == 2
    assert not any(opened.refresh_token in row for (row,) in rows)


async def test_what_proves_nothing_any_more_is_deleted(hospital: Desk) -> None:
    opened = await hospital.login(await hospital.user())
    await hospital.login(await hospital.user(hospital_id=uuid4()))
    await hospital.refresh(opened.refresh_token)
    forget = hospital.identity.forget_sessions
    async with database_on(hospital.dsn) as database:
        hospital.clock.now += timedelta(hours=12)
        assert await forget(database, hospital.clock) == 0
        hospital.clock.now += timedelta(minutes=16)
        assert await forget(database, hospital.clock) == 3
        hospital.clock.now += timedelta(days=90)
        assert await forget(database, hospital.clock) == 2


async def test_the_keys_are_listed_for_everybody(hospital: Desk) -> None:
    await hospital.login(await hospital.user())
    answer = await hospital.sessions.ListVerificationKeys(pb.ListVerificationKeysRequest())
    (key,) = answer.verification_keys
    assert (key.algorithm, len(key.public_key)) == ("EdDSA", 32)
