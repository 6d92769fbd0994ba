"""Logs, and the page that Prometheus reads: one JSON object per line, ids of the trace in each.

No text of an exception is ever logged: PostgreSQL's DETAIL lines quote patients.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
from collections.abc import Mapping, MutableMapping
from traceback import format_tb
from typing import Any

import psycopg
import structlog
from prometheus_client import Counter, disable_created_metrics, start_http_server

from chassis import tracing

_FAULTS = Counter("medport_faults_total", "Mistakes of the code, by type.", ("type",))

log: structlog.stdlib.BoundLogger = structlog.get_logger()


def configure(level: str, process: str) -> None:
    """Send one JSON object per line to standard output, from ``level`` up."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            _traced,
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
    logging.basicConfig(level=logging.WARNING, handlers=[_Libraries()])
    logging.captureWarnings(capture=True)
    sys.excepthook = lambda _type, error, _frames: fault(error)
    sys.unraisablehook = threading.excepthook = _unheard


def _traced(_logger: object, _name: str, line: MutableMapping[str, Any]) -> Mapping[str, Any]:
    """Name the trace that a line belongs to, unless it does so itself."""
    if "trace_id" not in line:
        line.update(tracing.ids(tracing.current()))
    return line


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


class _Libraries(logging.Handler):
    """Tells which library complains, where, and of which error: its texts quote rows."""

    def emit(self, record: logging.LogRecord) -> None:
        say = log.error if record.levelno >= logging.ERROR else log.warning
        where = f"{record.module}.{record.funcName}"
        say("library", logger=record.name, where=where, type=_complained_of(record))


def _complained_of(record: logging.LogRecord) -> str | None:
    told = (*(record.exc_info or ()), *(record.args or ()))
    return next((type(each).__name__ for each in told if isinstance(each, BaseException)), None)


def expose(address: str) -> None:
    """Let Prometheus ask for the metrics at ``host:port``; an empty address exposes nothing.

    Raises OSError when the address cannot be listened on.
    """
    if address:
        # Nobody asks when each series began, and that was a fifth of all series.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        host, _, port = address.rpartition(":")
        server, _ = start_http_server(int(port), host.strip("[]"))
        # Its own prints tracebacks, such as that of a reader who left.
        server.handle_error = _unscraped  # type: ignore[assignment,method-assign]


def _unscraped(*_: object) -> None:
    log.warning("scrape", type=type(sys.exception()).__name__)


def lost(_loop: object, context: dict[str, Any]) -> None:
    """Report what nobody awaited: asyncio itself would log its text."""
    if error := context.get("exception"):
        fault(error, task=str(context.get("message", "")))


def _unheard(told: sys.UnraisableHookArgs | threading.ExceptHookArgs) -> None:
    """Report what ended a thread, or could be raised to nobody: Python would print its text."""
    if told.exc_value is not None:
        fault(told.exc_value)


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
