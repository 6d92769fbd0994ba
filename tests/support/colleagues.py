"""Users of other silos, whom a silo and a router know by keys that they were given."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID, uuid4

import psycopg
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from google.protobuf.timestamp_pb2 import Timestamp
from medport.hospital.v1.sessions_pb2 import ListVerificationKeysResponse, VerificationKey

from chassis.auth import Principal
from chassis.clock import utc_now
from chassis.minting import SigningKey, mint
from tests.support.databases import owner_of

BEGINNING, END = datetime(2020, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)

_TRUST = """
INSERT INTO trusted_key (silo, key_name, algorithm, public_key, not_before_at, not_after_at)
VALUES (%s, %s, 'EDDSA', %s, %s, %s)
"""


def a_key(silo: str) -> SigningKey:
    return SigningKey(silo=silo, name=uuid4().hex, private_key=Ed25519PrivateKey.generate())


def public(key: SigningKey) -> bytes:
    return key.private_key.public_key().public_bytes_raw()


def a_user(silo: str, role: str, *permissions: str) -> Principal:
    return Principal(
        user_id=uuid4(),
        silo=silo,
        roles=frozenset({role}),
        tenant_id=None if silo == "center" else UUID(int=2),
        permissions=frozenset(permissions),
        session_id=uuid4(),
    )


def bearing(key: SigningKey, who: Principal, audience: str) -> tuple[tuple[str, str], ...]:
    return (("authorization", f"Bearer {mint(key, who, audience, utc_now()).bearer}"),)


def publication(*keys: SigningKey) -> bytes:
    """Return the answer in which a silo publishes ``keys``."""
    before, after = Timestamp(), Timestamp()
    before.FromDatetime(BEGINNING)
    after.FromDatetime(END)
    published = [
        VerificationKey(
            key_name=key.name,
            algorithm="EdDSA",
            public_key=public(key),
            not_before_time=before,
            not_after_time=after,
        )
        for key in keys
    ]
    return ListVerificationKeysResponse(verification_keys=published).SerializeToString()


def introduce(key: SigningKey, dsn: str, cache: Path) -> None:
    """Make ``key`` known to the silo of ``dsn``, and to a router that keeps keys in ``cache``."""
    with psycopg.connect(owner_of(dsn), autocommit=True) as connection:
        given = (key.silo.upper(), key.name, public(key), BEGINNING, END)
        connection.execute(_TRUST, given)
    (cache / f"{key.silo}.keys.binpb").write_bytes(publication(key))
