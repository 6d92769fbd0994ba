"""The route table: every public method of the contract, all of it from the descriptor set."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from google.protobuf.descriptor_pb2 import (
    FileDescriptorProto,
    FileDescriptorSet,
    MethodDescriptorProto,
    MethodOptions,
)
from medport.common.v1 import access_pb2

from chassis.interceptors import methods
from chassis.interceptors.methods import Method

SILOS = ("hospital", "ems", "center")
ROUTER = "router"

# Whose a package is, by the longest beginning that fits: a new version beside an old one is routed
# without a line here, and may be given to somebody else with one. What fits none is UNIMPLEMENTED.
OWNERS = {f"medport.{silo}.": silo for silo in SILOS} | {"medport.router.": ROUTER}


@dataclass(frozen=True, slots=True)
class Route:
    """A method, who serves it, and what may be done with its calls."""

    method: Method
    package: str
    silo: str
    idempotency_level: int  # MethodOptions.IdempotencyLevel
    access: access_pb2.AccessRule

    @property
    def path(self) -> str:
        return self.method.path

    @property
    def unary(self) -> bool:
        return not (self.method.streams_requests or self.method.streams_answers)

    @property
    def side_effect_free(self) -> bool:
        return self.idempotency_level == MethodOptions.NO_SIDE_EFFECTS

    @property
    def retry_safe(self) -> bool:
        return self.side_effect_free or self.idempotency_level == MethodOptions.IDEMPOTENT


def read_descriptors(path: Path) -> FileDescriptorSet:
    """Read what ``protos/generate.py --image`` wrote; raises OSError or DecodeError."""
    return FileDescriptorSet.FromString(path.read_bytes())


def owner(package: str, owners: Mapping[str, str] = OWNERS) -> str | None:
    """Return the silo, or the router, that serves ``package``; None where nobody does."""
    fitting = [beginning for beginning in owners if f"{package}.".startswith(beginning)]
    return owners[max(fitting, key=len)] if fitting else None


def routes_of(
    descriptors: FileDescriptorSet, owners: Mapping[str, str] = OWNERS
) -> dict[str, Route]:
    """Return path -> route, in the order of the paths; ``owners`` says who serves which."""
    routes = [
        _route(file, service.name, rpc, silo)
        for file in descriptors.file
        if (silo := owner(file.package, owners)) is not None
        for service in file.service
        for rpc in service.method
    ]
    return {route.path: route for route in sorted(routes, key=lambda each: each.path)}


def _route(file: FileDescriptorProto, service: str, rpc: MethodDescriptorProto, silo: str) -> Route:
    rule = rpc.options.Extensions[access_pb2.access]
    service_name = f"{file.package}.{service}"
    method = Method(
        path=f"/{service_name}/{rpc.name}",
        service=service_name,
        name=rpc.name,
        type=methods.TYPES[rpc.client_streaming, rpc.server_streaming],
        anonymous=rule.anonymous,
        grants=tuple(methods.grant_of(each) for each in rule.grants),
        is_read=rpc.options.idempotency_level == MethodOptions.NO_SIDE_EFFECTS,
        is_idempotent=rpc.options.idempotency_level == MethodOptions.IDEMPOTENT,
        tenant_field="",  # whose rows a request names is for the silo to read
        reads_phi=rule.reads_phi,
    )
    return Route(method, file.package, silo, rpc.options.idempotency_level, rule)
