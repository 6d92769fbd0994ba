"""How often a proof is repeated: enough for every change, or for a night."""

from __future__ import annotations

import os

LONG = os.environ.get("MEDPORT_TEST_PROFILE") == "long"


def count(short: int, long: int) -> int:
    """Return ``short``, or ``long`` where MEDPORT_TEST_PROFILE is ``long`` (``make soak``)."""
    return long if LONG else short
