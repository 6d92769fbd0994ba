"""Nobody calls oftener than allowed: by principal, by address without one, by wrong logins."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.rpc.error_details_pb2 import QuotaFailure, RetryInfo
from google.rpc.status_pb2 import Status
from medport.router.v1 import gateway_pb2
from medport.router.v1.gateway_pb2_grpc import GatewayServiceStub

from chassis.rates import Rate
from router.policies import ALLOWANCES, Allowances
from tests.support.colleagues import a_key, a_user, bearing, publication
from tests.support.obedient_silo import contract, service, text
from tests.support.routed_mesh import GENEROUS, Mesh, Observed, observe, router_settings, routing

OK, EXHAUSTED = grpc.StatusCode.OK, grpc.StatusCode.RESOURCE_EXHAUSTED
SLOW = Rate(per_second=1 / 600, burst=20)  # nothing comes back while a test runs


@pytest.fixture
async def strict(mesh: Mesh, tmp_path: Path) -> AsyncIterator[grpc.aio.Channel]:
    addresses = {name: f"127.0.0.1:{silo.port}" for name, silo in mesh.silos.items()}
    allowances = Allowances(principal=SLOW, address=GENEROUS, wrong_login=SLOW)
    async with routing(router_settings(addresses, tmp_path), contract(), allowances) as (_, to):
        yield to


def detail(seen: Observed, kind: Any) -> Any:
    found = kind()
    for each in Status.FromString(dict(seen.trailing)["grpc-status-details-bin"]).details:
        each.Unpack(found)
    return found


def test_the_policy_is_fifty_calls_a_second_and_a_burst_of_a_hundred() -> None:
    assert ALLOWANCES.principal == ALLOWANCES.address == Rate(per_second=50, burst=100)
    assert ALLOWANCES.wrong_login == Rate(per_second=0.5, burst=30)


async def test_a_principal_who_calls_too_often_is_told_when_to_come_back(
    mesh: Mesh, strict: grpc.aio.Channel
) -> None:
    key = a_key("hospital")
    mesh.silos["hospital"].published = publication(key)
    nurse, colleague = (a_user("hospital", "HOSPITAL_STAFF") for _ in range(2))

    async def asked(who: Any) -> Observed:
        metadata = bearing(key, who, "hospital")  # a new token each time: it is about the person
        return await observe(strict, "StaffOnly", text("ok"), metadata=metadata)

    assert [(await asked(nurse)).code for _ in range(20)] == [OK] * 20
    refused = await asked(nurse)

    assert (refused.code, refused.reason) == (EXHAUSTED, "RATE_LIMITED")
    assert detail(refused, RetryInfo).retry_delay.ToSeconds() == pytest.approx(600, abs=30)
    assert detail(refused, QuotaFailure).violations[0].subject == f"users/{nurse.user_id}"
    assert ("grpc-retry-pushback-ms", "-1") in refused.trailing
    assert (await asked(colleague)).code is OK
    assert mesh.silos["hospital"].seen["calls"] == 21


@pytest.mark.parametrize("method", ["StaffOnly", "StaffWatch", "StaffCollect"])
async def test_who_is_refused_for_a_role_has_no_more_calls_than_others(
    mesh: Mesh, strict: grpc.aio.Channel, method: str
) -> None:
    key, dispatcher = a_key("ems"), a_user("ems", "EMS_DISPATCHER")
    mesh.silos["ems"].published = publication(key)
    sent = bearing(key, dispatcher, "hospital")

    codes = [(await observe(strict, method, text("ok"), metadata=sent)).code for _ in range(25)]

    assert codes == [grpc.StatusCode.PERMISSION_DENIED] * 20 + [EXHAUSTED] * 5
    # The silo hears of each that is refused for the role, to note it, and gets no request.
    assert mesh.silos["hospital"].seen == {"calls": 20, "": 20}


async def test_wrong_logins_use_up_an_address_and_right_ones_do_not(
    mesh: Mesh, strict: grpc.aio.Channel
) -> None:
    for _ in range(40):
        assert (await observe(strict, "Store", text("ok"))).code is OK

    guesses = await asyncio.gather(
        *(observe(strict, "Store", text("wrong password")) for _ in range(60))
    )
    codes = [each.code for each in guesses]
    assert codes.count(grpc.StatusCode.UNAUTHENTICATED) == 20
    assert codes.count(EXHAUSTED) == 40
    assert mesh.silos["hospital"].seen["calls"] == 60

    assert (await observe(strict, "Store", text("ok"))).code is EXHAUSTED
    assert (await observe(strict, "Echo", text("ok"))).code is OK  # it logs nobody in


async def test_an_address_without_a_token_has_an_allowance_too(mesh: Mesh, tmp_path: Path) -> None:
    addresses = {name: f"127.0.0.1:{silo.port}" for name, silo in mesh.silos.items()}
    allowances = Allowances(principal=GENEROUS, address=SLOW, wrong_login=GENEROUS)
    async with routing(router_settings(addresses, tmp_path), contract(), allowances) as (_, to):
        codes = [(await observe(to, "Echo", text("ok"))).code for _ in range(25)]
    assert codes == [OK] * 20 + [EXHAUSTED] * 5


@pytest.mark.parametrize(
    ("method", "metadata", "refused"),
    [
        ("StaffOnly", (), grpc.StatusCode.UNAUTHENTICATED),
        ("StaffOnly", (("authorization", "Bearer a.b.c"),), grpc.StatusCode.UNAUTHENTICATED),
        ("Nothing", (), grpc.StatusCode.UNIMPLEMENTED),
    ],
)
async def test_what_is_refused_counts_against_its_address(
    mesh: Mesh, tmp_path: Path, method: str, metadata: Any, refused: grpc.StatusCode
) -> None:
    addresses = {name: f"127.0.0.1:{silo.port}" for name, silo in mesh.silos.items()}
    allowances = Allowances(principal=GENEROUS, address=SLOW, wrong_login=GENEROUS)
    async with routing(router_settings(addresses, tmp_path), contract(), allowances) as (_, to):
        ask: Any = to.unary_unary(f"/{service('hospital')}/{method}")
        codes = [await ask(text("ok"), metadata=metadata).code() for _ in range(25)]
    assert codes == [refused] * 20 + [EXHAUSTED] * 5


async def test_what_the_router_answers_itself_is_counted_too(mesh: Mesh, tmp_path: Path) -> None:
    addresses = {name: f"127.0.0.1:{silo.port}" for name, silo in mesh.silos.items()}
    allowances = Allowances(principal=GENEROUS, address=SLOW, wrong_login=GENEROUS)
    async with routing(router_settings(addresses, tmp_path), contract(), allowances) as (_, to):
        gateway: Any = GatewayServiceStub(to)
        for _ in range(10):
            await gateway.GetMeshStatus(gateway_pb2.GetMeshStatusRequest())
            await gateway.ListRoutes(gateway_pb2.ListRoutesRequest())
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await gateway.GetMeshStatus(gateway_pb2.GetMeshStatusRequest())
        assert refused.value.code() is EXHAUSTED
        assert (await observe(to, "Echo", text("ok"))).code is EXHAUSTED
