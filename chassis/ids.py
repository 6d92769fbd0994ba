"""Identifiers, made by the application so that no database has to be asked for one."""

import secrets
import time
from uuid import UUID


def new() -> UUID:
    """Make a UUIDv7 (RFC 9562): sortable by creation to the millisecond, random beyond it."""
    milliseconds = time.time_ns() // 1_000_000
    bits = milliseconds << 80 | secrets.randbits(80)
    bits = bits & ~(0xF << 76) | 0x7 << 76  # version 7
    bits = bits & ~(0x3 << 62) | 0x2 << 62  # variant
    return UUID(int=bits)
