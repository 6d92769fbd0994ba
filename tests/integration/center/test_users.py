"""The center's administrators manage its people and what they may do beyond their role."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import grpc
import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from google.rpc.error_details_pb2 import ErrorInfo
from medport.center.v1 import sessions_pb2, sessions_pb2_grpc, users_pb2_grpc
from medport.center.v1 import users_pb2 as pb
from medport.common.v1 import access_pb2
from medport.common.v1.vocabulary_pb2 import SILO_CENTER

from tests.support.center_silo import ADMIN, Center, center, refusal
from tests.support.front_desk import PASSWORD, bearer
from tests.support.guarded import detail
from tests.support.waiting import until

NEXT = "next horse battery staple"
EMAIL = "clerk@center.example"
COORDINATOR, BOSS = pb.CENTER_USER_ROLE_COORDINATOR, pb.CENTER_USER_ROLE_ADMIN
AUDIT, TOGGLES = access_pb2.PERMISSION_AUDIT_READ, access_pb2.PERMISSION_TOGGLE_WRITE


@pytest.fixture
async def silo(center_database: str) -> AsyncIterator[Center]:
    async with center(center_database) as opened:
        yield opened


def clerk(**changes: Any) -> pb.CreateUserRequest:
    known: dict[str, Any] = {
        "email": EMAIL,
        "name": "Clerk",
        "role": COORDINATOR,
        "permissions": [TOGGLES],
    }
    return pb.CreateUserRequest(
        request_id=str(uuid4()), center_user=pb.CenterUser(**(known | changes))
    )


def update(user: pb.CenterUser, **fields: Any) -> pb.UpdateUserRequest:
    return pb.UpdateUserRequest(
        user_id=user.id,
        center_user=pb.CenterUser(**fields),
        update_mask=FieldMask(paths=sorted(fields)),
        etag=user.etag,
        request_id=str(uuid4()),
    )


async def test_a_clerk_comes_is_trusted_and_leaves(silo: Center) -> None:
    users, admin = users_pb2_grpc.UserServiceStub(silo.channel), await silo.login()
    sessions = sessions_pb2_grpc.SessionServiceStub(silo.channel)
    created = await users.CreateUser(clerk(), metadata=admin)
    invited = sessions_pb2.RedeemOneTimeTokenRequest(
        email=EMAIL, token=created.invitation_token, new_password=PASSWORD
    )
    await sessions.RedeemOneTimeToken(invited)
    login = sessions_pb2.CreateSessionRequest(email=EMAIL, password=PASSWORD)
    opened = await sessions.CreateSession(login)
    mine = bearer(opened.access_token)

    asked = pb.GetUserRequest(user_id=created.center_user.id)
    seen = (await users.GetUser(asked, metadata=mine)).center_user
    assert seen.HasField("last_login_time")
    assert list(seen.permissions) == [TOGGLES]
    assert await refusal(users.ListUsers(pb.ListUsersRequest(), metadata=mine)) is (
        grpc.StatusCode.PERMISSION_DENIED
    )
    request = update(seen, permissions=[AUDIT, TOGGLES])
    trusted = (await users.UpdateUser(request, metadata=admin)).center_user
    assert sorted(trusted.permissions) == [TOGGLES, AUDIT]
    refresh = sessions_pb2.RefreshSessionRequest(
        refresh_token=opened.refresh_token, audience=SILO_CENTER
    )
    assert await refusal(sessions.RefreshSession(refresh)) is grpc.StatusCode.UNAUTHENTICATED

    mine = bearer((await sessions.CreateSession(login)).access_token)
    changing = pb.ChangePasswordRequest(
        request_id=str(uuid4()), old_password=PASSWORD, new_password=NEXT
    )
    await users.ChangePassword(changing, metadata=mine)
    off = pb.DeactivateUserRequest(user_id=seen.id, request_id=str(uuid4()))
    left = (await users.DeactivateUser(off, metadata=admin)).center_user
    assert not left.is_active
    login.password = NEXT
    assert await refusal(sessions.CreateSession(login)) is grpc.StatusCode.UNAUTHENTICATED
    on = pb.ReactivateUserRequest(user_id=seen.id, request_id=str(uuid4()), etag=left.etag)
    await users.ReactivateUser(on, metadata=admin)
    await sessions.CreateSession(login)
    actions = silo.sql(
        "SELECT action FROM audit_log WHERE entity_type = 'center_user' ORDER BY occurred_at"
    )
    assert [action for (action,) in actions] == [
        "Bootstrap",
        "CreateUser",
        "UpdateUser",
        "DeactivateUser",
        "ReactivateUser",
    ]


async def test_a_reactivated_user_begins_anew(silo: Center) -> None:
    users, admin = users_pb2_grpc.UserServiceStub(silo.channel), await silo.login()
    sessions = sessions_pb2_grpc.SessionServiceStub(silo.channel)
    created = await users.CreateUser(clerk(), metadata=admin)
    invited = sessions_pb2.RedeemOneTimeTokenRequest(
        email=EMAIL, token=created.invitation_token, new_password=PASSWORD
    )
    await sessions.RedeemOneTimeToken(invited)
    login = sessions_pb2.CreateSessionRequest(email=EMAIL, password=PASSWORD)
    refresh = sessions_pb2.RefreshSessionRequest(
        refresh_token=(await sessions.CreateSession(login)).refresh_token, audience=SILO_CENTER
    )

    id = created.center_user.id
    off = pb.DeactivateUserRequest(user_id=id, request_id=str(uuid4()))
    await users.DeactivateUser(off, metadata=admin)
    on = pb.ReactivateUserRequest(user_id=id, request_id=str(uuid4()))
    await users.ReactivateUser(on, metadata=admin)

    assert await refusal(sessions.RefreshSession(refresh)) is grpc.StatusCode.UNAUTHENTICATED
    await sessions.CreateSession(login)


async def test_a_decision_about_an_older_version_of_a_user_is_refused(silo: Center) -> None:
    users, admin = users_pb2_grpc.UserServiceStub(silo.channel), await silo.login()
    first = (await users.CreateUser(clerk(), metadata=admin)).center_user
    changed = (await users.UpdateUser(update(first, name="Boss"), metadata=admin)).center_user

    known = {"user_id": first.id, "request_id": str(uuid4()), "etag": first.etag}
    for stale in (
        users.UpdateUser(update(first, permissions=[AUDIT]), metadata=admin),
        users.DeactivateUser(pb.DeactivateUserRequest(**known), metadata=admin),
        users.ReactivateUser(pb.ReactivateUserRequest(**known), metadata=admin),
    ):
        assert await refusal(stale) is grpc.StatusCode.ABORTED
    got = await users.GetUser(pb.GetUserRequest(user_id=first.id), metadata=admin)
    assert got.center_user == changed


async def is_mailed(silo: Center) -> bool:
    mails = "SELECT channel, state FROM notification WHERE template_name = 'password_reset'"
    return silo.sql(mails) == [("EMAIL", "QUEUED")]


async def test_somebody_always_administers(silo: Center) -> None:
    users, admin = users_pb2_grpc.UserServiceStub(silo.channel), await silo.login()
    found = pb.ListUsersRequest(filter=pb.CenterUserFilter(roles=[BOSS], email_prefix="ADMIN@"))
    (boss,) = (await users.ListUsers(found, metadata=admin)).center_users
    assert boss.email == ADMIN
    off = pb.DeactivateUserRequest(user_id=boss.id, request_id=str(uuid4()))
    await users.CreateUser(clerk(role=BOSS), metadata=admin)  # who has yet to set a password
    calls: list[Any] = [
        users.UpdateUser(update(boss, role=COORDINATOR), metadata=admin),
        users.DeactivateUser(off, metadata=admin),
    ]
    for call in calls:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call
        assert detail(caught.value, ErrorInfo).reason == "LAST_ADMINISTRATOR"
    taken = users.CreateUser(clerk(email=ADMIN.upper()), metadata=admin)
    assert await refusal(taken) is grpc.StatusCode.ALREADY_EXISTS
    for wrong in ({"role": 0}, {"permissions": [0]}, {"permissions": [AUDIT, AUDIT]}):
        created = users.CreateUser(clerk(**wrong), metadata=admin)
        assert await refusal(created) is grpc.StatusCode.INVALID_ARGUMENT


async def test_who_forgot_the_password_is_sent_a_token(silo: Center) -> None:
    users = users_pb2_grpc.UserServiceStub(silo.channel)
    forgotten = pb.RequestPasswordResetRequest(email=ADMIN, request_id=str(uuid4()))
    await users.RequestPasswordReset(forgotten)
    await until(lambda: is_mailed(silo))
