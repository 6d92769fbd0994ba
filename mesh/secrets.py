"""Makes every password and key once, readable by its owner alone, a folder per silo.

python -m mesh.secrets INTO --roles INTO --owner UID      what a composed mesh starts with
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import secrets
from collections.abc import Sequence
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from mesh import databases
from mesh.ports import SILOS

ROUTER = "router"


def generate(root: Path, roles: Sequence[str] = ("owner", "service", "reader")) -> None:
    """Write below ``root`` what is missing; what is there stays, since databases remember it."""
    for silo in SILOS:
        folder = root / silo
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for role in roles:
            once(folder / f"{role}.password", secrets.token_urlsafe(24).encode())
        once(folder / "identity.pem", _identity())
        once(folder / "key_encryption.key", secrets.token_urlsafe(48).encode())
    # The router has nothing to keep secret but who it is.
    (root / ROUTER).mkdir(mode=0o700, parents=True, exist_ok=True)
    once(root / ROUTER / "identity.pem", _identity())
    names = (*SILOS, ROUTER)
    peers = json.dumps({name: _public(root / name / "identity.pem") for name in names}, indent=2)
    for silo in SILOS:
        replace(root / silo / "peers.json", peers.encode())


def once(path: Path, content: bytes) -> None:
    """Write a new file; an existing one is left as it is."""
    if not path.exists():
        replace(path, content)


def replace(path: Path, content: bytes) -> None:
    """Write a file that its owner alone may read."""
    # Born 0600 and renamed: never readable by others, never half written.
    partial = path.with_name(f".{path.name}.partial")
    partial.unlink(missing_ok=True)
    with open(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:  # noqa: PTH123 - a descriptor
        file.write(content)
    partial.rename(path)


def _identity() -> bytes:
    return Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def _public(identity: Path) -> str:
    key = serialization.load_pem_private_key(identity.read_bytes(), password=None)
    raw = key.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    return base64.b64encode(raw).decode()


def _compose(into: Path, roles: Path, owner: int) -> None:
    """Split the secrets by who may see them.

    ``into/<silo>`` is for the service. ``roles/<silo>`` is for its PostgreSQL and its migrations:
    the passwords of superuser and owner, and the SQL that makes the roles.
    """
    generate(into, roles=("service",))
    for path in (into / ROUTER, into / ROUTER / "identity.pem"):
        os.chown(path, owner, owner)
    for silo in SILOS:
        passwords = {"service": (into / silo / "service.password").read_text()}
        for role in ("owner", "postgres"):
            file = roles / silo / f"{role}.password"
            once(file, secrets.token_urlsafe(24).encode())
            passwords[role] = file.read_text()
        file = roles / silo / "roles.sql"
        replace(file, databases.statements(silo, passwords).encode())
        file.chmod(0o444)  # PostgreSQL's uid is its image's business; the volume is its alone
        for path in (into / silo, *(into / silo).iterdir(), roles / silo / "owner.password"):
            os.chown(path, owner, owner)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("into", type=Path)
    parser.add_argument("--roles", type=Path, required=True)
    parser.add_argument("--owner", type=int, required=True, help="uid of the services")
    wanted = parser.parse_args()
    _compose(wanted.into, wanted.roles, wanted.owner)
