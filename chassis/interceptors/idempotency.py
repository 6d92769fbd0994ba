"""One effect per request id: a repeat gets the answer that was given before."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from uuid import UUID

from chassis.call import Idempotency
from chassis.idempotency import Replayed
from chassis.interceptors.guards import Guard, Rpc
from chassis.sealing import Seal, derived


def guard(secret: bytes) -> Guard:
    """Make the guard; ``secret`` is the silo's key-encryption key."""
    key, answers = derived(secret, "request hashes"), Seal(secret, "stored answers")

    def repeatable(rpc: Rpc) -> AbstractAsyncContextManager[None] | None:
        is_unary = rpc.method.type == "unary"
        claims = is_unary and rpc.method.is_idempotent and rpc.call.principal is not None
        return claimed(rpc) if claims else None

    @asynccontextmanager
    async def claimed(rpc: Rpc) -> AsyncIterator[None]:
        """Hand the unit of work what it claims, and answer from the store what was answered."""
        request_id = UUID(rpc.request.request_id)
        rpc.request.request_id = str(request_id)  # in capitals it is the same one, of one payload
        rpc.call.idempotency = Idempotency(
            method=rpc.method.path,
            request_id=request_id,
            request_hash=_hash(rpc, key),
            answers=answers,
        )
        try:
            yield
        except Replayed as replayed:
            rpc.answer = replayed.response

    return repeatable


def _hash(rpc: Rpc, key: bytes) -> bytes:
    """Tell one payload from another, for a day, in the database.

    Who steals that day's rows must not find the passwords whose hash it would be, so that those
    are hashed with a key.
    """
    payload: bytes = rpc.request.SerializeToString(deterministic=True)
    if rpc.method.takes_secrets:
        return hmac.digest(key, payload, "sha256")
    return hashlib.sha256(payload).digest()
