"""A read replica that hangs costs a part of a read's time, which is never longer for it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path

import grpc
import pytest

from router.policies import COPY_S, READ_S
from tests.support.obedient_silo import ObedientSilo, contract, text
from tests.support.routed_mesh import Observed, observe, router_settings, routing, until_true

ROUNDED_S = 0.05  # a deadline is rounded up on its way
FAR_ENOUGH = (("medport-consistency", "hospital=0/1"),)


@dataclass
class Stage:
    home: ObedientSilo
    copy: ObedientSilo
    channel: grpc.aio.Channel

    async def read(self) -> Observed:
        """Ask for what neither answers before its gate is open."""
        return await observe(self.channel, "Echo", text("wait"), metadata=FAR_ENOUGH)


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    home, copy = ObedientSilo("hospital", "home"), ObedientSilo("hospital", "copy")
    for each in (home, copy):
        await each.start()
    known = router_settings({"hospital": f"127.0.0.1:{home.port}"}, tmp_path)
    given = replace(known, read_replicas={"hospital": (f"127.0.0.1:{copy.port}",)})
    async with routing(given, contract()) as (router, channel):
        await until_true(lambda: router.monitors["hospital"].seen.serving)
        yield Stage(home, copy, channel)
    for each in (home, copy):
        await each.stop()


async def test_a_read_that_is_tried_twice_has_its_time_once(stage: Stage) -> None:
    seen = await stage.read()

    assert (seen.code, seen.reason) == (grpc.StatusCode.DEADLINE_EXCEEDED, "SILO_TIMEOUT")
    assert stage.home.seen["calls"] == stage.copy.seen["calls"] == 1
    assert stage.copy.remaining is not None
    assert stage.home.remaining is not None
    assert stage.copy.remaining < READ_S / 2  # and most of the time is the primary's
    assert stage.home.remaining < READ_S - COPY_S + ROUNDED_S


async def test_a_copy_that_hangs_leaves_most_of_the_time_to_the_primary(stage: Stage) -> None:
    stage.home.gate.set()

    seen = await stage.read()

    assert seen.code is grpc.StatusCode.OK
    assert ("x-medport-served-by", "hospital-home") in seen.trailing
    assert stage.copy.seen["calls"] == 1
