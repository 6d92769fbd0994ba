"""Which calls are repeated, how long they get, and where they come from."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from chassis.addresses import of_peer
from router import health
from router.policies import (
    CALLS_PER_CHANNEL,
    CHANNELS,
    DRAIN_GRACE_S,
    DRAIN_PAUSE_S,
    LIMITS,
    TRIPPING,
    deadline_of,
    retried,
    service_config,
)
from router.routes import SILOS, Route, owner, read_descriptors, routes_of
from router.uploads import HALF_CLOSE_DELAY_S

ROUTES = routes_of(read_descriptors(Path("build/medport.binpb")))


def route(path: str) -> Route:
    return ROUTES[f"/medport.hospital.{path}"]


def test_every_service_of_the_contract_has_a_route() -> None:
    packages = {f"medport.{silo}{events}.v1" for silo in SILOS for events in ("", ".events")}
    assert {each.package for each in ROUTES.values()} == packages | {"medport.router.v1"}
    assert {each.silo for each in ROUTES.values()} == {*SILOS, "router"}


def test_a_package_belongs_to_the_longest_beginning_that_fits() -> None:
    owners = {"medport.hospital.": "hospital", "medport.hospital.v2.": "newcomer"}
    assert owner("medport.hospital.v1", owners) == "hospital"
    assert owner("medport.hospital.events.v2", owners) == "hospital"
    assert owner("medport.hospital.v2", owners) == "newcomer"
    assert owner("medport.hospital.v20", owners) == "hospital"
    assert owner("medport.common.v1", owners) is None
    assert owner("medport.hospitality.v1", owners) is None


def test_every_route_says_who_may_call_it() -> None:
    assert all(each.method.anonymous or each.method.grants for each in ROUTES.values())


def test_logins_are_never_repeated_and_streams_neither() -> None:
    assert not retried(route("v1.SessionService/CreateSession"))
    assert not retried(route("events.v1.EventLogService/Subscribe"))
    assert retried(route("v1.SessionService/ListVerificationKeys"))
    repeated = json.loads(service_config(ROUTES.values()))["methodConfig"][0]["name"]
    assert {"service": "medport.hospital.v1.SessionService", "method": "CreateSession"} not in (
        repeated
    )


def test_reads_get_two_seconds_writes_five_and_streams_no_end() -> None:
    read = deadline_of(route("events.v1.EventLogService/GetEventLog"))
    write = deadline_of(route("v1.SessionService/CreateSession"))
    assert read is not None
    assert write is not None
    assert (read.default, write.default, read.most) == (2, 5, 30)
    assert deadline_of(route("events.v1.EventLogService/Subscribe")) is None


def test_a_silo_has_as_many_calls_as_the_contract_says() -> None:
    assert (LIMITS.unary, LIMITS.waiting, LIMITS.wait_s) == (128, 64, 0.05)
    assert CHANNELS == 4


def test_a_silo_counts_as_broken_when_the_contract_says() -> None:
    assert TRIPPING.consecutive == 5
    assert (TRIPPING.ratio, TRIPPING.ratio_calls, TRIPPING.ratio_window_s) == (0.5, 20, 10)
    assert (TRIPPING.slow_calls, TRIPPING.slow_s) == (32, 1)
    assert (TRIPPING.first_pause_s, TRIPPING.longest_pause_s) == (1, 30)
    # Two probes of a second each, after one that was just answered: 3 s at most.
    assert (health.EVERY_SECONDS, health.PATIENCE_SECONDS, health.SILENT_PROBES) == (1, 1, 2)


def test_a_call_is_tried_twice_and_a_tenth_of_all_calls_at_most() -> None:
    config = json.loads(service_config(ROUTES.values()))
    policy = config["methodConfig"][0]["retryPolicy"]
    assert (policy["maxAttempts"], policy["retryableStatusCodes"]) == (2, ["UNAVAILABLE"])
    assert config["retryThrottling"] == {"maxTokens": 100, "tokenRatio": 0.1}


def test_uploads_and_drains_wait_as_long_as_the_contract_says() -> None:
    assert HALF_CLOSE_DELAY_S == 0.02
    assert (DRAIN_PAUSE_S, DRAIN_GRACE_S) == (2, 15)


def test_no_channel_can_be_asked_for_more_calls_than_a_silo_takes() -> None:
    assert LIMITS.unary + LIMITS.streams <= CHANNELS * CALLS_PER_CHANNEL


@pytest.mark.parametrize(
    ("peer", "expected"),
    [
        ("ipv4:127.0.0.1:50050", "127.0.0.1"),
        ("ipv6:%5B::1%5D:50050", "::1"),
        ("ipv6:[2001:db8::7]:443", "2001:db8::7"),
        ("unix:/tmp/socket", "unknown"),
    ],
)
def test_addresses_are_read_from_peers(peer: str, expected: str) -> None:
    assert of_peer(peer) == expected
