"""Who may call what through the router, and what of it survives a silo's outage."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import grpc
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from google.protobuf.timestamp_pb2 import Timestamp
from medport.hospital.v1.sessions_pb2 import ListVerificationKeysResponse, VerificationKey

from chassis.auth import Principal
from chassis.clock import utc_now
from chassis.minting import SigningKey, mint
from tests.support.obedient_silo import contract, text
from tests.support.routed_mesh import Mesh, Observed, observe, router_settings, routing

NURSE = Principal(
    user_id=UUID(int=1),
    silo="hospital",
    roles=frozenset({"HOSPITAL_STAFF"}),
    tenant_id=UUID(int=2),
    session_id=UUID(int=3),
)
DISPATCHER = Principal(
    user_id=UUID(int=4),
    silo="ems",
    roles=frozenset({"EMS_DISPATCHER"}),
    tenant_id=UUID(int=5),
    session_id=UUID(int=6),
)


def a_key(silo: str) -> SigningKey:
    return SigningKey(silo=silo, name=uuid4().hex, private_key=Ed25519PrivateKey.generate())


def publication(*keys: SigningKey) -> bytes:
    before, after = Timestamp(), Timestamp()
    before.FromDatetime(datetime(2020, 1, 1, tzinfo=UTC))
    after.FromDatetime(datetime(2100, 1, 1, tzinfo=UTC))
    published = [
        VerificationKey(
            key_name=key.name,
            algorithm="EdDSA",
            public_key=key.private_key.public_key().public_bytes_raw(),
            not_before_time=before,
            not_after_time=after,
        )
        for key in keys
    ]
    return ListVerificationKeysResponse(verification_keys=published).SerializeToString()


def bearing(key: SigningKey, who: Principal, audience: str = "hospital") -> dict[str, Any]:
    token = mint(key, who, audience, utc_now()).bearer
    return {"metadata": (("authorization", f"Bearer {token}"),)}


async def asked(mesh: Mesh, method: str, **options: Any) -> Observed:
    return await observe(mesh.proxied, method, text("ok"), **options)


async def test_the_role_in_the_token_decides(mesh: Mesh) -> None:
    nurses, dispatchers = a_key("hospital"), a_key("ems")
    mesh.silos["hospital"].published = publication(nurses)
    mesh.silos["ems"].published = publication(dispatchers)

    assert (await asked(mesh, "StaffOnly", **bearing(nurses, NURSE))).code is grpc.StatusCode.OK
    for method, bearer in (
        ("StaffOnly", bearing(dispatchers, DISPATCHER)),
        ("Override", bearing(nurses, NURSE)),
    ):
        refused = await asked(mesh, method, **bearer)
        assert (refused.code, refused.reason) == (
            grpc.StatusCode.PERMISSION_DENIED,
            "PERMISSION_DENIED",
        )
    assert mesh.silos["hospital"].seen["calls"] == 1


async def test_a_permission_is_asked_besides_the_role(mesh: Mesh, tmp_path: Path) -> None:
    key = a_key("center")
    coordinator = {
        "user_id": UUID(int=7),
        "silo": "center",
        "roles": frozenset({"CENTER_COORDINATOR"}),
        "session_id": UUID(int=8),
    }
    plain = Principal(**coordinator)  # type: ignore[arg-type]
    chosen = Principal(**coordinator, permissions=frozenset({"TRIP_OVERRIDE"}))  # type: ignore[arg-type]
    (tmp_path / "center.keys.binpb").write_bytes(publication(key))
    addresses = {name: f"127.0.0.1:{silo.port}" for name, silo in mesh.silos.items()}
    settings = router_settings(addresses | {"center": "127.0.0.1:1"}, tmp_path)
    async with routing(settings, contract()) as (_, channel):
        refused = await observe(channel, "Override", text("ok"), **bearing(key, plain))
        served = await observe(channel, "Override", text("ok"), **bearing(key, chosen))

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

    elsewhere = await asked(mesh, "StaffOnly", **bearing(key, NURSE, "ems"))
    late = await asked(mesh, "StaffOnly", metadata=(("authorization", f"Bearer {expired}"),))

    assert {elsewhere.code, late.code} == {grpc.StatusCode.UNAUTHENTICATED}


async def test_invented_key_names_cost_one_fetch(mesh: Mesh) -> None:
    mesh.silos["hospital"].published = publication(a_key("hospital"))
    for _ in range(20):
        refused = await asked(mesh, "StaffOnly", **bearing(a_key("hospital"), NURSE))
        assert refused.code is grpc.StatusCode.UNAUTHENTICATED
    assert mesh.silos["hospital"].asked_for_keys == 1


async def test_a_token_holds_while_its_issuer_is_down(mesh: Mesh) -> None:
    key = a_key("ems")
    mesh.silos["ems"].published = publication(key)
    before = await asked(mesh, "StaffOnly", **bearing(key, DISPATCHER))
    await mesh.silos["ems"].stop()

    after = await asked(mesh, "StaffOnly", **bearing(key, DISPATCHER))

    # It is understood, and refused for its role: not for want of keys.
    assert before.code is after.code is grpc.StatusCode.PERMISSION_DENIED


async def test_without_any_keys_the_silo_is_to_blame(mesh: Mesh) -> None:
    await mesh.silos["ems"].stop()

    refused = await asked(mesh, "StaffOnly", **bearing(a_key("ems"), DISPATCHER))

    assert (refused.code, refused.infos[0].metadata["silo"]) == (
        grpc.StatusCode.UNAVAILABLE,
        "ems",
    )
