"""A silo believes the router about its clients' addresses, and nobody else.

Red when the router keeps what a client sent as proof, or shows its own to another silo.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from chassis.addresses import client_address
from chassis.clock import utc_now
from chassis.minting import identity_key
from chassis.router_proof import RouterProof
from tests.support.front_desk import pem
from tests.support.obedient_silo import Text, contract, text
from tests.support.routed_mesh import Mesh, observe, router_settings, routing


async def test_a_silo_believes_the_router_only(mesh: Mesh, tmp_path: Path) -> None:
    key = pem()
    addresses = {name: f"127.0.0.1:{silo.port}" for name, silo in mesh.silos.items()}
    settings = replace(
        router_settings(addresses | {"center": "127.0.0.1:1"}, tmp_path), identity_key=key
    )
    forged = (("x-forwarded-for", "10.0.0.1"), ("x-medport-router", "forged"))
    async with routing(settings, contract()) as (_, channel):
        answer = await observe(channel, "Echo", text("seen"), metadata=forged)
    _, pairs = json.loads(Text.FromString(answer.messages[0]).text)
    metadata = [(name, value.strip("'")) for name, value in pairs]

    public = identity_key("router", key).private_key.public_key().public_bytes_raw()
    for silo, believed in (("hospital", "127.0.0.1"), ("ems", "192.0.2.9")):
        proof = RouterProof(silo, public, utc_now)
        found = await client_address(metadata, "ipv4:192.0.2.9:1", proof.is_router)
        assert str(found) == believed
