"""Users are seen by their hospital's administrators, and by themselves."""

from __future__ import annotations

from collections.abc import AsyncIterator
from uuid import uuid4

import grpc
import pytest
from medport.hospital.v1 import users_pb2 as pb

from tests.support.front_desk import Desk, Person, bearer, desk


@pytest.fixture
async def hospital(hospital_database: str) -> AsyncIterator[Desk]:
    async with desk(hospital_database) as opened:
        yield opened


async def get(hospital: Desk, asker: Person, user: Person) -> pb.HospitalUser:
    request = pb.GetUserRequest(hospital_id=str(user.hospital_id), user_id=str(user.user_id))
    token = (await hospital.login(asker)).access_token
    return (await hospital.users.GetUser(request, metadata=bearer(token))).hospital_user


async def refused(hospital: Desk, asker: Person, user: Person) -> grpc.StatusCode:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await get(hospital, asker, user)
    return caught.value.code()


async def test_users_see_themselves_and_administrators_everybody(hospital: Desk) -> None:
    boss, staff, other = [await hospital.user(role) for role in ("ADMIN", "STAFF", "STAFF")]
    assert (await get(hospital, staff, staff)).email == staff.email
    assert (await get(hospital, boss, staff)).id == str(staff.user_id)
    assert await refused(hospital, staff, other) is grpc.StatusCode.NOT_FOUND


async def test_another_hospitals_user_does_not_exist(hospital: Desk) -> None:
    boss, stranger = await hospital.user("ADMIN"), await hospital.user(hospital_id=uuid4())
    assert await refused(hospital, boss, stranger) is grpc.StatusCode.PERMISSION_DENIED
    moved = Person(boss.hospital_id, stranger.user_id, stranger.email)
    assert await refused(hospital, boss, moved) is grpc.StatusCode.NOT_FOUND


async def test_users_are_listed_a_page_at_a_time(hospital: Desk) -> None:
    boss = await hospital.user("ADMIN")
    people = {str(person.user_id) for person in [boss, *[await hospital.user() for _ in range(4)]]}
    await hospital.user(hospital_id=uuid4())
    request = pb.ListUsersRequest(hospital_id=str(boss.hospital_id), page_size=2)
    token = bearer((await hospital.login(boss)).access_token)
    pages = []
    while True:
        answer = await hospital.users.ListUsers(request, metadata=token)
        pages.append([user.id for user in answer.hospital_users])
        if not answer.next_page_token:
            break
        request.page_token = answer.next_page_token
    assert [len(page) for page in pages] == [2, 2, 1]
    assert {id for page in pages for id in page} == people
