"""Notification templates: what a text may speak of, and what a change makes of one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from center_svc.domain.events import NotificationTemplateChanged
from chassis.errors import AlreadyExists, EtagMismatch, InvalidArgument
from chassis.notification_texts import OCCASIONS, PHI, Channel, Text, has_stray_braces


class TemplateExists(AlreadyExists):
    """The occasion has a template of the type."""

    reason = "TEMPLATE_EXISTS"


@dataclass(frozen=True, slots=True, kw_only=True)
class NotificationTemplate:
    """``is_deleted`` keeps the version rising: a copy takes nothing but greater ones."""

    id: UUID
    template_name: str
    template_type: Channel
    subject: str | None
    content: str
    variables: Sequence[str]
    is_active: bool
    version: int
    is_deleted: bool
    created_at: datetime
    updated_at: datetime

    @property
    def etag(self) -> str:
        return f"{self.version:x}"

    @property
    def text(self) -> Text:
        return Text(self.subject or "", self.content)

    def create(
        self, values: Mapping[str, Any], at: datetime
    ) -> tuple[NotificationTemplate, NotificationTemplateChanged]:
        """Give an occasion its text; raises TemplateExists when it has one."""
        if not self.is_deleted:
            raise TemplateExists("the occasion has a template of this type")
        return replace(self, is_deleted=False, created_at=at).change(values, etag="", at=at)

    def change(
        self, values: Mapping[str, Any], *, etag: str, at: datetime
    ) -> tuple[NotificationTemplate, NotificationTemplateChanged]:
        """Set ``values``, by column; raises InvalidArgument for a text that cannot be sent."""
        changed = self._next(values, etag=etag, at=at)
        if wrong := changed.violations():
            raise InvalidArgument("the template cannot be used", violations=wrong)
        return changed, changed.changed()

    def changed(self) -> NotificationTemplateChanged:
        """Say what it is now."""
        return NotificationTemplateChanged(
            notification_template_id=self.id,
            template_name=self.template_name,
            template_type=self.template_type,
            subject=self.subject,
            content=self.content,
            variables=self.variables,
            is_active=self.is_active,
            version=self.version,
            is_deleted=self.is_deleted,
        )

    def delete(
        self, *, etag: str, at: datetime
    ) -> tuple[NotificationTemplate, NotificationTemplateChanged]:
        """Give the silos their own words back, whatever this one says."""
        deleted = self._next({"is_deleted": True}, etag=etag, at=at)
        return deleted, deleted.changed()

    def violations(self) -> dict[str, str]:
        """Say what is wrong with it, by field: all of it, so that it can be mended at once."""
        declared, used = set(self.variables), self.text.placeholders
        wrong: dict[str, str] = {}
        if unused := declared - used:
            wrong["notification_template.variables"] = f"are not in the text: {_list(unused)}"
        if undeclared := used - declared:
            wrong["notification_template.content"] = f"are no variables: {_list(undeclared)}"
        if phi := declared & set(PHI):
            wrong["notification_template.variables"] = f"are about a patient: {_list(phi)}"
        for field, said in (("subject", self.subject or ""), ("content", self.content)):
            if has_stray_braces(said):
                wrong[f"notification_template.{field}"] = "has {{ or }} that is no placeholder's"
        if self.template_type is Channel.EMAIL and not (self.subject or "").strip():
            wrong["notification_template.subject"] = "is required of an e-mail"
        return wrong | self._misses(declared)

    def _misses(self, declared: set[str]) -> dict[str, str]:
        """Say where it does not fit what users are told of, by field."""
        occasion = OCCASIONS.get(self.template_name)
        if occasion is None:
            only = f"only {_list(OCCASIONS)}"
            return {"notification_template.template_name": f"is not an occasion; {only}"}
        wrong: dict[str, str] = {}
        if untold := declared - occasion.variables - set(PHI):
            only = f"only {_list(occasion.variables)}"
            wrong["notification_template.variables"] = f"are not told: {_list(untold)}; {only}"
        if self.template_type not in occasion.texts:
            wrong["notification_template.template_type"] = (
                f"is not a way to tell of this; only {_list(set(occasion.texts))}"
            )
        if self.is_active and (unsaid := occasion.needs - declared):
            wrong["notification_template.content"] = f"must say {_list(unsaid)}: nothing else does"
        if not occasion.is_closable and not self.is_active:
            wrong["notification_template.is_active"] = "must be true: this is always told"
        return wrong

    def _next(self, values: Mapping[str, Any], *, etag: str, at: datetime) -> NotificationTemplate:
        if etag and etag != self.etag:
            raise EtagMismatch
        return replace(self, **values, version=self.version + 1, updated_at=at)


def unknown(
    template_name: str, template_type: Channel, *, id: UUID, at: datetime
) -> NotificationTemplate:
    """Make the row of a name and type that were never used: version 0, and of no use."""
    return NotificationTemplate(
        id=id,
        template_name=template_name,
        template_type=template_type,
        subject=None,
        content="-",
        variables=(),
        is_active=False,
        version=0,
        is_deleted=True,
        created_at=at,
        updated_at=at,
    )


def _list(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))
