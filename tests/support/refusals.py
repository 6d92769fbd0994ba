"""What a refused caller is told, apart from the text: the contract's reason, and its facts."""

from __future__ import annotations

import asyncio
from typing import Any

import grpc
from google.rpc.error_details_pb2 import ErrorInfo
from google.rpc.status_pb2 import Status


def told(refused: grpc.aio.AioRpcError) -> tuple[str, dict[str, str]]:
    """Return the ErrorInfo's reason and metadata."""
    for name, value in refused.trailing_metadata() or ():
        if name == "grpc-status-details-bin" and isinstance(value, bytes):
            for detail in Status.FromString(value).details:
                info = ErrorInfo()
                if detail.Unpack(info):
                    return info.reason, dict(info.metadata)
    return refused.code().name, {}


async def refusal(stream: Any) -> tuple[str, dict[str, str]]:
    """Read until the stream is refused, within a minute; return what its caller is told."""
    try:
        async with asyncio.timeout(60):
            while await stream.read() is not grpc.aio.EOF:
                pass
    except grpc.aio.AioRpcError as refused:
        return told(refused)
    raise AssertionError("the stream ended well")
