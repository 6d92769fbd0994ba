"""A router that stops tells its streams so, waits for calls, and for nobody who does not read.

A stream that is on its way in then is told as those that are open: without the look at
``_draining`` in ``Forwarder._start`` it begins, and lasts until it is cut off.
"""

from __future__ import annotations

import asyncio

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from tests.support.colleagues import a_key, a_user, bearing, publication
from tests.support.obedient_silo import text
from tests.support.routed_mesh import Mesh, begin, observe, until_true

GRACE_SECONDS = 10.0


async def test_a_stream_that_begins_while_the_router_drains_is_told_so(mesh: Mesh) -> None:
    silo, key = mesh.silos["hospital"], a_key("hospital")
    silo.published = publication(key)
    metadata = bearing(key, a_user("hospital", "HOSPITAL_STAFF"), "hospital")
    health = health_pb2_grpc.HealthStub(mesh.proxied).Watch(health_pb2.HealthCheckRequest())
    assert (await health.read()).status == health_pb2.HealthCheckResponse.SERVING

    silo.tells_keys.clear()  # the router asks whose the call is, and gets no answer yet
    begun = observe(mesh.proxied, "StaffWatch", text("wait"), metadata=metadata)
    stream = asyncio.create_task(begun)
    await until_true(lambda: silo.asked_for_keys == 1)
    stopping = asyncio.create_task(mesh.router.stop(0, GRACE_SECONDS))
    while await health.read() is not grpc.aio.EOF:  # it ends after the open streams were ended
        pass
    silo.tells_keys.set()

    ended = await stream
    assert (ended.code, ended.reason) == (grpc.StatusCode.UNAVAILABLE, "ROUTER_DRAINING")
    assert silo.seen == {}  # it never came to the silo
    await stopping


async def test_who_does_not_read_keeps_nobody_waiting_and_a_call_is_waited_for(
    mesh: Mesh,
) -> None:
    silo = mesh.silos["hospital"]
    stream = begin(mesh.proxied, "Watch", text("flood"))  # unread: it fills what lies between
    await until_true(lambda: mesh.router.backends["hospital"].bulkhead.streams == 1)
    await stream.initial_metadata()
    waiting = begin(mesh.proxied, "Store", text("wait"), timeout=20)
    await until_true(lambda: silo.running == 2)

    stopped = asyncio.create_task(mesh.router.stop(0, 60))

    assert not (await asyncio.wait({stopped}, timeout=2))[0]  # a call is under way
    silo.gate.set()
    assert await waiting == b""
    await asyncio.wait_for(stopped, 20)  # of the 60 s that the stream would take
