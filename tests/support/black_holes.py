"""A network path that can fall silent: bytes go in, nothing comes out, nobody is told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field


@dataclass
class Path:
    """Forwards connections to ``target`` until ``swallow``; later connections pass again."""

    target: int
    port: int = 0
    connections: int = 0
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _silent: asyncio.Event = field(default_factory=asyncio.Event)

    def swallow(self) -> None:
        """Let everything on the open connections vanish."""
        self._silent.set()
        self._silent = asyncio.Event()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        silent = self._silent
        there, back = await asyncio.open_connection("127.0.0.1", self.target)
        for source, sink in ((reader, back), (there, writer)):
            task = asyncio.create_task(_pump(source, sink, silent))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


async def _pump(
    source: asyncio.StreamReader, sink: asyncio.StreamWriter, silent: asyncio.Event
) -> None:
    try:
        with suppress(ConnectionError):
            while data := await source.read(65_536):
                if not silent.is_set():
                    sink.write(data)
                    await sink.drain()
    finally:
        sink.close()


@asynccontextmanager
async def path_to(port: int) -> AsyncIterator[Path]:
    path = Path(port)
    server = await asyncio.start_server(path.serve, "127.0.0.1", 0)
    path.port = server.sockets[0].getsockname()[1]
    try:
        yield path
    finally:
        server.close()
        await path.close()
