"""The protocol's generated messages, without the rest of the SDK.

`import pulumi` costs a third of a second that no plugin needs. A bare package of the same name, whose path leads to
the same files, lets Python find `pulumi.runtime.proto` without running the SDK's own `__init__`.
"""

import importlib.util
import sys
import types


def _bare(name: str, path: list[str]) -> None:
    module = types.ModuleType(name)
    module.__path__ = path
    sys.modules[name] = module


_bare_names = ("pulumi", "pulumi.runtime", "pulumi.runtime.proto")
_alone = "pulumi" not in sys.modules
if _alone:
    _spec = importlib.util.find_spec("pulumi")
    if _spec is None or _spec.submodule_search_locations is None:
        raise ImportError("the pulumi package is not installed in this environment")
    _root = list(_spec.submodule_search_locations)
    _bare("pulumi", _root)
    _bare("pulumi.runtime", [f"{_path}/runtime" for _path in _root])
    _bare("pulumi.runtime.proto", [f"{_path}/runtime/proto" for _path in _root])

from pulumi.runtime.proto import (  # noqa: E402
    engine_pb2,
    engine_pb2_grpc,
    plugin_pb2,
    provider_pb2,
    provider_pb2_grpc,
)

# What imports the SDK after us gets the SDK.
if _alone:
    for _name in _bare_names:
        del sys.modules[_name]

__all__ = ["engine_pb2", "engine_pb2_grpc", "plugin_pb2", "provider_pb2", "provider_pb2_grpc"]
