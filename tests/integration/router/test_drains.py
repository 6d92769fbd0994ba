"""A stream that is on its way in when the router stops is told so, as those that are open.

Without the look at ``_draining`` in ``Forwarder._start`` it begins, and lasts for all of the grace.
"""

from __future__ import annotations

import asyncio

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from tests.support.colleagues import a_key, a_user, bearing, publication
from tests.support.obedient_silo import text
from tests.support.routed_mesh import Mesh, observe, until_true

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
