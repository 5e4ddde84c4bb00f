"""moto's backends as bytes and back.

One pickle holds all services, so that what two of them share stays one object. Most of moto pickles as it is; the
exceptions have a reducer here. A service that can't be pickled is left out, so that it costs only itself.
"""

import copyreg
import importlib
import io
import marshal
import pickle
import threading
import types
import weakref
from collections.abc import Callable
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from moto.backends import get_backend
from moto.core.base_backend import BackendDict
from moto.s3.models import s3_backends
from moto.s3.utils import _VersionedKeyStore
from moto.utilities.utils import PARTITION_NAMES

PRIVATE_KEYS = (rsa.RSAPrivateKey, ec.EllipticCurvePrivateKey, ed25519.Ed25519PrivateKey)
# moto looks up every access key in every partition, which fills IAM with 4 MB of managed policies for each.
OTHER_PARTITIONS = set(PARTITION_NAMES) - {"aws"}
# By name: its module brings all of EC2 with it, which is more than half of a server's start.
PARAMETERS = ("moto.ssm.models", "ParameterDict")

Tree = dict[str, dict[str, dict[str, Any]]]


def _private_key(pem: bytes) -> Any:
    return serialization.load_pem_private_key(pem, None)


def _parameters(account: str, region: str, loaded: dict[str, Any], items: list[tuple[str, Any]]) -> Any:
    from moto.ssm.models import ParameterDict

    parameters = ParameterDict(account, region)
    parameters.__dict__.update(loaded)
    # Past its own setters and getters, which load AWS' public parameters.
    for name, versions in items:
        dict.__setitem__(parameters, name, versions)
    return parameters


def _versions(items: list[tuple[str, list[Any]]]) -> Any:
    store = _VersionedKeyStore()
    for name, versions in items:
        dict.__setitem__(store, name, versions)
    return store


def _weak_values(items: list[tuple[Any, Any]]) -> Any:
    return weakref.WeakValueDictionary(items)


def _function(module: str, code: bytes, closure: tuple[Any, ...]) -> Any:
    names = importlib.import_module(module).__dict__
    return types.FunctionType(marshal.loads(code), names, closure=tuple(map(types.CellType, closure)))


def _reduce_function(function: types.FunctionType) -> Any:
    # Default factories of dictionaries that moto writes as lambdas inside a method.
    closure = tuple(cell.cell_contents for cell in function.__closure__ or ())
    return _function, (function.__module__, marshal.dumps(function.__code__), closure)


def _reduce_key(key: Any) -> Any:
    encoding, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    return _private_key, (key.private_bytes(encoding, form, serialization.NoEncryption()),)


def _reduce_parameters(parameters: Any) -> Any:
    items = [(name, dict.__getitem__(parameters, name)) for name in list(dict.keys(parameters))]
    return _parameters, (parameters.account_id, parameters.region_name, dict(parameters.__dict__), items)


def _reduce_versions(store: Any) -> Any:
    # Its own items() shows the newest version of each object only, and pickle would keep no other.
    return _versions, ([(name, dict.__getitem__(store, name)) for name in list(store)],)


REDUCERS: dict[type, Callable[[Any], Any]] = {
    # Nobody holds a lock while the saver is alone, so a new one is as good.
    type(threading.RLock()): lambda lock: (threading.RLock, ()),
    type(threading.Lock()): lambda lock: (threading.Lock, ()),
    threading.Condition: lambda condition: (threading.Condition, ()),
    weakref.WeakValueDictionary: lambda values: (_weak_values, (list(values.items()),)),
    _VersionedKeyStore: _reduce_versions,
}


class _Pickler(pickle.Pickler):
    dispatch_table = copyreg.dispatch_table | REDUCERS

    def reducer_override(self, item: Any) -> Any:
        # Private keys are classes of their own below these, so no table by type finds them.
        if isinstance(item, PRIVATE_KEYS):
            return _reduce_key(item)
        if isinstance(item, types.FunctionType) and "<" in item.__qualname__:
            return _reduce_function(item)
        if (type(item).__module__, type(item).__qualname__) == PARAMETERS:
            return _reduce_parameters(item)
        return NotImplemented

    def persistent_id(self, item: Any) -> str | None:
        return item.service_name if isinstance(item, BackendDict) and _found_by_name(item) else None


class _Unpickler(pickle.Unpickler):
    def persistent_load(self, service: str) -> Any:
        return get_backend(service)


def _dump(tree: Tree) -> bytes:
    buffer = io.BytesIO()
    _Pickler(buffer, pickle.HIGHEST_PROTOCOL).dump(tree)
    return buffer.getvalue()


def _found_by_name(backends: Any) -> bool:
    # A few services that this project doesn't use carry the name of another (bedrock-runtime calls itself ec2).
    name = backends.service_name
    return bool(name) and get_backend(name) is backends


def collect() -> Tree:
    """Every backend that something has used, by service, account and region."""
    return {
        backends.service_name: {
            account: {region: backend for region, backend in list(regions.items()) if region not in OTHER_PARTITIONS}
            for account, regions in list(backends.items())
        }
        for backends in list(BackendDict._instances)
        if _found_by_name(backends)
    }


def met_a_change(error: Exception) -> bool:
    """Whether a request has changed something under the pickler, who may try again."""
    return isinstance(error, RuntimeError) and "during iteration" in str(error)


def dump(tree: Tree) -> tuple[bytes, dict[str, str]]:
    """The pickle, and the services that are not in it with the reason."""
    try:
        return _dump(tree), {}
    except Exception as error:
        if met_a_change(error):
            raise
        lost = {service: reason for service in tree if (reason := _why_not({service: tree[service]}))}
        if not lost:
            raise
        return _dump({service: accounts for service, accounts in tree.items() if service not in lost}), lost


def _why_not(tree: Tree) -> str:
    try:
        _dump(tree)
    except Exception as error:
        if met_a_change(error):
            raise
        return f"{type(error).__name__}: {error}"
    return ""


def load(content: bytes) -> Tree:
    tree: Tree = _Unpickler(io.BytesIO(content)).load()
    return tree


def restore(tree: Tree) -> None:
    for service, accounts in tree.items():
        for account, regions in accounts.items():
            dict.update(get_backend(service)[account], regions)
    for account, regions in tree.get("s3", {}).items():
        for partition, backend in regions.items():
            s3_backends.bucket_accounts.update(dict.fromkeys(backend.buckets, (partition, account)))
