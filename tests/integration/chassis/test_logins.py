"""A login tells a stranger nothing, guesses are counted, and an invitation works once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import uuid4

import grpc
import pytest
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
from google.rpc.error_details_pb2 import ErrorInfo, RetryInfo
from medport.hospital.v1 import sessions_pb2, users_pb2

from chassis import passwords
from tests.support.front_desk import PASSWORD, Desk, Person, bearer, database_on, desk
from tests.support.guarded import detail
from tests.support.waiting import until_pool_stands


@pytest.fixture
async def hospital(hospital_database: str) -> AsyncIterator[Desk]:
    async with desk(hospital_database) as opened:
        yield opened


async def refused(code: grpc.StatusCode, call: Any) -> grpc.aio.AioRpcError:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    assert caught.value.code() is code, caught.value
    return caught.value


async def outcome(call: Any) -> grpc.StatusCode:
    try:
        await call
    except grpc.aio.AioRpcError as error:
        return error.code()
    return grpc.StatusCode.OK


def stranger() -> Person:
    return Person(uuid4(), uuid4(), f"nobody{uuid4().hex}@mercy.example")


async def test_one_answer_at_one_cost_for_all_who_may_not_enter(
    hospital: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    hashed: list[str] = []
    matches = passwords._matches

    def counted(password: bytes, password_hash: str) -> bool:
        hashed.append(password_hash[:31])  # its parameters, hence its cost
        return matches(password, password_hash)

    monkeypatch.setattr(passwords, "_matches", counted)
    known, disabled = await hospital.user(), await hospital.user()
    invited = await hospital.user()
    sql = "UPDATE hospital_user SET {} WHERE id = %s"
    hospital.sql(sql.format("is_active = false"), disabled.user_id)
    hospital.sql(sql.format("password_hash = NULL"), invited.user_id)
    errors = [
        await refused(grpc.StatusCode.UNAUTHENTICATED, call)
        for call in (
            hospital.login(stranger()),
            hospital.login(known, password="wrong"),  # noqa: S106 - that is the point
            hospital.login(disabled),
            hospital.login(invited),
        )
    ]
    assert {error.details() for error in errors} == {"the address or the password is wrong"}
    assert {detail(error, ErrorInfo).reason for error in errors} == {"UNAUTHENTICATED"}
    assert hashed == ["$argon2id$v=19$m=19456,t=2,p=1$"] * 4


async def test_an_address_is_the_same_in_capitals(hospital: Desk) -> None:
    person = await hospital.user()
    await hospital.login(person, email=person.email.upper())


@pytest.mark.parametrize("exists", [True, False])
async def test_after_ten_failures_not_even_the_right_password_is_looked_at(
    hospital: Desk, exists: bool
) -> None:
    person = await hospital.user() if exists else stranger()
    for _ in range(10):
        await refused(
            grpc.StatusCode.UNAUTHENTICATED,
            hospital.login(person, password="wrong"),  # noqa: S106 - that is the point
        )
    hospital.clock.now += timedelta(minutes=5)
    error = await refused(grpc.StatusCode.RESOURCE_EXHAUSTED, hospital.login(person))
    info = detail(error, ErrorInfo)
    assert (info.reason, info.metadata["retry_after_seconds"]) == ("RATE_LIMITED", "600")
    assert detail(error, RetryInfo).retry_delay.seconds == 600
    await hospital.login(await hospital.user())


async def test_the_right_password_is_looked_at_again_after_fifteen_minutes(hospital: Desk) -> None:
    person = await hospital.user()
    hospital.sql(
        "INSERT INTO login_throttle (email, attempts, window_started_at) VALUES (%s, 10, %s)",
        person.email,
        hospital.clock.now,
    )
    hospital.clock.now += timedelta(minutes=15)
    await hospital.login(person)


async def test_a_burst_of_guesses_is_counted_before_it_is_looked_at(hospital: Desk) -> None:
    person = await hospital.user()
    await until_pool_stands("hospital")
    guesses = (hospital.login(person, password=f"guess {number}") for number in range(30))
    outcomes = await asyncio.gather(*(outcome(guess) for guess in guesses))
    assert outcomes.count(grpc.StatusCode.UNAUTHENTICATED) == 10
    assert outcomes.count(grpc.StatusCode.RESOURCE_EXHAUSTED) == 20


async def test_a_burst_of_right_passwords_is_no_guessing(hospital: Desk) -> None:
    person = await hospital.user()
    await until_pool_stands("hospital")
    outcomes = await asyncio.gather(*(outcome(hospital.login(person)) for _ in range(25)))
    assert set(outcomes) == {grpc.StatusCode.OK}
    assert hospital.sql("SELECT count(*) FROM login_throttle") == [(0,)]


async def test_old_guesses_are_forgotten(hospital: Desk) -> None:
    await refused(grpc.StatusCode.UNAUTHENTICATED, hospital.login(stranger()))
    assert hospital.sql("SELECT count(*) FROM login_throttle") == [(1,)]
    hospital.clock.now += timedelta(minutes=16)
    async with database_on(hospital.dsn) as database:
        await hospital.identity.forget_guesses(database, hospital.clock)  # or its timer, before it
    assert hospital.sql("SELECT count(*) FROM login_throttle") == [(0,)]


async def test_a_password_of_a_megabyte_is_refused_unhashed(hospital: Desk) -> None:
    await refused(
        grpc.StatusCode.INVALID_ARGUMENT, hospital.login(stranger(), password="x" * 1_000_000)
    )
    assert hospital.sql("SELECT count(*) FROM login_throttle") == [(0,)]


async def test_a_hash_with_weaker_parameters_is_made_anew(hospital: Desk) -> None:
    person = await hospital.user()
    weaker = Argon2id(
        salt=b"0123456789abcdef", length=32, iterations=1, lanes=1, memory_cost=8
    ).derive_phc_encoded(PASSWORD.encode())
    hospital.sql("UPDATE hospital_user SET password_hash = %s", weaker)
    await hospital.login(person)
    ((kept,),) = hospital.sql("SELECT password_hash FROM hospital_user")
    assert not passwords.is_outdated(kept)
    await hospital.login(person)


async def invite(
    hospital: Desk, boss: Person, email: str, request_id: str | None = None
) -> users_pb2.CreateUserResponse:
    token = (await hospital.login(boss)).access_token
    user = users_pb2.HospitalUser(
        email=email, name="Newcomer", role=users_pb2.HOSPITAL_USER_ROLE_CASE_MANAGER
    )
    request = users_pb2.CreateUserRequest(
        hospital_id=str(boss.hospital_id),
        request_id=request_id or str(uuid4()),
        hospital_user=user,
    )
    return await hospital.users.CreateUser(request, metadata=bearer(token))


def redeem(hospital: Desk, email: str, token: str) -> Any:
    request = sessions_pb2.RedeemOneTimeTokenRequest(
        email=email, token=token, new_password=PASSWORD
    )
    return hospital.sessions.RedeemOneTimeToken(request)


async def test_an_invited_user_sets_a_password_and_logs_in(hospital: Desk) -> None:
    email = "Newcomer@Mercy.example"
    created = await invite(hospital, await hospital.user("ADMIN"), email)
    user = created.hospital_user
    assert (user.email, user.hospital_name) == (email.lower(), "Mercy")
    person = Person(uuid4(), uuid4(), email)
    await refused(grpc.StatusCode.UNAUTHENTICATED, hospital.login(person))
    await redeem(hospital, email, created.invitation_token)
    assert (await hospital.login(person)).session.user_id == user.id


async def test_an_invitation_works_once_for_one_address_for_seven_days(hospital: Desk) -> None:
    boss = await hospital.user("ADMIN")
    first = await invite(hospital, boss, "first@mercy.example")
    second = await invite(hospital, boss, "second@mercy.example")
    invalid = grpc.StatusCode.UNAUTHENTICATED
    await refused(invalid, redeem(hospital, "second@mercy.example", first.invitation_token))
    await refused(invalid, redeem(hospital, "third@mercy.example", first.invitation_token))
    await redeem(hospital, "first@mercy.example", first.invitation_token)
    await refused(invalid, redeem(hospital, "first@mercy.example", first.invitation_token))
    hospital.clock.now += timedelta(days=7)
    await refused(invalid, redeem(hospital, "second@mercy.example", second.invitation_token))


async def test_a_new_password_ends_what_the_old_one_began(hospital: Desk) -> None:
    created = await invite(hospital, await hospital.user("ADMIN"), "new@mercy.example")
    await redeem(hospital, "new@mercy.example", created.invitation_token)
    opened = await hospital.login(Person(uuid4(), uuid4(), "new@mercy.example"))
    hospital.sql("UPDATE one_time_token SET used_at = NULL")
    await redeem(hospital, "new@mercy.example", created.invitation_token)
    await refused(grpc.StatusCode.UNAUTHENTICATED, hospital.refresh(opened.refresh_token))
    reasons = hospital.sql(
        "SELECT revoke_reason FROM user_session WHERE user_id = %s", opened.session.user_id
    )
    assert reasons == [("PASSWORD_CHANGED",)]


async def test_what_proves_nothing_any_more_is_deleted(hospital: Desk) -> None:
    seen: list[Any] = []
    await invite(hospital, await hospital.user("ADMIN"), "new@mercy.example")
    began = hospital.clock.now
    for days in (0.4, 1.1, 7.4, 7.6, 90, 91):
        hospital.clock.now = began + timedelta(days=days)
        async with database_on(hospital.dsn) as database:
            await hospital.identity.forget_sessions(database, hospital.clock)
        left = hospital.sql(
            "SELECT (SELECT count(*) FROM refresh_token), (SELECT count(*) FROM one_time_token),"
            " (SELECT count(*) FROM user_session)"
        )
        seen.append(left[0])
    tokens, invitations, sessions = zip(*seen, strict=True)
    assert tokens == (1, 0, 0, 0, 0, 0)
    assert invitations == (1, 1, 1, 0, 0, 0)
    assert sessions == (1, 1, 1, 1, 1, 0)


async def test_two_redeem_one_invitation_and_one_succeeds(hospital: Desk) -> None:
    created = await invite(hospital, await hospital.user("ADMIN"), "new@mercy.example")
    token = created.invitation_token
    both = [outcome(redeem(hospital, "new@mercy.example", token)) for _ in range(2)]
    outcomes = await asyncio.gather(*both)
    assert sorted(each.name for each in outcomes) == ["OK", "UNAUTHENTICATED"]


async def test_an_address_logs_in_to_one_hospital(hospital: Desk) -> None:
    boss = await hospital.user("ADMIN")
    taken = await hospital.user(hospital_id=uuid4())
    await refused(grpc.StatusCode.ALREADY_EXISTS, invite(hospital, boss, taken.email.upper()))


async def test_a_repeated_request_creates_one_user(hospital: Desk) -> None:
    boss, request_id = await hospital.user("ADMIN"), str(uuid4())
    first = await invite(hospital, boss, "new@mercy.example", request_id)
    assert await invite(hospital, boss, "new@mercy.example", request_id) == first


async def test_only_administrators_create_users(hospital: Desk) -> None:
    staff = await hospital.user()
    await refused(grpc.StatusCode.PERMISSION_DENIED, invite(hospital, staff, "new@mercy.example"))
