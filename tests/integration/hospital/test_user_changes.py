"""Administrators change users; what a user's tokens claim ends with what made it true.

The barrier test is red when ``LOCK`` in ``repositories/users.py`` holds nobody but the user.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import uuid4

import grpc
import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from google.rpc.error_details_pb2 import ErrorInfo
from medport.hospital.v1 import users_pb2 as pb
from psycopg import AsyncConnection

from tests.support.databases import superuser_of
from tests.support.front_desk import PASSWORD, Desk, Person, bearer, desk
from tests.support.guarded import detail, violations
from tests.support.waiting import until_blocked

STAFF, CASE_MANAGER = pb.HOSPITAL_USER_ROLE_STAFF, pb.HOSPITAL_USER_ROLE_CASE_MANAGER
NOUN = "hospital_user"
NEXT = "next horse battery staple"
Token = tuple[tuple[str, str], ...]


@pytest.fixture
async def hospital(hospital_database: str) -> AsyncIterator[Desk]:
    async with desk(hospital_database) as opened:
        yield opened


async def entered(hospital: Desk, person: Person) -> Token:
    return bearer((await hospital.login(person)).access_token)


def update(person: Person, etag: str = "1", **fields: Any) -> pb.UpdateUserRequest:
    return pb.UpdateUserRequest(
        hospital_id=str(person.hospital_id),
        user_id=str(person.user_id),
        hospital_user=pb.HospitalUser(**fields),
        update_mask=FieldMask(paths=sorted(fields)),
        etag=etag,
        request_id=str(uuid4()),
    )


def off(person: Person, etag: str = "") -> pb.DeactivateUserRequest:
    return pb.DeactivateUserRequest(
        hospital_id=str(person.hospital_id),
        user_id=str(person.user_id),
        etag=etag,
        request_id=str(uuid4()),
    )


def change(person: Person, old: str = PASSWORD) -> pb.ChangePasswordRequest:
    return pb.ChangePasswordRequest(
        hospital_id=str(person.hospital_id),
        request_id=str(uuid4()),
        old_password=old,
        new_password=NEXT,
    )


async def refusal(call: Any) -> tuple[str, str]:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return caught.value.code().name, detail(caught.value, ErrorInfo).reason


async def test_a_new_role_holds_at_the_next_login(hospital: Desk) -> None:
    boss, staff = await hospital.user("ADMIN"), await hospital.user()
    admin, before = await entered(hospital, boss), await hospital.login(staff)
    request = update(staff, name="Somebody else", role=CASE_MANAGER)
    answer = await hospital.users.UpdateUser(request, metadata=admin)
    assert await hospital.users.UpdateUser(request, metadata=admin) == answer  # not once more
    user = answer.hospital_user
    assert (user.name, user.role, user.etag) == ("Somebody else", CASE_MANAGER, "2")
    mine = pb.GetUserRequest(hospital_id=str(staff.hospital_id), user_id=str(staff.user_id))
    hospital.clock.now += timedelta(seconds=5)
    stale = hospital.users.GetUser(mine, metadata=bearer(before.access_token))
    assert (await refusal(stale))[0] == "UNAUTHENTICATED"
    assert (await refusal(hospital.refresh(before.refresh_token)))[0] == "UNAUTHENTICATED"
    await hospital.users.GetUser(mine, metadata=await entered(hospital, staff))
    audited = hospital.sql("SELECT action, changes FROM audit_entry WHERE entity_type = %s", NOUN)
    assert audited == [("UpdateUser", {"fields": ["name", "role"]})]
    token = await entered(hospital, staff)
    await hospital.users.UpdateUser(update(staff, "2", name="Married"), metadata=admin)
    hospital.clock.now += timedelta(seconds=5)  # a new name ends no session
    assert (await hospital.users.GetUser(mine, metadata=token)).hospital_user.name == "Married"


async def test_what_cannot_be_changed_is_refused(hospital: Desk) -> None:
    boss, staff = await hospital.user("ADMIN"), await hospital.user()
    admin, stranger = await entered(hospital, boss), await hospital.user(hospital_id=uuid4())

    async def refused(request: pb.UpdateUserRequest, token: Token = admin) -> tuple[str, str]:
        return await refusal(hospital.users.UpdateUser(request, metadata=token))

    assert (await refused(update(staff, "7", name="Late"))) == ("ABORTED", "ETAG_MISMATCH")
    for fields in ({"email": "new@mercy.example"}, {"is_active": True}, {"name": ""}, {"role": 0}):
        assert (await refused(update(staff, **fields)))[0] == "INVALID_ARGUMENT"
    elsewhere = Person(boss.hospital_id, stranger.user_id, stranger.email)
    assert (await refused(update(elsewhere, name="Taken")))[0] == "NOT_FOUND"
    assert (await refused(update(stranger, name="Taken")))[0] == "PERMISSION_DENIED"
    mine = update(staff, role=CASE_MANAGER)
    assert (await refused(mine, await entered(hospital, staff)))[0] == "PERMISSION_DENIED"


async def test_a_deactivated_user_is_out_until_reactivated(hospital: Desk) -> None:
    boss, staff = await hospital.user("ADMIN"), await hospital.user()
    admin, token = await entered(hospital, boss), await entered(hospital, staff)
    for _ in range(2):  # the second time there is nothing to do
        answer = await hospital.users.DeactivateUser(off(staff), metadata=admin)
        assert (answer.hospital_user.is_active, answer.hospital_user.etag) == (False, "2")
    hospital.clock.now += timedelta(seconds=5)
    mine = pb.GetUserRequest(hospital_id=str(staff.hospital_id), user_id=str(staff.user_id))
    stale = hospital.users.GetUser(mine, metadata=token)
    assert (await refusal(stale))[0] == "UNAUTHENTICATED"
    assert (await refusal(hospital.login(staff)))[0] == "UNAUTHENTICATED"
    again = pb.ReactivateUserRequest(
        hospital_id=str(staff.hospital_id),
        user_id=str(staff.user_id),
        etag="2",
        request_id=str(uuid4()),
    )
    await hospital.users.ReactivateUser(again, metadata=admin)
    await hospital.users.GetUser(mine, metadata=await entered(hospital, staff))


async def test_a_reactivated_user_begins_anew(hospital: Desk) -> None:
    boss, staff = await hospital.user("ADMIN"), await hospital.user()
    admin, before = await entered(hospital, boss), await hospital.login(staff)
    left = (await hospital.users.DeactivateUser(off(staff), metadata=admin)).hospital_user
    assert (await refusal(hospital.refresh(before.refresh_token)))[0] == "UNAUTHENTICATED"
    known = {"hospital_id": str(staff.hospital_id), "user_id": str(staff.user_id)}
    again = pb.ReactivateUserRequest(**known, etag=left.etag, request_id=str(uuid4()))
    await hospital.users.ReactivateUser(again, metadata=admin)

    # Whoever had a token may be whom the user was put out for.
    assert (await refusal(hospital.refresh(before.refresh_token)))[0] == "UNAUTHENTICATED"
    stale = hospital.users.GetUser(pb.GetUserRequest(**known), metadata=bearer(before.access_token))
    assert (await refusal(stale))[0] == "UNAUTHENTICATED"


async def test_a_decision_about_an_older_version_of_a_user_is_refused(hospital: Desk) -> None:
    boss, staff = await hospital.user("ADMIN"), await hospital.user()
    admin = await entered(hospital, boss)
    changed = (
        await hospital.users.UpdateUser(update(staff, name="Married"), metadata=admin)
    ).hospital_user
    known = {"hospital_id": str(staff.hospital_id), "user_id": str(staff.user_id)}
    again = pb.ReactivateUserRequest(**known, etag="1", request_id=str(uuid4()))
    for stale in (
        hospital.users.UpdateUser(update(staff, role=CASE_MANAGER), metadata=admin),
        hospital.users.DeactivateUser(off(staff, "1"), metadata=admin),
        hospital.users.ReactivateUser(again, metadata=admin),
    ):
        assert await refusal(stale) == ("ABORTED", "ETAG_MISMATCH")
    got = await hospital.users.GetUser(pb.GetUserRequest(**known), metadata=admin)
    assert got.hospital_user == changed


async def test_the_last_administrator_stays_one(hospital: Desk) -> None:
    boss, other = await hospital.user("ADMIN"), await hospital.user("ADMIN")
    admin = await entered(hospital, boss)
    await hospital.users.DeactivateUser(off(other), metadata=admin)
    last = ("FAILED_PRECONDITION", "LAST_ADMINISTRATOR")
    assert await refusal(hospital.users.DeactivateUser(off(boss), metadata=admin)) == last
    demoted = hospital.users.UpdateUser(update(boss, role=STAFF), metadata=admin)
    assert await refusal(demoted) == last
    await hospital.users.UpdateUser(update(boss, name="Boss"), metadata=admin)


async def test_an_administrator_who_never_set_a_password_is_none_who_remains(
    hospital: Desk,
) -> None:
    boss, invited = await hospital.user("ADMIN"), await hospital.user()
    hospital.sql("UPDATE hospital_user SET password_hash = NULL WHERE id = %s", invited.user_id)
    admin = await entered(hospital, boss)
    promoted = update(invited, role=pb.HOSPITAL_USER_ROLE_ADMIN)
    await hospital.users.UpdateUser(promoted, metadata=admin)
    last = ("FAILED_PRECONDITION", "LAST_ADMINISTRATOR")
    assert await refusal(hospital.users.DeactivateUser(off(boss), metadata=admin)) == last
    demoted = hospital.users.UpdateUser(update(boss, role=STAFF), metadata=admin)
    assert await refusal(demoted) == last
    await hospital.users.DeactivateUser(off(invited), metadata=admin)


async def test_of_two_administrators_who_turn_each_other_off_one_stays(hospital: Desk) -> None:
    people = [await hospital.user("ADMIN") for _ in range(2)]
    tokens = [await entered(hospital, person) for person in people]
    async with await AsyncConnection.connect(superuser_of(hospital.dsn)) as connection:
        await connection.execute("SELECT FROM hospital_user FOR UPDATE")
        racing = [
            asyncio.ensure_future(hospital.users.DeactivateUser(off(person), metadata=token))
            for person, token in zip(people, reversed(tokens), strict=True)
        ]
        await until_blocked(hospital.dsn, 2)
        await connection.rollback()
        outcomes = await asyncio.gather(*racing, return_exceptions=True)
    refused = [each for each in outcomes if isinstance(each, grpc.aio.AioRpcError)]
    assert [detail(each, ErrorInfo).reason for each in refused] == ["LAST_ADMINISTRATOR"]
    assert hospital.sql("SELECT count(*) FROM hospital_user WHERE is_active") == [(1,)]


async def test_a_changed_password_ends_what_the_old_one_began(hospital: Desk) -> None:
    staff = await hospital.user()
    token, other = await entered(hospital, staff), await hospital.login(staff)
    request = change(staff)
    answer = await hospital.users.ChangePassword(request, metadata=token)
    # The answer was lost: the old password is wrong by now, and the repeat is the same request.
    assert await hospital.users.ChangePassword(request, metadata=token) == answer
    # Who steals the database must not find passwords by what a repeat is known by.
    plain = "SELECT request_hash = sha256(%s) FROM idempotency_key"
    assert hospital.sql(plain, request.SerializeToString(deterministic=True)) == [(False,)]
    request.new_password += "r"
    reused = await refusal(hospital.users.ChangePassword(request, metadata=token))
    assert reused == ("INVALID_ARGUMENT", "REQUEST_ID_REUSED")
    assert (await refusal(hospital.login(staff)))[0] == "UNAUTHENTICATED"
    await hospital.login(staff, password=NEXT)
    assert (await refusal(hospital.refresh(other.refresh_token)))[0] == "UNAUTHENTICATED"
    reasons = hospital.sql("SELECT revoke_reason, count(*) FROM user_session GROUP BY 1 ORDER BY 1")
    assert reasons == [("PASSWORD_CHANGED", 2), (None, 1)]


async def test_a_password_is_changed_by_who_knows_it(hospital: Desk) -> None:
    staff = await hospital.user()
    token = await entered(hospital, staff)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await hospital.users.ChangePassword(change(staff, "guess"), metadata=token)
    assert detail(caught.value, ErrorInfo).reason == "WRONG_PASSWORD"
    assert violations(caught.value) == {"old_password": "is not the caller's"}
    hospital.sql("UPDATE login_throttle SET attempts = 10")
    limited = await refusal(hospital.users.ChangePassword(change(staff), metadata=token))
    assert limited == ("RESOURCE_EXHAUSTED", "RATE_LIMITED")
    assert (await refusal(hospital.login(staff)))[1] == "RATE_LIMITED"


async def test_users_are_found_by_what_they_are(hospital: Desk) -> None:
    boss, staff = await hospital.user("ADMIN"), await hospital.user()
    admin = await entered(hospital, boss)
    await hospital.users.DeactivateUser(off(staff), metadata=admin)

    async def found(**wanted: Any) -> set[str]:
        request = pb.ListUsersRequest(
            hospital_id=str(boss.hospital_id), filter=pb.HospitalUserFilter(**wanted)
        )
        answer = await hospital.users.ListUsers(request, metadata=admin)
        return {user.email for user in answer.hospital_users}

    assert await found(roles=[STAFF, CASE_MANAGER]) == {staff.email}
    assert await found(is_active=True) == {boss.email}
    assert await found(is_active=False) == {staff.email}
    assert await found(email_prefix=boss.email[:9].upper()) == {boss.email}
    assert await found(email_prefix="%") == await found(email_prefix="_") == set()
