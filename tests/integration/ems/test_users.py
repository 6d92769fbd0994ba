"""An agency's administrator invites its people, and says which unit a crew staffs."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import grpc
import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from medport.common.v1.vocabulary_pb2 import SILO_EMS
from medport.ems.v1 import sessions_pb2, users_pb2_grpc
from medport.ems.v1 import users_pb2 as pb

from tests.support.dispatch import Agency, agency
from tests.support.ems_silo import EmsSilo
from tests.support.front_desk import PASSWORD, bearer
from tests.support.hospital_silo import refused as refusal


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


async def test_a_crew_staffs_a_unit_of_its_own_agency(silo: EmsSilo) -> None:
    swift, rival = await silo.agency(radius_miles=0), await silo.agency("Rival", radius_miles=0)
    stub: Any = users_pb2_grpc.UserServiceStub(silo.channel)
    theirs, nobodys = (await rival.add_unit()).id, str(uuid4())
    user: dict[str, Any] = {
        "email": "crew@swift.example",
        "name": "Crew",
        "role": pb.EMS_AGENCY_USER_ROLE_CREW,
    }
    own = pb.CreateUserRequest(ems_agency_user=pb.EmsAgencyUser(**user), **swift.own)
    made = (await stub.CreateUser(own, metadata=swift.admin)).ems_agency_user
    for unit_id in (theirs, nobodys):
        given = pb.EmsAgencyUser(**(user | {"email": "new@swift.example", "unit_id": unit_id}))
        adding = pb.CreateUserRequest(ems_agency_user=given, **swift.own)
        moving = pb.UpdateUserRequest(
            user_id=made.id,
            ems_agency_user=given,
            update_mask=FieldMask(paths=["unit_id"]),
            etag=made.etag,
            **swift.own,
        )
        for call in (
            stub.CreateUser(adding, metadata=swift.admin),
            stub.UpdateUser(moving, metadata=swift.admin),
        ):
            told = await refusal(call)
            assert told.code is grpc.StatusCode.INVALID_ARGUMENT
            assert told.fields == ["ems_agency_user.unit_id"]
            assert unit_id not in told.text


async def test_a_crews_new_unit_ends_its_sessions_and_so_does_its_leave(swift: Agency) -> None:
    boss = bearer((await swift.login("ADMIN")).access_token)
    opened = await swift.login("CREW")
    user = {"agency_id": str(swift.agency_id), "user_id": opened.session.user_id}
    request = pb.UpdateUserRequest(
        **user,
        request_id=str(uuid4()),
        etag="1",
        ems_agency_user=pb.EmsAgencyUser(phone="555-0199", unit_id=str(swift.unit_id)),
        update_mask=FieldMask(paths=["phone", "unit_id"]),
    )
    changed = (await swift.users.UpdateUser(request, metadata=boss)).ems_agency_user
    assert (changed.phone, changed.unit_id) == ("555-0199", str(swift.unit_id))
    refresh = sessions_pb2.RefreshSessionRequest(
        refresh_token=opened.refresh_token, audience=SILO_EMS
    )
    assert await refused(swift.sessions.RefreshSession(refresh)) is grpc.StatusCode.UNAUTHENTICATED
    away = pb.DeactivateUserRequest(**user, request_id=str(uuid4()), etag=changed.etag)
    left = (await swift.users.DeactivateUser(away, metadata=boss)).ems_agency_user
    assert not left.is_active
    back = pb.ReactivateUserRequest(**user, request_id=str(uuid4()))
    assert (await swift.users.ReactivateUser(back, metadata=boss)).ems_agency_user.is_active
    crews = pb.EmsAgencyUserFilter(roles=[pb.EMS_AGENCY_USER_ROLE_CREW], is_active=True)
    listing = pb.ListUsersRequest(agency_id=str(swift.agency_id), filter=crews)
    listed = await swift.users.ListUsers(listing, metadata=boss)
    assert [each.id for each in listed.ems_agency_users] == [opened.session.user_id]


async def test_a_decision_about_an_older_version_of_a_user_is_refused(swift: Agency) -> None:
    boss = bearer((await swift.login("ADMIN")).access_token)
    staff = {
        "agency_id": str(swift.agency_id),
        "user_id": (await swift.login("BILLING")).session.user_id,
    }

    async def called(phone: str) -> pb.EmsAgencyUser:
        request = pb.UpdateUserRequest(
            **staff,
            request_id=str(uuid4()),
            etag="1",
            ems_agency_user=pb.EmsAgencyUser(phone=phone),
            update_mask=FieldMask(paths=["phone"]),
        )
        return (await swift.users.UpdateUser(request, metadata=boss)).ems_agency_user

    known: dict[str, Any] = {**staff, "request_id": str(uuid4()), "etag": "1"}
    changed = await called("555-0101")
    for stale in (
        called("555-0102"),
        swift.users.DeactivateUser(pb.DeactivateUserRequest(**known), metadata=boss),
        swift.users.ReactivateUser(pb.ReactivateUserRequest(**known), metadata=boss),
    ):
        assert await refused(stale) is grpc.StatusCode.ABORTED
    got = await swift.users.GetUser(pb.GetUserRequest(**staff), metadata=boss)
    assert got.ems_agency_user == changed


async def test_a_reactivated_user_begins_anew(swift: Agency) -> None:
    boss = bearer((await swift.login("ADMIN")).access_token)
    before = await swift.login("BILLING")
    user = {"agency_id": str(swift.agency_id), "user_id": before.session.user_id}
    away = pb.DeactivateUserRequest(**user, request_id=str(uuid4()))
    await swift.users.DeactivateUser(away, metadata=boss)
    back = pb.ReactivateUserRequest(**user, request_id=str(uuid4()))
    await swift.users.ReactivateUser(back, metadata=boss)

    refresh = sessions_pb2.RefreshSessionRequest(
        refresh_token=before.refresh_token, audience=SILO_EMS
    )
    assert await refused(swift.sessions.RefreshSession(refresh)) is grpc.StatusCode.UNAUTHENTICATED


async def test_an_agencys_last_administrator_stays_one(swift: Agency) -> None:
    opened = await swift.login("ADMIN")
    boss = bearer(opened.access_token)
    away = pb.DeactivateUserRequest(
        agency_id=str(swift.agency_id),
        user_id=opened.session.user_id,
        request_id=str(uuid4()),
    )
    call = swift.users.DeactivateUser(away, metadata=boss)
    assert await refused(call) is grpc.StatusCode.FAILED_PRECONDITION
    invited = crew(swift, role=pb.EMS_AGENCY_USER_ROLE_ADMIN, unit_id="")
    token = (await swift.users.CreateUser(invited, metadata=boss)).invitation_token
    call = swift.users.DeactivateUser(away, metadata=boss)  # who was invited cannot log in yet
    assert await refused(call) is grpc.StatusCode.FAILED_PRECONDITION
    changing = pb.ChangePasswordRequest(
        agency_id=str(swift.agency_id),
        request_id=str(uuid4()),
        old_password=PASSWORD,
        new_password=f"another {PASSWORD}",
    )
    await swift.users.ChangePassword(changing, metadata=boss)
    refresh = sessions_pb2.RefreshSessionRequest(
        refresh_token=opened.refresh_token, audience=SILO_EMS
    )
    assert await refused(swift.sessions.RefreshSession(refresh)) is grpc.StatusCode.UNAUTHENTICATED
    redeemed = sessions_pb2.RedeemOneTimeTokenRequest(
        email="crew@swift.example", token=token, new_password=PASSWORD
    )
    await swift.sessions.RedeemOneTimeToken(redeemed)
    login = sessions_pb2.CreateSessionRequest(email=redeemed.email, password=PASSWORD)
    other = bearer((await swift.sessions.CreateSession(login)).access_token)
    left = (await swift.users.DeactivateUser(away, metadata=other)).ems_agency_user
    assert not left.is_active


async def refused(call: Any) -> grpc.StatusCode:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return caught.value.code()
