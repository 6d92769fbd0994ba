"""Both ends of a connection agree on how often a peer may ask whether the other is there."""

from __future__ import annotations

import asyncio
from typing import Any

import grpc

from chassis import channels, health
from chassis.channels import CHANNEL, HOP, SERVER, Options

INTERVAL = "grpc.http2.min_ping_interval_without_data_ms"
KEEPALIVE = "grpc.keepalive_time_ms"
HURRY = 5  # times faster than in a process: a ping every second, the least that the runtime takes
PINGS = 4  # three too many end a connection


def hurried(options: Options, *names: str) -> Options:
    return tuple((name, each // HURRY if name in names else each) for name, each in options)


def test_both_ends_have_the_contracts_arguments() -> None:
    both = {
        "max_receive_message_length": 4_194_304,
        "max_send_message_length": 4_194_304,
        "max_metadata_size": 16_384,
        "absolute_max_metadata_size": 16_384,
        "http2.bdp_probe": 0,
    }
    client = {
        "keepalive_time_ms": 20_000,
        "http2.ping_timeout_ms": 8_000,
        "http2.max_pings_without_data": 0,
        "initial_reconnect_backoff_ms": 100,
        "max_reconnect_backoff_ms": 1_000,
        "use_local_subchannel_pool": 1,
    }
    server = {
        "keepalive_permit_without_calls": 1,
        "keepalive_time_ms": 60_000,
        "http2.ping_timeout_ms": 20_000,
        "max_connection_age_ms": 600_000,
        "max_connection_age_grace_ms": 2_100_000,
        "max_connection_idle_ms": 60_000,
        "server_handshake_timeout_ms": 5_000,
        "max_concurrent_streams": 100,
        "so_reuseport": 0,
    }
    for options, promised in ((CHANNEL, both | client), (SERVER, both | server)):
        assert {f"grpc.{name}": value for name, value in promised.items()}.items() <= (
            dict(options).items()
        )


def test_no_ping_comes_before_it_is_allowed() -> None:
    for side in (CHANNEL, HOP):
        assert dict(side)[KEEPALIVE] >= 2 * dict(SERVER)[INTERVAL]


async def test_a_quiet_connection_is_not_ended_for_its_pings() -> None:
    # An unknown argument is ignored without a word: only pings show that the name is right.
    server = grpc.aio.server(options=hurried(SERVER, INTERVAL))
    health.add(server, ["quiet"])
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    quick = hurried(HOP, KEEPALIVE)
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}", options=quick) as channel:
        start: Any = channel.unary_stream("/grpc.health.v1.Health/Watch")
        watch = start(b"\n\x05quiet")
        assert await watch.read() is not grpc.aio.EOF
        end = asyncio.ensure_future(watch.read())

        ended, _ = await asyncio.wait({end}, timeout=PINGS + 0.5)

        assert not ended
        watch.cancel()
        await asyncio.gather(end, return_exceptions=True)
    await server.stop(None)


def test_several_addresses_make_one_target() -> None:
    assert channels.target(["hospital:50051"]) == "hospital:50051"
    assert channels.target(["10.0.0.1:1", "10.0.0.2:1"]) == "ipv4:10.0.0.1:1,10.0.0.2:1"
    assert channels.target(["[::1]:1", "[::2]:1"]) == "ipv6:[::1]:1,[::2]:1"
