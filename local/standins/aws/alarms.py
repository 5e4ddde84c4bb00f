"""Alarms on alarms, the measure that is made of a log's lines, and the page that shows measures."""

from typing import Any, ClassVar

from local.standins.aws.cloudwatch import change_tags
from local.standins.aws.resource import AutoName, AwsKind, Site, Values
from local.standins.aws.shapes import FLAG, NUMBER, TEXT, Block, Field, JsonText, MapOf, SetOf, TagMap

_SUPPRESSOR = {
    "alarm": "ActionsSuppressor",
    "extensionPeriod": "ActionsSuppressorExtensionPeriod",
    "waitPeriod": "ActionsSuppressorWaitPeriod",
}


class CompositeAlarm(AwsKind):
    """Who hears of other alarms, once for all of them."""

    token = "aws:cloudwatch/compositeAlarm:CompositeAlarm"
    service = "cloudwatch"
    noun = "composite alarm"
    gone = frozenset({"ResourceNotFound", "ResourceNotFoundException"})
    tagged = True
    auto_name = AutoName("alarmName", limit=255)
    _plain: ClassVar = {
        "actionsEnabled": Field(shape=FLAG, default=True),
        "alarmActions": Field(shape=SetOf(TEXT)),
        "alarmDescription": Field(),
        "alarmName": Field(required=True, immutable=True),
        "alarmRule": Field(required=True),
        "insufficientDataActions": Field(shape=SetOf(TEXT)),
        "okActions": Field(shape=SetOf(TEXT), aws="OKActions"),
    }
    _suppressor = Block(
        {
            "alarm": Field(required=True),
            "extensionPeriod": Field(shape=NUMBER, required=True),
            "waitPeriod": Field(shape=NUMBER, required=True),
        }
    )
    properties: ClassVar = {**_plain, "actionsSuppressor": Field(shape=_suppressor)}
    outputs: ClassVar = {"arn": TEXT}

    def _put(self, site: Site, inputs: Values, **more: Any) -> None:
        suppressor = inputs.get("actionsSuppressor") or {}
        given = {_SUPPRESSOR[name]: value for name, value in suppressor.items()}
        site.client.put_composite_alarm(**Block(self._plain).to_aws(inputs), **given, **more)

    def make(self, site: Site, inputs: Values) -> str:
        tags = TagMap().to_aws(self.all_tags(inputs))
        self._put(site, inputs, **({"Tags": tags} if tags else {}))
        return str(inputs["alarmName"])

    def find(self, site: Site, id: str) -> Values | None:
        alarms = site.client.describe_alarms(AlarmNames=[id], AlarmTypes=["CompositeAlarm"])["CompositeAlarms"]
        if not alarms:
            return None
        (found,) = alarms
        tags = site.client.list_tags_for_resource(ResourceARN=found["AlarmArn"])["Tags"]
        suppressor = {name: found[given] for name, given in _SUPPRESSOR.items() if given in found}
        return {
            **Block(self._plain).from_aws(found),
            **({"actionsSuppressor": suppressor} if suppressor else {}),
            "arn": found["AlarmArn"],
            "tagsAll": TagMap().from_aws(tags),
        }

    def change(self, site: Site, id: str, state: Values, new: Values) -> None:
        self._put(site, new)
        change_tags(site, state, self.all_tags(new))

    def remove(self, site: Site, id: str, state: Values) -> None:
        site.client.delete_alarms(AlarmNames=[id])


class Dashboard(AwsKind):
    """A page of measures."""

    token = "aws:cloudwatch/dashboard:Dashboard"
    service = "cloudwatch"
    noun = "dashboard"
    # As AWS says it, and as moto does.
    gone = frozenset({"DashboardNotFoundError", "ResourceNotFound"})
    properties: ClassVar = {
        "dashboardBody": Field(shape=JsonText(), required=True),
        "dashboardName": Field(required=True, immutable=True),
    }
    outputs: ClassVar = {"dashboardArn": TEXT}

    def make(self, site: Site, inputs: Values) -> str:
        name = str(inputs["dashboardName"])
        self.change(site, name, {}, inputs)
        return name

    def find(self, site: Site, id: str) -> Values | None:
        found = site.client.get_dashboard(DashboardName=id)
        return {"dashboardArn": found["DashboardArn"], "dashboardBody": found["DashboardBody"], "dashboardName": id}

    def change(self, site: Site, id: str, state: Values, new: Values) -> None:
        site.client.put_dashboard(DashboardName=id, DashboardBody=new["dashboardBody"])

    def remove(self, site: Site, id: str, state: Values) -> None:
        site.client.delete_dashboards(DashboardNames=[id])


class LogMetricFilter(AwsKind):
    """What is counted of a log's lines. Its id is the group and its own name."""

    token = "aws:cloudwatch/logMetricFilter:LogMetricFilter"
    service = "logs"
    noun = "metric filter"
    gone = frozenset({"ResourceNotFoundException"})
    auto_name = AutoName("name", limit=512)
    _transformation = Block(
        {
            "defaultValue": Field(),
            "dimensions": Field(shape=MapOf(TEXT)),
            "name": Field(required=True),
            "namespace": Field(required=True),
            "value": Field(required=True),
        },
        {"unit": "moto doesn't give it back, leave it out"},
    )
    properties: ClassVar = {
        "logGroupName": Field(required=True, immutable=True),
        "metricTransformation": Field(shape=_transformation, required=True),
        "name": Field(computed=True, immutable=True),
        "pattern": Field(required=True),
    }
    refused: ClassVar = {"applyOnTransformedLogs": "moto doesn't keep it, leave it out"}

    def make(self, site: Site, inputs: Values) -> str:
        id = f"{inputs['logGroupName']}:{inputs['name']}"
        self.change(site, id, {}, inputs)
        return id

    def find(self, site: Site, id: str) -> Values | None:
        group, _, name = id.rpartition(":")
        filters = site.client.describe_metric_filters(logGroupName=group, filterNamePrefix=name)["metricFilters"]
        found = next((each for each in filters if each["filterName"] == name), None)
        if found is None:
            return None
        (made,) = found["metricTransformations"]
        default = made.get("defaultValue")
        return {
            "logGroupName": group,
            "metricTransformation": {
                "defaultValue": None if default is None else f"{default:g}",
                "dimensions": made.get("dimensions"),
                "name": made["metricName"],
                "namespace": made["metricNamespace"],
                "value": made["metricValue"],
            },
            "name": name,
            "pattern": found["filterPattern"],
        }

    def change(self, site: Site, id: str, state: Values, new: Values) -> None:
        group, _, name = id.rpartition(":")
        given = new["metricTransformation"]
        optional: Values = {"dimensions": given.get("dimensions")}
        if given.get("defaultValue"):
            optional["defaultValue"] = float(given["defaultValue"])
        made = {"metricName": given["name"], "metricNamespace": given["namespace"], "metricValue": given["value"]}
        made |= {name: value for name, value in optional.items() if value is not None}
        site.client.put_metric_filter(
            logGroupName=group, filterName=name, filterPattern=new["pattern"], metricTransformations=[made]
        )

    def remove(self, site: Site, id: str, state: Values) -> None:
        group, _, name = id.rpartition(":")
        site.client.delete_metric_filter(logGroupName=group, filterName=name)


KINDS: tuple[type[AwsKind], ...] = (CompositeAlarm, Dashboard, LogMetricFilter)
