"""Center's administrator repairs how the hospital silo follows; what was done goes to Center.

What every silo's ConsumerService promises: ``tests/conformance/test_consumers.py``.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

import grpc
import pytest
from medport.hospital.events.v1.event_log_pb2 import HospitalEvent

from hospital_svc.timers import idempotency_keys
from tests.support.consumer_desks import WHY, desk_on
from tests.support.hospital_silo import HospitalSilo, hospital_silo, refused, soon

ANNOUNCED = """
SELECT data, audience FROM (SELECT type, data, audience FROM outbox UNION ALL
                            SELECT type, data, audience FROM event_log) AS announced
 WHERE type LIKE '%.AccessAudited'
"""


@pytest.fixture
async def silo(hospital_database: str) -> AsyncIterator[HospitalSilo]:
    async with hospital_silo(hospital_database) as opened:
        yield opened


async def test_centers_administrator_decides_and_center_is_told(silo: HospitalSilo) -> None:
    admin = silo.user_of("center", "CENTER_ADMIN")
    desk = desk_on("hospital", silo.dsn, silo.channel, metadata=admin)
    who = desk.checkpoint("tester")

    await desk.ask("ResumeConsumer", **who)

    ((data, audience),) = silo.sql(ANNOUNCED)
    audited = HospitalEvent.FromString(data).access_audited
    assert (audited.action, audited.reason) == ("ResumeConsumer", WHY)
    assert (audited.organization_id, audited.entity_id) == ("", "")
    assert set(audience) == {"silo:center", "role:center_admin"}


async def test_a_coordinator_sees_and_does_not_decide(silo: HospitalSilo) -> None:
    coordinator = silo.user_of("center", "CENTER_COORDINATOR")
    desk = desk_on("hospital", silo.dsn, silo.channel, metadata=coordinator)
    who = desk.checkpoint("tester")
    seen = (await desk.ask("ListConsumers")).consumers
    assert "tester" in {each.consumer for each in seen}
    denied = await refused(desk.ask("ResumeConsumer", **who))
    assert denied.code is grpc.StatusCode.PERMISSION_DENIED


async def test_an_operators_request_id_is_forgotten_after_a_day(silo: HospitalSilo) -> None:
    admin = silo.user_of("center", "CENTER_ADMIN")
    desk = desk_on("hospital", silo.dsn, silo.channel, metadata=admin)
    await desk.ask("ResumeConsumer", **desk.checkpoint("tester"))
    kept = "SELECT count(*) FROM idempotency_key WHERE method LIKE '%/ResumeConsumer'"
    assert silo.sql(kept) == [(1,)]
    assert await idempotency_keys.sweep(silo.database, lambda: soon(hours=25)) == 1
    assert silo.sql(kept) == [(0,)]
