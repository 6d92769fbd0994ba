"""What the center shows to a consumer that rebuilds its copies: its rows as they stand."""

from __future__ import annotations

from collections.abc import AsyncGenerator

from medport.center.events.v1.signing_keys_pb2 import SigningKeyPublished, SigningKeySnapshot

from center_svc.messages import snapshots as messages
from center_svc.repositories import (
    feature_toggles,
    notification_templates,
    services,
    system_configurations,
)
from center_svc.repositories.sessions import rows
from chassis import signing_keys
from chassis.outbox import Announcement
from chassis.unit_of_work import UnitOfWork


async def current(uow: UnitOfWork) -> AsyncGenerator[Announcement, None]:
    """Yield every row that another silo may keep a copy of."""
    for key in await rows.keys.own(uow):
        yield signing_keys.shown(key, SigningKeyPublished, SigningKeySnapshot)
    async for service in services.each(uow):
        yield messages.service(service)
    async for configuration in system_configurations.each(uow):
        yield messages.configuration(configuration)
    async for toggle in feature_toggles.each(uow):
        yield messages.toggle(toggle)
    async for template in notification_templates.each(uow):
        yield messages.template(template)
