"""The rows behind tokens: this silo's signing keys, and the other silos' keys that it trusts."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from sqlalchemy import MetaData, and_, bindparam, func, select, update
from sqlalchemy.dialects.postgresql import insert

from chassis.copies import Copies
from chassis.sql import columns, compiled, same_key
from chassis.tokens import VerificationKey
from chassis.unit_of_work import Rows, UnitOfWork


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredKey:
    """A signing key; its private half is sealed (see ``chassis.signing_keys``)."""

    key_name: str
    algorithm: str
    public_key: bytes
    private_key_encrypted: bytes
    state: str
    not_before_at: datetime
    not_after_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustedKey:
    """Another silo's key, as that silo announced it."""

    silo: str
    key_name: str
    algorithm: str
    public_key: bytes
    not_before_at: datetime
    not_after_at: datetime
    revoked_at: datetime | None = None


class KeyRows:
    """Statements on ``signing_key`` and ``trusted_key``, which have no tenant.

    ``copies`` are the trusted ones, for who rebuilds them.
    """

    def __init__(self, metadata: MetaData) -> None:
        own, trusted = metadata.tables["signing_key"], metadata.tables["trusted_key"]
        active = own.c.state == "ACTIVE"
        self._lock = compiled(select(own.c.key_name).where(active).with_for_update())
        self._own = compiled(select(own).order_by(own.c.not_before_at), into=StoredKey)
        self._add = compiled(insert(own).on_conflict_do_nothing())
        self._move = compiled(update(own).where(same_key(own)).values(state=bindparam("moved_to")))
        self._end = compiled(
            update(own)
            .where(same_key(own))
            .values(state="RETIRED", not_after_at=bindparam("ended_at"))
        )
        # A revocation is this silo's to keep: a snapshot shows keys, not who lost trust in them.
        self.copies = Copies(
            trusted,
            "signing_keys/" + trusted.c.key_name,
            trusted.c.silo == func.upper(bindparam("source")),
            version=None,
            own=["revoked_at"],
        )
        self._distrust = compiled(
            update(trusted).where(same_key(trusted)).values(revoked_at=bindparam("at"))
        )
        living = and_(trusted.c.revoked_at.is_(None), trusted.c.not_after_at > bindparam("at"))
        self._trusted = compiled(select(trusted).where(living), into=TrustedKey)

    async def lock(self, uow: UnitOfWork) -> None:
        """Hold the active key's row: keys are rotated by one process at a time."""
        await uow.optional(self._lock)

    async def own(self, rows: Rows) -> list[StoredKey]:
        """Read this silo's keys, oldest first."""
        return await rows.all(self._own)

    async def add(self, uow: UnitOfWork, key: StoredKey) -> bool:
        """Keep a new key; False if another process was first to add an active one."""
        return await uow.execute(self._add, **columns(key)) == 1

    async def move(self, uow: UnitOfWork, key_name: str, state: str) -> None:
        await uow.execute(self._move, key_name=key_name, moved_to=state)

    async def end(self, uow: UnitOfWork, key_name: str, at: datetime) -> None:
        """Retire one of this silo's keys, and let nobody believe it any more."""
        await uow.execute(self._end, key_name=key_name, ended_at=at)

    async def trust(self, uow: UnitOfWork, key: TrustedKey) -> None:
        """Keep another silo's key; a name once known keeps its key for good."""
        await self.copies.keep(uow, **columns(key))

    async def distrust(self, uow: UnitOfWork, silo: str, key_name: str, at: datetime) -> None:
        await uow.execute(self._distrust, silo=silo.upper(), key_name=key_name, at=at)

    async def trusted(self, rows: Rows, at: datetime) -> list[TrustedKey]:
        """Read the other silos' keys that may be believed."""
        return await rows.all(self._trusted, at=at)


def verification_key(silo: str, key: StoredKey | TrustedKey) -> VerificationKey:
    return VerificationKey(
        silo=silo,
        name=key.key_name,
        public_key=Ed25519PublicKey.from_public_bytes(key.public_key),
        not_before=key.not_before_at,
        not_after=key.not_after_at,
    )
