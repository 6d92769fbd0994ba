"""What a driver's error means to a caller, by SQLSTATE and never by its text."""

from __future__ import annotations

from collections.abc import Callable

import psycopg
from psycopg_pool import PoolTimeout, TooManyRequests

from chassis.errors import (
    Aborted,
    AlreadyExists,
    DataLoss,
    DeadlineExceeded,
    FailedPrecondition,
    InvalidArgument,
    Refusal,
    ResourceExhausted,
    Unavailable,
)


def unavailable(silo: str) -> Unavailable:
    """Make the refusal of a silo whose database does not answer."""
    return Unavailable("the silo's database does not answer", silo=silo)


def _overloaded(_silo: str) -> Refusal:
    return ResourceExhausted("too many calls at once")


def _conflict(_silo: str) -> Refusal:
    return Aborted("concurrent changes collided: try again")


def _invalid(_silo: str) -> Refusal:
    return InvalidArgument("the request holds a value that cannot be stored")


# The longest prefix decides; what is not here is a fault (42501 too: rights are ours to grant).
_MEANINGS: dict[str, Callable[[str], Refusal]] = {
    "08": unavailable,
    "22": _invalid,
    "23502": _invalid,
    "23503": lambda _: FailedPrecondition("it refers to what is not there, or is referred to"),
    "23505": lambda _: AlreadyExists("it exists already"),
    "23514": _invalid,
    "25006": unavailable,  # a demoted primary
    "25P03": unavailable,
    "40001": _conflict,
    "40P01": _conflict,
    "53100": unavailable,  # the disk is full
    "53300": _overloaded,
    "55P03": _conflict,
    "57014": lambda _: DeadlineExceeded("the time ran out"),
    "57P01": unavailable,
    "57P02": unavailable,
    "57P03": unavailable,
    "XX001": lambda _: DataLoss("a stored page is damaged"),
    "XX002": lambda _: DataLoss("an index is damaged"),
}

_BUGS = ("22", "23502", "23514")  # validation should have refused these before SQL did
_LOST = ("08", "25006", "57P01", "57P02", "57P03")


def refusal(error: psycopg.Error, silo: str) -> Refusal | None:
    """Return what ``error`` means to a caller, or None if it is a fault."""
    if isinstance(error, (PoolTimeout, TooManyRequests)):
        return _overloaded(silo)
    if error.sqlstate is None:
        return _without_state(error, silo)
    for length in (5, 2):
        if meaning := _MEANINGS.get(error.sqlstate[:length]):
            return meaning(silo)
    return None


def is_bug(error: psycopg.Error) -> bool:
    """Tell whether validation let something pass that the database had to refuse."""
    return (error.sqlstate or "").startswith(_BUGS)


def is_lost(error: BaseException) -> bool:
    """Tell whether ``error`` means that connections to the server are gone, or point elsewhere."""
    if not isinstance(error, psycopg.OperationalError) or isinstance(error, PoolTimeout):
        return False
    return error.sqlstate is None or error.sqlstate.startswith(_LOST)


def is_passing(fault: Exception) -> bool:
    """Tell whether the same transaction may well succeed a moment later, nothing else changed.

    A statement that ran out of time is no such case: what it was asked may be what takes so long.
    """
    if isinstance(fault, psycopg.errors.QueryCanceled):
        return False
    passing = (psycopg.OperationalError, psycopg.InterfaceError, PoolTimeout, Unavailable)
    return isinstance(fault, passing)


def _without_state(error: psycopg.Error, silo: str) -> Refusal | None:
    """Judge what the driver said by itself: a lost connection, or a value it cannot send."""
    if isinstance(error, psycopg.OperationalError):
        return unavailable(silo)
    return _invalid(silo) if isinstance(error, psycopg.DataError) else None
