"""What every follower of a stream needs: when to leave, when to come back, when to give up."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import grpc

HEARTBEAT_SECONDS = 5
# The snapshot is to be taken anew: what the token stands for is no longer there.
REBUILD = {"RESUME_POINT_COMPACTED", "LOG_TRUNCATED"}
# Coming back does not help against these; every other end passes.
FINAL = {
    grpc.StatusCode.INVALID_ARGUMENT,  # INVALID_RESUME_TOKEN, LOG_MISMATCH, INVALID_REQUEST
    grpc.StatusCode.FAILED_PRECONDITION,  # POSITION_AHEAD_OF_LOG
    grpc.StatusCode.PERMISSION_DENIED,  # EVENT_TYPE_FORBIDDEN, or a role that follows nothing
    grpc.StatusCode.DATA_LOSS,  # LOG_CORRUPT: page a human
    grpc.StatusCode.UNIMPLEMENTED,
}


async def next_of(stream: Any) -> Any:
    """Return the next frame; a server that missed three heartbeats is not there any more."""
    async with asyncio.timeout(3 * HEARTBEAT_SECONDS):
        return await stream.read()


def pause(failures: int) -> float:
    """Return seconds to wait; full jitter: a thousand followers must not come back at once."""
    return random.uniform(0, min(30, 0.1 * 2**failures))  # noqa: S311 - it spreads, it hides nothing
