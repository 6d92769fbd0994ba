"""The faults that other proofs rest on are the faults that they are taken for."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

import pytest

from tests.support.fault_proxy import FaultProxy, Way, in_front_of

SHORTLY = 0.2


@dataclass
class Echo:
    """Says back what it heard, and remembers it."""

    begun: int = 0
    heard: bytes = b""
    ended: list[str] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.begun += 1
        try:
            while data := await reader.read(65_536):
                self.heard += data
                writer.write(data)
                await writer.drain()
            self.ended.append("closed")
        except ConnectionError:
            self.ended.append("reset")
        writer.close()


@dataclass
class Wire:
    """Both ends of a connection through the proxy."""

    echo: Echo
    proxy: FaultProxy
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def say(self, data: bytes) -> bytes:
        """Return what came back shortly; nothing means nothing, not even an end."""
        self.writer.write(data)
        try:
            async with asyncio.timeout(SHORTLY):
                return await self.reader.readexactly(len(data))
        except TimeoutError:
            return b""


@asynccontextmanager
async def wired() -> AsyncIterator[Wire]:
    echo = Echo()
    server = await asyncio.start_server(echo.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with in_front_of(port) as proxy:
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.listening)
        wire = Wire(echo, proxy, reader, writer)
        assert await wire.say(b"hello") == b"hello"
        yield wire
        writer.transport.abort()
    server.close()
    await _until(lambda: len(echo.ended) == echo.begun)


async def _until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110 - the other end's state
            await asyncio.sleep(0.005)


@pytest.mark.parametrize(("way", "heard"), [(Way.UP, b""), (Way.DOWN, b"1"), (Way.BOTH, b"")])
async def test_what_is_held_back_arrives_later(way: Way, heard: bytes) -> None:
    async with wired() as wire:
        wire.proxy.stall(way)
        assert await wire.say(b"1") == b""
        assert wire.echo.heard == b"hello" + heard
        wire.proxy.flow()
        assert await wire.reader.readexactly(1) == b"1"


@pytest.mark.parametrize(("way", "heard"), [(Way.UP, b""), (Way.DOWN, b"1"), (Way.BOTH, b"")])
async def test_what_is_swallowed_never_arrives_and_nobody_is_told(way: Way, heard: bytes) -> None:
    async with wired() as wire:
        wire.proxy.swallow(way)
        assert await wire.say(b"1") == b""
        assert wire.echo.heard == b"hello" + heard
        wire.writer.close()
        if Way.UP in way:
            with suppress(TimeoutError):
                async with asyncio.timeout(SHORTLY):
                    await _until(lambda: bool(wire.echo.ended))
            assert wire.echo.ended == []
        await _dial(wire)


async def test_a_reset_is_a_reset_at_both_ends() -> None:
    async with wired() as wire:
        wire.proxy.reset()
        with pytest.raises(ConnectionResetError):
            await wire.reader.readexactly(1)
        await _until(lambda: wire.echo.ended == ["reset"])


async def test_a_cut_path_refuses_until_it_is_opened() -> None:
    async with wired() as wire:
        await wire.proxy.cut()
        await _until(lambda: bool(wire.echo.ended))
        with pytest.raises(ConnectionRefusedError):
            await _dial(wire)
        await wire.proxy.open()
        await _dial(wire)


async def _dial(wire: Wire) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", wire.proxy.listening)
    assert await Wire(wire.echo, wire.proxy, reader, writer).say(b"2") == b"2"
    writer.transport.abort()


async def test_bytes_can_be_the_last_that_pass() -> None:
    async with wired() as wire:
        wire.proxy.stall_after = b"last"
        assert await wire.say(b"last") == b""
        assert wire.echo.heard == b"hellolast"
