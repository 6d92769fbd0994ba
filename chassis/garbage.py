"""Keeps Python's collector of garbage off what lives as long as its process does."""

from __future__ import annotations

import gc


def collect_from_now_on() -> None:
    """Switch the collector on; it leaves what there is now alone for good."""
    gc.collect()
    gc.freeze()
    gc.enable()


def leave_the_rest() -> None:
    """Let the operating system take everything back: the process is about to end.

    Python would look through all of it once more, a second of CPU that others need just then.
    """
    gc.freeze()
