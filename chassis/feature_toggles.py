"""Whether a feature is on, for whom: one rule, in Center and over the copies of the other silos."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

_BUCKETS = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollout:
    """For whom a feature is on; ``rollout_percent`` is of the organisations."""

    feature_name: str
    is_enabled: bool
    target_users: Sequence[UUID]
    target_organizations: Sequence[UUID]
    rollout_percent: int

    def is_on(self, *, organization_id: UUID | None, user_id: UUID | None) -> bool:
        """Say it for a user of an organisation; in Center, where there is none, for the user."""
        if not self.is_enabled:
            return False
        if user_id in self.target_users or organization_id in self.target_organizations:
            return True
        subject = organization_id or user_id
        return subject is not None and bucket(self.feature_name, subject) < self.rollout_percent


def bucket(feature_name: str, subject: UUID) -> int:
    """Return 0 to 99: always the same for a subject, and another for another feature."""
    digest = hashlib.sha256(f"{feature_name}:{subject}".encode()).digest()
    return int.from_bytes(digest[:8], "big") % _BUCKETS
