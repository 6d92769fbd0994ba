"""What a new mesh begins with: an administrator, whom nobody can invite, and its features."""

from __future__ import annotations

import argparse
import asyncio
import sys
from datetime import datetime
from pathlib import Path
from uuid import UUID

from medport.center.events.v1.event_log_pb2 import CenterEvent

from center_svc.domain.audit_log import AuditEntry
from center_svc.domain.feature_toggles import unknown
from center_svc.messages import announcement
from center_svc.repositories import audit_log, feature_toggles, users
from chassis import ids, settings
from chassis.clock import utc_now
from chassis.errors import Refusal
from chassis.outbox import Envelope
from chassis.passwords import Passwords
from chassis.pool import pool
from chassis.unit_of_work import Database, UnitOfWork
from chassis.vocabulary import ActorKind, AuditOutcome, Silo

LEAST_CHARACTERS = 12
FEATURES = ("route_optimization",)


def bootstrap(arguments: list[str]) -> int:
    """Make an administrator, or give one back its access; return the exit status."""
    parser = argparse.ArgumentParser("python -m center_svc bootstrap", description=__doc__)
    parser.add_argument("--email", required=True)
    parser.add_argument("--password-file", required=True, type=Path)
    asked = parser.parse_args(arguments)
    given = settings.or_exit(settings.silo)
    password = asked.password_file.read_text().strip()
    if len(password) < LEAST_CHARACTERS or "@" not in asked.email:
        sys.stderr.write(f"needs an address and {LEAST_CHARACTERS} characters of password\n")
        return 2
    try:
        asyncio.run(make_admin(given.database, asked.email, password))
        asyncio.run(turn_features_on(given.database))
    except Refusal as refusal:
        sys.stderr.write(f"center: {refusal.text}\n")
        return 1
    return 0


async def make_admin(dsn: str, email: str, password: str) -> None:
    """Make it in the center's database at ``dsn``; raises a refusal for an unusable password."""
    password_hash = await Passwords().hash(password)
    async with pool(dsn, size=1) as connections:
        await connections.wait()
        envelope = Envelope(CenterEvent, "/medport/center")
        database = Database(connections, envelope, tenant_column=None)
        async with database.begin(None) as uow:
            at = utc_now()
            id = await users.put_admin(uow, email, password_hash, at)
            await audit_log.add(
                uow,
                AuditEntry(
                    id=ids.new(),
                    source_silo=Silo.CENTER,
                    organization_id=None,
                    user_id=None,
                    actor_kind=ActorKind.SYSTEM,
                    action="Bootstrap",
                    entity_type="center_user",
                    entity_id=id,
                    changes={},
                    outcome=AuditOutcome.ALLOWED,
                    reason=None,
                    occurred_at=at,
                    ip_address=None,
                    request_id=None,
                ),
            )


async def turn_features_on(dsn: str) -> None:
    """Give each feature of this release its toggle; what operators have decided stays."""
    async with pool(dsn, size=1) as connections:
        await connections.wait()
        database = Database(
            connections, Envelope(CenterEvent, "/medport/center"), tenant_column=None
        )
        async with database.begin(None) as uow:
            for name in FEATURES:
                await _turn_on(uow, name, utc_now())


async def _turn_on(uow: UnitOfWork, feature_name: str, at: datetime) -> None:
    nobody = UUID(int=0)  # decided it: the release did
    first = unknown(feature_name, id=ids.new(), by=nobody, at=at)
    known = await feature_toggles.lock_or_first(uow, first)
    if known.version == 0:
        toggle, event = known.create({"is_enabled": True}, by=nobody, at=at)
        await feature_toggles.save(uow, toggle)
        uow.emit(announcement(event))
