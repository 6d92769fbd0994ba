"""The three silos, each as the process it is in production, on a database of its own."""

from __future__ import annotations

import importlib
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import grpc
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from chassis.channels import channel
from chassis.clock import utc_now
from chassis.minting import ProcessTokens, identity_key
from chassis.server import Build, Process
from chassis.settings import SiloSettings
from tests.support.databases import SILOS

NOWHERE = "127.0.0.1:1"  # where a peer is that does not answer


@dataclass
class Keys:
    """The identity keys of a mesh's processes: each knows its own and the others' public half."""

    private: dict[str, Ed25519PrivateKey] = field(
        default_factory=lambda: {silo: Ed25519PrivateKey.generate() for silo in SILOS}
    )

    def pem(self, silo: str) -> bytes:
        form = (Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        return self.private[silo].private_bytes(*form)

    def public(self) -> dict[str, bytes]:
        form = (Encoding.Raw, PublicFormat.Raw)
        return {silo: key.public_key().public_bytes(*form) for silo, key in self.private.items()}

    def bearer(self, silo: str, audience: str) -> str:
        """Make the token that ``silo``'s process shows to ``audience``."""
        return ProcessTokens(identity_key(silo, self.pem(silo)), utc_now)(audience)


def settings(silo: str, dsn: str, keys: Keys, peers: dict[str, str]) -> SiloSettings:
    return SiloSettings(
        listen="127.0.0.1:0",
        database=dsn,
        peers={name: peers.get(name, NOWHERE) for name in SILOS if name != silo},
        identity_key=keys.pem(silo),
        peer_keys=keys.public(),
        key_encryption_key=secrets.token_bytes(32),
        reflection="open",
        log_level="INFO",
    )


def build(silo: str) -> Build:
    built: Build = importlib.import_module(f"{silo}_svc.server").BUILD
    return built


@asynccontextmanager
async def running(
    silo: str,
    dsn: str,
    keys: Keys,
    peers: dict[str, str] | None = None,
    built: Build | None = None,
) -> AsyncIterator[tuple[Process, grpc.aio.Channel]]:
    """Run one silo until the block ends; yield it and a channel to it."""
    process = Process(built or build(silo), settings(silo, dsn, keys, peers or {}))
    await process.start()
    try:
        async with channel(f"127.0.0.1:{process.port}") as opened:
            yield process, opened
    finally:
        await process.stop(grace=0)
