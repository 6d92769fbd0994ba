"""What a silo keeps or hands out sealed: under its key-encryption key, a key for each purpose."""

from __future__ import annotations

import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

_NONCE = 12


def derived(secret: bytes, purpose: str) -> bytes:
    """Return the 32 bytes of key that ``secret`` has for ``purpose``, always the same."""
    return HKDF(SHA256(), 32, salt=None, info=f"medport {purpose}".encode()).derive(secret)


class Seal:
    """AES-256-GCM: what is sealed for one place, which it does not carry, opens in no other."""

    def __init__(self, secret: bytes, purpose: str) -> None:
        self._cipher = AESGCM(derived(secret, purpose))

    def close(self, content: bytes, place: bytes) -> bytes:
        nonce = os.urandom(_NONCE)
        return nonce + self._cipher.encrypt(nonce, content, place)

    def open(self, sealed: bytes, place: bytes) -> bytes:
        """Return the content; raises ValueError for what this seal has not closed for ``place``."""
        try:
            return self._cipher.decrypt(sealed[:_NONCE], sealed[_NONCE:], place)
        except InvalidTag as error:
            raise ValueError("sealed with another key-encryption key, or changed") from error
