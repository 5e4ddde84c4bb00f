"""Lifecycle filters by size and NewerNoncurrentVersions, which moto drops on reading.

As on the pages "GetBucketLifecycleConfiguration" and "LifecycleRuleFilter" of the Amazon S3 API reference: what was put
is what is read.
"""

from collections.abc import Callable, Mapping
from typing import Any

from moto.s3.models import FakeBucket
from moto.s3.responses import S3Response

SIZES = ("ObjectSizeGreaterThan", "ObjectSizeLessThan")
KEPT = "local_lifecycle_extras"


def _extras(rule: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    chosen = rule.get("Filter") or {}
    both = chosen.get("And") or {}
    noncurrent = rule.get("NoncurrentVersionExpiration") or {}
    return {
        "Filter": {name: chosen[name] for name in SIZES if name in chosen},
        "And": {name: both[name] for name in SIZES if name in both},
        "NoncurrentVersionExpiration": {
            name: noncurrent[name] for name in ("NewerNoncurrentVersions",) if name in noncurrent
        },
    }


def _set_lifecycle(original: Callable[..., None]) -> Callable[..., None]:
    def set_lifecycle(self: Any, rules: list[dict[str, Any]]) -> None:
        original(self, rules)
        # moto makes one rule of each, in the same order.
        for kept, rule in zip(self.rules, rules, strict=True):
            setattr(kept, KEPT, _extras(rule))

    return set_lifecycle


def _add(answer: dict[str, Any], extras: Mapping[str, Mapping[str, str]]) -> None:
    if extras["Filter"]:
        answer.setdefault("Filter", {}).update(extras["Filter"])
    if extras["And"]:
        answer["Filter"].setdefault("And", {}).update(extras["And"])
    if extras["NoncurrentVersionExpiration"]:
        answer["NoncurrentVersionExpiration"].update(extras["NoncurrentVersionExpiration"])


def _serialized(original: Callable[..., Any]) -> Callable[..., Any]:
    def serialized(self: Any, action_result: Any) -> Any:
        result = action_result.result
        if self.data.get("Action") == "GetBucketLifecycleConfiguration" and isinstance(result, dict):
            rules = self.backend.get_bucket_lifecycle(self.bucket_name)
            for answer, rule in zip(result["Rules"], rules, strict=True):
                _add(answer, getattr(rule, KEPT))
        return original(self, action_result)

    return serialized


def install() -> None:
    FakeBucket.set_lifecycle = _set_lifecycle(FakeBucket.set_lifecycle)
    S3Response.serialized = _serialized(S3Response.serialized)
