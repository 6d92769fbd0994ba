"""Reads why a call was refused: programs match the reason, people read the text."""

from __future__ import annotations

from typing import Any

import grpc
from google.rpc.error_details_pb2 import ErrorInfo
from google.rpc.status_pb2 import Status

DETAILS = "grpc-status-details-bin"


class Stop(Exception):
    """Only a person can put this right."""


def reason_of(refused: grpc.RpcError) -> str:
    """Return ErrorInfo's reason; the code's name where nobody was there to give one."""
    trailers: Any = refused.trailing_metadata()
    status, info = Status.FromString(dict(trailers or ()).get(DETAILS, b"")), ErrorInfo()
    if any(detail.Unpack(info) for detail in status.details):
        return str(info.reason)
    return str(refused.code().name)
