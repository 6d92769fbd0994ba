"""A feature is on for whom it is meant, in Center and in every silo; each change is a version.

Run: ``python -m pytest tests/integration/center/test_feature_toggles.py``; needs PostgreSQL.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID, uuid4

import grpc
import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from medport.center.v1 import feature_toggles_pb2 as pb
from medport.center.v1 import feature_toggles_pb2_grpc as rpc

from center_svc.bootstrap import turn_features_on
from tests.support.center_silo import Center, Metadata, center, refusal
from tests.support.hospital_silo import refused

NAME = "route_optimization"


@pytest.fixture
async def silo(center_database: str) -> AsyncIterator[Center]:
    async with center(center_database) as opened:
        yield opened


class Switches:
    """The service as one caller has it."""

    def __init__(self, silo: Center, caller: Metadata) -> None:
        self.stub: Any = rpc.FeatureToggleServiceStub(silo.channel)
        self.caller = caller

    async def create(self, name: str = NAME, **values: Any) -> pb.FeatureToggle:
        toggle = pb.FeatureToggle(feature_name=name, **values)
        request = pb.CreateFeatureToggleRequest(feature_toggle=toggle, request_id=str(uuid4()))
        answer = await self.stub.CreateFeatureToggle(request, metadata=self.caller)
        return answer.feature_toggle  # type: ignore[no-any-return]

    async def update(self, known: pb.FeatureToggle, *paths: str, **values: Any) -> pb.FeatureToggle:
        request = pb.UpdateFeatureToggleRequest(
            feature_name=known.feature_name,
            feature_toggle=pb.FeatureToggle(**values),
            update_mask=FieldMask(paths=paths),
            etag=known.etag,
            request_id=str(uuid4()),
        )
        answer = await self.stub.UpdateFeatureToggle(request, metadata=self.caller)
        return answer.feature_toggle  # type: ignore[no-any-return]

    async def delete(self, known: pb.FeatureToggle) -> None:
        request = pb.DeleteFeatureToggleRequest(
            feature_name=known.feature_name, etag=known.etag, request_id=str(uuid4())
        )
        await self.stub.DeleteFeatureToggle(request, metadata=self.caller)

    async def turn(self, name: str, *, on: bool) -> pb.FeatureToggle:
        request = pb.SetFeatureToggleRequest(
            feature_name=name, is_enabled=on, request_id=str(uuid4())
        )
        answer = await self.stub.SetFeatureToggle(request, metadata=self.caller)
        return answer.feature_toggle  # type: ignore[no-any-return]

    async def is_on(self, *names: str, **whom: str) -> list[bool]:
        request = pb.EvaluateFeatureTogglesRequest(feature_names=names, **whom)
        answer = await self.stub.EvaluateFeatureToggles(request, metadata=self.caller)
        return [each.is_on for each in answer.evaluations]


@pytest.fixture
async def switches(silo: Center) -> Switches:
    return Switches(silo, await silo.login())


async def test_each_change_is_a_version_that_every_silo_hears_of(
    silo: Center, switches: Switches
) -> None:
    made = await switches.create(is_enabled=True, configuration={"depth": 3})
    assert (made.version, made.rollout_percent, made.is_enabled) == (1, 100, True)
    half = await switches.update(made, "rollout_percent", rollout_percent=50)
    assert (half.version, half.configuration["depth"]) == (2, 3)
    assert (await switches.turn(NAME, on=False)).version == 3
    stale = switches.update(made, "rollout_percent", rollout_percent=10)
    assert (await refused(stale)).reason == "ETAG_MISMATCH"
    subject = f"feature_toggles/{made.id}"
    assert silo.events() == [f"FeatureToggleChanged {subject} {n}" for n in (1, 2, 3)]
    who = "SELECT action, changes FROM audit_log WHERE entity_type = 'feature_toggle'"
    assert ("UpdateFeatureToggle", {"fields": ["rollout_percent"]}) in silo.sql(who)


async def test_a_deleted_feature_is_off_and_its_name_goes_on_where_it_was(
    silo: Center, switches: Switches
) -> None:
    made = await switches.create(is_enabled=True)
    assert (await refused(switches.create())).reason == "FEATURE_EXISTS"
    await switches.delete(made)
    assert await switches.is_on(NAME, organization_id=str(uuid4())) == [False]
    for call in (switches.turn(NAME, on=True), switches.delete(made)):
        assert await refusal(call) is grpc.StatusCode.NOT_FOUND
    listed = await switches.stub.ListFeatureToggles(
        pb.ListFeatureTogglesRequest(), metadata=switches.caller
    )
    assert list(listed.feature_toggles) == []
    again = await switches.create(is_enabled=True)
    assert (again.version, again.id) == (3, made.id)  # copies take nothing but greater ones


async def test_a_list_is_narrowed_to_those_that_are_enabled(switches: Switches) -> None:
    await switches.create("first", is_enabled=True)
    await switches.create("second", is_enabled=False)

    async def listed(**wanted: bool) -> list[str]:
        request = pb.ListFeatureTogglesRequest(filter=pb.FeatureToggleFilter(**wanted))
        answer = await switches.stub.ListFeatureToggles(request, metadata=switches.caller)
        return [each.feature_name for each in answer.feature_toggles]

    assert await listed() == ["first", "second"]
    assert await listed(is_enabled=True) == ["first"]
    assert await listed(is_enabled=False) == ["second"]


async def test_it_is_on_for_targets_and_for_the_organisations_of_the_rollout(
    switches: Switches,
) -> None:
    user, other, ours = str(uuid4()), str(uuid4()), str(uuid4())
    toggle = await switches.create(
        is_enabled=True, rollout_percent=0, target_users=[user], target_organizations=[ours]
    )
    assert await switches.is_on(NAME, user_id=user, organization_id=other) == [True]
    assert await switches.is_on(NAME, user_id=other, organization_id=ours) == [True]
    assert await switches.is_on(NAME, "nobody_named_it", organization_id=other) == [False, False]
    await switches.turn(NAME, on=False)
    assert await switches.is_on(NAME, user_id=user, organization_id=ours) == [False]
    full = switches.update(
        toggle, "is_enabled", "rollout_percent", is_enabled=True, rollout_percent=100
    )
    assert (await refused(full)).reason == "ETAG_MISMATCH"
    now = await switches.turn(NAME, on=True)
    full = switches.update(now, "rollout_percent", rollout_percent=100)
    assert (await refused(full)).fields == ["feature_toggle.rollout_percent"]


async def test_a_new_mesh_begins_with_its_features_on_and_leaves_them_to_operators(
    silo: Center, switches: Switches
) -> None:
    await turn_features_on(silo.dsn)
    assert await switches.is_on(NAME, organization_id=str(uuid4())) == [True]
    await switches.turn(NAME, on=False)
    await turn_features_on(silo.dsn)
    assert await switches.is_on(NAME, organization_id=str(uuid4())) == [False]
    [event, _] = silo.events()
    assert event.startswith("FeatureToggleChanged")


UNUSABLE: list[dict[str, Any]] = [
    {"name": "NOT A NAME"},
    {"rollout_percent": 101},
    {"rollout_percent": -1},
    {"target_users": ["nobody"]},
    {"target_organizations": [str(UUID(int=1))] * 2, "rollout_percent": 5},
    {"target_organizations": [str(UUID(int=1))]},
    {"configuration": {"text": "x" * 4_001}},
]


async def test_what_cannot_be_a_toggle_is_refused(switches: Switches) -> None:
    for values in UNUSABLE:
        code = await refusal(switches.create(**values))
        assert code is grpc.StatusCode.INVALID_ARGUMENT, values


async def test_a_target_is_named_once_however_it_is_written(switches: Switches) -> None:
    id = str(uuid4())
    made = await switches.create(rollout_percent=5)
    for field in ("target_users", "target_organizations"):
        twice = await refused(switches.update(made, field, **{field: [id, id.upper()]}))
        assert (twice.code, twice.fields) == (
            grpc.StatusCode.INVALID_ARGUMENT,
            [f"feature_toggle.{field}"],
        )


async def test_two_that_use_a_name_first_make_one_toggle(switches: Switches) -> None:
    async def attempt() -> str:
        try:
            return (await switches.create()).id
        except grpc.aio.AioRpcError as taken:
            return taken.code().name

    answers = await asyncio.gather(*(attempt() for _ in range(6)))
    assert answers.count("ALREADY_EXISTS") == 5


async def test_only_the_center_with_permission_switches(silo: Center) -> None:
    known = await Switches(silo, await silo.coordinator("TOGGLE_WRITE")).create()
    for caller in (
        await silo.coordinator("CONFIGURATION_WRITE"),
        silo.user_of("ems", "EMS_ADMIN", uuid4()),
    ):
        own = Switches(silo, caller)
        for call in (own.create("another"), own.turn(NAME, on=True), own.delete(known)):
            assert await refusal(call) is grpc.StatusCode.PERMISSION_DENIED


async def test_a_watch_shows_what_there_is_and_what_changes(switches: Switches) -> None:
    made = await switches.create(is_enabled=True)

    def watch(token: bytes = b"") -> Any:
        request = pb.WatchFeatureTogglesRequest(resume_token=token)
        return switches.stub.WatchFeatureToggles(request, metadata=switches.caller)

    async with asyncio.timeout(30):
        stream = watch()
        first = await stream.read()
        assert first.feature_toggle == made
        assert (await stream.read()).snapshot_end.event_count == 1
        off = await switches.turn(NAME, on=False)
        while (frame := await stream.read()).feature_toggle != off:
            assert frame.WhichOneof("frame") in {"feature_toggle", "heartbeat"}
        stream.cancel()
        await switches.delete(off)
        while (frame := await (resumed := watch(frame.resume_token)).read()).HasField("heartbeat"):
            resumed.cancel()
        assert frame.deleted_feature_name == NAME
