"""A silo always has one key to sign with, its next one is known in time, and none is in clear."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from medport.hospital.events.v1.event_log_pb2 import HospitalEvent

from chassis.auth import Principal
from chassis.minting import mint
from chassis.sql import written
from chassis.tokens import Keyring, Verifier
from chassis.unit_of_work import Database
from hospital_svc.repositories.sessions import rows
from tests.support.front_desk import NOON, Clock, database_on, identity_on
from tests.unit.chassis.test_tokens import staff

ANNOUNCED = written("SELECT data FROM outbox ORDER BY id", bytes)


async def states(database: Database) -> list[str]:
    return [key.state for key in await rows.keys.own(database.read(None))]


async def announced(database: Database) -> list[HospitalEvent]:
    rows = await database.read(None).all(ANNOUNCED)
    return [HospitalEvent.FromString(row) for row in rows]


async def test_processes_that_start_together_make_one_key(hospital_database: str) -> None:
    async with database_on(hospital_database) as database:
        clock = Clock()
        silos = [identity_on(database, clock) for _ in range(4)]
        keys = await asyncio.gather(*(silo.keys.current() for silo in silos))
        assert len({key.name for key in keys}) == 1
        assert await states(database) == ["ACTIVE"]


async def test_a_key_is_announced_and_its_successor_before_it_signs(
    hospital_database: str,
) -> None:
    async with database_on(hospital_database) as database:
        clock = Clock()
        keys = identity_on(database, clock).keys
        first = await keys.current()
        clock.now = NOON + timedelta(days=30) - timedelta(minutes=10)
        assert await keys.rotate(database, clock) == 1
        assert await states(database) == ["ACTIVE", "NEXT"]
        assert (await keys.current()).name == first.name
        clock.now = NOON + timedelta(days=30)
        assert await keys.rotate(database, clock) == 1
        assert await keys.rotate(database, clock) == 0
        assert await states(database) == ["RETIRED", "ACTIVE"]
        assert (await keys.current()).name != first.name


async def test_a_retired_keys_last_tokens_are_still_believed(hospital_database: str) -> None:
    async with database_on(hospital_database) as database:
        clock = Clock()
        keys = identity_on(database, clock).keys
        user, first = staff(), await keys.current()
        clock.now = NOON + timedelta(days=30) - timedelta(minutes=10)
        await keys.rotate(database, clock)
        clock.now = NOON + timedelta(days=30)
        bearer = mint(first, user, "ems", clock()).bearer
        await keys.rotate(database, clock)
        verifier = Verifier("ems", Keyring([], keys.verification_keys, clock=clock), clock=clock)
        assert await verifier.verify(bearer) == user


async def test_a_silo_stopped_for_months_signs_with_a_new_key(hospital_database: str) -> None:
    async with database_on(hospital_database) as database:
        clock = Clock()
        first = await identity_on(database, clock).keys.current()
        clock.now = NOON + timedelta(days=90)
        second = await identity_on(database, clock).keys.current()
        assert second.name != first.name
        assert await states(database) == ["RETIRED", "ACTIVE"]


async def test_the_private_key_is_sealed_to_its_name(hospital_database: str) -> None:
    async with database_on(hospital_database) as database:
        keys = identity_on(database, Clock()).keys
        key = await keys.current()
        (stored,) = await keys.own()
        raw = key.private_key.private_bytes_raw()
        assert raw not in stored.private_key_encrypted
        with pytest.raises(ValueError, match="key-encryption key"):
            keys._seal.open(stored.private_key_encrypted, keys._place("another"))


async def test_a_published_key_verifies_its_users_elsewhere(hospital_database: str) -> None:
    async with database_on(hospital_database) as database:
        clock = Clock()
        keys = identity_on(database, clock).keys
        user: Principal = staff()
        bearer = mint(await keys.current(), user, "center", clock()).bearer
        (event,) = await announced(database)
        assert event.signing_key_published.key_name == (await keys.current()).name
        assert event.metadata.subject == f"signing_keys/{event.signing_key_published.key_name}"
        keyring = Keyring([], keys.verification_keys, clock=clock)
        assert await Verifier("center", keyring, clock=clock).verify(bearer) == user
