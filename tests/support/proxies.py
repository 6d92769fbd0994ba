"""A TCP proxy that can stand between a silo and its database, and stop passing anything on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from psycopg.conninfo import conninfo_to_dict, make_conninfo


@dataclass
class Proxy:
    """``stall`` keeps connections open and passes nothing; ``cut`` also closes and refuses.

    ``stall_after`` names bytes of a client that are passed on, and nothing after them.
    """

    host: str
    port: int
    listening: int = 0
    stall_after: bytes | None = None
    _server: asyncio.Server | None = None
    _flows: asyncio.Event = field(default_factory=asyncio.Event)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _writers: set[asyncio.StreamWriter] = field(default_factory=set)

    async def open(self) -> None:
        self._flows.set()
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", self.listening)
        self.listening = self._server.sockets[0].getsockname()[1]

    def stall(self) -> None:
        self._flows.clear()

    def flow(self) -> None:
        self._flows.set()

    async def cut(self) -> None:
        if self._server is not None:
            self._server.close()
        for task in tuple(self._tasks):
            task.cancel()
        for writer in tuple(self._writers):
            writer.transport.abort()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            far_reader, far_writer = await asyncio.open_connection(self.host, self.port)
        except OSError:
            writer.transport.abort()
            return
        self._writers.add(far_writer)
        for source, target in ((reader, far_writer), (far_reader, writer)):
            task = asyncio.create_task(self._pump(source, target))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _pump(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await source.read(65_536):
                await self._flows.wait()
                if self.stall_after is not None and self.stall_after in data:
                    self.stall()
                target.write(data)
                await target.drain()
        target.transport.abort()
        self._writers.discard(target)


@asynccontextmanager
async def between(dsn: str) -> AsyncIterator[tuple[Proxy, str]]:
    """Yield a proxy before the server of ``dsn``, and the DSN that leads through it."""
    parts = conninfo_to_dict(dsn)
    proxy = Proxy(str(parts["host"]), int(str(parts["port"])))
    await proxy.open()
    try:
        yield proxy, make_conninfo(dsn, port=proxy.listening)
    finally:
        await proxy.cut()
