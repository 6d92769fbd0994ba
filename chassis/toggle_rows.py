"""Which features are on in a silo: read from its copies, so that Center may be away meanwhile."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import Table, bindparam, select

from chassis.feature_toggles import Rollout
from chassis.sql import compiled
from chassis.unit_of_work import Rows


class FeatureToggles:
    """Statements on the silo's table of copies; made once."""

    def __init__(self, copies: Table) -> None:
        known = (
            "feature_name",
            "is_enabled",
            "target_users",
            "target_organizations",
            "rollout_percent",
        )
        named = copies.c.feature_name == bindparam("feature_name")
        self._get = compiled(select(*(copies.c[name] for name in known)).where(named), into=Rollout)

    async def is_on(
        self, rows: Rows, feature_name: str, organization_id: UUID, user_id: UUID
    ) -> bool:
        """Say it by the last copy that came; a feature of which none ever came is off."""
        toggle = await rows.optional(self._get, feature_name=feature_name)
        return toggle is not None and toggle.is_on(organization_id=organization_id, user_id=user_id)
