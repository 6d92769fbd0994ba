"""What the contract says about each method, looked up once when the process starts."""

from __future__ import annotations

from dataclasses import dataclass

from google.api.field_behavior_pb2 import FieldBehavior, field_behavior
from google.protobuf import descriptor_pool
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.descriptor_pb2 import MethodOptions
from medport.common.v1 import access_pb2

from chassis.auth import Principal

TYPES = {
    (False, False): "unary",
    (False, True): "server_stream",
    (True, False): "client_stream",
    (True, True): "bidi_stream",
}
_TENANT_FIELDS = {"hospital_id", "agency_id"}


@dataclass(frozen=True, slots=True)
class Grant:
    """One way to be allowed, in the contract's names without prefix; no permission is ``""``."""

    roles: frozenset[str]
    scope: str
    permission: str

    def admits(self, principal: Principal) -> bool:
        permitted = not self.permission or self.permission in principal.permissions
        return permitted and not self.roles.isdisjoint(principal.roles)


@dataclass(frozen=True, slots=True)
class Method:
    path: str
    service: str
    name: str
    type: str  # as go-grpc-prometheus calls it
    anonymous: bool
    grants: tuple[Grant, ...]
    is_read: bool  # it changes nothing
    is_idempotent: bool  # it changes something, once per request id
    tenant_field: str  # the request's field 1, if that names a tenant (contract, rule 4)
    reads_phi: bool
    takes_secrets: bool = False  # a password, say, which must not be guessed from a stored hash

    @property
    def streams_answers(self) -> bool:
        return self.type in {"server_stream", "bidi_stream"}

    @property
    def streams_requests(self) -> bool:
        return self.type in {"client_stream", "bidi_stream"}


def of(service: str) -> dict[str, Method]:
    """Describe ``service``'s methods by name; raises LookupError if one names no callers."""
    descriptor = descriptor_pool.Default().FindServiceByName(service)
    return {method.name: _described(method) for method in descriptor.methods}


def _described(method: MethodDescriptor) -> Method:
    options = method.GetOptions()
    rule = options.Extensions[access_pb2.access]
    if not rule.anonymous and not rule.grants:
        raise LookupError(f"{method.full_name} has no access rule: nobody could call it")
    service = method.containing_service.full_name
    return Method(
        path=f"/{service}/{method.name}",
        service=service,
        name=method.name,
        type=TYPES[method.client_streaming, method.server_streaming],
        anonymous=rule.anonymous,
        grants=tuple(grant_of(each) for each in rule.grants),
        is_read=options.idempotency_level == MethodOptions.NO_SIDE_EFFECTS,
        is_idempotent=(
            options.idempotency_level == MethodOptions.IDEMPOTENT
            and "request_id" in method.input_type.fields_by_name
        ),
        tenant_field=_tenant_field(method),
        reads_phi=rule.reads_phi,
        takes_secrets=any(
            FieldBehavior.INPUT_ONLY in field.GetOptions().Extensions[field_behavior]
            for field in method.input_type.fields
        ),
    )


def grant_of(grant: access_pb2.Grant) -> Grant:
    roles = (access_pb2.Role.Name(role).removeprefix("ROLE_") for role in grant.roles)
    permission = access_pb2.Permission.Name(grant.permission).removeprefix("PERMISSION_")
    return Grant(
        roles=frozenset(roles),
        scope=access_pb2.Scope.Name(grant.scope).removeprefix("SCOPE_"),
        permission="" if permission == "UNSPECIFIED" else permission,
    )


def _tenant_field(method: MethodDescriptor) -> str:
    first = method.input_type.fields_by_number.get(1)
    return first.name if first is not None and first.name in _TENANT_FIELDS else ""
