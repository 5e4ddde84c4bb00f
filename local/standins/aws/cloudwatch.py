"""Alarms on measures; moto never evaluates one."""

from typing import Any, ClassVar

from local.standins.aws.resource import AutoName, AwsKind, Site, Values, tag_changes
from local.standins.aws.shapes import FLAG, NUMBER, TEXT, Block, Decimal, Field, MapOf, SetOf, TagMap, choice

_NONE_HAS_IT = "no alarm of the program has it, leave it out"


class _Dimensions(MapOf):
    """A map that AWS writes as a list of `Name` and `Value`."""

    def to_aws(self, value: Any) -> Any:
        return [{"Name": name, "Value": text} for name, text in sorted(value.items())]

    def from_aws(self, value: Any) -> Any:
        return {each["Name"]: each["Value"] for each in value}


def change_tags(site: Site, state: Values, tags: Values) -> None:
    """The tags of an alarm that is there, which are ignored where they are sent along with it."""
    added, removed = tag_changes(state.get("tagsAll") or {}, tags)
    if removed:
        site.client.untag_resource(ResourceARN=state["arn"], TagKeys=removed)
    if added:
        site.client.tag_resource(ResourceARN=state["arn"], Tags=TagMap().to_aws(added))


class MetricAlarm(AwsKind):
    """Who hears of a measure that is beyond a bound, or of none at all."""

    token = "aws:cloudwatch/metricAlarm:MetricAlarm"
    service = "cloudwatch"
    noun = "alarm"
    gone = frozenset({"ResourceNotFound", "ResourceNotFoundException"})
    tagged = True
    auto_name = AutoName("name", limit=255)
    properties: ClassVar = {
        "actionsEnabled": Field(shape=FLAG, default=True),
        "alarmActions": Field(shape=SetOf(TEXT)),
        "alarmDescription": Field(),
        "comparisonOperator": Field(
            shape=choice(
                "GreaterThanOrEqualToThreshold",
                "GreaterThanThreshold",
                "LessThanOrEqualToThreshold",
                "LessThanThreshold",
            ),
        ),
        "datapointsToAlarm": Field(shape=NUMBER),
        "dimensions": Field(shape=_Dimensions()),
        "evaluationPeriods": Field(shape=NUMBER),
        "insufficientDataActions": Field(shape=SetOf(TEXT), aws="InsufficientDataActions"),
        "metricName": Field(),
        "name": Field(computed=True, immutable=True, aws="AlarmName"),
        "namespace": Field(),
        "okActions": Field(shape=SetOf(TEXT), aws="OKActions"),
        "period": Field(shape=NUMBER),
        "statistic": Field(shape=choice("Average", "Maximum", "Minimum", "SampleCount", "Sum")),
        "threshold": Field(shape=Decimal()),
        "treatMissingData": Field(shape=choice("breaching", "ignore", "missing", "notBreaching"), default="missing"),
        "unit": Field(),
    }
    outputs: ClassVar = {"arn": TEXT}
    refused: ClassVar = dict.fromkeys(
        (
            *("evaluateLowSampleCountPercentiles", "evaluationCriteria", "evaluationInterval", "evaluationWindow"),
            *("extendedStatistic", "metricQueries", "thresholdMetricId", "warmUpConfiguration"),
        ),
        _NONE_HAS_IT,
    )
    _alarm = Block(properties)

    def make(self, site: Site, inputs: Values) -> str:
        tags = TagMap().to_aws(self.all_tags(inputs))
        site.client.put_metric_alarm(**self._alarm.to_aws(inputs), **({"Tags": tags} if tags else {}))
        return str(inputs["name"])

    def find(self, site: Site, id: str) -> Values | None:
        alarms = site.client.describe_alarms(AlarmNames=[id], AlarmTypes=["MetricAlarm"])["MetricAlarms"]
        if not alarms:
            return None
        (found,) = alarms
        tags = site.client.list_tags_for_resource(ResourceARN=found["AlarmArn"])["Tags"]
        return {**self._alarm.from_aws(found), "arn": found["AlarmArn"], "tagsAll": TagMap().from_aws(tags)}

    def change(self, site: Site, id: str, state: Values, new: Values) -> None:
        site.client.put_metric_alarm(**self._alarm.to_aws(new))
        change_tags(site, state, self.all_tags(new))

    def remove(self, site: Site, id: str, state: Values) -> None:
        site.client.delete_alarms(AlarmNames=[id])


KINDS: tuple[type[AwsKind], ...] = (MetricAlarm,)
