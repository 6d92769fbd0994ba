"""Admits hospitals and agencies: registered by Center, then furnished by their own people."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterable
from dataclasses import dataclass
from typing import Any, TypeVar
from uuid import NAMESPACE_URL, uuid5

import grpc
from medport.center.v1 import services_pb2 as services
from medport.center.v1.services_pb2_grpc import ServiceRegistryServiceStub
from medport.common.v1 import vocabulary_pb2 as words

from mesh import passwords
from mesh.demo.callers import Caller, Refused
from mesh.demo.tally import Tally
from mesh.logins import SESSIONS
from mesh.state import DataDirectory

Part = TypeVar("Part")
_AT_ONCE = 4  # more only makes the hashing of first passwords queue up


@dataclass(frozen=True)
class Admission:
    """The router, Center's administrator, and passwords for whoever comes."""

    data: DataDirectory
    channel: grpc.aio.Channel
    tally: Tally

    def caller(self, silo: str, email: str) -> Caller:
        user = f"{silo}/{email}"
        password = passwords.make(self.data, [user])[user]
        return Caller(self.channel, silo, email, password, self.tally)

    def request_id(self, what: str) -> str:
        """Return the same id for the same step: a torn admission goes on where it ended."""
        user = f"center/{passwords.CENTER_ADMIN}"
        seed = passwords.make(self.data, [user])[user]
        return str(uuid5(NAMESPACE_URL, f"{seed}/{what}"))

    async def register(
        self,
        name: str,
        kind: words.ServiceType.ValueType,
        configuration: services.ServiceConfiguration,
    ) -> tuple[services.ServiceRegistry, str]:
        """Return the active service and its first administrator's one-time token."""
        admin = self.caller("center", passwords.CENTER_ADMIN)
        stub = ServiceRegistryServiceStub(self.channel)
        request = services.RegisterServiceRequest(
            request_id=self.request_id(f"register/{name}"),
            service_name=name,
            service_type=kind,
            configuration=configuration,
        )
        registered = await admin.demand(stub.RegisterService, request)
        service = registered.service
        while service.status == words.REGISTRY_STATUS_PENDING:  # its silo makes the tenant
            await asyncio.sleep(0.1)
            asked = services.GetServiceRequest(service_id=service.id)
            service = (await admin.demand(stub.GetService, asked)).service
        return service, registered.invitation_token

    async def redeem(self, silo: str, email: str, token: str) -> Caller:
        """Set the first password with a one-time token; one that is spent is no obstacle."""
        messages, stub = SESSIONS[silo]
        user = f"{silo}/{email}"
        request = messages.RedeemOneTimeTokenRequest(
            email=email, token=token, new_password=passwords.make(self.data, [user])[user]
        )
        sessions: Any = stub(self.channel)
        try:
            await sessions.RedeemOneTimeToken(request, timeout=10)
        except grpc.aio.AioRpcError as error:
            if error.code() is not grpc.StatusCode.UNAUTHENTICATED:
                raise Refused("RedeemOneTimeToken", error.code().name, error.details()) from error
        return self.caller(silo, email)


async def some_at_once(work: Iterable[Awaitable[Part]]) -> list[Part]:
    """Await all, a few at a time, and return their results in order."""
    gate = asyncio.Semaphore(_AT_ONCE)

    async def one(item: Awaitable[Part]) -> Part:
        async with gate:
            return await item

    return list(await asyncio.gather(*(one(item) for item in work)))
