"""An agency's administrator invites its people, and says which unit a crew staffs."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID, uuid4

import grpc
import pytest
from medport.ems.v1 import sessions_pb2
from medport.ems.v1 import users_pb2 as pb

from tests.support.dispatch import Agency, agency
from tests.support.front_desk import PASSWORD, bearer


@pytest.fixture
async def swift(ems_database: str) -> AsyncIterator[Agency]:
    async with agency(ems_database) as opened:
        yield opened


def crew(swift: Agency, **changes: Any) -> pb.CreateUserRequest:
    user = {
        "email": "crew@swift.example",
        "name": "Crew of M1",
        "role": pb.EMS_AGENCY_USER_ROLE_CREW,
        "phone": "555-0100",
        "unit_id": str(swift.unit_id),
    }
    return pb.CreateUserRequest(
        agency_id=str(swift.agency_id),
        request_id=str(uuid4()),
        ems_agency_user=pb.EmsAgencyUser(**{**user, **changes}),
    )


async def test_a_crew_member_is_invited_and_logs_in(swift: Agency) -> None:
    boss = bearer((await swift.login("ADMIN")).access_token)
    created = await swift.users.CreateUser(crew(swift), metadata=boss)
    redeemed = sessions_pb2.RedeemOneTimeTokenRequest(
        email="crew@swift.example", token=created.invitation_token, new_password=PASSWORD
    )
    await swift.sessions.RedeemOneTimeToken(redeemed)
    login = sessions_pb2.CreateSessionRequest(email="crew@swift.example", password=PASSWORD)
    opened = await swift.sessions.CreateSession(login)
    asked = pb.GetUserRequest(agency_id=str(swift.agency_id), user_id=opened.session.user_id)
    got = await swift.users.GetUser(asked, metadata=bearer(opened.access_token))
    user = got.ems_agency_user
    assert (user.unit_id, user.phone) == (str(swift.unit_id), "555-0100")
    assert user.HasField("last_login_time")
    assert not created.ems_agency_user.HasField("last_login_time")
    listed = await swift.users.ListUsers(
        pb.ListUsersRequest(agency_id=str(swift.agency_id)), metadata=boss
    )
    assert {each.name for each in listed.ems_agency_users} == {"Crew of M1", "Somebody"}


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"unit_id": str(UUID(int=7))}, grpc.StatusCode.FAILED_PRECONDITION),
        ({"unit_id": "M1"}, grpc.StatusCode.INVALID_ARGUMENT),
        ({"role": 0}, grpc.StatusCode.INVALID_ARGUMENT),
        ({"role": 99}, grpc.StatusCode.INVALID_ARGUMENT),
        ({"email": "nobody"}, grpc.StatusCode.INVALID_ARGUMENT),
        ({"name": "a\0b"}, grpc.StatusCode.INVALID_ARGUMENT),
    ],
    ids=str,
)
async def test_what_no_user_can_be_is_refused(
    swift: Agency, changes: dict[str, Any], code: grpc.StatusCode
) -> None:
    boss = bearer((await swift.login("ADMIN")).access_token)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await swift.users.CreateUser(crew(swift, **changes), metadata=boss)
    assert caught.value.code() is code
