"""Logs a user in through the router: the way to a token for grpcurl."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import grpc
import typer
from google.protobuf.message import Message
from medport.center.v1 import sessions_pb2 as center
from medport.center.v1.sessions_pb2_grpc import SessionServiceStub as CenterSessions
from medport.common.v1 import vocabulary_pb2 as vocabulary
from medport.ems.v1 import sessions_pb2 as ems
from medport.ems.v1.sessions_pb2_grpc import SessionServiceStub as EmsSessions
from medport.hospital.v1 import sessions_pb2 as hospital
from medport.hospital.v1.sessions_pb2_grpc import SessionServiceStub as HospitalSessions

from mesh import passwords
from mesh.problems import Problem
from mesh.state import DataDirectory


class LoginFailed(Problem):
    """The silo did not let the user in."""


SESSIONS: dict[str, tuple[Any, Any]] = {
    "hospital": (hospital, HospitalSessions),
    "ems": (ems, EmsSessions),
    "center": (center, CenterSessions),
}


def password_of(data: DataDirectory, silo: str, email: str) -> str:
    """Return a password that we made, MEDPORT_PASSWORD, or what the terminal answers."""
    if password := passwords.known(data).get(f"{silo}/{email}"):
        return password
    return os.environ.get("MEDPORT_PASSWORD") or str(typer.prompt("Password", hide_input=True))


def token(data: DataDirectory, silo: str, email: str, audience: str = "") -> str:
    """Return an access token for ``audience``, valid for some minutes; raises LoginFailed."""
    answer = _login(data, silo, email)
    if audience and audience != silo:
        answer = _traded(data, silo, answer.refresh_token, audience)
    return str(answer.access_token)


def center_tokens(data: DataDirectory, silos: Sequence[str]) -> dict[str, str]:
    """Return the center admin's access tokens, one per silo: each silo takes only its own."""
    answer = _login(data, "center", passwords.CENTER_ADMIN)
    tokens: dict[str, str] = {}
    for silo in silos:
        answer = _traded(data, "center", answer.refresh_token, silo)
        tokens[silo] = answer.access_token
    return tokens


def _traded(data: DataDirectory, silo: str, refresh_token: str, audience: str) -> Any:
    messages, _ = _sessions(silo)
    _sessions(audience)
    request = messages.RefreshSessionRequest(
        refresh_token=refresh_token, audience=vocabulary.Silo.Value(f"SILO_{audience.upper()}")
    )
    return _ask(data, silo, "RefreshSession", request)


def _login(data: DataDirectory, silo: str, email: str) -> Any:
    messages, _ = _sessions(silo)
    password = password_of(data, silo, email)
    request = messages.CreateSessionRequest(email=email, password=password)
    return _ask(data, silo, "CreateSession", request)


def _sessions(silo: str) -> tuple[Any, Any]:
    if silo not in SESSIONS:
        raise LoginFailed(f"{silo} is no silo; there are {', '.join(SESSIONS)}")
    return SESSIONS[silo]


def _ask(data: DataDirectory, silo: str, method: str, request: Message) -> Any:
    _, stub = SESSIONS[silo]
    router = data.running().ports["router"]
    with grpc.insecure_channel(f"127.0.0.1:{router}") as channel:
        try:
            return getattr(stub(channel), method)(request, timeout=10)
        except grpc.RpcError as error:
            raise LoginFailed(f"{silo}: {error.code().name}: {error.details()}") from error
