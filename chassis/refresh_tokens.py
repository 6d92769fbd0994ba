"""Refresh tokens: 256 random bits, kept as a hash, each one the end of the one before it.

The next token is derived from the one used, so that a client whose answer was lost can be given
the same one again without the database ever having held it.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
from dataclasses import dataclass
from uuid import UUID

from chassis.sealing import derived

_BYTES = 32


@dataclass(frozen=True, slots=True)
class Secret:
    """What a refresh token is made of; ``tenant`` is None in Center."""

    tenant: UUID | None
    bits: bytes

    @property
    def text(self) -> str:
        """What the client keeps. The tenant stands in front: it leads to the row's shard."""
        own = b"" if self.tenant is None else self.tenant.bytes
        return base64.urlsafe_b64encode(own + self.bits).rstrip(b"=").decode()

    @property
    def hash(self) -> bytes:
        return hashlib.sha256(self.bits).digest()


class RefreshTokens:
    """Makes and reads a silo's refresh tokens; ``secret`` is its key-encryption key."""

    def __init__(self, secret: bytes, *, has_tenants: bool) -> None:
        self._key = derived(secret, "refresh tokens")
        self._length = _BYTES + (16 if has_tenants else 0)

    def first(self, tenant: UUID | None) -> Secret:
        return Secret(tenant, secrets.token_bytes(_BYTES))

    def after(self, used: Secret) -> Secret:
        """Return the token that takes the place of ``used``: always the same."""
        return Secret(used.tenant, hmac.digest(self._key, used.bits, "sha256"))

    def read(self, text: str) -> Secret | None:
        """Return what ``text`` is made of, or None when it is no token of this silo."""
        try:
            raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            return None
        if len(raw) != self._length:
            return None
        own, bits = raw[:-_BYTES], raw[-_BYTES:]
        return Secret(UUID(bytes=own) if own else None, bits)
