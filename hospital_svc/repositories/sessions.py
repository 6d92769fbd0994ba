"""Logins, sessions and keys: the chassis's statements on this silo's tables."""

from __future__ import annotations

from chassis.identity_rows import IdentityRows
from hospital_svc.tables import metadata

rows = IdentityRows.of(metadata, users="hospital_user", tenants="hospital", tenant="hospital_id")
