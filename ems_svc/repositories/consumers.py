"""What operators decide about consumers: entries of the trail, no tenant's."""

from __future__ import annotations

from ems_svc.repositories.audit_entries import keep

__all__ = ["keep"]
