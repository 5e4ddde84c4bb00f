"""The plugin itself: its resource types, its configuration and its three functions."""

import asyncio
import json
from collections.abc import Mapping
from typing import Any

from local.standins.aws import (
    alarms,
    aurora,
    backup,
    cloud,
    cloudfront,
    cloudwatch,
    ec2,
    events,
    functions,
    guardduty,
    iam,
    kms,
    logs,
    rds,
    rdsevents,
    rdsproxy,
    s3,
    s3lock,
    secretsmanager,
    sns,
)
from local.standins.aws.cloud import Cloud
from plugin.server import CheckFailure, Plugin, PluginError

VERSION = "7.51.1"

# One module per service; each lists its types in KINDS.
SERVICES = (
    *(s3, s3lock, kms, iam, cloudfront, cloudwatch, logs, sns, guardduty, ec2, rds, aurora, rdsproxy),
    backup,
    *(secretsmanager, alarms, rdsevents, functions, events),
)

_PARTITIONS = {
    "aws": ("amazonaws.com", "com.amazonaws"),
    "aws-cn": ("amazonaws.com.cn", "cn.com.amazonaws"),
    "aws-us-gov": ("amazonaws.com", "com.amazonaws"),
}


class AwsPlugin(Plugin):
    """Stands in for the official `aws` plugin, where that can't be had."""

    name = "aws"
    version = VERSION

    def __init__(self) -> None:
        self.cloud = Cloud()
        self._types = [kind(self.cloud) for service in SERVICES for kind in service.KINDS]
        super().__init__(list(self._types))
        self._functions = {
            "aws:index/getCallerIdentity:getCallerIdentity": (frozenset[str](), self._caller_identity),
            "aws:index/getPartition:getPartition": (frozenset[str](), self._partition),
            "aws:index/getRegion:getRegion": (frozenset({"region"}), self._region),
        }

    async def check_config(self, inputs: dict[str, Any]) -> list[CheckFailure]:
        return cloud.check(inputs)

    async def configure(self, inputs: dict[str, Any]) -> None:
        self.cloud.configure(inputs)
        await asyncio.to_thread(self.cloud.check_account)

    async def invoke(self, token: str, arguments: dict[str, Any]) -> dict[str, Any]:
        if token not in self._functions:
            known = ", ".join(sorted(self._functions))
            raise PluginError(
                f"{token} is not a function of the offline stand-in for the aws plugin, which has {known}"
            )
        accepted, function = self._functions[token]
        for name in sorted(arguments.keys() - accepted):
            raise PluginError(f"{token}: argument {name} is not supported by the offline stand-in; leave it out")
        return await asyncio.to_thread(function, arguments)

    def _caller_identity(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            answer = self.cloud.client("sts").get_caller_identity()
        except (ClientError, BotoCoreError) as error:
            raise self.cloud.explain(error, "getCallerIdentity") from None
        account = answer["Account"]
        return {"accountId": account, "arn": answer["Arn"], "id": account, "userId": answer["UserId"]}

    def _partition(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        name = cloud.partition(self.cloud.region)
        suffix, reverse = _PARTITIONS[name]
        return {"partition": name, "dnsSuffix": suffix, "reverseDnsPrefix": reverse, "id": name}

    def _region(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        import botocore.session

        region = arguments.get("region") or self.cloud.region
        partitions = botocore.session.Session().get_data("endpoints")["partitions"]
        known = {name: described for part in partitions for name, described in part["regions"].items()}
        if region not in known:
            raise PluginError(f"getRegion: {region} is not a region of AWS")
        endpoint = f"ec2.{region}.{cloud.dns_suffix(region)}"
        description = known[region]["description"]
        return {"description": description, "endpoint": endpoint, "id": region, "name": region, "region": region}

    def schema(self) -> str:
        resources = {kind.token: kind.schema() for kind in self._types}
        return json.dumps({"name": self.name, "version": self.version, "resources": resources})
