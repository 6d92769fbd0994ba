"""The agency's trail says what each command changed, as names and values that JSON has.

Run: ``python -m pytest tests/integration/ems/test_audit_entries.py``; needs PostgreSQL.
"""

from __future__ import annotations

from typing import Any

from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.json_format import MessageToDict
from medport.ems.events.v1.audit_entries_pb2 import AccessAudited
from medport.ems.events.v1.event_log_pb2 import EmsEvent, ListEventsRequest
from medport.ems.events.v1.event_log_pb2_grpc import EventLogServiceStub
from medport.ems.v1 import agencies_pb2, transport_bids_pb2, units_pb2
from medport.ems.v1.users_pb2 import CreateUserRequest, EmsAgencyUser
from medport.ems.v1.users_pb2 import EmsAgencyUserRole as Role
from medport.ems.v1.users_pb2_grpc import UserServiceStub

from tests.integration.ems.test_routes import BASE, PICKUP, a_toggle, level, plan, stop, verb
from tests.integration.ems.test_routes import change as change_route
from tests.integration.ems.test_service_areas import change as change_area
from tests.support.ems_rates import set_rate, usd
from tests.support.ems_silo import Agency, EmsSilo, Metadata
from tests.support.ems_trips import Run, run
from tests.support.waiting import until


def changes(silo: EmsSilo, action: str) -> dict[str, Any]:
    """Return what the last ``action`` changed; Center is told what the row holds."""
    query = "SELECT changes FROM audit_entry WHERE action = %s ORDER BY id DESC LIMIT 1"
    told = [each for each in silo.payloads() if isinstance(each, AccessAudited)]
    last = next(each for each in reversed(told) if each.action == action)
    changed = MessageToDict(last.changes)
    assert silo.sql(query, action) == [(changed,)]
    return changed


async def test_updates_name_the_fields_of_their_mask(silo: EmsSilo) -> None:
    await silo.hear(a_toggle(is_enabled=True, rollout_percent=100))
    swift = await silo.agency(radius_miles=0)
    area = await swift.add_area()
    await change_area(swift, area, "name", "radius_miles", name="Hill", radius_miles=30)
    assert changes(silo, "UpdateServiceArea") == {"fields": ["name", "radius_miles"]}

    route = await plan(swift, stop(BASE, level(0)), stop(PICKUP, level(10)))
    route = (await change_route(swift, route, "route_name", route_name="Loop 2")).route
    assert changes(silo, "UpdateRoute") == {"fields": ["route_name"]}
    await verb(swift, "Optimize", route)
    assert changes(silo, "OptimizeRoute") == {"fields": ["route_type", "waypoints"]}

    await update_unit(swift, await swift.add_unit(), "unit_number", unit_number="M7")
    assert changes(silo, "UpdateUnit") == {"fields": ["unit_number"]}
    await update_agency(swift, "*")
    assert "*" not in changes(silo, "UpdateAgency")["fields"]
    await set_rate(swift, usd(100), usd(1, 50))
    assert changes(silo, "SetAgencyRate") == {
        "transport_level": "ALS",
        "fields": ["base_amount", "per_mile_amount"],
    }


async def test_nobody_of_the_agency_reads_its_trail_as_events(silo: EmsSilo) -> None:
    swift = await silo.agency()
    await swift.add_unit()
    last = f"units/{(await swift.add_unit()).id}"

    async def is_told() -> bool:
        return last in [each.metadata.subject for each in await listed(silo, swift.admin)]

    await until(is_told)
    for caller in (swift.dispatcher, swift.admin):
        heard = await listed(silo, caller)
        assert last in [each.metadata.subject for each in heard]
        assert not any(each.WhichOneof("payload") == "access_audited" for each in heard)
    for role in ("CREW", "BILLING"):
        assert not await listed(silo, await silo.login(swift.id, role))


async def listed(silo: EmsSilo, caller: Metadata) -> list[EmsEvent]:
    log, request = EventLogServiceStub(silo.channel), ListEventsRequest(page_size=1000)
    return list((await log.ListEvents(request, metadata=caller)).events)


def update_unit(swift: Agency, unit: units_pb2.Unit, *paths: str, **values: Any) -> Any:
    request = units_pb2.UpdateUnitRequest(
        unit_id=unit.id,
        unit=units_pb2.Unit(**values),
        update_mask=FieldMask(paths=paths),
        etag=unit.etag,
        **swift.own,
    )
    return swift.silo.units.UpdateUnit(request, metadata=swift.dispatcher)


async def update_agency(swift: Agency, *paths: str) -> None:
    stub, known = swift.silo.agencies, agencies_pb2.GetAgencyRequest(agency_id=str(swift.id))
    agency = (await stub.GetAgency(known, metadata=swift.admin)).agency
    request = agencies_pb2.UpdateAgencyRequest(
        agency=agency, update_mask=FieldMask(paths=paths), etag=agency.etag, **swift.own
    )
    await stub.UpdateAgency(request, metadata=swift.admin)


async def test_commands_say_what_became_of_what(silo: EmsSilo) -> None:
    swift = await silo.agency(radius_miles=0)
    await swift.add_area()
    assert changes(silo, "CreateServiceArea") == {
        "fields": ["center", "is_active", "name", "radius_miles"]
    }
    await plan(swift, stop(BASE, level(0)), stop(PICKUP, level(10)))
    assert changes(silo, "CreateRoute") == {"fields": ["route_name", "route_type", "waypoints"]}

    unit = await swift.add_unit()
    request = units_pb2.RetireUnitRequest(unit_id=unit.id, etag=unit.etag, **swift.own)
    await silo.units.RetireUnit(request, metadata=swift.dispatcher)
    assert changes(silo, "RetireUnit") == {"status": "OUT_OF_SERVICE", "is_active": False}

    user = EmsAgencyUser(
        email="new@swift.example", name="New", role=Role.EMS_AGENCY_USER_ROLE_BILLING
    )
    await UserServiceStub(silo.channel).CreateUser(
        CreateUserRequest(ems_agency_user=user, **swift.own), metadata=swift.admin
    )
    assert changes(silo, "CreateUser") == {"fields": ["email", "name", "role"]}


async def test_a_bid_says_for_which_trip_and_which_of_its_terms_changed(silo: EmsSilo) -> None:
    swift = await run(silo)
    await swift.offer()
    bid = await swift.bid(special_notes="Ring twice.")
    assert changes(silo, "SubmitBid") == {
        "transport_request_id": swift.trip.id,
        "fields": ["bid_amount", "expire_time", "material_version", "special_notes", "unit_level"],
    }
    terms = swift.terms(special_notes="Ring once.", expire_time=bid.expire_time)
    await revise(swift, bid, terms)
    assert changes(silo, "ReviseBid") == {"fields": ["special_notes"]}
    request = transport_bids_pb2.WithdrawBidRequest(bid_id=bid.id, **swift.agency.own)
    await silo.bids.WithdrawBid(request, metadata=swift.agency.dispatcher)
    assert changes(silo, "WithdrawBid") == {"status": "WITHDRAWN"}


async def revise(swift: Run, bid: Any, terms: Any) -> None:
    request = transport_bids_pb2.ReviseBidRequest(
        bid_id=bid.id, bid=terms, etag=bid.etag, **swift.agency.own
    )
    await swift.silo.bids.ReviseBid(request, metadata=swift.agency.dispatcher)
