"""The router has a few hundred streams of a silo: no user, of whatever kinds, takes them all."""

from __future__ import annotations

from typing import Any

import grpc

from chassis.open_streams import PER_USER
from tests.support.colleagues import a_key, a_user, bearing, publication
from tests.support.obedient_silo import text
from tests.support.routed_mesh import Mesh, begin, observe, until_true

OK = grpc.StatusCode.OK


async def test_a_user_has_so_many_streams_of_all_kinds_and_no_more(mesh: Mesh) -> None:
    silo, key = mesh.silos["hospital"], a_key("hospital")
    silo.published = publication(key)
    nurse, colleague = (
        bearing(key, a_user("hospital", "HOSPITAL_STAFF"), "hospital") for _ in range(2)
    )

    def opened(name: str) -> Any:
        return begin(mesh.proxied, name, text("wait"), metadata=nurse)

    kinds = ("StaffWatch", "StaffCollect")
    streams = [opened(kinds[number % 2]) for number in range(PER_USER)]
    await until_true(lambda: silo.running == PER_USER)

    for name in kinds:
        refused = await observe(mesh.proxied, name, text("ok"), metadata=nurse)
        assert (refused.code, refused.reason) == (
            grpc.StatusCode.RESOURCE_EXHAUSTED,
            "STREAM_LIMIT",
        )
    assert (await observe(mesh.proxied, "StaffOnly", text("ok"), metadata=nurse)).code is OK
    assert (await observe(mesh.proxied, "StaffWatch", text("ok"), metadata=colleague)).code is OK

    streams.pop().cancel()
    await until_true(lambda: silo.running == PER_USER - 1)
    assert (await observe(mesh.proxied, "StaffWatch", text("ok"), metadata=nurse)).code is OK
    for each in streams:
        each.cancel()
