"""A new version of an API beside the old one, each served by whom the route table names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import grpc
import pytest

from router import routes
from tests.support.obedient_silo import contract, service, text
from tests.support.routed_mesh import Mesh, router_settings, routing


async def served_by(channel: grpc.aio.Channel, version: str) -> str:
    start: Any = channel.unary_unary(f"/{service('hospital', version)}/Echo")
    call = start(text("ok"), timeout=5)
    await call
    return str(dict(await call.trailing_metadata())["x-medport-served-by"])


async def test_a_second_version_is_served_beside_the_first(mesh: Mesh, tmp_path: Path) -> None:
    addresses = {name: f"127.0.0.1:{silo.port}" for name, silo in mesh.silos.items()}
    settings = router_settings(addresses, tmp_path)
    async with routing(settings, contract("v1", "v2")) as (_, channel):
        assert [await served_by(channel, each) for each in ("v1", "v2")] == ["hospital-1"] * 2


async def test_a_second_version_may_be_somebody_elses(
    mesh: Mesh, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(routes.OWNERS, "medport.hospital.v2.", "ems")
    addresses = {name: f"127.0.0.1:{silo.port}" for name, silo in mesh.silos.items()}
    async with routing(router_settings(addresses, tmp_path), contract("v1", "v2")) as (_, channel):
        found = [await served_by(channel, each) for each in ("v1", "v2")]
    assert found == ["hospital-1", "ems-1"]


async def test_a_version_that_the_contract_leaves_out_is_unknown(mesh: Mesh) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await served_by(mesh.proxied, "v2")
    assert refused.value.code() is grpc.StatusCode.UNIMPLEMENTED
