"""What the other silos announce reaches the registry, and what they do not reaches the timers.

Run: ``python -m pytest tests/integration/center/test_followings.py``; needs PostgreSQL.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from google.protobuf.message import Message
from medport.center.v1 import services_pb2 as pb
from medport.common.v1 import vocabulary_pb2 as words
from medport.ems.events.v1.agencies_pb2 import AgencyProvisioned
from medport.ems.events.v1.assignments_pb2 import CancellationRefused
from medport.hospital.events.v1.hospitals_pb2 import HospitalProvisioned
from medport.hospital.events.v1.transport_requests_pb2 import CancellationRequested

from center_svc.timers.sla_timers import SlaSweep
from chassis.unit_of_work import Database
from tests.integration.center.test_services import a_hospital, an_agency
from tests.support.center_events import (
    NOON,
    Sent,
    Story,
    a_completed_trip,
    apply,
    database_on,
)
from tests.support.center_silo import Center, center
from tests.support.reacting import turn


@pytest.fixture
async def silo(center_database: str) -> AsyncIterator[Center]:
    async with center(center_database) as opened:
        yield opened


def provisioned(service: pb.ServiceRegistry) -> Sent:
    payload: Message = AgencyProvisioned(agency_id=service.external_id, service_id=service.id)
    source = "ems"
    if service.service_type == words.SERVICE_TYPE_HOSPITAL:
        payload = HospitalProvisioned(hospital_id=service.external_id, service_id=service.id)
        source = "hospital"
    return Sent(source, payload, 1, 1, NOON)


@pytest.mark.parametrize("make", [an_agency, a_hospital])
async def test_a_service_is_active_once_its_silo_has_made_the_tenant(
    silo: Center, make: Any
) -> None:
    admin = await silo.login()
    service = (await silo.services.RegisterService(make(), metadata=admin)).service
    async with database_on(silo.dsn) as database:
        await apply(database, [provisioned(service)] * 2)
    found = pb.GetServiceRequest(service_id=service.id)
    active = (await silo.services.GetService(found, metadata=admin)).service
    assert active.status == words.REGISTRY_STATUS_ACTIVE
    assert active.provision_time.ToDatetime(tzinfo=NOON.tzinfo) == NOON
    assert active.registry_version == 1  # nothing that others would have to hear of


async def test_a_service_retired_meanwhile_stays_retired(silo: Center) -> None:
    admin = await silo.login()
    service = (await silo.services.RegisterService(an_agency(), metadata=admin)).service
    request = pb.RetireServiceRequest(service_id=service.id, request_id=str(uuid4()))
    await silo.services.RetireService(request, metadata=admin)
    async with database_on(silo.dsn) as database:
        await apply(database, [provisioned(service)])
    found = pb.GetServiceRequest(service_id=service.id)
    retired = (await silo.services.GetService(found, metadata=admin)).service
    assert retired.status == words.REGISTRY_STATUS_RETIRED


async def test_a_tenant_that_the_center_never_named_is_ignored(silo: Center) -> None:
    stranger = pb.ServiceRegistry(id=str(uuid4()), external_id=str(uuid4()))
    async with database_on(silo.dsn) as database:
        await apply(database, [provisioned(stranger)])
    assert silo.sql("SELECT count(*) FROM service_registry") == [(0,)]


def minutes(count: float) -> datetime:
    return NOON + timedelta(minutes=count)


async def test_a_missed_service_level_is_announced_once(silo: Center) -> None:
    story, sweep = Story(), SlaSweep()
    story.requested()
    async with database_on(silo.dsn) as database:
        await apply(database, story.sent)
        assert await look(sweep, database, 14.9) == 0
        assert await look(sweep, database, 15.1) == 1
        assert await look(sweep, database, 15.2) == 0
        assert silo.events() == [f"SlaBreached sla_timers/{story.trip_id}/FIRST_BID 1"]
        await apply(database, [*story.sent, *story.sent])
        assert await look(sweep, database, 15.3) == 0


async def test_nothing_is_missed_before_both_silos_have_been_heard(silo: Center) -> None:
    story, sweep = Story(), SlaSweep()
    story.requested()
    async with database_on(silo.dsn) as database:
        await apply(database, story.sent)
        late = minutes(60)
        assert await turn(sweep, database, late) == 0  # neither
        sweep.bookmarked("hospital")(late)
        assert await turn(sweep, database, late) == 0  # EMS may have spoken
        sweep.bookmarked("ems")(minutes(14))  # history is caught up with
        assert await turn(sweep, database, late) == 0
        sweep.bookmarked("ems")(minutes(16))
        assert await turn(sweep, database, late) == 1


async def look(sweep: SlaSweep, database: Database, minute: float) -> int:
    """Sweep at a moment up to which both silos have been heard."""
    for source in ("hospital", "ems"):
        sweep.bookmarked(source)(minutes(minute))
    return await turn(sweep, database, minutes(minute))


async def test_an_answer_clears_its_timer_whichever_silo_is_heard_first(silo: Center) -> None:
    story = Story()
    story.requested()
    asked = [*story.sent]
    story.sent.clear()
    story.hospital(5, CancellationRequested(agency_id=str(story.agency_id)))
    story.ems(5.5, CancellationRefused(job=story.job, reason="PATIENT_ABOARD"))
    question, answer = story.sent
    async with database_on(silo.dsn) as database:
        await apply(database, [*asked, answer, question])
        assert timers(silo, story.trip_id)["CANCELLATION_ANSWER"] == minutes(5.5)


async def test_an_accepted_trip_is_waited_for_until_it_moves(silo: Center) -> None:
    async with database_on(silo.dsn) as database:
        story = a_completed_trip()
        await apply(database, story.sent)
    assert all(cleared is not None for cleared in timers(silo, story.trip_id).values())
    assert timers(silo, story.trip_id)["EN_ROUTE"] == minutes(20)


def timers(silo: Center, trip_id: UUID) -> dict[str, datetime | None]:
    query = "SELECT kind, cleared_at FROM sla_timer WHERE transport_request_id = %s"
    return dict(silo.sql(query, trip_id))
