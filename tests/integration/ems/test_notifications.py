"""An agency's dispatchers are told what becomes of its trips, and nothing of anybody else's.

Run: ``python -m pytest tests/integration/ems/test_notifications.py``; needs PostgreSQL.
"""

from __future__ import annotations

from typing import Any

from medport.center.events.v1 import sla_timers_pb2 as center
from medport.center.events.v1.notification_templates_pb2 import NotificationTemplateChanged
from medport.common.v1 import notifications_pb2 as common
from medport.common.v1 import vocabulary_pb2 as words
from medport.ems.v1 import notifications_pb2 as pb
from medport.ems.v1 import notifications_pb2_grpc as rpc
from medport.hospital.events.v1 import transport_requests_pb2 as hospital

from chassis.clock import timestamp
from tests.support.ems_silo import Agency, EmsSilo, Metadata
from tests.support.ems_trips import Run, run
from tests.support.front_desk import NOON


async def told(agency: Agency, caller: Metadata | None = None) -> list[common.Notification]:
    stub: Any = rpc.NotificationServiceStub(agency.silo.channel)
    request = pb.ListNotificationsRequest(agency_id=str(agency.id))
    answer = await stub.ListNotifications(request, metadata=caller or agency.dispatcher)
    return list(answer.notifications)


async def test_the_winner_hears_of_its_trip_and_the_rival_of_nothing(silo: EmsSilo) -> None:
    swift = await run(silo)
    rival = Run(await silo.agency("Rival"), swift.trip)
    await rival.agency.add_unit()
    crew = await silo.login(swift.agency.id, "CREW")
    await swift.offer()
    mine, _ = await swift.bid(), await rival.bid()

    await silo.hear(swift.trip.awarded(mine.id, swift.agency.id))
    await silo.hear(swift.trip.revoked())
    for caller in (swift.agency.dispatcher, swift.agency.admin):
        withdrawn, awarded = await told(swift.agency, caller)
        assert (awarded.template_name, withdrawn.template_name) == (
            "trip_awarded",
            "trip_withdrawn",
        )
        assert f"T-{swift.trip.id[:8]}" in awarded.subject
    assert await told(rival.agency) == []
    assert await told(swift.agency, crew) == []


async def test_the_agency_hears_that_it_has_to_accept_a_change_of_its_trip(silo: EmsSilo) -> None:
    swift = await run(silo)
    await swift.won()

    await silo.hear(swift.trip.updated(required_capabilities=[]))
    swift.trip.material_version -= 1
    await silo.hear(swift.trip.updated(priority=words.PRIORITY_LOW))  # asks for nothing new

    changed, awarded = await told(swift.agency)
    assert (awarded.template_name, changed.template_name) == ("trip_awarded", "trip_changed")
    assert f"T-{swift.trip.id[:8]}" in changed.content


async def test_a_late_change_does_not_bring_a_deleted_template_back(silo: EmsSilo) -> None:
    swift = await run(silo)
    await swift.offer()
    bid = await swift.bid()
    known: dict[str, Any] = {
        "template_name": "trip_awarded",
        "template_type": "IN_APP",
        "content": "Yours: {{trip_number}}",
        "variables": ["trip_number"],
    }
    closed = NotificationTemplateChanged(**known, version=2)
    deleted = NotificationTemplateChanged(**known, version=3, is_deleted=True)
    await silo.hear(closed, deleted, deleted, closed)

    await silo.hear(swift.trip.awarded(bid.id, swift.agency.id))
    [awarded] = await told(swift.agency)
    assert "was awarded to your agency" in awarded.content
    written = NotificationTemplateChanged(**known, version=4, is_active=True)
    await silo.hear(written)
    assert (await told(swift.agency))[0].content.startswith("Yours: ")


async def test_the_agency_that_should_have_acted_hears_of_it_once(silo: EmsSilo) -> None:
    swift = await run(silo)
    await swift.offer()
    breached = center.SlaBreached(
        trip=center.TripRef(hospital_id=swift.trip.hospital_id, transport_request_id=swift.trip.id),
        kind=center.SLA_KIND_EN_ROUTE,
        due_time=timestamp(NOON),
        agency_id=str(swift.agency.id),
    )
    nobody = center.SlaBreached(trip=breached.trip, kind=breached.kind, due_time=breached.due_time)
    await silo.hear(breached, nobody)
    [late] = await told(swift.agency)
    assert (late.template_name, late.variables["sla_kind"]) == ("sla_breached", "en route")


async def test_the_agency_whose_news_do_not_fit_hears_of_it_once(silo: EmsSilo) -> None:
    swift = await run(silo)
    rival = await silo.agency("Rival")
    await swift.offer()
    conflict = hospital.TripConflictDetected(
        trip=hospital.TripRef(
            hospital_id=swift.trip.hospital_id, transport_request_id=swift.trip.id
        ),
        agency_id=str(swift.agency.id),
        kind=hospital.TRIP_CONFLICT_KIND_NEWS_AFTER_END,
    )
    await silo.hear(conflict)
    [told_of] = await told(swift.agency)
    assert told_of.template_name == "trip_conflict"
    assert told_of.variables["conflict_kind"] == "news after end"
    assert await told(rival) == []
