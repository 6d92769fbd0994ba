"""The module that generated code imports for protovalidate's options, and that no wheel ships.

Written by hand. It yields to a descriptor that another package has registered already.
"""

from google.protobuf import (  # noqa: F401 - validate.proto imports them: they must be registered
    descriptor_pb2,
    descriptor_pool,
    duration_pb2,
    field_mask_pb2,
    timestamp_pb2,
)
from google.protobuf.internal import builder
from protovalidate._gen.buf.validate import validate_pb

try:
    DESCRIPTOR = descriptor_pool.Default().FindFileByName("buf/validate/validate.proto")
except KeyError:
    DESCRIPTOR = descriptor_pool.Default().AddSerializedFile(validate_pb._DESC.proto.to_binary())
builder.BuildMessageAndEnumDescriptors(DESCRIPTOR, globals())
builder.BuildTopDescriptorsAndMessages(DESCRIPTOR, __name__, globals())
