"""ConfigurationService: what operators change while everything runs."""

from __future__ import annotations

from typing import Any

from google.protobuf.json_format import MessageToDict
from medport.center.v1 import system_configurations_pb2 as pb
from medport.center.v1 import system_configurations_pb2_grpc as rpc

from center_svc import messages
from center_svc.domain.events import SystemConfigurationChanged
from center_svc.domain.system_configurations import SystemConfiguration, checked, unset
from center_svc.messages.system_configurations import configuration_version, system_configuration
from center_svc.repositories import audit_log, system_configurations
from chassis import auth, ids
from chassis.clock import Clock
from chassis.paging import Paging
from chassis.unit_of_work import Database, UnitOfWork
from chassis.wire import optional

NEWEST = 2**63 - 1  # no version lies behind it


class ConfigurationServicer(rpc.ConfigurationServiceServicer):
    def __init__(self, database: Database, clock: Clock, paging: Paging) -> None:
        self._database = database
        self._clock = clock
        self._paging = paging

    async def GetConfiguration(
        self, request: pb.GetConfigurationRequest, context: object
    ) -> pb.GetConfigurationResponse:
        found = await system_configurations.get(self._database.read(None), request.key)
        return pb.GetConfigurationResponse(configuration=system_configuration(found))

    async def ListConfigurations(
        self, request: pb.ListConfigurationsRequest, context: object
    ) -> pb.ListConfigurationsResponse:
        page, rows, given = self._paging.page(request), self._database.read(None), request.filter
        found = await system_configurations.list_by_key(
            rows,
            page.after[0] if page.after else "",
            page.fetch,
            categories=given.categories,
            is_active=optional(given, "is_active"),
        )
        shown, next_page_token = page.cut(found, lambda each: [each.key])
        return pb.ListConfigurationsResponse(
            configurations=map(system_configuration, shown), next_page_token=next_page_token
        )

    async def SetConfiguration(
        self, request: pb.SetConfigurationRequest, context: object
    ) -> pb.SetConfigurationResponse:
        at, by = self._clock(), auth.caller().user_id
        given: Any = MessageToDict(request.value)
        value = checked(request.key, given)
        first = unset(request.key, id=ids.new(), by=by, at=at)
        async with self._database.begin(None) as uow:
            current = await system_configurations.lock(uow, first)
            decided = current.change(
                value, is_active=not request.is_inactive, etag=request.etag, by=by, at=at
            )
            changed = await _write(uow, current, *decided)
            return uow.answered(pb.SetConfigurationResponse(configuration=changed))

    async def ListConfigurationVersions(
        self, request: pb.ListConfigurationVersionsRequest, context: object
    ) -> pb.ListConfigurationVersionsResponse:
        page, rows = self._paging.page(request), self._database.read(None)
        await system_configurations.get(rows, request.key)
        before = int(page.after[0]) if page.after else NEWEST
        found = await system_configurations.list_versions(
            rows, request.key, before=before, limit=page.fetch
        )
        shown, token = page.cut(found, lambda each: [each.version])
        return pb.ListConfigurationVersionsResponse(
            versions=map(configuration_version, shown), next_page_token=token
        )

    async def RestoreConfiguration(
        self, request: pb.RestoreConfigurationRequest, context: object
    ) -> pb.RestoreConfigurationResponse:
        at, by = self._clock(), auth.caller().user_id
        async with self._database.begin(None) as uow:
            current = await system_configurations.hold(uow, request.key)
            then = await system_configurations.get_version(uow, request.key, request.version)
            value = checked(request.key, then.value)  # the key may have been narrowed since
            decided = current.change(
                value, is_active=then.is_active, etag=request.etag, by=by, at=at
            )
            changed = await _write(uow, current, *decided)
            return uow.answered(pb.RestoreConfigurationResponse(configuration=changed))


async def _write(
    uow: UnitOfWork,
    before: SystemConfiguration,
    changed: SystemConfiguration,
    event: SystemConfigurationChanged,
) -> pb.SystemConfiguration:
    await system_configurations.save(uow, changed)
    at, known = changed.updated_at, changed.differences(before)
    await audit_log.note(uow, "system_configuration", changed.id, at=at, key=changed.key, **known)
    uow.emit(messages.announcement(event))
    return system_configuration(changed)
