"""UserService: the people who act for an agency, managed by its administrators."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from medport.ems.v1 import users_pb2 as pb
from medport.ems.v1 import users_pb2_grpc as rpc

from chassis import auth, ids, one_time_tokens
from chassis.account_rows import Login
from chassis.clock import Clock, timestamp
from chassis.errors import EtagMismatch, NotFound
from chassis.field_masks import masked, refuse_missing
from chassis.identity import Identity
from chassis.paging import Paging
from chassis.session_rows import RevokeReason
from chassis.unit_of_work import Database, UnitOfWork
from ems_svc.domain.users import User
from ems_svc.messages import users as messages
from ems_svc.messages.announcements import announce
from ems_svc.repositories import audit_entries, users

NOUN = "ems_agency_user"


class UserServicer(rpc.UserServiceServicer):
    def __init__(
        self, database: Database, clock: Clock, paging: Paging, identity: Identity
    ) -> None:
        self._database = database
        self._clock = clock
        self._paging = paging
        self._logins = identity.logins
        self._resets = identity.resets
        self._rows = identity.rows

    async def CreateUser(
        self, request: pb.CreateUserRequest, context: object
    ) -> pb.CreateUserResponse:
        agency_id, now = auth.tenant(request.agency_id), self._clock()
        refuse_missing(request.ems_agency_user, NOUN)
        login, token = Login(agency_id, ids.new()), one_time_tokens.new()
        expires = now + one_time_tokens.INVITED_FOR
        async with self._database.begin(agency_id) as uow:
            user = messages.added(request.ems_agency_user, login, now)
            await self._rows.accounts.add(uow, user.email, login)
            await users.add(uow, user)
            await self._rows.one_time.invite(
                uow, login, token_hash=token.hash, at=now, expires=expires
            )
            await _note(uow, user, {"email", "name", "role"})
            return uow.answered(_created(user, token.text, expires))

    async def GetUser(self, request: pb.GetUserRequest, context: object) -> pb.GetUserResponse:
        agency_id, user_id = auth.tenant(request.agency_id), UUID(request.user_id)
        if user_id != auth.caller().user_id and "OWN_TENANT" not in auth.scopes():
            raise NotFound(f"user {user_id} does not exist", resource="user", id=str(user_id))
        user = await users.get(self._database.read(agency_id), agency_id, user_id)
        return pb.GetUserResponse(ems_agency_user=messages.user(user))

    async def ListUsers(
        self, request: pb.ListUsersRequest, context: object
    ) -> pb.ListUsersResponse:
        agency_id, page = auth.tenant(request.agency_id), self._paging.page(request)
        after = UUID(page.after[0]) if page.after else users.FIRST
        rows, wanted = self._database.read(agency_id), messages.wanted(request.filter)
        found = await users.list_users(rows, agency_id, wanted, after=after, most=page.fetch)
        shown, token = page.cut(found, lambda user: (user.id,))
        return pb.ListUsersResponse(
            ems_agency_users=map(messages.user, shown), next_page_token=token
        )

    async def UpdateUser(
        self, request: pb.UpdateUserRequest, context: object
    ) -> pb.UpdateUserResponse:
        agency_id, id = auth.tenant(request.agency_id), UUID(request.user_id)
        fields = masked(request.ems_agency_user, request.update_mask, NOUN)
        changes = messages.columns(request.ems_agency_user, fields)
        async with self._database.begin(agency_id) as uow:
            user, has_peer = await _lock(uow, agency_id, id, request.etag)
            changed = user.changed(changes, has_peer=has_peer, at=self._clock())
            await self._save(uow, changed, user, fields)
            return uow.answered(pb.UpdateUserResponse(ems_agency_user=messages.user(changed)))

    async def DeactivateUser(
        self, request: pb.DeactivateUserRequest, context: object
    ) -> pb.DeactivateUserResponse:
        agency_id, id = auth.tenant(request.agency_id), UUID(request.user_id)
        async with self._database.begin(agency_id) as uow:
            user = await self._turn(
                uow, *await _lock(uow, agency_id, id, request.etag), is_active=False
            )
            return uow.answered(pb.DeactivateUserResponse(ems_agency_user=messages.user(user)))

    async def ReactivateUser(
        self, request: pb.ReactivateUserRequest, context: object
    ) -> pb.ReactivateUserResponse:
        agency_id, id = auth.tenant(request.agency_id), UUID(request.user_id)
        async with self._database.begin(agency_id) as uow:
            user = await self._turn(
                uow, *await _lock(uow, agency_id, id, request.etag), is_active=True
            )
            return uow.answered(pb.ReactivateUserResponse(ems_agency_user=messages.user(user)))

    async def ChangePassword(
        self, request: pb.ChangePasswordRequest, context: object
    ) -> pb.ChangePasswordResponse:
        tenant = auth.tenant(request.agency_id)
        async with self._logins.changing(tenant, request.old_password, request.new_password) as uow:
            return uow.answered(pb.ChangePasswordResponse())

    async def RequestPasswordReset(
        self, request: pb.RequestPasswordResetRequest, context: object
    ) -> pb.RequestPasswordResetResponse:
        self._resets.ask(request.email, UUID(request.request_id))
        return pb.RequestPasswordResetResponse()

    async def _turn(self, uow: UnitOfWork, user: User, has_peer: bool, *, is_active: bool) -> User:  # noqa: FBT001 - comes with the user
        if user.is_active is is_active:
            return user
        now = self._clock()
        turned = user.changed({"is_active": is_active}, has_peer=has_peer, at=now)
        await self._save(uow, turned, user, {"is_active"})
        return turned

    async def _save(
        self, uow: UnitOfWork, user: User, before: User, fields: Collection[str]
    ) -> None:
        """Write a user back; its sessions end where they would claim what is not true any more."""
        await users.save(uow, user)
        if user.outgrows(before):
            await self._rows.sessions.revoke_all(
                uow,
                user.agency_id,
                user.id,
                reason=RevokeReason.ADMINISTRATOR,
                at=user.updated_at,
            )
        await _note(uow, user, fields)


async def _lock(uow: UnitOfWork, agency_id: UUID, id: UUID, etag: str) -> tuple[User, bool]:
    user, has_peer = await users.lock(uow, agency_id, id)
    if etag not in {"", str(user.row_version)}:
        raise EtagMismatch
    return user, has_peer


async def _note(uow: UnitOfWork, user: User, fields: Collection[str]) -> None:
    announce(uow, [await audit_entries.record(uow, user.agency_id, NOUN, user.id, fields=fields)])


def _created(user: User, token: str, expires: datetime) -> pb.CreateUserResponse:
    return pb.CreateUserResponse(
        ems_agency_user=messages.user(user),
        invitation_token=token,
        invitation_expire_time=timestamp(expires),
    )
