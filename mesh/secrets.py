"""Makes every password and key once, readable by its owner alone, a folder per silo.

python -m mesh.secrets INTO [--owner UID] [--roles INTO]      what a composed mesh starts with
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

_ROLES = ("owner", "service")


def generate(root: Path, roles: Sequence[str] = _ROLES) -> None:
    """Write below ``root`` what is missing; what is there stays, since databases remember it."""
    for silo in SILOS:
        folder = root / silo
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for role in roles:
            once(folder / f"{role}.password", secrets.token_urlsafe(24).encode())
        once(folder / "identity.pem", _identity())
        once(folder / "key_encryption.key", secrets.token_urlsafe(48).encode())
    peers = json.dumps({silo: _public(root / silo / "identity.pem") for silo in SILOS}, indent=2)
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


def _compose(into: Path, owner: int | None, roles: Path | None) -> None:
    """Give the secrets to the services' uid, and to each database the SQL that makes its roles."""
    generate(into, roles=("postgres", "owner", "service"))
    for silo in SILOS:
        for path in (into / silo, *(into / silo).iterdir()):
            if owner is not None:
                os.chown(path, owner, owner)
        if roles is not None:
            file = roles / silo / "roles.sql"
            replace(file, databases.statements(silo, into).encode())
            file.chmod(0o444)  # in a volume that this silo's PostgreSQL alone mounts


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("into", type=Path)
    parser.add_argument("--owner", type=int)
    parser.add_argument("--roles", type=Path)
    wanted = parser.parse_args()
    _compose(wanted.into, wanted.owner, wanted.roles)
