"""Configuration is set by whom may, versioned, announced, and only what the silos know.

Run: ``python -m pytest tests/integration/center/test_system_configurations.py``; needs PostgreSQL.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import grpc
import pytest
from google.protobuf.json_format import MessageToDict
from google.protobuf.struct_pb2 import Value
from medport.center.v1 import audit_log_pb2
from medport.center.v1 import system_configurations_pb2 as pb
from medport.center.v1 import system_configurations_pb2_grpc as rpc
from medport.common.v1 import vocabulary_pb2 as words

from tests.support.center_silo import Center, Metadata, center, refusal

KEY = "routing.road_factor"
CONFIRM = "award.confirm"


@pytest.fixture
async def silo(center_database: str) -> AsyncIterator[Center]:
    async with center(center_database) as opened:
        yield opened


def setting(value: Any = "1.3", key: str = KEY, **known: Any) -> pb.SetConfigurationRequest:
    given = Value()
    match value:
        case bool():
            given.bool_value = value
        case float():
            given.number_value = value
        case _:
            given.string_value = value
    return pb.SetConfigurationRequest(
        key=key, value=given, **({"request_id": str(uuid4())} | known)
    )


async def change(
    silo: Center, caller: Metadata, request: pb.SetConfigurationRequest
) -> pb.SystemConfiguration:
    stub = rpc.ConfigurationServiceStub(silo.channel)
    return (await stub.SetConfiguration(request, metadata=caller)).configuration


async def test_each_change_is_a_version_that_every_silo_hears_of(silo: Center) -> None:
    admin, stub = await silo.login(), rpc.ConfigurationServiceStub(silo.channel)
    missing = stub.GetConfiguration(pb.GetConfigurationRequest(key=KEY), metadata=admin)
    assert await refusal(missing) is grpc.StatusCode.NOT_FOUND

    first = await change(silo, admin, setting("1.3"))
    request = setting("1.40", etag=first.etag)
    second = await change(silo, admin, request)
    assert await change(silo, admin, request) == second
    assert (second.version, second.value.string_value, second.is_active) == (2, "1.40", True)
    stale = stub.SetConfiguration(setting("1.5", etag=first.etag), metadata=admin)
    assert await refusal(stale) is grpc.StatusCode.ABORTED

    subject = f"system_configurations/{first.id}"
    changed = "SystemConfigurationChanged"
    assert silo.events() == [f"{changed} {subject} 1", f"{changed} {subject} 2"]
    kept = "SELECT version, value FROM system_configuration_version ORDER BY version"
    assert silo.sql(kept) == [(1, "1.3"), (2, "1.40")]
    listed = await stub.ListConfigurations(pb.ListConfigurationsRequest(), metadata=admin)
    assert [each.key for each in listed.configurations] == [KEY]


async def test_a_list_is_narrowed_by_category_and_by_what_applies(silo: Center) -> None:
    admin, stub = await silo.login(), rpc.ConfigurationServiceStub(silo.channel)
    road = await change(silo, admin, setting("1.3"))
    confirm = await change(silo, admin, setting("manual", "award.confirm", is_inactive=True))

    async def listed(**wanted: Any) -> list[str]:
        request = pb.ListConfigurationsRequest(filter=pb.ConfigurationFilter(**wanted))
        answer = await stub.ListConfigurations(request, metadata=admin)
        return [each.key for each in answer.configurations]

    assert await listed() == [confirm.key, road.key]
    assert await listed(categories=[road.category]) == [road.key]
    assert await listed(categories=[road.category, confirm.category]) == [confirm.key, road.key]
    assert await listed(categories=["no_such"]) == []
    assert await listed(is_active=True) == [road.key]
    assert await listed(is_active=False, categories=[road.category]) == []


async def test_each_version_says_who_made_it_so_and_can_come_back(silo: Center) -> None:
    admin, stub = await silo.login(), rpc.ConfigurationServiceStub(silo.channel)
    other = await silo.coordinator("CONFIGURATION_WRITE")
    await change(silo, admin, setting("1.3"))
    await change(silo, other, setting("1.4", is_inactive=True))
    now = await change(silo, admin, setting("1.5"))

    async def versions(**asked: Any) -> pb.ListConfigurationVersionsResponse:
        request = pb.ListConfigurationVersionsRequest(key=KEY, **asked)
        return await stub.ListConfigurationVersions(request, metadata=other)

    def said(found: pb.ListConfigurationVersionsResponse) -> list[tuple[int, str, bool]]:
        return [(each.version, each.value.string_value, each.is_active) for each in found.versions]

    first = await versions(page_size=2)
    rest = await versions(page_size=2, page_token=first.next_page_token)
    assert said(first) + said(rest) == [(3, "1.5", True), (2, "1.4", False), (1, "1.3", True)]
    assert first.versions[1].updated_by != first.versions[0].updated_by == now.updated_by
    unset = pb.ListConfigurationVersionsRequest(key=CONFIRM)
    missing = stub.ListConfigurationVersions(unset, metadata=other)
    assert await refusal(missing) is grpc.StatusCode.NOT_FOUND

    def restoring(version: int, etag: str = "") -> Any:
        request = pb.RestoreConfigurationRequest(
            key=KEY, version=version, etag=etag, request_id=str(uuid4())
        )
        return stub.RestoreConfiguration(request, metadata=other)

    back = (await restoring(2, now.etag)).configuration
    assert (back.version, back.value.string_value, back.is_active) == (4, "1.4", False)
    assert await refusal(restoring(1, now.etag)) is grpc.StatusCode.ABORTED
    assert await refusal(restoring(9)) is grpc.StatusCode.NOT_FOUND
    assert silo.events()[-1] == f"SystemConfigurationChanged system_configurations/{back.id} 4"
    denied = await silo.coordinator("TOGGLE_WRITE")
    request = pb.RestoreConfigurationRequest(key=KEY, version=1, request_id=str(uuid4()))
    call = stub.RestoreConfiguration(request, metadata=denied)
    assert await refusal(call) is grpc.StatusCode.PERMISSION_DENIED


async def test_the_trail_says_which_key_became_what(silo: Center) -> None:
    admin, stub = await silo.login(), rpc.ConfigurationServiceStub(silo.channel)
    await change(silo, admin, setting("1.3"))
    await change(silo, admin, setting("1.3", is_inactive=True))
    again = pb.RestoreConfigurationRequest(key=KEY, version=1, request_id=str(uuid4()))
    await stub.RestoreConfiguration(again, metadata=admin)
    await change(silo, admin, setting(3600.0, key="notification.expiry_seconds"))

    asked = audit_log_pb2.ListAuditLogsRequest(
        filter=audit_log_pb2.AuditLogFilter(entity_type="system_configuration")
    )
    listed = (await silo.audit.ListAuditLogs(asked, metadata=admin)).audit_logs
    off, on = {"from": True, "to": False}, {"from": False, "to": True}
    first = {"from": 0, "to": 1}
    assert [MessageToDict(each.changes) for each in reversed(listed)] == [
        {"key": KEY, "value": {"from": "1.2", "to": "1.3"}, "is_active": on, "version": first},
        {"key": KEY, "is_active": off, "version": {"from": 1, "to": 2}},
        {"key": KEY, "is_active": on, "version": {"from": 2, "to": 3}},
        {
            "key": "notification.expiry_seconds",
            "value": {"from": 86_400, "to": 3600},
            "is_active": on,
            "version": first,
        },
    ]
    chain = audit_log_pb2.VerifyAuditChainRequest(source_silo=words.SILO_CENTER)
    verified = await silo.audit.VerifyAuditChain(chain, metadata=admin)
    assert (verified.is_complete, verified.audit_log_id) == (True, "")


async def test_a_value_keeps_its_type(silo: Center) -> None:
    admin = await silo.login()
    no = await change(silo, admin, setting(False, key="notification.email"))
    hour = await change(silo, admin, setting(3600.0, key="notification.expiry_seconds"))
    assert no.value.WhichOneof("kind") == "bool_value"
    assert (hour.value.number_value, hour.value_type) == (3600, pb.CONFIGURATION_VALUE_TYPE_SECONDS)


async def test_awards_are_confirmed_by_hand_where_it_is_set(silo: Center) -> None:
    admin, agency = await silo.login(), f"{CONFIRM}.{uuid4()}"
    everybody = await change(silo, admin, setting("manual", key=CONFIRM))
    one = await change(silo, admin, setting("automatic", key=agency))
    assert [everybody.value.string_value, one.value.string_value] == ["manual", "automatic"]
    assert one.value_type == everybody.value_type == pb.CONFIGURATION_VALUE_TYPE_TEXT
    assert one.key == agency


async def test_first_changes_at_once_follow_one_another(silo: Center) -> None:
    admin = await silo.login()
    values = [f"1.{n}" for n in range(6)]
    changed = await asyncio.gather(*(change(silo, admin, setting(each)) for each in values))
    assert sorted(each.version for each in changed) == [1, 2, 3, 4, 5, 6]
    assert len({each.id for each in changed}) == 1


BAD = [
    setting(key="invented.key"),
    setting(key="NOT A KEY"),
    setting("0.5"),
    setting("NaN"),
    setting("Infinity"),
    setting("one"),
    setting(1.3),
    setting(True),
    setting("1." + "0" * 40),
    setting(" 1.5 "),
    setting("1.5\n"),
    setting("1e0"),
    setting("1_5.0"),
    setting("+1.5"),
    setting("-1.5"),
    setting(".5"),
    setting("2."),
    setting("\u0661.\u0665"),  # Arabic-Indic digits
    setting("sometimes", key=CONFIRM),
    setting("false", key="notification.email"),
    setting(1.0, key="notification.email"),
    setting("3600", key="notification.expiry_seconds"),
    setting(3600.5, key="notification.expiry_seconds"),
    setting(299.0, key="notification.expiry_seconds"),
    setting(True, key="notification.expiry_seconds"),
    setting(True, key=CONFIRM),
    setting("manual", key=f"{CONFIRM}.{uuid4().hex}"),
    setting("1.3", key=f"{KEY}.{uuid4()}"),
    pb.SetConfigurationRequest(key=KEY, request_id=str(uuid4())),
]


async def test_what_the_silos_do_not_know_is_refused(silo: Center) -> None:
    admin, stub = await silo.login(), rpc.ConfigurationServiceStub(silo.channel)
    for bad in BAD:
        call = stub.SetConfiguration(bad, metadata=admin)
        assert await refusal(call) is grpc.StatusCode.INVALID_ARGUMENT, bad
    assert silo.sql("SELECT count(*) FROM system_configuration") == [(0,)]


async def test_only_the_center_with_permission_configures(silo: Center) -> None:
    stub = rpc.ConfigurationServiceStub(silo.channel)
    for caller in (
        await silo.coordinator("REGISTRY_WRITE"),
        silo.user_of("hospital", "HOSPITAL_ADMIN", uuid4()),
    ):
        call = stub.SetConfiguration(setting(), metadata=caller)
        assert await refusal(call) is grpc.StatusCode.PERMISSION_DENIED
    allowed = await silo.coordinator("CONFIGURATION_WRITE")
    await change(silo, allowed, setting())
