"""The silos' public keys: fetched from each, kept on disk, so that tokens outlive an outage."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import grpc
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from google.protobuf.message import DecodeError, Message
from medport.center.v1 import sessions_pb2 as center_pb
from medport.center.v1 import sessions_pb2_grpc as center_rpc
from medport.ems.v1 import sessions_pb2 as ems_pb
from medport.ems.v1 import sessions_pb2_grpc as ems_rpc
from medport.hospital.v1 import sessions_pb2 as hospital_pb
from medport.hospital.v1 import sessions_pb2_grpc as hospital_rpc

from chassis import telemetry
from chassis.clock import instant
from chassis.rpc_metrics import calling
from chassis.tokens import Keyring, VerificationKey
from router.answers import SiloUnavailable

REFETCH = timedelta(seconds=10)  # an invented key name costs one fetch in that time, at most
PATIENCE_SECONDS = 0.5
PAUSE_SECONDS = 1.0
_METHOD = "ListVerificationKeys"

# The silos share no message, but theirs are alike: rule by rule, number by number.
_PROTOCOLS: Mapping[str, tuple[Any, Any]] = {
    "hospital": (hospital_rpc.SessionServiceStub, hospital_pb),
    "ems": (ems_rpc.SessionServiceStub, ems_pb),
    "center": (center_rpc.SessionServiceStub, center_pb),
}


class SiloKeys:
    """One silo's keys; the last good copy counts for as long as the silo does not answer."""

    def __init__(
        self, silo: str, channel: grpc.aio.Channel, cache: Path, is_reachable: Callable[[], bool]
    ) -> None:
        stub, self._pb = _PROTOCOLS[silo]
        self._silo, self._stub, self._is_reachable = silo, stub(channel), is_reachable
        self._copy = cache / f"{silo}.keys.binpb"
        self._keys: list[VerificationKey] = []
        self._failed_at: float | None = None

    async def published(self) -> list[VerificationKey]:
        """Return the keys; raises SiloUnavailable only if there never was a copy of them."""
        self._keys = self._keys or self._read()
        if self._keys and not self._is_reachable():
            return self._keys
        if self._failed_at is None or time.monotonic() - self._failed_at >= PAUSE_SECONDS:
            await self._fetch()
        if not self._keys:
            raise SiloUnavailable(self._silo)
        return self._keys

    async def _fetch(self) -> None:
        request = self._pb.ListVerificationKeysRequest()
        try:
            with calling("unary", f"medport.{self._silo}.v1.SessionService", _METHOD):
                answer = await self._stub.ListVerificationKeys(request, timeout=PATIENCE_SECONDS)
        except grpc.aio.AioRpcError as error:
            self._failed_at = time.monotonic()
            telemetry.log.warning("keys not fetched", silo=self._silo, code=error.code().name)
            return
        self._failed_at = None
        self._keys = _keys(self._silo, answer.verification_keys)
        self._write(answer)

    def _read(self) -> list[VerificationKey]:
        try:
            answer = self._pb.ListVerificationKeysResponse.FromString(self._copy.read_bytes())
            return _keys(self._silo, answer.verification_keys)
        except FileNotFoundError:
            return []
        except (OSError, DecodeError, ValueError) as error:
            telemetry.log.warning("key copy unusable", silo=self._silo, type=type(error).__name__)
            return []

    def _write(self, answer: Message) -> None:
        """Replace the copy as a whole; without one the router works, until the silo is down."""
        content, new = answer.SerializeToString(deterministic=True), self._copy.with_suffix(".new")
        try:
            if self._copy.exists() and self._copy.read_bytes() == content:
                return
            self._copy.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            new.write_bytes(content)
            new.replace(self._copy)
        except OSError as error:
            telemetry.log.warning("key copy not written", silo=self._silo, why=error.strerror)


class Keyrings:
    """One ring per silo: fetching from a hung silo holds up none but its own users."""

    def __init__(self, silos: Iterable[tuple[str, SiloKeys]]) -> None:
        self._rings = {silo: Keyring((), keys.published, refetch=REFETCH) for silo, keys in silos}

    async def find(self, kid: str) -> VerificationKey | None:
        ring = self._rings.get(kid.partition(":")[0])
        return await ring.find(kid) if ring else None


def _keys(silo: str, published: Iterable[Any]) -> list[VerificationKey]:
    return [
        VerificationKey(
            silo=silo,
            name=key.key_name,
            public_key=Ed25519PublicKey.from_public_bytes(key.public_key),
            not_before=instant(key.not_before_time),
            not_after=instant(key.not_after_time),
        )
        for key in published
        if key.algorithm == "EdDSA"
    ]
