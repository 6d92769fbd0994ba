"""What a process tells on its admin port, and nowhere else."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_channelz.v1 import channelz_pb2 as pb
from grpc_channelz.v1 import channelz_pb2_grpc

from chassis.channels import channel
from chassis.environment import BadSettings
from router.server import Router
from tests.support import clinic
from tests.support.clinic import prepare
from tests.support.obedient_silo import contract, text
from tests.support.routed_mesh import Mesh, observe, router_settings, routing


async def test_channelz_tells_of_every_connection_on_the_admin_port_alone(
    mesh: Mesh, tmp_path: Path
) -> None:
    addresses = {name: f"127.0.0.1:{silo.port}" for name, silo in mesh.silos.items()}
    settings = replace(router_settings(addresses, tmp_path), admin="127.0.0.1:0")
    async with routing(settings, contract()) as (router, public):
        await observe(public, "Store", text("ok"))
        async with channel(f"127.0.0.1:{router.admin.port}") as admin:
            stub: Any = channelz_pb2_grpc.ChannelzStub(admin)
            channels = (await stub.GetTopChannels(pb.GetTopChannelsRequest())).channel
            servers = (await stub.GetServers(pb.GetServersRequest())).server
        asked: Any = channelz_pb2_grpc.ChannelzStub(public)
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await asked.GetServers(pb.GetServersRequest())

    called = [each.data.target for each in channels if each.data.calls_succeeded]
    assert [each for each in called if each.endswith(addresses["hospital"])]
    assert any(each.data.calls_succeeded for each in servers)
    assert refused.value.code() is grpc.StatusCode.UNIMPLEMENTED


async def test_a_silo_has_an_admin_port_too(plain_database: str) -> None:
    given = replace(clinic.settings(prepare(plain_database)), admin="127.0.0.1:0")
    async with (
        clinic.running(given) as (process, _),
        channel(f"127.0.0.1:{process.admin.port}") as admin,
    ):
        stub: Any = channelz_pb2_grpc.ChannelzStub(admin)
        assert (await stub.GetServers(pb.GetServersRequest())).server


async def test_a_taken_admin_port_is_said_in_one_line(mesh: Mesh, tmp_path: Path) -> None:
    taken = f"127.0.0.1:{mesh.silos['ems'].port}"
    router = Router(replace(router_settings({}, tmp_path), admin=taken), contract())
    with pytest.raises(BadSettings, match="MEDPORT_ADMIN_LISTEN: cannot listen"):
        await router.start()
    await router.stop(0, 0)
