"""Who may call what through the router, and what of it survives a silo's outage."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest

from chassis.auth import Principal
from chassis.clock import utc_now
from chassis.minting import SigningKey, mint
from tests.support.colleagues import a_key, a_user, bearing, publication
from tests.support.obedient_silo import contract, text
from tests.support.routed_mesh import Mesh, Observed, observe, router_settings, routing

NURSE = a_user("hospital", "HOSPITAL_STAFF")
DISPATCHER = a_user("ems", "EMS_DISPATCHER")


def showing(key: SigningKey, who: Principal, audience: str = "hospital") -> dict[str, Any]:
    return {"metadata": bearing(key, who, audience)}


async def asked(mesh: Mesh, method: str, **options: Any) -> Observed:
    return await observe(mesh.proxied, method, text("ok"), **options)


async def test_the_role_in_the_token_decides(mesh: Mesh) -> None:
    """The silo hears of each refusal, to note it; and whatever it answers, it got no request."""
    nurses, dispatchers = a_key("hospital"), a_key("ems")
    mesh.silos["hospital"].published = publication(nurses)
    mesh.silos["ems"].published = publication(dispatchers)

    assert (await asked(mesh, "StaffOnly", **showing(nurses, NURSE))).code is grpc.StatusCode.OK
    for method, bearer in (
        ("StaffOnly", showing(dispatchers, DISPATCHER)),
        ("Override", showing(nurses, NURSE)),
    ):
        refused = await asked(mesh, method, **bearer)
        assert (refused.code, refused.reason) == (
            grpc.StatusCode.PERMISSION_DENIED,
            "PERMISSION_DENIED",
        )
    assert mesh.silos["hospital"].seen == {"calls": 3, "ok": 1, "": 2}


async def test_a_permission_is_asked_besides_the_role(mesh: Mesh, tmp_path: Path) -> None:
    key = a_key("center")
    plain = a_user("center", "CENTER_COORDINATOR")
    chosen = a_user("center", "CENTER_COORDINATOR", "TRIP_OVERRIDE")
    (tmp_path / "center.keys.binpb").write_bytes(publication(key))
    addresses = {name: f"127.0.0.1:{silo.port}" for name, silo in mesh.silos.items()}
    settings = router_settings(addresses | {"center": "127.0.0.1:1"}, tmp_path)
    async with routing(settings, contract()) as (_, channel):
        refused = await observe(channel, "Override", text("ok"), **showing(key, plain))
        served = await observe(channel, "Override", text("ok"), **showing(key, chosen))

    # Center is down all along: its users are known by the copy of its keys.
    assert (refused.code, served.code) == (
        grpc.StatusCode.PERMISSION_DENIED,
        grpc.StatusCode.OK,
    )


@pytest.mark.parametrize(
    "metadata",
    [
        (),
        (("authorization", "Basic bnVyc2U6c2VjcmV0"),),
        (("authorization", "Bearer a.b.c"),),
        (("authorization", "Bearer a"), ("authorization", "Bearer b")),
        (("authorization", "Bearer " + "x" * 8000),),
    ],
)
async def test_bad_credentials_are_refused_before_the_silo(mesh: Mesh, metadata: Any) -> None:
    refused = await asked(mesh, "StaffOnly", metadata=metadata)

    assert (refused.code, refused.reason) == (
        grpc.StatusCode.UNAUTHENTICATED,
        "UNAUTHENTICATED",
    )
    assert mesh.silos["hospital"].seen["calls"] == 0


async def test_a_token_is_for_one_silo_and_for_its_time(mesh: Mesh) -> None:
    key = a_key("hospital")
    mesh.silos["hospital"].published = publication(key)
    expired = mint(key, NURSE, "hospital", utc_now() - timedelta(minutes=6)).bearer

    elsewhere = await asked(mesh, "StaffOnly", **showing(key, NURSE, "ems"))
    late = await asked(mesh, "StaffOnly", metadata=(("authorization", f"Bearer {expired}"),))

    assert {elsewhere.code, late.code} == {grpc.StatusCode.UNAUTHENTICATED}


async def test_invented_key_names_cost_one_fetch(mesh: Mesh) -> None:
    mesh.silos["hospital"].published = publication(a_key("hospital"))
    for _ in range(20):
        refused = await asked(mesh, "StaffOnly", **showing(a_key("hospital"), NURSE))
        assert refused.code is grpc.StatusCode.UNAUTHENTICATED
    assert mesh.silos["hospital"].asked_for_keys == 1


async def test_a_token_holds_while_its_issuer_is_down(mesh: Mesh) -> None:
    key = a_key("ems")
    mesh.silos["ems"].published = publication(key)
    before = await asked(mesh, "StaffOnly", **showing(key, DISPATCHER))
    await mesh.silos["ems"].stop()

    after = await asked(mesh, "StaffOnly", **showing(key, DISPATCHER))

    # It is understood, and refused for its role: not for want of keys.
    assert before.code is after.code is grpc.StatusCode.PERMISSION_DENIED


async def test_a_token_holds_while_its_issuer_is_down_for_a_router_that_begins_meanwhile(
    mesh: Mesh, tmp_path: Path
) -> None:
    key = a_key("ems")
    mesh.silos["ems"].published = publication(key)
    await asked(mesh, "StaffOnly", **showing(key, DISPATCHER))  # the keys are fetched, and kept
    await mesh.silos["ems"].stop()

    addresses = {name: f"127.0.0.1:{silo.port}" for name, silo in mesh.silos.items()}
    async with routing(router_settings(addresses, tmp_path), contract()) as (_, channel):
        refused = await observe(channel, "StaffOnly", text("ok"), **showing(key, DISPATCHER))

    assert refused.code is grpc.StatusCode.PERMISSION_DENIED


async def test_without_any_keys_the_silo_is_to_blame(mesh: Mesh) -> None:
    await mesh.silos["ems"].stop()

    refused = await asked(mesh, "StaffOnly", **showing(a_key("ems"), DISPATCHER))

    assert (refused.code, refused.infos[0].metadata["silo"]) == (
        grpc.StatusCode.UNAVAILABLE,
        "ems",
    )
