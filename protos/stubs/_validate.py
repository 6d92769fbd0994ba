"""Makes protovalidate's options known before the messages that bear them are described.

Only the options: nothing here validates, so that nothing but protobuf is needed. They are described
once per process. Whoever describes them too, in a package ``buf`` or elsewhere, goes first.
"""

from importlib import resources

from google.protobuf import (  # noqa: F401 - validate.proto imports them: they must be registered
    descriptor_pb2,
    descriptor_pool,
    duration_pb2,
    field_mask_pb2,
    timestamp_pb2,
)

try:
    from buf.validate import validate_pb2  # noqa: F401 - its import is what registers them
except ImportError:
    _pool = descriptor_pool.Default()
    try:
        _pool.FindFileByName("buf/validate/validate.proto")
    except KeyError:
        _options = resources.files("medport") / "_validate.binpb"
        _pool.AddSerializedFile(_options.read_bytes())
