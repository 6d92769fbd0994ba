"""What operators decide about consumers: entries of the trail, no tenant's."""

from __future__ import annotations

from center_svc.repositories.audit_log import keep

__all__ = ["keep"]
