"""Where the tests' PostgreSQL servers come from: docker, the embedded wheel, or a given one."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from mesh.postgres import QUOTE_NO_ROWS, PostgresServer, free_port

IMAGE = "postgres:18"

Source = Callable[[str], AbstractContextManager[str]]


def source(root: Path) -> Source:
    """Return a way to open one silo's server: its superuser's DSN while the block lasts."""
    match os.environ.get("MEDPORT_TEST_PG") or _default():
        case "docker":
            return _docker
        case "embedded":
            return lambda silo: _embedded(silo, root)
        case "dsn":
            return _given
        case other:
            raise ValueError(f"MEDPORT_TEST_PG is docker, embedded or dsn, not {other!r}")


def _default() -> str:
    """Docker if an engine answers and has the image; nothing is ever downloaded by a test."""
    program = shutil.which("docker")
    if program is None:
        return "embedded"
    asked = subprocess.run([program, "image", "inspect", IMAGE], capture_output=True, check=False)
    return "docker" if asked.returncode == 0 else "embedded"


@contextmanager
def _embedded(silo: str, root: Path) -> Iterator[str]:
    server = PostgresServer(silo, free_port(), root)
    try:
        server.start()
        yield server.dsn
    finally:
        server.stop()


@contextmanager
def _docker(silo: str) -> Iterator[str]:
    os.environ.setdefault("TESTCONTAINERS_RYUK_DISABLED", "true")  # the block below is the reaper
    from testcontainers.community.postgres import PostgresContainer  # noqa: PLC0415

    container = PostgresContainer(IMAGE, username="postgres", dbname="postgres", driver=None)
    container.with_name(f"medport-test-{silo}-{os.getpid()}")
    # The embedded server's choices, or sort orders differ.
    container.with_env("POSTGRES_INITDB_ARGS", "--locale=C --encoding=UTF8 --data-checksums")
    container.with_command(["postgres", *QUOTE_NO_ROWS])
    with container as started:
        yield started.get_connection_url()


@contextmanager
def _given(silo: str) -> Iterator[str]:
    """Yield MEDPORT_TEST_DSN_<SILO>, or MEDPORT_TEST_DSN: one server may serve all silos."""
    yield os.environ.get(f"MEDPORT_TEST_DSN_{silo.upper()}") or os.environ["MEDPORT_TEST_DSN"]
