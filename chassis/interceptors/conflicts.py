"""Runs a use case again, as a whole new transaction, when PostgreSQL ended it for a conflict."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import Any

from psycopg.errors import DeadlockDetected, SerializationFailure

from chassis import call

MOST_ATTEMPTS = 3
LEAST_SECONDS = 0.05  # what another attempt needs to be worth its begin


def retried(behaviour: Callable[[Any, Any], Awaitable[Any]]) -> Callable[[Any, Any], Any]:
    """Make a unary behaviour that survives two conflicts inside its deadline."""

    async def settled(request: Any, context: Any) -> Any:
        current = call.current()
        promise = current.idempotency if current else None
        for attempt in range(1, MOST_ATTEMPTS + 1):
            if current is not None:
                current.idempotency = promise  # a unit of work takes it; the next needs it again
            try:
                return await behaviour(request, context)
            except (DeadlockDetected, SerializationFailure):
                if attempt == MOST_ATTEMPTS or not _is_time_left(current):
                    raise
        raise AssertionError  # the last attempt returns or raises

    return settled


def _is_time_left(current: call.Call | None) -> bool:
    if current is None or current.deadline is None:
        return True
    return current.deadline - time.monotonic() > LEAST_SECONDS
