"""A silo as the process it is in production, and a crowd of subscribers in another process."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import psycopg
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from chassis.auth import Principal
from chassis.clock import utc_now
from chassis.minting import SigningKey, mint
from chassis.outbox import APPEND
from mesh.health import serves
from mesh.postgres import free_port
from tests.support.databases import SILOS, owner_of
from tests.support.silo_logs import Kind
from tests.support.silos import NOWHERE, Keys
from tests.support.waiting import until

PRINCIPALS = 40  # of 32 streams each: room for a thousand and a few
ROOT = Path(__file__).resolve().parents[2]

_TRUST = """
INSERT INTO trusted_key (silo, key_name, algorithm, public_key, not_before_at, not_after_at)
VALUES (%s, %s, 'EDDSA', %s, %s, %s)
"""
_BALLAST = """
INSERT INTO outbox (event_id, type, subject, subject_version, audience, data)
SELECT gen_random_uuid(), 'Ballast', %s, number, '{nobody}', convert_to(repeat('.', 65536), 'UTF8')
  FROM generate_series(1, 16) number
"""
_ROLES = {"hospital": "HOSPITAL_STAFF", "ems": "EMS_DISPATCHER"}
_OWNERS = {"hospital": "hospital", "ems": "agency"}


@dataclass
class SiloProcess:
    """``python -m <silo>_svc serve``, on one port for as long as this object lives."""

    silo: str
    dsn: str
    folder: Path
    port: int = field(default_factory=free_port)
    _child: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def megabytes(self) -> float:
        """Return what of the process is in memory now."""
        assert self._child is not None
        status = Path(f"/proc/{self._child.pid}/status").read_text()
        (line,) = (each for each in status.splitlines() if each.startswith("VmRSS:"))
        return int(line.split()[1]) / 1024

    async def start(self) -> None:
        self._spawn()
        await until(self._serves, 60)

    def _spawn(self) -> None:
        with (self.folder / f"{self.silo}.log").open("ab") as log:
            self._child = subprocess.Popen(
                [sys.executable, "-m", f"{self.silo}_svc", "serve"],
                cwd=ROOT,
                env={**os.environ, **self._environment()},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def kill(self) -> None:
        """End it as a power cut would."""
        if self._child is not None:
            with suppress(ProcessLookupError):
                self._child.send_signal(signal.SIGKILL)
            self._child.wait()

    async def stop(self) -> int:
        """Ask it to end, as a deployment does; return its exit status once it has."""
        assert self._child is not None
        self._child.send_signal(signal.SIGTERM)
        return await asyncio.to_thread(self._child.wait)

    async def _serves(self) -> bool:
        assert self._child is not None
        assert self._child.poll() is None, (self.folder / f"{self.silo}.log").read_text()[-2000:]
        return await asyncio.to_thread(serves, self.port)

    def _environment(self) -> dict[str, str]:
        password = str(conninfo_to_dict(self.dsn)["password"])
        url = make_conninfo(self.dsn, password="")
        keys = Keys()
        peers = {name: base64.b64encode(key).decode() for name, key in keys.public().items()}
        contents = {
            "MEDPORT_DATABASE_PASSWORD_FILE": password.encode(),
            "MEDPORT_IDENTITY_KEY_FILE": keys.pem(self.silo),
            "MEDPORT_PEER_KEYS_FILE": json.dumps(peers).encode(),
            "MEDPORT_KEY_ENCRYPTION_KEY_FILE": b"0123456789abcdef" * 4,
        }
        files = {name: self.folder / f"{self.silo}.{name.lower()}" for name in contents}
        for name, file in files.items():
            file.write_bytes(contents[name])
        return {
            **{name: str(file) for name, file in files.items()},
            "MEDPORT_DATABASE_URL": url,
            "MEDPORT_LISTEN": self.address,
            "MEDPORT_PEERS": ",".join(f"{name}={NOWHERE}" for name in SILOS if name != self.silo),
            "MEDPORT_LOG_LEVEL": "WARNING",
            "PYTHONPATH": f"{ROOT}:{ROOT / 'protos/gen'}",
        }


@dataclass
class Announcer:
    """Announces to the crowd: one subject, whose versions are 1, 2, 3 ..."""

    kind: Kind
    dsn: str
    tenant: UUID = field(default_factory=uuid4)  # whom all of them act for
    version: int = 0

    @property
    def signer(self) -> str:
        """Return the silo whose users the crowd are: not this one, where a session would count."""
        return "ems" if self.kind.silo != "ems" else "hospital"

    def announce(self, count: int) -> None:
        """Commit ``count`` events, a transaction each; for the crowd, whatever they tell."""
        audience = [f"{_OWNERS[self.signer]}:{self.tenant}"]
        with psycopg.connect(self.dsn, autocommit=True) as writer:
            for _ in range(count):
                self.version += 1
                row = self.kind.row("subjects/crowd", self.version, audience)
                writer.execute(APPEND, row)
            writer.execute("NOTIFY medport_outbox")

    def announce_ballast(self, megabytes: int) -> None:
        """Commit large events that the crowd may not see: they push its own out of the ring."""
        with psycopg.connect(self.dsn, autocommit=True) as writer:
            for _ in range(megabytes):
                writer.execute(_BALLAST, [uuid4().hex])
            writer.execute("NOTIFY medport_outbox")

    def tokens(self) -> list[str]:
        """Make users of another silo, whose key this silo comes to trust."""
        private, now = Ed25519PrivateKey.generate(), utc_now()
        key = SigningKey(silo=self.signer, name=f"crowd-{uuid4()}", private_key=private)
        public = private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        with psycopg.connect(owner_of(self.dsn), autocommit=True) as owner:
            until_then = now + timedelta(days=1)
            owner.execute(_TRUST, (self.signer.upper(), key.name, public, now, until_then))
        return [mint(key, self._user(), self.kind.silo, now).bearer for _ in range(PRINCIPALS)]

    def _user(self) -> Principal:
        role = frozenset({_ROLES[self.signer]})
        return Principal(
            user_id=uuid4(), silo=self.signer, roles=role, tenant_id=self.tenant, session_id=uuid4()
        )


@dataclass
class Crowd:
    """What ``bench.crowd`` does in its own process, and says of it."""

    _process: asyncio.subprocess.Process

    async def ask(self, **told: Any) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(told).encode() + b"\n")
        answer: dict[str, Any] = json.loads(await self._process.stdout.readline())
        return answer


@asynccontextmanager
async def crowding() -> AsyncIterator[Crowd]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "bench.crowd",
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'protos/gen'}"},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        yield Crowd(process)
    finally:
        process.kill()
        await process.wait()
