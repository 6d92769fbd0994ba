"""Whatever a caller sends, a silo answers with a status of the contract and stays well."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from random import Random
from typing import Any
from uuid import UUID

import grpc
import pytest
from google.protobuf import descriptor_pool, message_factory
from medport.common.v1 import access_pb2

from chassis.auth import Principal
from chassis.health import SERVING
from chassis.interceptors.methods import Method
from chassis.server import Build, Kit, Silo
from tests.conformance.test_processes import served
from tests.integration.chassis.test_health import until_status
from tests.support.databases import SILOS, Databases
from tests.support.random_messages import TENANT, filled
from tests.support.silos import Keys, build, running

SEED = 20261125
EACH = int(os.environ.get("MEDPORT_TEST_MESSAGES", "12"))  # per method; nightly, thousands
OURS = {grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN, grpc.StatusCode.UNAVAILABLE}


@pytest.fixture(params=SILOS)
def silo(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def dsn(silo: str, databases: Databases) -> Iterator[str]:
    with databases.fresh(silo) as fresh:
        yield fresh


def letting_everybody_in(silo: str) -> Build:
    """Build the silo for a caller of every role, so that nothing stops at the door."""
    roles = {name.removeprefix("ROLE_") for name in access_pb2.Role.keys()}  # noqa: SIM118
    permissions = {name.removeprefix("PERMISSION_") for name in access_pb2.Permission.keys()}  # noqa: SIM118
    somebody = Principal(
        user_id=UUID("0198f000-0000-7000-8000-00000000000b"),
        silo=silo,
        roles=frozenset(roles),
        permissions=frozenset(permissions),
        tenant_id=None if silo == "center" else UUID(TENANT),
    )
    built = build(silo)

    def compose(kit: Kit) -> Silo:
        async def authenticate(_token: str) -> Principal:
            return somebody

        return replace(built.compose(kit), authenticate=authenticate)

    return replace(built, compose=compose)


async def outcome(channel: grpc.aio.Channel, method: Method, random: Random) -> grpc.StatusCode:
    described = descriptor_pool.Default().FindServiceByName(method.service)
    input_type = described.methods_by_name[method.name].input_type
    request = filled(message_factory.GetMessageClass(input_type)(), random)
    call: Any = channel.unary_unary(method.path)
    try:
        metadata = (("authorization", "Bearer somebody"),)
        await call(request.SerializeToString(), metadata=metadata, timeout=10)
    except grpc.aio.AioRpcError as error:
        return error.code()
    return grpc.StatusCode.OK


async def test_no_message_finds_a_fault(silo: str, dsn: str) -> None:
    random = Random(SEED)  # noqa: S311 - repeatable, not secret
    outcomes: dict[str, Counter[str]] = {}
    async with running(silo, dsn, Keys(), built=letting_everybody_in(silo)) as (_, channel):
        await until_status(channel, SERVING)
        for method in await served(channel):
            if method.type != "unary":
                continue
            codes = [await outcome(channel, method, random) for _ in range(EACH)]
            outcomes[method.path] = Counter(code.name for code in codes)

    faulty = {
        path: dict(codes)
        for path, codes in outcomes.items()
        if codes.keys() & {code.name for code in OURS}
    }
    assert not faulty
