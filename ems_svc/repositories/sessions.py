"""Logins, sessions and keys: the chassis's statements on this silo's tables."""

from __future__ import annotations

from chassis.identity_rows import IdentityRows
from ems_svc.tables import metadata

rows = IdentityRows.of(metadata, users="ems_agency_user", tenants="ems_agency", tenant="agency_id")
