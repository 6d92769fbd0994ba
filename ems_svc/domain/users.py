"""What an agency's user may be."""

from enum import StrEnum


class UserRole(StrEnum):
    DISPATCHER = "DISPATCHER"
    CREW = "CREW"
    BILLING = "BILLING"
    ADMIN = "ADMIN"
