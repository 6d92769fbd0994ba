"""How far a database has come: what a write tells its caller, and a later read of a copy asks for.

A position is a place in PostgreSQL's write-ahead log, which is the same in a primary and in every
standby that streams from it.
"""

from __future__ import annotations

from collections.abc import Iterable

from chassis.errors import FailedPrecondition
from chassis.interceptors.methods import Method

HEADER = "medport-consistency"


class ReplicaBehind(FailedPrecondition):
    """The copy does not have yet what the caller has seen or written: the primary has."""

    reason = "REPLICA_BEHIND"

    def __init__(self) -> None:
        super().__init__("this replica has not come that far: ask the primary")


class PrimaryOnly(FailedPrecondition):
    """Only unary calls that change nothing, and read nothing about a patient, are a replica's."""

    reason = "PRIMARY_ONLY"

    def __init__(self) -> None:
        super().__init__("a replica does not serve this: ask the primary")


def token(silo: str, position: str) -> str:
    """Say what a later read must have seen, for a caller to send back as it is."""
    return f"{silo}={position}"


def asked(silo: str, metadata: Iterable[tuple[str, str | bytes]]) -> int | None:
    """Return the furthest position of ``silo`` that a caller names; None when it names none.

    What is no position names none: the primary answers, which is always right.
    """
    beginning = f"{silo}="
    positions = [
        number(str(value).removeprefix(beginning))
        for name, value in metadata
        if name == HEADER and str(value).startswith(beginning)
    ]
    return None if not positions or -1 in positions else max(positions)


def number(position: str) -> int:
    """Return a position, as PostgreSQL writes it, in bytes from the beginning; -1 for none."""
    upper, slash, lower = position.partition("/")
    try:
        return (int(upper, 16) << 32) + int(lower, 16) if slash else -1
    except ValueError:
        return -1


def may_be_copied(method: Method) -> bool:
    """Say whether a read replica may answer; reads of patients' data are noted, on the primary."""
    return method.type == "unary" and method.is_read and not method.reads_phi
