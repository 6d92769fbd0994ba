"""What a hospital's user may be."""

from enum import StrEnum


class UserRole(StrEnum):
    STAFF = "STAFF"
    CASE_MANAGER = "CASE_MANAGER"
    ADMIN = "ADMIN"
