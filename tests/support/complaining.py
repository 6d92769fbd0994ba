"""A process in which everything complains that may write to its output, and each quotes a patient.

Run: ``python -m tests.support.complaining DSN QUOTED PORT``.
"""

from __future__ import annotations

import asyncio
import socket
import struct
import sys
import warnings
from contextlib import suppress
from threading import Thread

import psycopg
from psycopg import AsyncConnection

import chassis.quick_start  # noqa: F401 - first: it is about the imports
from chassis import telemetry

INSERT = "INSERT INTO seen VALUES (%s)"


class Unraisable:
    """Fails where nobody can hear it."""

    def __del__(self) -> None:
        raise ValueError(sys.argv[2])


async def cancel_a_pipeline(connection: AsyncConnection, quoted: str) -> None:
    """Leave a pipeline by an error while a statement that fails is under way."""
    with suppress(asyncio.CancelledError):
        async with connection.pipeline():
            await connection.execute(INSERT, [quoted])
            raise asyncio.CancelledError


async def complain(dsn: str, quoted: str) -> None:
    async with await AsyncConnection.connect(dsn, autocommit=True) as connection:
        await connection.execute("CREATE TEMPORARY TABLE seen (patient text PRIMARY KEY)")
        await connection.execute(INSERT, [quoted])
        await cancel_a_pipeline(connection, quoted)
        await connection.execute(INSERT, [quoted])


def be_left_by_a_scraper(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port)) as scraper:
        scraper.sendall(b"GET /metrics")
        scraper.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def fail(dsn: str, quoted: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("SELECT %s::int", [quoted])


def main(dsn: str, quoted: str, port: str) -> None:
    telemetry.configure("INFO", "complaining")
    telemetry.expose(f"127.0.0.1:{port}")
    be_left_by_a_scraper(int(port))
    warnings.warn(quoted, RuntimeWarning, stacklevel=1)
    Unraisable()  # and it is gone
    thread = Thread(target=fail, args=(dsn, quoted))
    thread.start()
    thread.join()
    asyncio.run(complain(dsn, quoted))


if __name__ == "__main__":
    main(*sys.argv[1:])
