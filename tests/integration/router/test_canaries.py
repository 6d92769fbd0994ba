"""A share of the tenants is served elsewhere: as Center's toggle says, whether or not it is up."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from uuid import UUID

import grpc
import pytest
from medport.center.v1 import feature_toggles_pb2 as pb
from medport.router.v1.trip_overviews_pb2 import ListTripOverviewsRequest
from medport.router.v1.trip_overviews_pb2_grpc import TripOverviewServiceStub
from prometheus_client import REGISTRY

from chassis import reflection
from chassis.feature_toggles import bucket
from chassis.minting import SigningKey
from router.breaker import State
from router.policies import WRITE_S
from router.server import Router
from tests.architecture.test_observability import rules
from tests.support.colleagues import a_key, a_user, bearing, publication
from tests.support.front_desk import pem
from tests.support.obedient_silo import ObedientSilo, service, text
from tests.support.routed_mesh import begin, observe, router_settings, routing, until_true

FEATURE = "router.canary.hospital"
JOINED = ("medport.hospital.v1.TransportRequestService", "medport.center.v1.AnalyticsService")
TENANTS = [UUID(int=number) for number in range(1, 61)]


def at_most(percent: int) -> set[UUID]:
    return {each for each in TENANTS if bucket(FEATURE, each) < percent}


@dataclass
class Stage:
    """Two sets of hospital processes, and a Center that knows one toggle."""

    home: ObedientSilo
    canary: ObedientSilo
    key: SigningKey
    cache: Path
    toggle: pb.FeatureToggle | None = None
    shown: list[str] = field(default_factory=list)
    _center: grpc.aio.Server | None = None
    port: int = 0

    def says(self, percent: int, **more: Any) -> None:
        self.toggle = pb.FeatureToggle(
            feature_name=FEATURE, is_enabled=True, rollout_percent=percent, **more
        )

    async def open_center(self) -> None:
        async def get(raw: bytes, context: Any) -> bytes:
            self.shown.append(str(dict(context.invocation_metadata()).get("authorization")))
            asked = pb.GetFeatureToggleRequest.FromString(raw).feature_name
            if self.toggle is None or asked != FEATURE:
                await context.abort(grpc.StatusCode.NOT_FOUND, "no such feature")
            return pb.GetFeatureToggleResponse(feature_toggle=self.toggle).SerializeToString()

        handlers: Any = {"GetFeatureToggle": grpc.unary_unary_rpc_method_handler(get)}
        toggles = "medport.center.v1.FeatureToggleService"
        self._center = grpc.aio.server()
        self._center.add_generic_rpc_handlers(
            (grpc.method_handlers_generic_handler(toggles, handlers),)
        )
        self.port = self._center.add_insecure_port("127.0.0.1:0")
        await self._center.start()

    async def close_center(self) -> None:
        if self._center is not None:
            await self._center.stop(None)

    @asynccontextmanager
    async def routed(self, **more: Any) -> AsyncIterator[tuple[Router, grpc.aio.Channel]]:
        known = router_settings(
            {
                "hospital": f"127.0.0.1:{self.home.port}",
                "center": f"127.0.0.1:{self.port}",
            },
            self.cache,
        )
        canaries = {"hospital": (f"127.0.0.1:{self.canary.port}",)}
        given = replace(known, canaries=canaries, identity_key=pem(), **more)
        described = reflection.describing([service("hospital"), service("ems"), *JOINED])
        async with routing(given, described) as (router, channel):
            yield router, channel

    @asynccontextmanager
    async def all_to_the_canary(self) -> AsyncIterator[tuple[grpc.aio.Channel, Any]]:
        """Route every tenant there; yield a channel, and what one of their staff sends along."""
        self.says(100)
        async with self.routed() as (_, channel):
            await self.until_share(channel, set(TENANTS))
            yield channel, self.staff_of(TENANTS[0])

    async def served(
        self, channel: grpc.aio.Channel, name: str = "StaffOnly", metadata: Any = ()
    ) -> set[UUID]:
        """Ask once for each tenant; return those whom the canary answered."""
        found = set()
        for tenant in TENANTS:
            sent = (*self.staff_of(tenant), *metadata)
            seen = await observe(channel, name, text("ok"), metadata=sent)
            assert seen.code is grpc.StatusCode.OK
            if ("x-medport-served-by", "hospital-canary") in seen.trailing:
                found.add(tenant)
        return found

    async def joined(self, channel: grpc.aio.Channel) -> set[UUID]:
        """Let the router list each tenant's trips; return those whose it asked the canary for."""
        overviews: Any = TripOverviewServiceStub(channel)
        found = set()
        for tenant in TENANTS:
            request = ListTripOverviewsRequest(organization_id=str(tenant))
            answer = await overviews.ListTripOverviews(request, metadata=self.staff_of(tenant))
            [trip] = answer.trip_overviews
            if trip.transport_request_id == self.canary.name:
                found.add(tenant)
        return found

    def staff_of(self, tenant: UUID) -> Any:
        who = replace(a_user("hospital", "HOSPITAL_STAFF"), tenant_id=tenant)
        return bearing(self.key, who, "hospital")

    async def until_share(self, channel: grpc.aio.Channel, tenants: set[UUID]) -> None:
        while await self.served(channel) != tenants:
            pass


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    home, canary = ObedientSilo("hospital", "home"), ObedientSilo("hospital", "canary")
    key = a_key("hospital")
    for each in (home, canary):
        each.published = publication(key)
        await each.start()
    made = Stage(home, canary, key, tmp_path)
    await made.open_center()
    yield made
    await made.close_center()
    for each in (home, canary):
        await each.stop()


async def test_a_share_of_the_tenants_is_served_by_the_canary_and_stays_there(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("router.canaries.EVERY_SECONDS", 0.05)
    async with stage.routed() as (_, channel):
        assert await stage.served(channel) == set()  # Center knows no such toggle
        stage.says(30)
        await stage.until_share(channel, at_most(30))
        stage.says(60)
        await stage.until_share(channel, at_most(60))
        assert at_most(30) < at_most(60) < set(TENANTS)  # who was there stays there
        stage.says(0, target_organizations=[str(TENANTS[0])])
        await stage.until_share(channel, {TENANTS[0]})
        stage.toggle = None
        await stage.until_share(channel, set())
    assert all(each.startswith("Bearer ") for each in stage.shown)


async def test_the_share_outlives_center_and_the_router(stage: Stage) -> None:
    stage.says(50)
    async with stage.routed() as (_, channel):
        await stage.until_share(channel, at_most(50))
    await stage.close_center()

    async with stage.routed() as (_, channel):
        assert await stage.served(channel) == at_most(50)


def breakers_watched() -> dict[str, float]:
    """Return the breakers at which the alarm for those who stand in for a silo looks."""
    (expression,) = (
        each["expr"] for each in rules("alerts.yml") if each["alert"] == "MedportStandInAway"
    )
    (names,) = re.findall(r'silo=~"([^"]+)"', expression)
    states = (each for each in REGISTRY.collect() if each.name == "medport_router_breaker_state")
    samples = [each for family in states for each in family.samples]
    return {
        each.labels["silo"]: each.value
        for each in samples
        if re.fullmatch(names, each.labels["silo"])
    }


@pytest.mark.parametrize("name", ["StaffOnly", "StaffWatch"])
async def test_a_canary_that_is_down_costs_nothing(stage: Stage, name: str) -> None:
    stage.says(100)
    async with stage.routed() as (router, channel):
        await stage.until_share(channel, set(TENANTS))
        await stage.canary.stop()
        assert await stage.served(channel, name) == set()  # none of these calls has failed
        backend = router.canaries["hospital"].backend
        await until_true(lambda: breakers_watched()["hospital-canary"] == 2)
        assert "hospital" not in breakers_watched()  # whose alarm asks for refused calls, too
        assert backend.breaker.state is not State.CLOSED

        await stage.canary.start()  # and one that is back gets its share again
        async with asyncio.timeout(10):
            await stage.until_share(channel, set(TENANTS))


async def test_what_the_router_joins_it_asks_of_the_canary_too(stage: Stage) -> None:
    stage.says(50)
    async with stage.routed() as (_, channel):
        await stage.until_share(channel, at_most(50))
        assert await stage.joined(channel) == at_most(50)
        await stage.canary.stop()
        assert await stage.joined(channel) == set()


@pytest.fixture
async def copy() -> AsyncIterator[ObedientSilo]:
    made = ObedientSilo("hospital", "copy")
    await made.start()
    yield made
    await made.stop()


async def test_a_canarys_callers_are_not_served_by_a_copy(stage: Stage, copy: ObedientSilo) -> None:
    stage.says(50)
    copies = {"hospital": (f"127.0.0.1:{copy.port}",)}
    async with stage.routed(read_replicas=copies) as (_, channel):
        await stage.until_share(channel, at_most(50))
        far_enough = (("medport-consistency", "hospital=0/1"),)
        assert await stage.served(channel, metadata=far_enough) == at_most(50)
    assert copy.seen["calls"] == len(TENANTS) - len(at_most(50))


async def test_a_write_that_a_silent_canary_loses_has_its_time_once(stage: Stage) -> None:
    stage.says(100)
    async with stage.routed() as (_, channel):
        await stage.until_share(channel, set(TENANTS))
        stage.canary.tells_health.clear()
        sent = stage.staff_of(TENANTS[0])
        seen = await observe(channel, "StaffStore", text("wait"), metadata=sent)

    assert (seen.code, seen.reason) == (grpc.StatusCode.DEADLINE_EXCEEDED, "SILO_TIMEOUT")
    assert stage.canary.seen["wait"] == stage.home.seen["wait"] == 1
    assert stage.home.remaining is not None
    assert stage.home.remaining < WRITE_S - 1  # the canary's silence took the rest


async def test_a_stream_that_has_begun_is_lost_with_its_canary(stage: Stage) -> None:
    async with stage.all_to_the_canary() as (channel, sent), asyncio.timeout(10):
        call = begin(channel, "StaffWatch", text("flood"), metadata=sent)
        assert await call.read() is not grpc.aio.EOF  # it is not held back until it ends
        await stage.canary.stop()
        with suppress(grpc.aio.AioRpcError):
            while await call.read() is not grpc.aio.EOF:
                pass
    assert await call.code() is grpc.StatusCode.UNAVAILABLE
    assert stage.home.seen["flood"] == 0


async def test_what_may_not_be_repeated_is_lost_with_its_canary(stage: Stage) -> None:
    async with stage.all_to_the_canary() as (channel, sent):
        call = asyncio.create_task(observe(channel, "StaffSend", text("wait"), metadata=sent))
        await until_true(lambda: stage.canary.running == 1)
        stage.home.gate.set()
        await stage.canary.stop()
        seen = await call
    assert (seen.code, seen.reason) == (grpc.StatusCode.UNAVAILABLE, "SILO_UNAVAILABLE")
    assert stage.home.seen["wait"] == 0


async def test_what_a_canary_says_itself_is_the_answer(stage: Stage) -> None:
    async with stage.all_to_the_canary() as (channel, sent):
        seen = await observe(channel, "StaffStore", text("unavailable"), metadata=sent)
    assert (seen.code, seen.infos[0].domain) == (grpc.StatusCode.UNAVAILABLE, "medport.common.v1")
    assert stage.home.seen["unavailable"] == 0
