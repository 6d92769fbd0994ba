"""SessionService: who is let in, for how long, and how to prove it."""

from __future__ import annotations

from uuid import UUID

from medport.center.v1 import sessions_pb2 as pb
from medport.center.v1 import sessions_pb2_grpc as rpc
from medport.common.v1 import vocabulary_pb2

from chassis import auth
from chassis.identity import Identity
from chassis.interceptors.guards import Context
from chassis.paging import Paging
from chassis.session_answers import session_fields, token_fields
from chassis.session_rows import Session
from chassis.sessions import Client
from chassis.signing_keys import public_fields


class SessionServicer(rpc.SessionServiceServicer):
    def __init__(self, identity: Identity, paging: Paging) -> None:
        self._logins = identity.logins
        self._sessions = identity.sessions
        self._keys = identity.keys
        self._paging = paging

    async def CreateSession(
        self, request: pb.CreateSessionRequest, context: Context
    ) -> pb.CreateSessionResponse:
        client = Client.of(context.invocation_metadata())
        opened = await self._logins.create(request.email, request.password, client)
        session = _session(opened.session)
        return pb.CreateSessionResponse(session=session, **token_fields(opened))

    async def RefreshSession(
        self, request: pb.RefreshSessionRequest, context: Context
    ) -> pb.RefreshSessionResponse:
        client = Client.of(context.invocation_metadata())
        audience = vocabulary_pb2.Silo.Name(request.audience).removeprefix("SILO_").lower()
        opened = await self._sessions.refresh(request.refresh_token, audience, client)
        session = _session(opened.session)
        return pb.RefreshSessionResponse(session=session, **token_fields(opened))

    async def RedeemOneTimeToken(
        self, request: pb.RedeemOneTimeTokenRequest, context: Context
    ) -> pb.RedeemOneTimeTokenResponse:
        await self._logins.redeem(request.email, request.token, request.new_password)
        return pb.RedeemOneTimeTokenResponse()

    async def GetSession(
        self, request: pb.GetSessionRequest, context: Context
    ) -> pb.GetSessionResponse:
        session = await self._sessions.get(None, UUID(request.session_id))
        return pb.GetSessionResponse(session=_session(session))

    async def ListSessions(
        self, request: pb.ListSessionsRequest, context: Context
    ) -> pb.ListSessionsResponse:
        user_id = UUID(request.user_id) if request.user_id else auth.caller().user_id
        page = self._paging.page(request)
        before = UUID(page.after[0]) if page.after else None
        found = await self._sessions.list_of(None, user_id, before=before, most=page.fetch)
        shown, token = page.cut(found, lambda each: (each.id,))
        sessions = [_session(each) for each in shown]
        return pb.ListSessionsResponse(sessions=sessions, next_page_token=token)

    async def RevokeSession(
        self, request: pb.RevokeSessionRequest, context: Context
    ) -> pb.RevokeSessionResponse:
        session = await self._sessions.revoke(None, UUID(request.session_id))
        return pb.RevokeSessionResponse(session=_session(session))

    async def ListVerificationKeys(
        self, request: pb.ListVerificationKeysRequest, context: Context
    ) -> pb.ListVerificationKeysResponse:
        keys = [pb.VerificationKey(**public_fields(key)) for key in await self._keys.own()]
        return pb.ListVerificationKeysResponse(verification_keys=keys)

    async def RevokeVerificationKey(
        self, request: pb.RevokeVerificationKeyRequest, context: Context
    ) -> pb.RevokeVerificationKeyResponse:
        key = await self._keys.revoke(request.key_name, request.reason)
        answer = pb.VerificationKey(**public_fields(key))
        return pb.RevokeVerificationKeyResponse(verification_key=answer)


def _session(session: Session) -> pb.Session:
    return pb.Session(**session_fields(session, pb.SessionRevokeReason))
