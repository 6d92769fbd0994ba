"""UserService: the people who act for a hospital, managed by its administrators."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from medport.hospital.v1 import users_pb2 as pb
from medport.hospital.v1 import users_pb2_grpc as rpc

from chassis import auth, ids, one_time_tokens
from chassis.account_rows import Login
from chassis.clock import Clock, timestamp
from chassis.errors import NotFound
from chassis.paging import Paging
from chassis.unit_of_work import Database, UnitOfWork
from chassis.wire import member, number
from hospital_svc.domain.users import UserRole
from hospital_svc.repositories import users
from hospital_svc.repositories.sessions import rows as identity
from hospital_svc.repositories.users import User


class UserServicer(rpc.UserServiceServicer):
    def __init__(self, database: Database, clock: Clock, paging: Paging) -> None:
        self._database = database
        self._clock = clock
        self._paging = paging

    async def CreateUser(
        self, request: pb.CreateUserRequest, context: object
    ) -> pb.CreateUserResponse:
        hospital_id, now = auth.tenant(request.hospital_id), self._clock()
        login, token = Login(hospital_id, ids.new()), one_time_tokens.new()
        expires = now + one_time_tokens.INVITED_FOR

        async with self._database.begin(hospital_id) as uow:
            await _add(uow, login, request.hospital_user, now)
            await identity.one_time.invite(
                uow, login, token_hash=token.hash, at=now, expires=expires
            )
            user = await users.get(uow, hospital_id, login.user_id)
            return uow.answered(_created(user, token.text, expires))

    async def GetUser(self, request: pb.GetUserRequest, context: object) -> pb.GetUserResponse:
        hospital_id, user_id = auth.tenant(request.hospital_id), UUID(request.user_id)
        if user_id != auth.caller().user_id and "OWN_TENANT" not in auth.scopes():
            raise NotFound(f"user {user_id} does not exist", resource="user", id=str(user_id))
        user = await users.get(self._database.read(hospital_id), hospital_id, user_id)
        return pb.GetUserResponse(hospital_user=_user(user))

    async def ListUsers(
        self, request: pb.ListUsersRequest, context: object
    ) -> pb.ListUsersResponse:
        hospital_id = auth.tenant(request.hospital_id)
        page = self._paging.page(request)
        after = UUID(page.after[0]) if page.after else users.FIRST
        rows = self._database.read(hospital_id)
        found = await users.list_users(rows, hospital_id, after=after, most=page.fetch)
        shown, token = page.cut(found, lambda user: (user.id,))
        return pb.ListUsersResponse(
            hospital_users=[_user(user) for user in shown], next_page_token=token
        )


async def _add(uow: UnitOfWork, login: Login, given: pb.HospitalUser, at: datetime) -> None:
    await identity.accounts.add(uow, given.email, login)
    await users.add(
        uow,
        login,
        email=given.email,
        name=given.name,
        role=member(UserRole, pb.HospitalUserRole, given.role),
        at=at,
    )


def _created(user: User, token: str, expires: datetime) -> pb.CreateUserResponse:
    return pb.CreateUserResponse(
        hospital_user=_user(user), invitation_token=token, invitation_expire_time=timestamp(expires)
    )


def _user(user: User) -> pb.HospitalUser:
    return pb.HospitalUser(
        id=str(user.id),
        hospital_id=str(user.hospital_id),
        email=user.email,
        name=user.name,
        role=number(pb.HospitalUserRole, user.role),
        is_active=user.is_active,
        hospital_name=user.hospital_name,
        create_time=timestamp(user.created_at),
        update_time=timestamp(user.updated_at),
        etag=str(user.row_version),
    )
