"""The other silos' keys are kept here, and believed for as long as their silos say."""

from __future__ import annotations

from datetime import timedelta
from typing import TypeVar
from uuid import uuid4

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from google.protobuf.message import Message
from medport.center.events.v1 import signing_keys_pb2 as center
from medport.common.v1.event_log_pb2 import EventMetadata, EventPlacement
from medport.ems.events.v1.event_log_pb2 import EmsEvent
from medport.hospital.events.v1 import signing_keys_pb2 as hospital

from chassis.clock import timestamp
from chassis.outbox import Envelope
from chassis.pool import pool
from chassis.projection import Received
from chassis.unit_of_work import Database
from ems_svc.projectors import signing_keys
from ems_svc.repositories.sessions import rows
from tests.support.front_desk import NOON

KEY = Ed25519PrivateKey.generate().public_key().public_bytes_raw()


async def kept(dsn: str, *events: Message) -> list[tuple[str, str]]:
    """Apply ``events`` in a unit of work each; return the keys that are then believed."""
    async with pool(dsn) as connections:
        await connections.wait()
        envelope = Envelope(EmsEvent, "/medport/ems")
        database = Database(connections, envelope, tenant_column="agency_id")
        for event in events:
            async with database.begin(None) as uow:
                await signing_keys.project(uow, Received(event, EventMetadata(), EventPlacement()))
        trusted = await rows.keys.trusted(database.read(None), NOON)
        return sorted((key.silo, key.key_name) for key in trusted)


Published = TypeVar("Published", center.SigningKeyPublished, hospital.SigningKeyPublished)


def published(kind: type[Published], name: str) -> Published:
    return kind(
        key_name=name,
        algorithm="EdDSA",
        public_key=KEY,
        not_before_time=timestamp(NOON - timedelta(days=1)),
        not_after_time=timestamp(NOON + timedelta(days=1)),
    )


async def test_keys_of_both_silos_are_kept_apart(ems_database: str) -> None:
    name = str(uuid4())
    first = published(center.SigningKeyPublished, name)
    second = published(hospital.SigningKeyPublished, name)
    found = await kept(ems_database, first, second, first)
    assert found == [("CENTER", name), ("HOSPITAL", name)]


@pytest.mark.parametrize("times", [1, 2])
async def test_a_revoked_key_is_believed_no_more(ems_database: str, times: int) -> None:
    revoked = hospital.SigningKeyRevoked(key_name="a", revoke_time=timestamp(NOON))
    keys = [published(hospital.SigningKeyPublished, name) for name in ("a", "b")]
    assert await kept(ems_database, *keys, *[revoked] * times, keys[0]) == [("HOSPITAL", "b")]
