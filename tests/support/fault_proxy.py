"""A TCP path that fails on command: between a silo and its database, its subscriber, or a router.

Each way fails by itself, for that is how networks fail: what one end says may still arrive.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from enum import Flag, auto

from psycopg.conninfo import conninfo_to_dict, make_conninfo

_RESET_ON_CLOSE = struct.pack("ii", 1, 0)  # SO_LINGER: on, for zero seconds


class Way(Flag):
    """Where bytes travel: ``UP`` from the client to the server, ``DOWN`` back."""

    UP = auto()
    DOWN = auto()
    BOTH = UP | DOWN


@dataclass(eq=False)
class _Link:
    """One client's connection, and ours to the server on its behalf; ``silent`` swallows."""

    ends: list[asyncio.StreamWriter]
    silent: Way | None = None

    def loses(self, way: Way) -> bool:
        return self.silent is not None and way in self.silent


@dataclass(eq=False)
class FaultProxy:
    """Passes bytes on to ``host`` and ``port``, but for what it was told.

    ``stall`` holds everything back until ``flow``. ``swallow`` loses what the open connections say
    from now on, their goodbye included, and tells nobody: later ones pass. ``reset`` ends them with
    RST. ``cut`` closes them and refuses later ones until ``open``. ``stall_after`` names bytes of a
    client that are passed on, and nothing after them.
    """

    host: str
    port: int
    listening: int = 0
    stall_after: bytes | None = None
    connections: int = 0
    _server: asyncio.Server | None = None
    _flows: dict[Way, asyncio.Event] = field(
        default_factory=lambda: {Way.UP: asyncio.Event(), Way.DOWN: asyncio.Event()}
    )
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _links: set[_Link] = field(default_factory=set)

    async def open(self) -> None:
        self.flow()
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", self.listening)
        self.listening = self._server.sockets[0].getsockname()[1]

    def stall(self, way: Way = Way.BOTH) -> None:
        for each in way:
            self._flows[each].clear()

    def flow(self) -> None:
        for flows in self._flows.values():
            flows.set()

    def swallow(self, way: Way = Way.BOTH) -> None:
        for link in self._links:
            link.silent = way | (link.silent or way)

    def reset(self) -> None:
        for link in self._links:
            for end in link.ends:
                with suppress(OSError):  # it is closed already
                    end.get_extra_info("socket").setsockopt(
                        socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE
                    )
                end.transport.abort()

    async def cut(self) -> None:
        if self._server is not None:
            await self._stop_accepting(self._server)
        ends = [end for link in self._links for end in link.ends]
        self._links.clear()
        for task in self._tasks:
            task.cancel()
        for end in ends:
            end.transport.abort()
        closing = (end.wait_closed() for end in ends)
        await asyncio.gather(*self._tasks, *closing, return_exceptions=True)

    async def _stop_accepting(self, server: asyncio.Server) -> None:
        """Close ``server`` when what it has just accepted is attached: 3.11 would leak it."""
        for listening in server.sockets:
            asyncio.get_running_loop().remove_reader(listening.fileno())
        await asyncio.sleep(0)
        server.close()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        link = _Link([writer])
        self._links.add(link)
        try:
            far_reader, far_writer = await asyncio.open_connection(self.host, self.port)
        except OSError:
            writer.transport.abort()
            return
        if link not in self._links:  # it was cut meanwhile
            far_writer.transport.abort()
            return
        link.ends.append(far_writer)
        for way, source, sink in ((Way.UP, reader, far_writer), (Way.DOWN, far_reader, writer)):
            task = asyncio.create_task(self._pump(link, way, source, sink))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _pump(
        self, link: _Link, way: Way, source: asyncio.StreamReader, sink: asyncio.StreamWriter
    ) -> None:
        with suppress(OSError):
            while data := await source.read(65_536):
                await self._flows[way].wait()
                if link.loses(way):
                    continue
                if self.stall_after is not None and self.stall_after in data:
                    self.stall()
                sink.write(data)
                await sink.drain()
        await self._flows[way].wait()  # the end of a connection is no sooner there than its bytes
        if not link.loses(way):
            sink.close()


@asynccontextmanager
async def in_front_of(port: int) -> AsyncIterator[FaultProxy]:
    """Yield a proxy before what listens on ``port``."""
    proxy = FaultProxy("127.0.0.1", port)
    await proxy.open()
    try:
        yield proxy
    finally:
        await proxy.cut()


@asynccontextmanager
async def between(dsn: str) -> AsyncIterator[tuple[FaultProxy, str]]:
    """Yield a proxy before the server of ``dsn``, and the DSN that leads through it."""
    parts = conninfo_to_dict(dsn)
    proxy = FaultProxy(str(parts["host"]), int(str(parts["port"])))
    await proxy.open()
    try:
        yield proxy, make_conninfo(dsn, port=proxy.listening)
    finally:
        await proxy.cut()
