"""Writes the descriptors that the contract imports, taken from the installed wheels.

protovalidate's proto source ships in no wheel and is not committed here, so protoc compiles
against descriptors instead: ``python protos/imports.py build/imports.binpb``.
"""

from __future__ import annotations

import sys
from pathlib import Path

from google.api import field_behavior_pb2
from google.protobuf import (
    any_pb2,
    descriptor_pb2,
    duration_pb2,
    field_mask_pb2,
    struct_pb2,
    timestamp_pb2,
)
from google.type import interval_pb2, latlng_pb2, money_pb2
from protovalidate._gen.buf.validate import validate_pb

IMPORTED = (
    descriptor_pb2,
    any_pb2,
    duration_pb2,
    field_mask_pb2,
    struct_pb2,
    timestamp_pb2,
    field_behavior_pb2,
    interval_pb2,
    latlng_pb2,
    money_pb2,
)


def imports() -> descriptor_pb2.FileDescriptorSet:
    """Collect the imported files; each stands behind the files that it imports itself."""
    files = descriptor_pb2.FileDescriptorSet()
    for module in IMPORTED:
        module.DESCRIPTOR.CopyToProto(files.file.add())
    # Private names: hence the exact pin of protovalidate.
    files.file.add().ParseFromString(validate_pb._DESC.proto.to_binary())  # noqa: SLF001
    return files


if __name__ == "__main__":
    target = Path(sys.argv[1])
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(imports().SerializeToString())
