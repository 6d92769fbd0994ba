"""Notification templates: what a text may speak of."""

from __future__ import annotations

from chassis.notification_texts import PHI

__all__ = ["PHI"]
