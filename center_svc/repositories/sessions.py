"""Logins, sessions and keys: the chassis's statements on this silo's tables."""

from __future__ import annotations

from center_svc.tables import metadata
from chassis.identity_rows import IdentityRows

rows = IdentityRows.of(metadata, users="center_user", tenants=None, tenant=None)
