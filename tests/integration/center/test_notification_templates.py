"""A template says what is told and nothing else; operators see beforehand what users will read.

Run: ``python -m pytest tests/integration/center/test_notification_templates.py``; needs PostgreSQL.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import grpc
import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from medport.center.events.v1.event_log_pb2 import CenterEvent
from medport.center.v1 import notification_templates_pb2 as pb
from medport.center.v1 import notification_templates_pb2_grpc as rpc

from chassis.notification_texts import Channel
from tests.support.center_silo import Center, Metadata, center, refusal
from tests.support.hospital_silo import refused

EMAIL = pb.NOTIFICATION_TEMPLATE_TYPE_EMAIL
VARIABLES = "notification_template.variables"
CONTENT = "notification_template.content"
PLAIN = "{{trip_number}} was due at {{due_time}}."


@pytest.fixture
async def silo(center_database: str) -> AsyncIterator[Center]:
    async with center(center_database) as opened:
        yield opened


class Texts:
    """The service as one caller has it."""

    def __init__(self, silo: Center, caller: Metadata) -> None:
        self.stub: Any = rpc.NotificationTemplateServiceStub(silo.channel)
        self.caller = caller

    async def create(self, **changes: Any) -> pb.NotificationTemplate:
        request = pb.CreateNotificationTemplateRequest(
            notification_template=a_template(**changes), request_id=str(uuid4())
        )
        answer = await self.stub.CreateNotificationTemplate(request, metadata=self.caller)
        return answer.notification_template  # type: ignore[no-any-return]

    async def update(
        self, known: pb.NotificationTemplate, *paths: str, **values: Any
    ) -> pb.NotificationTemplate:
        request = pb.UpdateNotificationTemplateRequest(
            notification_template_id=known.id,
            notification_template=pb.NotificationTemplate(**values),
            update_mask=FieldMask(paths=paths),
            etag=known.etag,
            request_id=str(uuid4()),
        )
        answer = await self.stub.UpdateNotificationTemplate(request, metadata=self.caller)
        return answer.notification_template  # type: ignore[no-any-return]

    async def render(self, known: pb.NotificationTemplate, **values: str) -> tuple[str, str]:
        request = pb.RenderNotificationTemplateRequest(
            notification_template_id=known.id, values=values
        )
        said = await self.stub.RenderNotificationTemplate(request, metadata=self.caller)
        return said.subject, said.content

    async def delete(self, known: pb.NotificationTemplate) -> None:
        request = pb.DeleteNotificationTemplateRequest(
            notification_template_id=known.id, etag=known.etag, request_id=str(uuid4())
        )
        await self.stub.DeleteNotificationTemplate(request, metadata=self.caller)


def a_template(**changes: Any) -> pb.NotificationTemplate:
    known: dict[str, Any] = {
        "template_name": "sla_breached",
        "template_type": EMAIL,
        "subject": "Late: {{trip_number}}",
        "content": PLAIN,
        "variables": ["trip_number", "due_time"],
    }
    return pb.NotificationTemplate(**(known | changes))


@pytest.fixture
async def texts(silo: Center) -> Texts:
    return Texts(silo, await silo.login())


def test_the_types_of_the_contract_are_the_channels() -> None:
    numbers = pb.NotificationTemplateType.DESCRIPTOR.values_by_name
    names = {each.removeprefix("NOTIFICATION_TEMPLATE_TYPE_") for each in numbers}
    assert names - {"UNSPECIFIED"} == set(Channel)


async def test_each_change_is_a_version_that_every_silo_hears_of(
    silo: Center, texts: Texts
) -> None:
    made = await texts.create()
    assert (made.version, made.is_active) == (1, True)
    assert (await refused(texts.create())).reason == "TEMPLATE_EXISTS"
    changed = await texts.update(made, "subject", subject="Later: {{trip_number}}")
    assert (changed.version, changed.content) == (2, made.content)
    assert (await refused(texts.update(made, "subject"))).reason == "ETAG_MISMATCH"

    await texts.delete(changed)
    assert await refusal(texts.render(changed)) is grpc.StatusCode.NOT_FOUND
    again = await texts.create()
    assert (again.version, again.id) == (4, made.id)  # copies take nothing but greater ones
    subject = f"notification_templates/{made.id}"
    assert silo.events() == [f"NotificationTemplateChanged {subject} {n}" for n in (1, 2, 3, 4)]
    request = pb.ListNotificationTemplatesRequest(template_name="sla_breached")
    listed = await texts.stub.ListNotificationTemplates(request, metadata=texts.caller)
    assert list(listed.notification_templates) == [again]


async def test_a_deleted_template_is_told_apart_from_a_closed_channel(
    silo: Center, texts: Texts
) -> None:
    made = await texts.create()
    closed = await texts.update(made, "is_active", is_active=False)
    await texts.delete(closed)
    events = silo.sql(
        "SELECT data FROM outbox UNION ALL SELECT data FROM event_log"
        " WHERE type LIKE '%NotificationTemplateChanged'"
    )
    told = [CenterEvent.FromString(row[0]).notification_template_changed for row in events]
    assert sorted((each.version, each.is_active, each.is_deleted) for each in told) == [
        (1, True, False),
        (2, False, False),
        (3, False, True),
    ]


async def test_whoever_forgot_a_password_is_always_told(texts: Texts) -> None:
    reset: dict[str, Any] = {
        "template_name": "password_reset",
        "content": "{{reset_token}}",
        "subject": "Again",
        "variables": ["reset_token"],
    }
    closed = await refused(texts.create(**reset, is_active=False))
    made = await texts.create(**reset)
    closing = await refused(texts.update(made, "is_active", is_active=False))
    for told in (closed, closing):
        assert told.code is grpc.StatusCode.INVALID_ARGUMENT
        assert told.fields == ["notification_template.is_active"]
    await texts.delete(made)


async def test_who_forgot_a_password_is_told_the_token(texts: Texts) -> None:
    empty = {"content": "Ask again tomorrow.", "subject": "Reset", "variables": []}
    told = await refused(texts.create(template_name="password_reset", **empty))
    assert (told.code, told.fields) == (grpc.StatusCode.INVALID_ARGUMENT, [CONTENT])


async def test_a_template_that_would_be_refused_today_can_be_deleted(
    silo: Center, texts: Texts
) -> None:
    made = await texts.create()
    silo.sql("UPDATE notification_template SET content = 'Hi {{weather}}'")
    await texts.delete(made)


UNUSABLE: list[tuple[dict[str, Any], list[str]]] = [
    ({"variables": ["trip_number"]}, [CONTENT]),
    ({"variables": []}, [CONTENT]),
    ({"variables": ["trip_number", "due_time", "sla_kind"]}, [VARIABLES]),
    ({"content": "{{trip_number}}"}, [VARIABLES]),
    ({"content": "{{patient_id}}", "variables": ["trip_number", "patient_id"]}, [VARIABLES]),
    ({"content": "{{cancellation_note}}"}, [VARIABLES, CONTENT]),
    ({"template_name": "own"}, ["notification_template.template_name"]),
    ({"content": f"{PLAIN} {{{{Trip_Number}}}}"}, [CONTENT]),
    ({"content": f"{PLAIN} {{{{ due_time }}}}"}, [CONTENT]),
    ({"content": f"{PLAIN} {{{{due-time}}}}"}, [CONTENT]),
    ({"content": f"{PLAIN} {{{{"}, [CONTENT]),
    ({"content": f"{PLAIN} }}}}"}, [CONTENT]),
    ({"subject": "{{trip_number}} {{"}, ["notification_template.subject"]),
    (
        {"subject": "", "content": "{{origin_detail}}", "variables": ["origin_detail"]},
        [VARIABLES, "notification_template.subject"],
    ),
    (
        {"content": "{{trip_number}} {{weather}}", "variables": ["trip_number", "weather"]},
        [VARIABLES],
    ),
    ({"subject": ""}, ["notification_template.subject"]),
    ({"subject": " "}, ["notification_template.subject"]),
    ({"content": " \n"}, [CONTENT]),
    (
        {"template_type": pb.NOTIFICATION_TEMPLATE_TYPE_SMS},
        ["notification_template.template_type"],
    ),
]


async def test_a_text_that_could_not_be_sent_is_refused(texts: Texts) -> None:
    for changes, fields in UNUSABLE:
        told = await refused(texts.create(**changes))
        assert told.code is grpc.StatusCode.INVALID_ARGUMENT, changes
        assert sorted(told.fields) == sorted(fields), changes


async def test_a_preview_wants_a_value_for_each_variable_and_no_others(texts: Texts) -> None:
    made = await texts.create()
    said = await texts.render(made, trip_number="T-1", due_time="noon")
    assert said == ("Late: T-1", "T-1 was due at noon.")
    for values, field in (
        ({"trip_number": "T-1"}, "values['due_time']"),
        ({"trip_number": "T-1", "due_time": "noon", "price": "9"}, "values['price']"),
    ):
        assert (await refused(texts.render(made, **values))).fields == [field]


async def test_only_the_center_with_permission_writes_texts(silo: Center) -> None:
    made = await Texts(silo, await silo.coordinator("TEMPLATE_WRITE")).create()
    for caller in (
        await silo.coordinator("TOGGLE_WRITE"),
        silo.user_of("hospital", "HOSPITAL_ADMIN", uuid4()),
    ):
        own = Texts(silo, caller)
        for call in (own.create(template_name="x"), own.update(made, "subject"), own.delete(made)):
            assert await refusal(call) is grpc.StatusCode.PERMISSION_DENIED
