"""Agencies: registered in Center, provisioned here exactly once, suspended, updated.

Run: ``python -m pytest tests/integration/ems``; needs PostgreSQL.
"""

from __future__ import annotations

import hashlib
from typing import Any
from uuid import UUID

import grpc
from google.protobuf.field_mask_pb2 import FieldMask
from medport.center.events.v1 import services_pb2, system_configurations_pb2
from medport.common.v1 import vocabulary_pb2 as words
from medport.ems.v1 import agencies_pb2 as pb
from medport.ems.v1 import sessions_pb2, sessions_pb2_grpc

from tests.support.ems_rates import set_rate, usd
from tests.support.ems_silo import Agency, EmsSilo
from tests.support.ems_trips import run
from tests.support.front_desk import PASSWORD, bearer
from tests.support.hospital_news import an_agency
from tests.support.hospital_silo import refused

INVITATION = "let me in"
Code = grpc.StatusCode


async def test_an_agency_is_provisioned_once_with_an_invited_admin(silo: EmsSilo) -> None:
    event = an_agency("Blue Heron")
    event.invitation_hash = hashlib.sha256(INVITATION.encode()).digest()

    await silo.hear(event)
    await silo.hear(event, event)

    assert silo.kinds("agencies/%") == ["AgencyProvisioned", "AgencyUpdated"]
    assert silo.versions(f"agencies/{event.external_id}") == [1, 2]
    sessions = sessions_pb2_grpc.SessionServiceStub(silo.channel)
    await sessions.RedeemOneTimeToken(
        sessions_pb2.RedeemOneTimeTokenRequest(
            email=event.contact_email, token=INVITATION, new_password=PASSWORD
        )
    )
    login = sessions_pb2.CreateSessionRequest(email=event.contact_email, password=PASSWORD)
    admin = bearer((await sessions.CreateSession(login, timeout=20)).access_token)
    request = pb.GetAgencyRequest(agency_id=event.external_id)
    agency = (await silo.agencies.GetAgency(request, metadata=admin)).agency
    assert (agency.name, agency.is_active) == ("Blue Heron", True)


async def test_suspension_ends_bids_and_lets_jobs_finish(silo: EmsSilo) -> None:
    swift = await run(silo)
    job = await swift.won()
    waiting = type(swift)(swift.agency)
    await waiting.offer()
    bid = await waiting.bid()

    await silo.hear(standing(swift.agency, services_pb2.ServiceSuspended, 2))

    assert (await waiting.get_bid(bid.id)).status == words.BID_STATUS_REJECTED
    again = await refused(waiting.bid())
    assert (again.code, again.reason) == (Code.FAILED_PRECONDITION, "AGENCY_NOT_ACTIVE")
    assert again.facts["state"] == "SUSPENDED"
    await silo.hear(waiting.trip.awarded(bid.id, swift.agency.id))
    assert [each.reason for each in silo.payloads("awards/%")] == ["AGENCY_SUSPENDED"]
    unit = await swift.agency.add_unit()
    await swift.assign(job, unit.id)
    done = (await swift.advance(job, "COMPLETED")).assignment
    assert done.status == words.JOB_STATUS_COMPLETED


async def test_an_older_standing_changes_nothing(silo: EmsSilo) -> None:
    swift = await silo.agency()
    await silo.hear(
        standing(swift, services_pb2.ServiceSuspended, 2),
        standing(swift, services_pb2.ServiceReinstated, 3),
        standing(swift, services_pb2.ServiceSuspended, 2),
    )
    assert silo.sql("SELECT status, is_active, registry_version FROM ems_agency") == [
        ("ACTIVE", True, 3)
    ]


async def test_an_admin_updates_the_agency_and_the_hospitals_hear_of_it(silo: EmsSilo) -> None:
    swift = await silo.agency(radius_miles=0)
    await swift.add_area(is_primary=True)
    hours = [pb.OperatingHours(day_of_week=1, open_minutes=0, close_minutes=1440)]
    levels = [words.TRANSPORT_LEVEL_ALS]
    request = pb.UpdateAgencyRequest(
        agency=pb.EmsAgency(phone="555-0199", levels=levels, operating_hours=hours),
        update_mask=FieldMask(paths=["phone", "levels", "operating_hours"]),
        etag="2",
        **swift.own,
    )

    updated = (await silo.agencies.UpdateAgency(request, metadata=swift.admin)).agency

    assert (updated.phone, list(updated.levels), updated.name) == ("555-0199", levels, "Swift")
    assert updated.service_area.is_primary
    heard = silo.payloads(f"agencies/{swift.id}")[-1]
    assert (heard.phone, heard.agency_version) == ("555-0199", 3)
    request.request_id = str(UUID(int=1))
    denied = await refused(silo.agencies.UpdateAgency(request, metadata=swift.dispatcher))
    assert denied.code == Code.PERMISSION_DENIED


async def test_an_agency_lists_itself_alone(silo: EmsSilo) -> None:
    swift, _ = await silo.agency("Swift"), await silo.agency("Rival")
    listed = await silo.agencies.ListAgencies(pb.ListAgenciesRequest(), metadata=swift.admin)
    assert [agency.name for agency in listed.agencies] == ["Swift"]


async def test_what_center_configures_is_copied_if_newer(silo: EmsSilo) -> None:
    def configured(value: str, version: int) -> Any:
        changed = system_configurations_pb2.SystemConfigurationChanged(
            key="routing.road_factor", value_type="DECIMAL", is_active=True, version=version
        )
        changed.value.string_value = value
        return changed

    await silo.hear(configured("1.5", 2), configured("9", 1))
    swift = await run(silo)
    await swift.offer()

    [trip] = await swift.listed()
    assert trip.loaded_miles > 120


async def test_estimates_follow_what_the_agency_charges(silo: EmsSilo) -> None:
    swift = await run(silo)
    await swift.offer()
    [by_default] = await swift.listed()

    rate = (await set_rate(swift.agency, usd(100), usd(1, 50), etag="0")).agency_rate
    stale = await refused(set_rate(swift.agency, usd(1), usd(1), etag="0"))

    assert (rate.is_default, rate.etag, rate.per_mile_amount.nanos) == (False, "1", 500_000_000)
    assert (stale.code, stale.reason) == (Code.ABORTED, "ETAG_MISMATCH")
    [estimated] = await swift.listed()
    assert by_default.revenue_amount != estimated.revenue_amount
    # (100 + 1.50 x 98.6) x 1.25
    assert estimated.revenue_amount.units == 309
    assert estimated.revenue_amount.nanos == 880_000_000
    request = pb.GetAgencyRequest(agency_id=str(swift.agency.id))
    agency = (await silo.agencies.GetAgency(request, metadata=swift.agency.admin)).agency
    assert list(agency.pricing_structure) == [rate]


async def test_every_level_has_a_rate_and_only_an_admin_sets_it(silo: EmsSilo) -> None:
    swift = await silo.agency(radius_miles=0)
    await set_rate(swift, usd(100), usd(1, 50))

    async def page(token: str = "") -> pb.ListAgencyRatesResponse:
        request = pb.ListAgencyRatesRequest(agency_id=str(swift.id), page_size=3, page_token=token)
        return await silo.agencies.ListAgencyRates(request, metadata=swift.dispatcher)

    first = await page()
    second = await page(first.next_page_token)
    listed = [*first.agency_rates, *second.agency_rates]
    assert [(each.transport_level, each.is_default) for each in listed] == [
        (words.TRANSPORT_LEVEL_OTHER, True),
        (words.TRANSPORT_LEVEL_BLS, True),
        (words.TRANSPORT_LEVEL_ALS, False),
        (words.TRANSPORT_LEVEL_CCT, True),
    ]
    assert second.next_page_token == ""
    for wrong in (usd(-1), {"currency_code": "EUR", "units": 1}, {"units": 1, "nanos": 1}):
        answer = await refused(set_rate(swift, wrong, usd(1)))
        assert answer.fields == ["agency_rate.base_amount"]
    denied = await refused(set_rate(Agency(silo, swift.id, (), swift.dispatcher), usd(1), usd(1)))
    assert denied.code == Code.PERMISSION_DENIED


def standing(agency: Agency, kind: Any, version: int) -> Any:
    return kind(
        service_type=words.SERVICE_TYPE_EMS_AGENCY,
        external_id=str(agency.id),
        registry_version=version,
    )
