"""Server reflection, v1 and v1alpha, answered from a descriptor set alone.

The shipped package speaks only v1alpha, but both versions have the same wire format: one
servicer answers both once the v1 descriptor is in its pool as well (grpc #38576).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping
from typing import Any

import grpc
from google.protobuf import descriptor_pool
from google.protobuf.descriptor import FileDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet
from google.rpc import error_details_pb2, status_pb2
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection, reflection_pb2

V1ALPHA = "grpc.reflection.v1alpha"
V1 = "grpc.reflection.v1"
BUILT_IN = ("grpc.health.v1.Health", f"{V1ALPHA}.ServerReflection", f"{V1}.ServerReflection")

Context = grpc.aio.ServicerContext[Any, Any]
Admit = Callable[[Context], Awaitable[None]]


def add(server: grpc.aio.Server, descriptors: FileDescriptorSet, admit: Admit) -> None:
    """Describe every service of ``descriptors``; ``admit`` aborts for callers who may not ask."""
    files = _files(descriptors)
    methods = _methods(files.values())
    servicer = reflection.aio.ReflectionServicer(_services(descriptors), pool=_pool(files))

    async def answer(requests: Any, context: Context) -> AsyncIterator[Any]:
        async for request in requests:
            # Refused before it has sent anything, a client may see INTERNAL (grpc #36066).
            await admit(context)
            asked = _alone(_of_service(request, methods))
            async for response in servicer.ServerReflectionInfo(asked, context):
                response.original_request.CopyFrom(request)
                served = response.file_descriptor_response.file_descriptor_proto
                for index, file in enumerate(served):
                    # A pool forgets doc comments; the files as compiled have them.
                    served[index] = files[FileDescriptorProto.FromString(file).name]
                yield response

    method = grpc.stream_stream_rpc_method_handler(
        answer,
        reflection_pb2.ServerReflectionRequest.FromString,
        reflection_pb2.ServerReflectionResponse.SerializeToString,
    )
    for package in (V1, V1ALPHA):
        service = f"{package}.ServerReflection"
        handlers = {"ServerReflectionInfo": method}
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, handlers),))


async def anybody(_context: Context) -> None:
    """Admit everybody: the contract is public."""


def describing(services: Iterable[str]) -> FileDescriptorSet:
    """Collect the files that ``services`` of this process are made of, imports first."""
    pool = descriptor_pool.Default()
    files: dict[str, FileDescriptorProto] = {}
    for service in services:
        for file in _with_imports(pool.FindServiceByName(service).file):
            files.setdefault(file.name, file)
    return FileDescriptorSet(file=files.values())


async def _alone(request: Any) -> AsyncIterator[Any]:
    yield request


def _of_service(request: Any, methods: Mapping[str, str]) -> Any:
    """Ask for a method's service in its place: the pool does not find methods by their names."""
    service = methods.get(request.file_containing_symbol)
    if service is None:
        return request
    return reflection_pb2.ServerReflectionRequest(file_containing_symbol=service)


def _methods(files: Iterable[bytes]) -> dict[str, str]:
    """Return the full name of each method with that of its service."""
    return {
        f"{file.package}.{service.name}.{method.name}": f"{file.package}.{service.name}"
        for file in map(FileDescriptorProto.FromString, files)
        for service in file.service
        for method in service.method
    }


def _services(descriptors: FileDescriptorSet) -> tuple[str, ...]:
    names = (f"{file.package}.{each.name}" for file in descriptors.file for each in file.service)
    return (*names, *BUILT_IN)


def _files(descriptors: FileDescriptorSet) -> dict[str, bytes]:
    """Give the set, and what clients ask for besides: health, reflection, error details."""
    files = {file.name: file.SerializeToString() for file in descriptors.file}
    for module in (health_pb2, reflection_pb2, status_pb2, error_details_pb2):
        for file in _with_imports(module.DESCRIPTOR):
            files.setdefault(file.name, file.SerializeToString())
    v1 = _v1_file()
    return files | {v1.name: v1.SerializeToString()}


def _pool(files: dict[str, bytes]) -> descriptor_pool.DescriptorPool:
    pool = descriptor_pool.DescriptorPool()
    for file in files.values():
        pool.AddSerializedFile(file)
    return pool


def _with_imports(file: FileDescriptor) -> Iterator[FileDescriptorProto]:
    for dependency in file.dependencies:
        yield from _with_imports(dependency)
    yield FileDescriptorProto.FromString(file.serialized_pb)


def _v1_file() -> FileDescriptorProto:
    """Copy the v1alpha descriptor under its v1 name."""
    file = FileDescriptorProto()
    reflection_pb2.DESCRIPTOR.CopyToProto(file)
    file.name, file.package = "grpc/reflection/v1/reflection.proto", V1
    for message in file.message_type:
        for field in message.field:
            if field.type_name:  # an empty one would count as set
                field.type_name = field.type_name.replace(f".{V1ALPHA}.", f".{V1}.")
    for service in file.service:
        for method in service.method:
            method.input_type = method.input_type.replace(f".{V1ALPHA}.", f".{V1}.")
            method.output_type = method.output_type.replace(f".{V1ALPHA}.", f".{V1}.")
    return file
