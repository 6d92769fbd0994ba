"""Logs a user in, and keeps access tokens coming for as long as a stream is followed."""

from __future__ import annotations

import time
from typing import Any

import grpc
from medport.center.v1 import sessions_pb2 as center
from medport.center.v1.sessions_pb2_grpc import SessionServiceStub as CenterSessions
from medport.common.v1 import vocabulary_pb2 as words
from medport.ems.v1 import sessions_pb2 as ems
from medport.ems.v1.sessions_pb2_grpc import SessionServiceStub as EmsSessions
from medport.hospital.v1 import sessions_pb2 as hospital
from medport.hospital.v1.sessions_pb2_grpc import SessionServiceStub as HospitalSessions

from examples.refusals import Stop

SESSIONS: dict[str, tuple[Any, Any]] = {
    "hospital": (hospital, HospitalSessions),
    "ems": (ems, EmsSessions),
    "center": (center, CenterSessions),
}
CALL_SECONDS = 10


class Session:
    """One login, and access tokens from it; they live five minutes, the stream for longer."""

    def __init__(self, home: str, silo: str, email: str, password: str) -> None:
        self._messages, self._stub = SESSIONS[home]
        self._audience = words.Silo.Value(f"SILO_{silo.upper()}")
        self._login = self._messages.CreateSessionRequest(email=email, password=password)
        self._refresh_token = self._access_token = ""
        self._renew_at = 0.0
        self.tenant_id = ""  # the user's hospital or agency, once logged in; Center's have none

    def forget(self) -> None:
        """Ask for another access token next time: this one was refused."""
        self._renew_at = 0.0

    async def token(self, channel: grpc.aio.Channel) -> str:
        """Return an access token for the log's silo; raises Stop for a wrong password."""
        if time.time() >= self._renew_at:
            sessions = self._stub(channel)
            try:
                if not self._refresh_token:
                    made = await sessions.CreateSession(self._login, timeout=CALL_SECONDS)
                    self._refresh_token = made.refresh_token
                    self.tenant_id = _tenant_of(made.session)
            except grpc.aio.AioRpcError as refused:
                if refused.code() is grpc.StatusCode.UNAUTHENTICATED:
                    raise Stop("unknown e-mail address, or wrong password") from None
                raise
            # It works once: whatever comes of this call, without an answer we log in again.
            used, self._refresh_token = self._refresh_token, ""
            request = self._messages.RefreshSessionRequest(
                refresh_token=used, audience=self._audience
            )
            answer = await sessions.RefreshSession(request, timeout=CALL_SECONDS)
            self._refresh_token, self._access_token = answer.refresh_token, answer.access_token
            self._renew_at = answer.access_token_expire_time.seconds - 60
        return self._access_token


def _tenant_of(session: Any) -> str:
    named = {field.name: value for field, value in session.ListFields()}
    return str(named.get("hospital_id") or named.get("agency_id") or "")
