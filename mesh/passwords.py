"""Keeps the passwords of users that this program made: random, in a file of its owner alone."""

from __future__ import annotations

import json
import secrets

from mesh.secrets import replace
from mesh.state import DataDirectory

CENTER_ADMIN = "admin@center.example"


def known(data: DataDirectory) -> dict[str, str]:
    """Return all of them, by silo/email."""
    if not data.passwords.exists():
        return {}
    passwords: dict[str, str] = json.loads(data.passwords.read_text())
    return passwords


def make(data: DataDirectory, users: list[str]) -> dict[str, str]:
    """Return the passwords of ``users``, each silo/email; unknown ones are made and kept."""
    kept = known(data)
    fresh = {user: secrets.token_urlsafe(18) for user in users if user not in kept}
    if fresh:  # kept before they are used: a crash in between must not lock anybody out
        replace(data.passwords, json.dumps({**kept, **fresh}, indent=2).encode())
    return {user: {**kept, **fresh}[user] for user in users}
