"""The admin port of a process: what its connections do, for whoever is on the same machine."""

from __future__ import annotations

from typing import Any

import grpc
from grpc_channelz.v1 import channelz_pb2_grpc
from grpc_channelz.v1.channelz import aio

from chassis import reflection
from chassis.channels import SERVER
from chassis.environment import BadSettings

CHANNELZ = "grpc.channelz.v1.Channelz"


class Admin:
    """Serves Channelz, which tells addresses and counts of calls, on a port of its own.

    No request of a user passes here, and none of the process's limits apply: it answers while the
    process is overrun. ``address`` is on loopback, or empty for no port at all.
    """

    def __init__(self, address: str) -> None:
        self._address = address
        self._server: grpc.aio.Server | None = None
        self.port = 0

    async def start(self) -> None:
        """Listen; raises BadSettings where that is not possible."""
        if not self._address:
            return
        self._server = grpc.aio.server(options=SERVER)
        servicer: Any = aio.ChannelzServicer()
        channelz_pb2_grpc.add_ChannelzServicer_to_server(servicer, self._server)
        reflection.add(self._server, reflection.describing([CHANNELZ]), reflection.anybody)
        try:
            self.port = self._server.add_insecure_port(self._address)
        except RuntimeError:
            taken = f"MEDPORT_ADMIN_LISTEN: cannot listen on {self._address}"
            raise BadSettings([taken]) from None
        await self._server.start()

    def drain(self) -> None:
        """Go on: how a process drains is worth seeing."""

    async def stop(self) -> None:
        if self._server is not None:
            await self._server.stop(None)
