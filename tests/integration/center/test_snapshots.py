"""What the center shows of its rows is what its log led to.

Run: ``python -m pytest tests/integration/center/test_snapshots.py``; needs PostgreSQL.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from uuid import uuid4

import pytest
from google.protobuf.struct_pb2 import Value
from medport.center.events.v1 import event_log_pb2
from medport.center.v1 import services_pb2 as services
from medport.center.v1 import system_configurations_pb2 as configurations
from medport.center.v1 import system_configurations_pb2_grpc as configuration_rpc
from medport.common.v1 import vocabulary_pb2 as words

from tests.support.center_silo import Center, Metadata, center
from tests.support.snapshots import LATEST_VERSIONS, payload, snapshot, versions

FILE = event_log_pb2.DESCRIPTOR
NOUNS = ("services", "system_configurations", "signing_keys")

_TOGGLE = """
INSERT INTO feature_toggle
       (id, feature_name, is_enabled, rollout_percent, target_users, configuration, version,
        updated_by)
VALUES (%s, 'maps', true, 10, %s, '{"colour": "red"}', 3, %s)
"""
_TEMPLATE = """
INSERT INTO notification_template (id, template_name, template_type, content, variables, version)
VALUES (%s, 'trip_awarded', 'SMS', 'Trip {{trip_number}}', '{trip_number}', 2)
"""


@pytest.fixture
async def silo(center_database: str) -> AsyncIterator[Center]:
    async with center(center_database) as opened:
        yield opened


async def _register(
    silo: Center, admin: Metadata, *, awaits_approval: bool = False
) -> services.ServiceRegistry:
    request = services.RegisterServiceRequest(
        request_id=str(uuid4()),
        service_name=f"Mercy {uuid4().hex[:8]}",
        service_type=words.SERVICE_TYPE_HOSPITAL,
        configuration=services.ServiceConfiguration(
            contact_email="bob@mercy.example",
            hospital=services.HospitalProfile(time_zone="America/Chicago"),
        ),
        awaits_approval=awaits_approval,
    )
    return (await silo.services.RegisterService(request, metadata=admin)).service


async def _set(silo: Center, admin: Metadata, value: str) -> configurations.SystemConfiguration:
    request = configurations.SetConfigurationRequest(
        key="routing.road_factor", value=Value(string_value=value), request_id=str(uuid4())
    )
    stub = configuration_rpc.ConfigurationServiceStub(silo.channel)
    return (await stub.SetConfiguration(request, metadata=admin)).configuration


async def test_rows_are_shown_as_the_log_left_them(silo: Center) -> None:
    admin = await silo.login()
    known = await _register(silo, admin)
    await _register(silo, admin, awaits_approval=True)  # of which no silo has heard
    await _set(silo, admin, "1.3")
    setting = await _set(silo, admin, "1.4")

    shown = await snapshot(silo.channel, FILE, admin)

    announced = dict(silo.sql(LATEST_VERSIONS, f"^({'|'.join(NOUNS)})/"))
    assert versions(shown, *NOUNS) == announced
    service = payload(shown[f"services/{known.id}"])
    assert (service.external_id, service.service_name) == (known.external_id, known.service_name)
    assert service.status == words.REGISTRY_STATUS_PENDING
    seen = payload(shown[f"system_configurations/{setting.id}"]).system_configuration
    assert (seen.key, seen.value.string_value, seen.version) == ("routing.road_factor", "1.4", 2)


async def test_toggles_and_templates_are_shown_whole(silo: Center) -> None:
    toggle, template, user = uuid4(), uuid4(), uuid4()
    silo.sql(_TOGGLE, toggle, [user], uuid4())
    silo.sql(_TEMPLATE, template)

    shown = await snapshot(silo.channel, FILE, await silo.login())

    maps = payload(shown[f"feature_toggles/{toggle}"]).feature_toggle
    assert (maps.feature_name, maps.is_enabled, maps.version) == ("maps", True, 3)
    assert (list(maps.target_users), maps.configuration["colour"]) == ([str(user)], "red")
    text = payload(shown[f"notification_templates/{template}"]).notification_template
    assert (text.template_type, text.content) == ("SMS", "Trip {{trip_number}}")
    assert (list(text.variables), text.version) == (["trip_number"], 2)


async def test_a_tenant_is_shown_nothing_of_the_center(silo: Center) -> None:
    admin = await silo.login()
    known = await _register(silo, admin)
    staff = silo.user_of("hospital", "HOSPITAL_STAFF", uuid4())
    assert await snapshot(silo.channel, FILE, staff) == {}
    assert f"services/{known.id}" in await snapshot(silo.channel, FILE, admin)
