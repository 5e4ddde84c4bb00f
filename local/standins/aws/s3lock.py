"""The lock of a bucket: how long nobody deletes what is new in it."""

from typing import Any, ClassVar

from local.standins.aws.resource import AwsKind, Site, Values
from local.standins.aws.s3 import BUCKET, OWNER, BucketSetting
from local.standins.aws.shapes import NUMBER, Block, Field, choice


class BucketObjectLockConfiguration(BucketSetting):
    """The retention that a version gets with which none is sent. The lock itself is for ever."""

    token = "aws:s3/bucketObjectLockConfiguration:BucketObjectLockConfiguration"
    noun = "object lock configuration"
    gone = frozenset({"404", "NoSuchBucket", "ObjectLockConfigurationNotFoundError"})
    put, get = "put_object_lock_configuration", "get_object_lock_configuration"
    _retention = Block(
        {
            "mode": Field(shape=choice("GOVERNANCE", "COMPLIANCE")),
            "days": Field(shape=NUMBER),
            "years": Field(shape=NUMBER),
        }
    )
    _rule = Block({"defaultRetention": Field(shape=_retention, required=True)})
    properties: ClassVar = {
        "bucket": BUCKET,
        "objectLockEnabled": Field(shape=choice("Enabled"), immutable=True, default="Enabled"),
        "rule": Field(shape=_rule),
    }
    refused: ClassVar = {**OWNER, "token": "it is deprecated, leave it out"}

    def pack(self, inputs: Values) -> Values:
        rule: dict[str, Any] = {"Rule": self._rule.to_aws(inputs["rule"])} if inputs.get("rule") else {}
        return {"ObjectLockConfiguration": {"ObjectLockEnabled": "Enabled", **rule}}

    def unpack(self, answer: Values) -> Values | None:
        found = answer["ObjectLockConfiguration"]
        if "Rule" not in found:
            return None
        retention = {name: value for name, value in found["Rule"]["DefaultRetention"].items() if value}
        return {"objectLockEnabled": "Enabled", "rule": self._rule.from_aws({"DefaultRetention": retention})}

    def remove(self, site: Site, id: str, state: Values) -> None:
        site.client.put_object_lock_configuration(Bucket=id, **self.pack({}))


KINDS: tuple[type[AwsKind], ...] = (BucketObjectLockConfiguration,)
