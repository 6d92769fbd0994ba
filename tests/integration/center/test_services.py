"""Registering a service happens once, by whom may, and moves as the registry's rules say.

Run: ``python -m pytest tests/integration/center/test_services.py``; needs PostgreSQL.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import grpc
import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from medport.center.events.v1.event_log_pb2 import CenterEvent
from medport.center.v1 import services_pb2 as pb
from medport.common.v1 import vocabulary_pb2 as words

from center_svc.timers import idempotency_keys
from chassis.clock import utc_now
from tests.support.center_events import database_on
from tests.support.center_silo import Center, Metadata, center, refusal
from tests.support.guarded import violations

ALREADY_EXISTS = grpc.StatusCode.ALREADY_EXISTS
FAILED_PRECONDITION = grpc.StatusCode.FAILED_PRECONDITION
INVALID_ARGUMENT = grpc.StatusCode.INVALID_ARGUMENT
PERMISSION_DENIED = grpc.StatusCode.PERMISSION_DENIED


@pytest.fixture
async def silo(center_database: str) -> AsyncIterator[Center]:
    async with center(center_database) as opened:
        yield opened


@pytest.fixture
async def admin(silo: Center) -> Metadata:
    return await silo.login()


def an_agency(**changes: Any) -> pb.RegisterServiceRequest:
    agency = pb.AgencyProfile(
        contact_name="Ann",
        phone="+1 814 555 0100",
        address="1 Main St",
        city="Altoona",
        state="PA",
        zip_code="16601",
        location={"latitude": 40.514, "longitude": -78.401},
    )
    known: dict[str, Any] = {
        "request_id": str(uuid4()),
        "service_name": f"Agency {uuid4().hex[:8]}",
        "service_type": words.SERVICE_TYPE_EMS_AGENCY,
        "configuration": pb.ServiceConfiguration(contact_email="ann@ems.example", agency=agency),
    }
    return pb.RegisterServiceRequest(**(known | changes))


def a_hospital(**changes: Any) -> pb.RegisterServiceRequest:
    profile = pb.ServiceConfiguration(
        contact_email="bob@mercy.example", hospital=pb.HospitalProfile(time_zone="America/Chicago")
    )
    known = {"service_type": words.SERVICE_TYPE_HOSPITAL, "configuration": profile}
    return an_agency(**(known | changes))


async def provision(silo: Center, service: pb.ServiceRegistry) -> None:
    """Do what the projector does when the silo announces the tenant."""
    silo.sql(
        "UPDATE service_registry SET status = 'ACTIVE', provisioned_at = now() WHERE id = %s",
        UUID(service.id),
    )


async def test_a_registered_agency_is_announced_once_with_all_its_silo_needs(
    silo: Center, admin: Metadata
) -> None:
    request = an_agency(metadata={"region": "west"})
    first = await silo.services.RegisterService(request, metadata=admin)
    again = await silo.services.RegisterService(request, metadata=admin)

    assert again == first
    assert first.service.status == words.REGISTRY_STATUS_PENDING
    assert silo.events() == [f"ServiceRegistered services/{first.service.id} 1"]
    data = silo.sql("SELECT data FROM event_log UNION SELECT data FROM outbox")
    events = [CenterEvent.FromString(row[0]) for row in data]
    registered = next(
        each.service_registered for each in events if each.HasField("service_registered")
    )
    assert registered.external_id == first.service.external_id
    # Another package's message with the same fields: their bytes are equal.
    assert registered.agency.SerializeToString() == (
        request.configuration.agency.SerializeToString()
    )
    assert registered.contact_email == "ann@ems.example"
    token = first.invitation_token.encode()
    assert registered.invitation_hash == hashlib.sha256(token).digest()


async def test_two_registrations_of_one_name_make_one_service(
    silo: Center, admin: Metadata
) -> None:
    requests = [an_agency(service_name=name) for name in ("Blue Ridge", "BLUE RIDGE")]
    calls = [silo.services.RegisterService(each, metadata=admin) for each in requests]
    outcomes = await asyncio.gather(*calls, return_exceptions=True)

    refused = [each for each in outcomes if isinstance(each, grpc.aio.AioRpcError)]
    assert [each.code() for each in refused] == [ALREADY_EXISTS]
    assert reason(refused[0]) == "SERVICE_NAME_TAKEN"
    assert len(silo.events()) == 1
    await silo.services.RegisterService(a_hospital(service_name="Blue Ridge"), metadata=admin)


def reason(refused: grpc.aio.AioRpcError) -> str:
    status = rpc_status.from_call(refused)
    assert status is not None
    info = error_details_pb2.ErrorInfo()
    status.details[0].Unpack(info)
    return str(info.reason)


async def test_a_service_moves_as_the_rules_say(silo: Center, admin: Metadata) -> None:
    registered = await silo.services.RegisterService(an_agency(), metadata=admin)
    id = registered.service.id

    def ask(verb: str, **more: str) -> Any:
        request = getattr(pb, f"{verb}ServiceRequest")
        call = getattr(silo.services, f"{verb}Service")
        return call(request(service_id=id, request_id=str(uuid4()), **more), metadata=admin)

    assert await refusal(ask("Suspend")) is FAILED_PRECONDITION  # its silo has yet to answer
    await provision(silo, registered.service)
    suspended = (await ask("Suspend", reason="licence expired")).service
    assert suspended.status == words.REGISTRY_STATUS_SUSPENDED
    assert await refusal(ask("Suspend")) is FAILED_PRECONDITION
    assert await refusal(ask("Reinstate", etag="stale")) is grpc.StatusCode.ABORTED
    await ask("Reinstate", etag=suspended.etag)
    await ask("Retire")
    assert await refusal(ask("Retire")) is FAILED_PRECONDITION
    kinds = ["Registered", "Suspended", "Reinstated", "Retired"]
    expected = [f"Service{kind} services/{id} {n}" for n, kind in enumerate(kinds, 1)]
    assert silo.events() == expected


async def test_a_registration_may_wait_for_approval(silo: Center, admin: Metadata) -> None:
    held = await silo.services.RegisterService(an_agency(awaits_approval=True), metadata=admin)
    assert (held.service.awaits_approval, held.invitation_token) == (True, "")
    assert silo.events() == []

    request = pb.ApproveServiceRequest(service_id=held.service.id, request_id=str(uuid4()))
    approved = await silo.services.ApproveService(request, metadata=admin)
    assert approved.invitation_token
    assert silo.events() == [f"ServiceRegistered services/{held.service.id} 1"]
    request.request_id = str(uuid4())
    assert await refusal(silo.services.ApproveService(request, metadata=admin)) is (
        FAILED_PRECONDITION
    )


async def test_the_centers_notes_change_with_the_etag_that_was_read(
    silo: Center, admin: Metadata
) -> None:
    service = (await silo.services.RegisterService(an_agency(), metadata=admin)).service
    service.metadata["region"] = "east"
    service.service_name = "ignored, not in the mask"
    update = pb.UpdateServiceRequest(
        service_id=service.id,
        service=service,
        update_mask=FieldMask(paths=["metadata"]),
        etag=service.etag,
        request_id=str(uuid4()),
    )
    updated = (await silo.services.UpdateService(update, metadata=admin)).service
    assert dict(updated.metadata) == {"region": "east"}
    assert updated.service_name != service.service_name
    update.request_id = str(uuid4())
    stale = silo.services.UpdateService(update, metadata=admin)
    assert await refusal(stale) is grpc.StatusCode.ABORTED


@pytest.mark.parametrize(
    "bad",
    [
        {"request_id": "not a uuid"},
        {"service_name": ""},
        {"service_name": "with\0NUL"},
        {"service_type": 99},
        {"service_type": words.SERVICE_TYPE_HOSPITAL},  # with an agency's profile
        {"configuration": pb.ServiceConfiguration(contact_email="x@y.example")},
        {"metadata": {"UPPER": "key"}},
    ],
)
async def test_bad_input_is_refused_before_sql(
    silo: Center, admin: Metadata, bad: dict[str, Any]
) -> None:
    call = silo.services.RegisterService(an_agency(**bad), metadata=admin)
    assert await refusal(call) is INVALID_ARGUMENT
    assert silo.sql("SELECT count(*) FROM service_registry") == [(0,)]


async def test_a_profile_that_does_not_fit_is_named(silo: Center, admin: Metadata) -> None:
    other = an_agency(service_type=words.SERVICE_TYPE_HOSPITAL)
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await silo.services.RegisterService(other, metadata=admin)
    assert list(violations(refused.value)) == ["configuration"]


async def test_only_the_center_and_only_with_permission_registers(silo: Center) -> None:
    callers = {
        "beginner": await silo.coordinator("AUDIT_READ"),
        "hospital": silo.user_of("hospital", "HOSPITAL_ADMIN", uuid4()),
        "ems": silo.user_of("ems", "EMS_ADMIN", uuid4()),
    }
    for caller in callers.values():
        call = silo.services.RegisterService(an_agency(), metadata=caller)
        assert await refusal(call) is PERMISSION_DENIED
    allowed = await silo.coordinator("REGISTRY_WRITE")
    await silo.services.RegisterService(an_agency(), metadata=allowed)
    listing = silo.services.ListServices(pb.ListServicesRequest(), metadata=callers["hospital"])
    assert await refusal(listing) is PERMISSION_DENIED
    assert await refusal(silo.services.RegisterService(an_agency())) is (
        grpc.StatusCode.UNAUTHENTICATED
    )


async def test_services_are_listed_a_page_at_a_time(silo: Center, admin: Metadata) -> None:
    made = [
        (await silo.services.RegisterService(make(), metadata=admin)).service.id
        for make in (an_agency, a_hospital, an_agency, an_agency)
    ]
    agencies = pb.ServiceFilter(service_types=[words.SERVICE_TYPE_EMS_AGENCY])
    request = pb.ListServicesRequest(filter=agencies, page_size=2)
    first = await silo.services.ListServices(request, metadata=admin)
    request.page_token = first.next_page_token
    last = await silo.services.ListServices(request, metadata=admin)
    assert [each.id for each in [*first.services, *last.services]] == [made[3], made[2], made[0]]
    assert last.next_page_token == ""
    request.filter.Clear()
    tampered = silo.services.ListServices(request, metadata=admin)
    assert await refusal(tampered) is INVALID_ARGUMENT


async def test_answers_are_forgotten_after_a_day(silo: Center, admin: Metadata) -> None:
    await silo.services.RegisterService(an_agency(), metadata=admin)
    kept = silo.sql("SELECT count(*) FROM idempotency_key")[0][0]
    assert kept == 1
    async with database_on(silo.dsn) as database:
        now = utc_now()
        assert await idempotency_keys.sweep(database, lambda: now + timedelta(hours=23)) == 0
        assert await idempotency_keys.sweep(database, lambda: now + timedelta(hours=25)) == kept
