"""Feature toggles, between values and protobuf."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any
from uuid import UUID

from google.protobuf.json_format import MessageToDict, MessageToJson, ParseDict
from google.protobuf.struct_pb2 import Struct
from medport.center.events.v1 import feature_toggles_pb2 as events
from medport.center.v1 import feature_toggles_pb2 as pb

from center_svc.domain.events import FeatureToggleChanged
from center_svc.domain.feature_toggles import EVERYBODY, FeatureToggle
from chassis.clock import timestamp
from chassis.errors import InvalidArgument
from chassis.field_masks import chosen
from chassis.outbox import Announcement

MOST_CHARACTERS = 4_000  # of a feature's settings


def feature_toggle(value: FeatureToggle) -> pb.FeatureToggle:
    return pb.FeatureToggle(
        id=str(value.id),
        feature_name=value.feature_name,
        is_enabled=value.is_enabled,
        target_users=map(str, value.target_users),
        target_organizations=map(str, value.target_organizations),
        rollout_percent=value.rollout_percent,
        configuration=ParseDict(value.configuration, Struct()),
        version=value.version,
        updated_by=str(value.updated_by),
        create_time=timestamp(value.created_at),
        update_time=timestamp(value.updated_at),
        etag=value.etag,
    )


def columns(given: pb.FeatureToggle, named: Collection[str]) -> dict[str, Any]:
    """Return the columns that a change sets.

    Raises InvalidArgument for settings too long, and for a target that is named twice.
    """
    given = chosen(given, named)
    if len(MessageToJson(given.configuration, indent=None)) > MOST_CHARACTERS:
        wrong = {"feature_toggle.configuration": f"has more than {MOST_CHARACTERS} characters"}
        raise InvalidArgument("the settings are too long", violations=wrong)
    is_said = given.HasField("rollout_percent")
    every = {
        "is_enabled": given.is_enabled,
        "target_users": _ids("target_users", given.target_users),
        "target_organizations": _ids("target_organizations", given.target_organizations),
        "rollout_percent": given.rollout_percent if is_said else EVERYBODY,
        "configuration": MessageToDict(given.configuration),
    }
    return {name: value for name, value in every.items() if name in named}


def _ids(field: str, given: Sequence[str]) -> list[UUID]:
    """Read ids; the contract compares texts, and one id may be written in several ways."""
    ids = [UUID(each) for each in given]
    if len(set(ids)) < len(ids):
        wrong = {f"feature_toggle.{field}": "must not name one twice"}
        raise InvalidArgument("a target is named twice", violations=wrong)
    return ids


def evaluation(
    feature_name: str,
    toggle: FeatureToggle | None,
    *,
    organization_id: UUID | None,
    user_id: UUID | None,
) -> pb.FeatureEvaluation:
    """Say what a feature is for them; without a toggle it is off."""
    if toggle is None or not toggle.is_on(organization_id=organization_id, user_id=user_id):
        return pb.FeatureEvaluation(feature_name=feature_name)
    settings = ParseDict(toggle.configuration, Struct())
    return pb.FeatureEvaluation(feature_name=feature_name, is_on=True, configuration=settings)


def public_values(toggle: FeatureToggle | FeatureToggleChanged) -> events.FeatureToggleChanged:
    return events.FeatureToggleChanged(
        feature_name=toggle.feature_name,
        is_enabled=toggle.is_enabled,
        target_users=map(str, toggle.target_users),
        target_organizations=map(str, toggle.target_organizations),
        rollout_percent=toggle.rollout_percent,
        configuration=ParseDict(toggle.configuration, Struct()),
        version=toggle.version,
    )


def toggle_changed(event: FeatureToggleChanged) -> Announcement:
    return Announcement(
        event=public_values(event),
        subject=f"feature_toggles/{event.feature_toggle_id}",
        subject_version=event.version,
        audience=["silo:hospital", "silo:ems", "role:center_admin"],
    )
