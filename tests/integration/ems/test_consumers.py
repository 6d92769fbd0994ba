"""Center's administrator repairs how the EMS silo follows; what was done goes to Center.

What every silo's ConsumerService promises: ``tests/conformance/test_consumers.py``.
"""

from __future__ import annotations

from pathlib import Path

import grpc
import pytest
from medport.ems.events.v1.audit_entries_pb2 import AccessAudited

from chassis.clock import utc_now
from ems_svc.timers import idempotency_keys
from tests.support.colleagues import a_key, a_user, bearing, introduce
from tests.support.consumer_desks import WHY, desk_on
from tests.support.ems_silo import EmsSilo
from tests.support.hospital_silo import refused


@pytest.fixture
def callers(silo: EmsSilo, tmp_path: Path) -> dict[str, tuple[tuple[str, str], ...]]:
    key = a_key("center")
    introduce(key, silo.dsn, tmp_path)
    roles = ("CENTER_ADMIN", "CENTER_COORDINATOR")
    return {role: bearing(key, a_user("center", role), "ems") for role in roles}


async def test_centers_administrator_decides_and_center_is_told(
    silo: EmsSilo, callers: dict[str, tuple[tuple[str, str], ...]]
) -> None:
    desk = desk_on("ems", silo.dsn, silo.channel, metadata=callers["CENTER_ADMIN"])
    who = desk.checkpoint("tester")

    await desk.ask("ResumeConsumer", **who)

    (audited,) = (each for each in silo.payloads() if isinstance(each, AccessAudited))
    assert (audited.action, audited.reason) == ("ResumeConsumer", WHY)
    assert (audited.organization_id, audited.entity_id) == ("", "")

    desk.metadata = callers["CENTER_COORDINATOR"]
    assert (await desk.ask("ListDeadLetters")).dead_letters == []
    denied = await refused(desk.ask("ResumeConsumer", **who))
    assert denied.code is grpc.StatusCode.PERMISSION_DENIED


async def test_an_operators_request_id_is_forgotten_after_a_day(
    silo: EmsSilo, callers: dict[str, tuple[tuple[str, str], ...]]
) -> None:
    desk = desk_on("ems", silo.dsn, silo.channel, metadata=callers["CENTER_ADMIN"])
    await desk.ask("ResumeConsumer", **desk.checkpoint("tester"))
    silo.sql("UPDATE idempotency_key SET expires_at = now()")
    await idempotency_keys.sweep(silo.database, utc_now)  # unless the silo's own was first
    assert silo.sql("SELECT count(*) FROM idempotency_key") == [(0,)]
