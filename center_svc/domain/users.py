"""The center's users: what they are, and what they may do beyond that."""

from __future__ import annotations

from enum import StrEnum


class Role(StrEnum):
    COORDINATOR = "COORDINATOR"
    ADMIN = "ADMIN"


class Permission(StrEnum):
    REGISTRY_WRITE = "REGISTRY_WRITE"
    CONFIGURATION_WRITE = "CONFIGURATION_WRITE"
    TOGGLE_WRITE = "TOGGLE_WRITE"
    TEMPLATE_WRITE = "TEMPLATE_WRITE"
    TRIP_OVERRIDE = "TRIP_OVERRIDE"
    BREAK_GLASS = "BREAK_GLASS"
    AUDIT_READ = "AUDIT_READ"
