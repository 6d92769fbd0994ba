"""NotificationTemplateService: the words in which users are told of things."""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

from google.protobuf.field_mask_pb2 import FieldMask
from medport.center.v1 import notification_templates_pb2 as pb
from medport.center.v1 import notification_templates_pb2_grpc as rpc

from center_svc import messages
from center_svc.domain.events import NotificationTemplateChanged
from center_svc.domain.notification_templates import NotificationTemplate, unknown
from center_svc.messages import notification_templates as words
from center_svc.repositories import audit_log, notification_templates
from chassis import ids
from chassis.clock import Clock
from chassis.errors import InvalidArgument
from chassis.field_masks import EVERYTHING, masked, refuse_missing
from chassis.notification_texts import VariablesDiffer
from chassis.paging import Paging
from chassis.unit_of_work import Database, UnitOfWork

NOUN = "notification_template"
ALL = FieldMask(paths=[EVERYTHING])


class NotificationTemplateServicer(rpc.NotificationTemplateServiceServicer):
    def __init__(self, database: Database, clock: Clock, paging: Paging) -> None:
        self._database = database
        self._clock = clock
        self._paging = paging

    async def GetNotificationTemplate(
        self, request: pb.GetNotificationTemplateRequest, context: object
    ) -> pb.GetNotificationTemplateResponse:
        id = UUID(request.notification_template_id)
        found = await notification_templates.get(self._database.read(None), id)
        shown = words.notification_template(found)
        return pb.GetNotificationTemplateResponse(notification_template=shown)

    async def ListNotificationTemplates(
        self, request: pb.ListNotificationTemplatesRequest, context: object
    ) -> pb.ListNotificationTemplatesResponse:
        page, rows = self._paging.page(request), self._database.read(None)
        found = await notification_templates.list_by_name(
            rows, request.template_name, page.after or ("", ""), page.fetch
        )
        shown, token = page.cut(found, lambda each: [each.template_name, each.template_type])
        return pb.ListNotificationTemplatesResponse(
            notification_templates=map(words.notification_template, shown), next_page_token=token
        )

    async def CreateNotificationTemplate(
        self, request: pb.CreateNotificationTemplateRequest, context: object
    ) -> pb.CreateNotificationTemplateResponse:
        at, given = self._clock(), request.notification_template
        refuse_missing(given, NOUN)
        values = words.columns(given, masked(given, ALL, NOUN))
        channel = words.channel(given.template_type)
        first = unknown(given.template_name, channel, id=ids.new(), at=at)
        async with self._database.begin(None) as uow:
            known = await notification_templates.lock_or_first(uow, first)
            made = await _write(uow, *known.create(values, at), fields=())
            return uow.answered(pb.CreateNotificationTemplateResponse(notification_template=made))

    async def UpdateNotificationTemplate(
        self, request: pb.UpdateNotificationTemplateRequest, context: object
    ) -> pb.UpdateNotificationTemplateResponse:
        at, given = self._clock(), request.notification_template
        values = words.columns(given, masked(given, request.update_mask, NOUN))
        async with self._database.begin(None) as uow:
            known = await notification_templates.lock(uow, UUID(request.notification_template_id))
            decided = known.change(values, etag=request.etag, at=at)
            now = await _write(uow, *decided, fields=values)
            return uow.answered(pb.UpdateNotificationTemplateResponse(notification_template=now))

    async def DeleteNotificationTemplate(
        self, request: pb.DeleteNotificationTemplateRequest, context: object
    ) -> pb.DeleteNotificationTemplateResponse:
        at = self._clock()
        async with self._database.begin(None) as uow:
            known = await notification_templates.lock(uow, UUID(request.notification_template_id))
            await _write(uow, *known.delete(etag=request.etag, at=at), fields=())
            return uow.answered(pb.DeleteNotificationTemplateResponse())

    async def RenderNotificationTemplate(
        self, request: pb.RenderNotificationTemplateRequest, context: object
    ) -> pb.RenderNotificationTemplateResponse:
        id = UUID(request.notification_template_id)
        found = await notification_templates.get(self._database.read(None), id)
        try:
            said = found.text.render(dict(request.values))
        except VariablesDiffer as differ:
            wrong = {f"values[{name!r}]": "is missing" for name in differ.missing}
            wrong |= {f"values[{name!r}]": "is no variable" for name in differ.extra}
            raise InvalidArgument("the values are not the variables", violations=wrong) from None
        return pb.RenderNotificationTemplateResponse(subject=said.subject, content=said.content)


async def _write(
    uow: UnitOfWork,
    template: NotificationTemplate,
    event: NotificationTemplateChanged,
    *,
    fields: Collection[str],
) -> pb.NotificationTemplate:
    await notification_templates.save(uow, template)
    await audit_log.note(uow, NOUN, template.id, at=template.updated_at, fields=fields)
    uow.emit(messages.announcement(event))
    return words.notification_template(template)
