"""The keys that a silo signs its users' tokens with: made, sealed, announced, rotated.

A key signs for 30 days. Its successor is published 10 minutes before its first use, so that
every verifier knows it by then, and it stays verifiable after its last.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from google.protobuf.message import Message

from chassis import auth, ids
from chassis.audit_entries import Keep, entry
from chassis.clock import Clock, timestamp
from chassis.errors import NotFound
from chassis.idempotency import NO_TENANT
from chassis.key_rows import KeyRows, StoredKey, verification_key
from chassis.minting import SigningKey
from chassis.outbox import Announcement
from chassis.sealing import Seal
from chassis.tokens import ALGORITHM, VerificationKey
from chassis.unit_of_work import Database, UnitOfWork

SIGNS_FOR = timedelta(days=30)
BELIEVED_FOR = timedelta(days=60)  # leaves a silo that was stopped for weeks time to rotate
AHEAD = timedelta(minutes=10)
# Less than AHEAD: a retired key signs nothing for long. After a revocation, what other replicas
# sign meanwhile is refused by the time verifiers know of it.
REMEMBERED = timedelta(seconds=30)

_STORED_ALGORITHM = "EDDSA"

Published = Callable[..., Message]


class SigningKeys:
    """One silo's keys.

    ``published`` and ``revoked`` make its SigningKeyPublished and SigningKeyRevoked from the
    events' fields; ``keep`` is its way to the audit trail.
    """

    def __init__(
        self,
        silo: str,
        rows: KeyRows,
        database: Database,
        *,
        secret: bytes,
        published: Published,
        revoked: Published,
        keep: Keep,
        clock: Clock,
    ) -> None:
        self._silo = silo
        self._rows = rows
        self._database = database
        self._seal = Seal(secret, "signing keys")
        self._published = published
        self._revoked = revoked
        self._keep = keep
        self._clock = clock
        self._current: tuple[SigningKey, datetime] | None = None

    async def current(self) -> SigningKey:
        """Return the key to sign with; makes the silo's first one if there is none."""
        now = self._clock()
        if self._current is None or now >= self._current[1]:
            self._current = (await self._active(), now + REMEMBERED)
        return self._current[0]

    async def rotate(self, database: Database, clock: Clock) -> int:
        """Make, announce, use and retire keys as they fall due; return how many changed.

        Called when the process starts and every minute: a timer's sweep.
        """
        async with database.begin(None) as uow:
            await self._rows.lock(uow)
            keys = await self._rows.own(uow)  # a second statement sees what the lock waited for
            return await self._rotate(uow, keys, clock())

    async def revoke(self, key_name: str, reason: str) -> StoredKey:
        """End a key's period now and return it; raises NotFound."""
        async with self._database.begin(NO_TENANT) as uow:  # for the audit trail
            key = await self._revoke(uow, key_name, reason)
        self._current = None
        return key

    async def own(self) -> list[StoredKey]:
        """Return the keys that may have signed a living token, and the next one."""
        now = self._clock()
        keys = await self._rows.own(self._database.read(None))
        return [key for key in keys if now <= key.not_after_at]

    async def verification_keys(self) -> list[VerificationKey]:
        """Return every key that users' tokens are believed under: this silo's and the others'."""
        trusted = await self._rows.trusted(self._database.read(None), self._clock())
        own = [verification_key(self._silo, key) for key in await self.own()]
        return own + [verification_key(key.silo.lower(), key) for key in trusted]

    async def _revoke(self, uow: UnitOfWork, key_name: str, reason: str) -> StoredKey:
        await self._rows.lock(uow)
        keys, now = await self._rows.own(uow), self._clock()
        key = next((each for each in keys if each.key_name == key_name), None)
        if key is None:
            raise NotFound("there is no such key", resource="signing_key", id=key_name)
        if key.not_after_at <= now:
            return key
        await self._rows.end(uow, key_name, now)
        if key.state == "ACTIVE":  # nobody would believe the next one yet
            await self._add(uow, "ACTIVE", now)
        told = self._revoked(key_name=key_name, revoke_time=timestamp(now))
        uow.emit(_about(key, told, version=2))
        who, known = auth.caller(), {"changes": {"state": key.state}, "reason": reason}
        await self._keep(uow, entry("signing_key", UUID(key_name), by=who, at=now, **known))
        return replace(key, state="RETIRED", not_after_at=now)

    async def _active(self) -> SigningKey:
        stored = await self._stored() or await self._first()
        raw = self._seal.open(stored.private_key_encrypted, self._place(stored.key_name))
        private_key = Ed25519PrivateKey.from_private_bytes(raw)
        return SigningKey(silo=self._silo, name=stored.key_name, private_key=private_key)

    async def _stored(self) -> StoredKey | None:
        now = self._clock()
        keys = await self._rows.own(self._database.read(None))
        return next((key for key in keys if key.state == "ACTIVE" and now < key.not_after_at), None)

    async def _first(self) -> StoredKey:
        await self.rotate(self._database, self._clock)
        stored = await self._stored()
        if stored is None:
            raise LookupError("there is no active signing key after a rotation")
        return stored

    async def _rotate(self, uow: UnitOfWork, keys: list[StoredKey], now: datetime) -> int:
        active = next((key for key in keys if key.state == "ACTIVE"), None)
        coming = next((key for key in keys if key.state == "NEXT"), None)
        if active is None or now >= active.not_after_at:
            return await self._replace(uow, active, coming, now)
        if coming is not None and now >= coming.not_before_at:
            return await self._replace(uow, active, coming, now)
        if coming is None and now >= active.not_before_at + SIGNS_FOR - AHEAD:
            return await self._add(uow, "NEXT", now + AHEAD)
        return 0

    async def _replace(
        self,
        uow: UnitOfWork,
        active: StoredKey | None,
        coming: StoredKey | None,
        now: datetime,
    ) -> int:
        if active is not None:
            await self._rows.move(uow, active.key_name, "RETIRED")
        if coming is None or now >= coming.not_after_at:
            return await self._add(uow, "ACTIVE", now)
        await self._rows.move(uow, coming.key_name, "ACTIVE")
        return 1

    async def _add(self, uow: UnitOfWork, state: str, at: datetime) -> int:
        key = replace(self._new(at), state=state)
        if not await self._rows.add(uow, key):
            return 0
        uow.emit(self._announcement(key))
        return 1

    def _new(self, at: datetime) -> StoredKey:
        name, private_key = str(ids.new()), Ed25519PrivateKey.generate()
        return StoredKey(
            key_name=name,
            algorithm=_STORED_ALGORITHM,
            public_key=private_key.public_key().public_bytes_raw(),
            private_key_encrypted=self._seal.close(
                private_key.private_bytes_raw(), self._place(name)
            ),
            state="NEXT",
            not_before_at=at,
            not_after_at=at + BELIEVED_FOR,
        )

    def _place(self, name: str) -> bytes:
        return f"signing_key/{self._silo}/{name}".encode()

    def _announcement(self, key: StoredKey) -> Announcement:
        return _about(key, self._published(**public_fields(key)))


def shown(key: StoredKey, published: Published, snapshot: Published) -> Announcement:
    """Show a key to who rebuilds; the two make the silo's own messages from their fields."""
    return _about(key, snapshot(key=published(**public_fields(key))))


def _about(key: StoredKey, payload: Message, version: int = 1) -> Announcement:
    return Announcement(
        event=payload,
        subject=f"signing_keys/{key.key_name}",
        subject_version=version,
        audience=["silo:hospital", "silo:ems", "silo:center", "role:center_admin"],
    )


def public_fields(key: StoredKey) -> dict[str, Any]:
    """Give the fields that VerificationKey and SigningKeyPublished have in common."""
    return {
        "key_name": key.key_name,
        "algorithm": ALGORITHM,
        "public_key": key.public_key,
        "not_before_time": timestamp(key.not_before_at),
        "not_after_time": timestamp(key.not_after_at),
    }
