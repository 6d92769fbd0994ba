"""A token is made only for silos where the contract lets its role call something."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import medport.common.v1
from google.protobuf.descriptor import FileDescriptor
from medport.common.v1 import access_pb2

from chassis.tokens import AUDIENCES, SILOS

GEN = Path(next(iter(medport.common.v1.__path__))).parents[2]


def files(silo: str) -> Iterator[FileDescriptor]:
    for folder in (f"medport/{silo}/v1", f"medport/{silo}/events/v1"):
        for path in sorted((GEN / folder).glob("*_pb2.py")):
            yield import_module(f"{folder.replace('/', '.')}.{path.stem}").DESCRIPTOR


def roles(silo: str) -> set[str]:
    return {
        access_pb2.Role.Name(role).removeprefix("ROLE_")
        for file in files(silo)
        for service in file.services_by_name.values()
        for method in service.methods
        for grant in method.GetOptions().Extensions[access_pb2.access].grants
        for role in grant.roles
    }


def test_the_table_of_audiences_is_the_contracts() -> None:
    granted = {silo: roles(silo) for silo in SILOS}
    everybody = set().union(*granted.values())
    found = {role: {silo for silo in SILOS if role in granted[silo]} for role in everybody}
    assert found == {role: set(audiences) for role, audiences in AUDIENCES.items()}


def test_every_role_has_its_audiences() -> None:
    named = {name.removeprefix("ROLE_") for name in access_pb2.Role.DESCRIPTOR.values_by_name}
    assert named - {"UNSPECIFIED"} == AUDIENCES.keys()
