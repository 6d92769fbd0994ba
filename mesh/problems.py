"""What can go wrong on a machine without being a fault of ``medport``."""

from __future__ import annotations


class Problem(RuntimeError):
    """Ends a command with exit code 1 and its text as the one line that is printed."""
