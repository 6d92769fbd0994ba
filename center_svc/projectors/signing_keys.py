"""Follows the other silos' signing keys, so that their users' tokens are verified offline."""

from __future__ import annotations

from medport.ems.events.v1 import signing_keys_pb2 as ems
from medport.hospital.events.v1 import signing_keys_pb2 as hospital

from center_svc.repositories.sessions import rows
from chassis.clock import instant
from chassis.key_rows import TrustedKey
from chassis.projection import Received
from chassis.sql import columns
from chassis.unit_of_work import UnitOfWork


async def project(uow: UnitOfWork, event: Received) -> None:
    """Apply one event; a redelivered one changes nothing.

    The payload's package names the silo that vouches for the key: no silo speaks for another.
    """
    match event.payload:
        case ems.SigningKeyPublished() as key:
            await rows.keys.trust(uow, _trusted("EMS", key))
        case hospital.SigningKeyPublished() as key:
            await rows.keys.trust(uow, _trusted("HOSPITAL", key))
        case ems.SigningKeyRevoked() as key:
            await rows.keys.distrust(uow, "ems", key.key_name, instant(key.revoke_time))
        case hospital.SigningKeyRevoked() as key:
            await rows.keys.distrust(uow, "hospital", key.key_name, instant(key.revoke_time))


async def overwrite(uow: UnitOfWork, event: Received) -> str | None:
    """Take one key as its silo now shows it; return what it is noted under."""
    match event.payload:
        case ems.SigningKeySnapshot() as shown:
            return await rows.keys.copies.overwrite(uow, **columns(_trusted("EMS", shown.key)))
        case hospital.SigningKeySnapshot() as shown:
            return await rows.keys.copies.overwrite(uow, **columns(_trusted("HOSPITAL", shown.key)))
    return None


def _trusted(silo: str, key: ems.SigningKeyPublished | hospital.SigningKeyPublished) -> TrustedKey:
    return TrustedKey(
        silo=silo,
        key_name=key.key_name,
        algorithm=key.algorithm.upper(),
        public_key=key.public_key,
        not_before_at=instant(key.not_before_time),
        not_after_at=instant(key.not_after_time),
    )
