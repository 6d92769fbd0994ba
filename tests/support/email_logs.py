"""Each silo as its administrators see its e-mail, beside the tables that the e-mail waits in."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import Any
from uuid import UUID

import grpc
from medport.common.v1 import notifications_pb2 as common

from tests.support.center_silo import center
from tests.support.ems_silo import ems_silo
from tests.support.hospital_silo import Metadata, hospital_silo
from tests.support.notified import Notified, notified

TENANTS = {"hospital": "hospital_id", "ems": "agency_id"}


@dataclass
class EmailLog:
    """``plain`` is a user of the administrator's tenant, ``tables`` are that tenant's."""

    tables: Notified
    channel: grpc.aio.Channel
    admin: Metadata
    plain: Metadata

    async def page(self, caller: Metadata | None = None, **asked: Any) -> Any:
        """Ask for a page of the own tenant's e-mails, or for what ``asked`` says."""
        package = f"medport.{self.tables.silo}.v1.notifications_pb2"
        stub: Any = import_module(f"{package}_grpc").NotificationServiceStub(self.channel)
        own = {TENANTS[self.tables.silo]: str(self.tables.tenant)} if self.tables.tenant else {}
        request = import_module(package).ListEmailDeliveriesRequest(**(own | asked))
        return await stub.ListEmailDeliveries(request, metadata=caller or self.admin)

    async def list(self, **filtered: Any) -> list[common.EmailDelivery]:
        answer = await self.page(filter=common.EmailDeliveryFilter(**filtered))
        return list(answer.email_deliveries)


@asynccontextmanager
async def email_log(silo: str, dsn: str) -> AsyncIterator[EmailLog]:
    """Run a silo whose mail is sent by nobody but the test."""
    async with _running(silo, dsn) as running, notified(silo, dsn) as tables:
        channel, tables.tenant, admin, plain = running
        yield EmailLog(tables, channel, admin, plain)


@asynccontextmanager
async def _running(
    silo: str, dsn: str
) -> AsyncIterator[tuple[grpc.aio.Channel, UUID | None, Metadata, Metadata]]:
    """Yield the channel, a tenant, and an administrator and another user of it."""
    if silo == "hospital":
        async with hospital_silo(dsn) as mercy:
            admin, plain = await mercy.login("ADMIN"), await mercy.login()
            yield mercy.channel, mercy.hospital_id, admin, plain
    elif silo == "ems":
        async with ems_silo(dsn) as agencies:
            swift = await agencies.agency()
            yield agencies.channel, swift.id, swift.admin, swift.dispatcher
    else:
        async with center(dsn) as opened:
            yield opened.channel, None, await opened.login(), await opened.coordinator()
