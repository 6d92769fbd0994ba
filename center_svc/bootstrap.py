"""The first administrator: the one user that nobody can invite."""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path

from medport.center.events.v1.event_log_pb2 import CenterEvent

from center_svc.domain.audit_log import AuditEntry
from center_svc.repositories import audit_log, users
from chassis import ids, settings
from chassis.clock import utc_now
from chassis.errors import Refusal
from chassis.outbox import Envelope
from chassis.passwords import Passwords
from chassis.pool import pool
from chassis.unit_of_work import Database
from chassis.vocabulary import ActorKind, AuditOutcome, Silo

LEAST_CHARACTERS = 12


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
