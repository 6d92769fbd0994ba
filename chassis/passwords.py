"""Passwords: argon2id, two at a time, never on the event loop.

Parameters are OWASP's first choice for argon2id: 19 MiB, two passes, one lane. One hash costs
30 to 70 ms and its memory; the semaphore bounds what a flood of logins can take of both.
"""

from __future__ import annotations

import asyncio
import os
import unicodedata
from collections.abc import Callable
from typing import TypeVar

from cryptography.exceptions import InvalidKey
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from chassis.errors import InvalidArgument

AT_ONCE = 2
MOST_BYTES = 128
_MEMORY, _PASSES, _LANES = 19_456, 2, 1
_PARAMETERS = f"$argon2id$v=19$m={_MEMORY},t={_PASSES},p={_LANES}$"

Result = TypeVar("Result")


def _hash(password: bytes) -> str:
    kdf = Argon2id(
        salt=os.urandom(16), length=32, iterations=_PASSES, lanes=_LANES, memory_cost=_MEMORY
    )
    return kdf.derive_phc_encoded(password)


def _matches(password: bytes, password_hash: str) -> bool:
    try:
        Argon2id.verify_phc_encoded(password, password_hash)
    except InvalidKey:
        return False
    return True


def normalized(password: str) -> bytes:
    """Give the bytes that are hashed: NFKC, so that every keyboard spells a password alike."""
    return unicodedata.normalize("NFKC", password).encode()


class Passwords:
    """Hashes and verifies, at most two at a time per process."""

    def __init__(self) -> None:
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._nobodys = _hash(os.urandom(32))

    async def hash(self, password: str) -> str:
        """Return a PHC string; raises InvalidArgument if ``password`` is over 128 bytes."""
        encoded = normalized(password)
        if len(encoded) > MOST_BYTES:
            raise InvalidArgument(
                "the password is too long",
                violations={"new_password": f"has more than {MOST_BYTES} bytes"},
            )
        return await self._work(lambda: _hash(encoded))

    async def verify(self, password: str, password_hash: str | None) -> bool:
        """Say whether ``password`` is the one; None, no user's hash, costs the same and fails."""
        encoded = normalized(password)
        known = password_hash if len(encoded) <= MOST_BYTES else None
        matches = await self._work(lambda: _matches(encoded[:MOST_BYTES], known or self._nobodys))
        return matches and known is not None

    async def _work(self, work: Callable[[], Result]) -> Result:
        async with self._slots:
            return await asyncio.to_thread(work)


def is_outdated(password_hash: str) -> bool:
    """Say whether a hash has other parameters than today's: hash again at the next login."""
    return not password_hash.startswith(_PARAMETERS)
