"""What an update's mask does not name counts for nothing, whatever it is; ``*`` stands alone.

Run: ``python -m pytest tests/conformance/test_updates.py``; needs PostgreSQL.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any
from uuid import uuid4

import grpc
import pytest
from google.api import field_behavior_pb2
from google.protobuf.descriptor import FieldDescriptor, MethodDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from chassis.health import SERVING
from tests.conformance.test_bad_input import letting_everybody_in
from tests.integration.chassis.test_health import until_status
from tests.support.contract import methods
from tests.support.databases import SILOS, Databases
from tests.support.hospital_silo import refused
from tests.support.random_messages import TENANT
from tests.support.silos import Keys, running

BEHAVIOUR: Any = vars(field_behavior_pb2)["field_behavior"]  # made at run time
OPTIONAL, REQUIRED = 1, 2
CALLER = (("authorization", "Bearer somebody"),)
UPDATES = [method for method in methods() if method.name.startswith("Update")]


@pytest.fixture(scope="module")
def dsns(databases: Databases) -> Iterator[dict[str, str]]:
    with ExitStack() as stack:
        yield {silo: stack.enter_context(databases.fresh(silo)) for silo in SILOS}


def _resource(method: MethodDescriptor) -> FieldDescriptor:
    [field] = [
        each
        for each in method.input_type.fields
        if each.message_type and each.message_type.full_name.startswith("medport.")
    ]
    return field


def _request(method: MethodDescriptor, *paths: str) -> Any:
    """Ask to change what ``paths`` name, of a resource whose other fields are all nonsense."""
    request: Any = GetMessageClass(method.input_type)()
    for field in method.input_type.fields:
        if field.type == FieldDescriptor.TYPE_STRING:
            known = {"hospital_id": TENANT, "agency_id": TENANT, "feature_name": "nobody.has.it"}
            setattr(request, field.name, known.get(field.name) or str(uuid4()))
    request.update_mask.paths.extend(paths)
    resource = getattr(request, _resource(method).name)
    resource.SetInParent()
    if paths[-1].endswith("name"):
        setattr(resource, paths[-1], "Somebody")
    for field in resource.DESCRIPTOR.fields:
        if field.name not in paths:
            _fill(resource, field)
    return request


def _fill(resource: Message, field: FieldDescriptor) -> None:
    wrong = {FieldDescriptor.TYPE_STRING: "?" * 2001, FieldDescriptor.TYPE_ENUM: 999}.get(
        field.type
    )
    if wrong is None:
        return
    if field.is_repeated:
        getattr(resource, field.name).extend([wrong] * 501)
    else:
        setattr(resource, field.name, wrong)


def _changeable(method: MethodDescriptor) -> str:
    """Return a field that may be emptied; where all are required, a name."""
    resource = _resource(method).message_type
    assert resource is not None
    behaviours = {
        field.name: list(field.GetOptions().Extensions[BEHAVIOUR]) for field in resource.fields
    }
    optional = [name for name, found in behaviours.items() if found == [OPTIONAL]]
    names = [
        name for name, found in behaviours.items() if name.endswith("name") and found == [REQUIRED]
    ]
    return [*names, *optional][-1]


@pytest.mark.parametrize("silo", SILOS)
async def test_only_what_the_mask_names_is_looked_at(silo: str, dsns: dict[str, str]) -> None:
    built = letting_everybody_in(silo)
    async with running(silo, dsns[silo], Keys(), built=built) as (_, channel):
        await until_status(channel, SERVING)
        for method in UPDATES:
            service = method.containing_service.full_name
            if not service.startswith(f"medport.{silo}."):
                continue
            call: Any = channel.unary_unary(
                f"/{service}/{method.name}", lambda request: request.SerializeToString()
            )
            path = _changeable(method)
            told = await refused(call(_request(method, path), metadata=CALLER, timeout=10))
            assert told.code is grpc.StatusCode.NOT_FOUND, (method.full_name, path, told)
            told = await refused(call(_request(method, "*", path), metadata=CALLER, timeout=10))
            assert told.fields == ["update_mask.paths"], (method.full_name, told)
