"""Channel and server arguments: one table, because two ends that differ refuse at random."""

from __future__ import annotations

from collections.abc import Sequence

import grpc

Options = tuple[tuple[str, int], ...]

MOST_BYTES = 4 * 1024 * 1024  # the default of every client, kept on each leg of a proxied call
MOST_METADATA_BYTES = 16_384

_BOTH: Options = (
    ("grpc.max_receive_message_length", MOST_BYTES),
    ("grpc.max_send_message_length", MOST_BYTES),
    # With unequal limits metadata between the two is refused at random.
    ("grpc.max_metadata_size", MOST_METADATA_BYTES),
    ("grpc.absolute_max_metadata_size", MOST_METADATA_BYTES),
    ("grpc.http2.bdp_probe", 0),  # a stalled stream then holds 0.1 MB, not 4.6
)

CHANNEL: Options = (
    *_BOTH,
    ("grpc.http2.lookahead_bytes", 65_536),
    # The ping timeout finds a dead peer in 13 s; keepalive_timeout_ms alone takes 70.
    ("grpc.keepalive_time_ms", 20_000),
    ("grpc.http2.ping_timeout_ms", 8_000),
    ("grpc.http2.max_pings_without_data", 0),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1_000),
    # Channels with equal arguments would otherwise share one connection, hence one worker.
    ("grpc.use_local_subchannel_pool", 1),
)

SERVER: Options = (
    *_BOTH,
    # Below the channels' keepalive time, or their pings earn GOAWAY too_many_pings.
    ("grpc.http2.min_ping_interval_without_data_ms", 2_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.keepalive_time_ms", 60_000),
    ("grpc.http2.ping_timeout_ms", 20_000),
    # The grace outlives the age at which streams end themselves (30 min +-10 %).
    ("grpc.max_connection_age_ms", 600_000),
    ("grpc.max_connection_age_grace_ms", 2_100_000),
    ("grpc.max_connection_idle_ms", 60_000),
    ("grpc.server_handshake_timeout_ms", 5_000),
    ("grpc.max_concurrent_streams", 100),
    # The runtime's counts calls that have just ended: measured, of 1,500 calls queueing behind the
    # limit above 84 were refused with UNAVAILABLE. The limit itself stands without it.
    ("grpc.http.overload_protection", 0),
    ("grpc.so_reuseport", 0),  # a second server would bind the same port and steal calls
)


# Between a router and its silos: a stopped process is found in 7 s, and its replicas take over; one
# that is back is called again within 0.25 s, because a balancing channel waits out its pause.
_HASTY = {
    "grpc.keepalive_time_ms": 5_000,
    "grpc.http2.ping_timeout_ms": 2_000,
    "grpc.max_reconnect_backoff_ms": 250,
}
HOP: Options = tuple((name, _HASTY.get(name, value)) for name, value in CHANNEL)


def target(addresses: Sequence[str]) -> str:
    """Name one peer, or several replicas of it, as the runtime resolves them."""
    if len(addresses) == 1:
        return addresses[0]
    family = "ipv6" if addresses[0].startswith("[") else "ipv4"
    return f"{family}:{','.join(addresses)}"


def channel(address: str) -> grpc.aio.Channel:
    """Open a long-lived channel to another process of the mesh."""
    return grpc.aio.insecure_channel(address, options=CHANNEL)
