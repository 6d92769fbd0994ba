"""Feature toggles: what a change makes of one, and what it may not be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from center_svc.domain.events import FeatureToggleChanged
from chassis.errors import AlreadyExists, EtagMismatch, InvalidArgument
from chassis.feature_toggles import Rollout

EVERYBODY = 100


class FeatureExists(AlreadyExists):
    """The feature has a toggle."""

    reason = "FEATURE_EXISTS"


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureToggle(Rollout):
    """``is_deleted`` keeps the name's version rising: a copy takes nothing but greater ones."""

    id: UUID
    configuration: dict[str, Any]
    version: int
    is_deleted: bool
    updated_by: UUID
    created_at: datetime
    updated_at: datetime

    @property
    def etag(self) -> str:
        return f"{self.version:x}"

    def create(
        self, values: Mapping[str, Any], *, by: UUID, at: datetime
    ) -> tuple[FeatureToggle, FeatureToggleChanged]:
        """Give a name that is free its toggle; raises FeatureExists for one that is not."""
        if not self.is_deleted:
            raise FeatureExists(f"{self.feature_name} has a toggle")
        return replace(self, is_deleted=False, created_at=at).change(values, etag="", by=by, at=at)

    def change(
        self, values: Mapping[str, Any], *, etag: str, by: UUID, at: datetime
    ) -> tuple[FeatureToggle, FeatureToggleChanged]:
        """Set ``values``, by column; an empty ``etag`` sets them whatever changed meanwhile."""
        if etag and etag != self.etag:
            raise EtagMismatch
        changed = replace(self, **values, version=self.version + 1, updated_by=by, updated_at=at)
        has_targets = changed.target_users or changed.target_organizations
        if has_targets and changed.rollout_percent == EVERYBODY:
            wrong = "must be below 100 beside targets, which it would include"
            raise InvalidArgument(
                "the rollout leaves no room for targets",
                violations={"feature_toggle.rollout_percent": wrong},
            )
        return changed, changed.changed()

    def changed(self) -> FeatureToggleChanged:
        """Say what it is now."""
        return FeatureToggleChanged(
            feature_toggle_id=self.id,
            feature_name=self.feature_name,
            is_enabled=self.is_enabled,
            target_users=self.target_users,
            target_organizations=self.target_organizations,
            rollout_percent=self.rollout_percent,
            configuration=self.configuration,
            version=self.version,
        )

    def delete(
        self, *, etag: str, by: UUID, at: datetime
    ) -> tuple[FeatureToggle, FeatureToggleChanged]:
        """Turn it off for good: that is what the silos hear."""
        return self.change({"is_enabled": False, "is_deleted": True}, etag=etag, by=by, at=at)


def unknown(feature_name: str, *, id: UUID, by: UUID, at: datetime) -> FeatureToggle:
    """Make the row of a name that was never used: version 0, and off."""
    return FeatureToggle(
        id=id,
        feature_name=feature_name,
        is_enabled=False,
        target_users=(),
        target_organizations=(),
        rollout_percent=EVERYBODY,
        configuration={},
        version=0,
        is_deleted=True,
        updated_by=by,
        created_at=at,
        updated_at=at,
    )
