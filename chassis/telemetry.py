"""Logs and metrics: one JSON line per RPC, counters with the go-grpc-prometheus names.

No text of an exception is ever logged: PostgreSQL's DETAIL lines quote patients.
"""

from __future__ import annotations

import logging
import os
import sys
from functools import cache
from traceback import format_tb
from typing import Any

import psycopg
import structlog
from prometheus_client import Counter, Histogram, start_http_server

_LABELS = ("grpc_type", "grpc_service", "grpc_method")
_STARTED = Counter("grpc_server_started_total", "RPCs begun.", _LABELS)
_HANDLED = Counter("grpc_server_handled_total", "RPCs ended, by code.", (*_LABELS, "grpc_code"))
_SECONDS = Histogram("grpc_server_handling_seconds", "How long RPCs took.", _LABELS)
_FAULTS = Counter("medport_faults_total", "Mistakes of the code, by type.", ("type",))

log: structlog.stdlib.BoundLogger = structlog.get_logger()


def configure(level: str, process: str) -> None:
    """Send one JSON object per line to standard output, from ``level`` up."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level]),
        logger_factory=_Lines,
        cache_logger_on_first_use=True,
    )
    structlog.contextvars.bind_contextvars(process=process)
    if sys.stdout is None:  # started without: what is opened next would become the output
        sys.stdout = open(os.devnull, "w")  # noqa: PTH123, SIM115 - for the process's life
    # Libraries speak through logging: their warnings matter, their texts are not ours to judge.
    logging.basicConfig(level=logging.CRITICAL, stream=sys.stdout)


class _Lines:
    """Writes lines to standard output; a reader that is gone costs lines, and nothing else."""

    def __init__(self, *_: object) -> None: ...

    def msg(self, line: str) -> None:
        try:
            sys.stdout.write(line + "\n")
            sys.stdout.flush()
        except BrokenPipeError:  # for good; Python itself flushes once more when it ends
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        except OSError:
            pass  # a full disk has room again some day

    debug = info = warning = error = critical = log = msg


def expose(address: str) -> None:
    """Let Prometheus ask for the metrics at ``host:port``; an empty address exposes nothing.

    Raises OSError when the address cannot be listened on.
    """
    if address:
        host, _, port = address.rpartition(":")
        start_http_server(int(port), host.strip("[]"))


def lost(_loop: object, context: dict[str, Any]) -> None:
    """Report what nobody awaited: asyncio itself would log its text."""
    if error := context.get("exception"):
        fault(error, task=str(context.get("message", "")))


def started(type_: str, service: str, method: str) -> None:
    _started(type_, service, method).inc()


def handled(type_: str, service: str, method: str, code: str, seconds: float) -> None:
    _handled(type_, service, method, code).inc()
    _seconds(type_, service, method).observe(seconds)


def fault(error: BaseException, **where: str) -> None:
    """Report a mistake of the code by its type, SQLSTATE, constraint and frames, not its text."""
    _FAULTS.labels(type(error).__name__).inc()
    log.error("fault", type=type(error).__name__, **where, **_driver(error), frames=_frames(error))


def _driver(error: BaseException) -> dict[str, Any]:
    if not isinstance(error, psycopg.Error):
        return {}
    return {"sqlstate": error.sqlstate, "constraint": error.diag.constraint_name}


def _frames(error: BaseException) -> str:
    return "".join(format_tb(error.__traceback__))


# Children are looked up once per combination: labels() costs five times an increment.
@cache
def _started(*labels: str) -> Counter:
    return _STARTED.labels(*labels)


@cache
def _handled(*labels: str) -> Counter:
    return _HANDLED.labels(*labels)


@cache
def _seconds(*labels: str) -> Histogram:
    return _SECONDS.labels(*labels)
