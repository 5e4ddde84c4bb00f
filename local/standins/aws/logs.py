"""Where a service's logs are delivered: a source, a destination, and the delivery between them."""

from typing import Any, ClassVar

from local.standins.aws.resource import AutoName, AwsKind, Site, Values, tag_changes
from local.standins.aws.shapes import FLAG, NUMBER, TEXT, Block, Field, choice

_LATER = "moto can't change it later, leave it out"


class _Delivered(AwsKind):
    """What all three share: their tags hang on their ARN."""

    service = "logs"
    gone = frozenset({"ResourceNotFoundException"})
    tagged = True

    def _tags(self, site: Site, arn: str) -> Values:
        tags: Values = site.client.list_tags_for_resource(resourceArn=arn)["tags"]
        return tags

    def change(self, site: Site, id: str, state: Values, new: Values) -> None:
        added, removed = tag_changes(state.get("tagsAll") or {}, self.all_tags(new))
        if removed:
            site.client.untag_resource(resourceArn=state["arn"], tagKeys=removed)
        if added:
            site.client.tag_resource(resourceArn=state["arn"], tags=added)

    def _with_tags(self, inputs: Values) -> Values:
        tags = self.all_tags(inputs)
        return {"tags": tags} if tags else {}


class LogDeliverySource(_Delivered):
    """A resource whose logs are wanted."""

    token = "aws:cloudwatch/logDeliverySource:LogDeliverySource"
    noun = "log delivery source"
    auto_name = AutoName("name", limit=60)
    properties: ClassVar = {
        "logType": Field(required=True, immutable=True),
        "name": Field(computed=True, immutable=True),
        "resourceArn": Field(required=True, immutable=True),
    }
    outputs: ClassVar = {"arn": TEXT, "service": TEXT}

    def make(self, site: Site, inputs: Values) -> str:
        name: str = inputs["name"]
        site.client.put_delivery_source(
            name=name, resourceArn=inputs["resourceArn"], logType=inputs["logType"], **self._with_tags(inputs)
        )
        return name

    def find(self, site: Site, id: str) -> Values | None:
        found = site.client.get_delivery_source(name=id)["deliverySource"]
        return {
            "arn": found["arn"],
            "logType": found["logType"],
            "name": id,
            "resourceArn": found["resourceArns"][0],
            "service": found["service"],
            "tagsAll": self._tags(site, found["arn"]),
        }

    def remove(self, site: Site, id: str, state: Values) -> None:
        site.client.delete_delivery_source(name=id)


class LogDeliveryDestination(_Delivered):
    """A bucket, a log group or a stream that logs go to."""

    token = "aws:cloudwatch/logDeliveryDestination:LogDeliveryDestination"
    noun = "log delivery destination"
    auto_name = AutoName("name", limit=60)
    _target = Block({"destinationResourceArn": Field()})
    properties: ClassVar = {
        "deliveryDestinationConfiguration": Field(shape=_target),
        "deliveryDestinationType": Field(shape=choice("S3", "CWL", "FH"), computed=True),
        "name": Field(computed=True, immutable=True),
        "outputFormat": Field(shape=choice("json", "plain", "w3c", "raw", "parquet"), computed=True, immutable=True),
    }
    outputs: ClassVar = {"arn": TEXT}

    def make(self, site: Site, inputs: Values) -> str:
        name: str = inputs["name"]
        self._put(site, name, inputs, self._with_tags(inputs))
        return name

    def _put(self, site: Site, name: str, inputs: Values, more: Values) -> None:
        arn = (inputs.get("deliveryDestinationConfiguration") or {}).get("destinationResourceArn")
        optional: dict[str, Any] = {"outputFormat": inputs["outputFormat"]} if inputs.get("outputFormat") else {}
        site.client.put_delivery_destination(
            name=name, deliveryDestinationConfiguration={"destinationResourceArn": arn}, **optional, **more
        )

    def find(self, site: Site, id: str) -> Values | None:
        found = site.client.get_delivery_destination(name=id)["deliveryDestination"]
        return {
            "arn": found["arn"],
            "deliveryDestinationConfiguration": found["deliveryDestinationConfiguration"],
            "deliveryDestinationType": found["deliveryDestinationType"],
            "name": id,
            "outputFormat": found.get("outputFormat"),
            "tagsAll": self._tags(site, found["arn"]),
        }

    def change(self, site: Site, id: str, state: Values, new: Values) -> None:
        self._put(site, id, {**new, "outputFormat": state.get("outputFormat")}, {})
        super().change(site, id, state, new)

    def remove(self, site: Site, id: str, state: Values) -> None:
        site.client.delete_delivery_destination(name=id)


class LogDelivery(_Delivered):
    """The logs of one source on their way to one destination."""

    token = "aws:cloudwatch/logDelivery:LogDelivery"
    noun = "log delivery"
    properties: ClassVar = {
        "deliveryDestinationArn": Field(required=True, immutable=True),
        "deliverySourceName": Field(required=True, immutable=True),
    }
    outputs: ClassVar = {"arn": TEXT}
    refused: ClassVar = {"fieldDelimiter": _LATER, "recordFields": _LATER, "s3DeliveryConfigurations": _LATER}

    def make(self, site: Site, inputs: Values) -> str:
        made = site.client.create_delivery(
            deliverySourceName=inputs["deliverySourceName"],
            deliveryDestinationArn=inputs["deliveryDestinationArn"],
            **self._with_tags(inputs),
        )
        return str(made["delivery"]["id"])

    def find(self, site: Site, id: str) -> Values | None:
        found = site.client.get_delivery(id=id)["delivery"]
        return {
            "arn": found["arn"],
            "deliveryDestinationArn": found["deliveryDestinationArn"],
            "deliverySourceName": found["deliverySourceName"],
            "tagsAll": self._tags(site, found["arn"]),
        }

    def remove(self, site: Site, id: str, state: Values) -> None:
        site.client.delete_delivery(id=id)


class LogGroup(_Delivered):
    """Where the lines of one log are kept, and how long."""

    token = "aws:cloudwatch/logGroup:LogGroup"
    noun = "log group"
    auto_name = AutoName("name", "namePrefix", limit=512)
    properties: ClassVar = {
        "name": Field(computed=True, immutable=True),
        "namePrefix": Field(computed=True, immutable=True, unreported=True),
        "retentionInDays": Field(shape=NUMBER),
        "skipDestroy": Field(shape=FLAG, local=True),
    }
    outputs: ClassVar = {"arn": TEXT}
    refused: ClassVar = {
        "deletionProtectionEnabled": _LATER,
        "kmsKeyId": _LATER,
        "logGroupClass": "moto doesn't give it back, leave it out",
    }

    def make(self, site: Site, inputs: Values) -> str:
        name = AutoName("name", "namePrefix").given(inputs)
        site.client.create_log_group(logGroupName=name, **self._with_tags(inputs))
        self._keep(site, name, inputs)
        return name

    def _keep(self, site: Site, name: str, inputs: Values) -> None:
        if inputs.get("retentionInDays"):
            site.client.put_retention_policy(logGroupName=name, retentionInDays=inputs["retentionInDays"])
        else:
            site.client.delete_retention_policy(logGroupName=name)

    def find(self, site: Site, id: str) -> Values | None:
        groups = site.client.describe_log_groups(logGroupNamePrefix=id)["logGroups"]
        found = next((group for group in groups if group["logGroupName"] == id), None)
        if found is None:
            return None
        arn = found["arn"].removesuffix(":*")
        return {
            "arn": arn,
            "name": id,
            "retentionInDays": found.get("retentionInDays"),
            "tagsAll": self._tags(site, arn),
        }

    def change(self, site: Site, id: str, state: Values, new: Values) -> None:
        self._keep(site, id, new)
        super().change(site, id, state, new)

    def remove(self, site: Site, id: str, state: Values) -> None:
        if not state.get("skipDestroy"):
            site.client.delete_log_group(logGroupName=id)


KINDS: tuple[type[AwsKind], ...] = (LogDeliverySource, LogDeliveryDestination, LogDelivery, LogGroup)
