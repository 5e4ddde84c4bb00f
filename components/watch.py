"""What is watched of a server at AWS: alarms by severity, of which three alone notify, events, and a dashboard."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pulumi
from pulumi_aws import cloudwatch, rds

from components.base import Component
from declared import servermeasures
from declared.awsnames import AwsNames
from declared.servermeasures import EVENTS, GIB, LINES, MEMBER_EVENTS, PERIOD, Measure
from declared.serversettings import AURORA, ServerSettings

RUNBOOK = "docs/runbooks/aws.md"
SAID = {"outage": "an outage", "critical": "critical", "warning": "a warning"}
# What isn't measured is neither good nor bad: that nothing is measured has an alarm of its own.
NEITHER, GOOD, BAD = "missing", "notBreaching", "breaching"
# Seconds: so long the others wait for the outage that they may be a part of, and stay silent after it.
WAIT, AFTER = 120, 300
COLUMNS, WIDTH, HEIGHT = 3, 8, 6
# In one widget, as CloudWatch's reference of dashboards has it.
MOST_ALARMS = 100


@dataclass(frozen=True, kw_only=True)
class Watched:
    """A number that CloudWatch has, with from where on it is bad."""

    name: str
    """Part of the names of its alarms."""
    title: str
    unit: str = ""
    """Of the number, for people."""
    metric: str
    namespace: str
    dimensions: Mapping[str, str] = field(default_factory=dict)
    statistic: str = "Average"
    warning: float | None = None
    critical: float | None = None
    below: bool = False
    periods: int = 3
    enough: int = 0
    """How many of the periods have to be bad; 0 is all of them."""
    critical_periods: int = 0
    """The periods of the critical alarm, where they are others."""
    outage: bool = False
    """Whether its critical alarm is one of an outage: what is heard of whatever else is bad for long."""
    missing: str = NEITHER
    """What it counts as that there is no number."""
    runbook: str
    """The page, or the section of one, that says what to do."""


@dataclass(frozen=True, kw_only=True)
class WatchArgs:
    names: AwsNames
    settings: ServerSettings
    region: str
    topic: pulumi.Input[str]
    """What hears of it."""
    log: str
    """The log group of the server's log."""
    servers: Sequence[str]
    """The identifiers of the servers."""
    ready: Sequence[pulumi.Resource]
    """What has to be there before its events are subscribed to."""
    more: Sequence[Watched] = ()
    """Numbers of others that belong to the same alarms."""


class Watch(Component):
    """An alarm for each threshold, and three that notify: a cause is heard of once, whatever else it breaks."""

    def __init__(self, name: str, args: WatchArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(name, {"servers": list(args.servers)}, opts)
        self._name, self._args = name, args
        self._alarms: dict[str, dict[str, cloudwatch.MetricAlarm]] = {group: {} for group in SAID}
        watched = [*map(self._measured, servermeasures.measures(args.settings)), *self._lines(), *args.more]
        for each in [self._silent(), *watched]:
            self._alarm(each)
        # What is bad for days, such as an index that nothing uses, may not hide an outage.
        outage = self._composite("outage", None)
        composites = [outage, *(self._composite(severity, outage) for severity in ("critical", "warning"))]
        self._events()
        self._dashboard([each.arn for each in composites], watched)
        self.register_outputs({})

    def _server(self, role: str) -> dict[str, str]:
        """The dimensions of what is measured of the server, or of a cluster's servers with a role."""
        identifier = self._args.names.of("database")
        if self._args.settings.engine == AURORA:
            return {"DBClusterIdentifier": identifier, "Role": role or "WRITER"}
        return {"DBInstanceIdentifier": identifier}

    def _measured(self, measure: Measure) -> Watched:
        return Watched(
            name=measure.name,
            title=measure.title,
            unit=measure.unit,
            metric=measure.metric,
            namespace=servermeasures.NAMESPACE,
            dimensions=self._server(measure.role),
            statistic=measure.statistic,
            warning=measure.warning,
            critical=measure.critical,
            below=measure.below,
            periods=measure.periods,
            critical_periods=measure.critical_periods,
            outage=measure.outage,
            runbook=f"{RUNBOOK}#{measure.name.removeprefix('readers-')}",
        )

    def _silent(self) -> Watched:
        """Heard of where the server isn't measured: it is gone, has stopped, or is restarting for long."""
        return Watched(
            name="silent",
            title="measures of the server in 5 minutes",
            metric="CPUUtilization",
            namespace=servermeasures.NAMESPACE,
            dimensions=self._server(""),
            statistic="SampleCount",
            critical=0,
            below=True,
            periods=2,
            outage=True,
            missing=BAD,
            runbook=f"{RUNBOOK}#silent",
        )

    def _lines(self) -> Iterator[Watched]:
        """Lines of the server's log are counted, by their level as its prefix has it."""
        namespace = f"visual-prompt-builder/{self._args.names.stack}/log"
        for line in LINES:
            cloudwatch.LogMetricFilter(
                f"{self._name}-{line.name}",
                name=self._args.names.of(line.name),
                log_group_name=self._args.log,
                pattern=servermeasures.pattern(line),
                metric_transformation={"name": line.name, "namespace": namespace, "value": "1", "default_value": "0"},
                opts=self.child(*self._args.ready),
            )
            yield Watched(
                name=line.name,
                title=f"lines {line.level} of the log in 5 minutes",
                metric=line.name,
                namespace=namespace,
                statistic="Sum",
                warning=line.warning,
                critical=line.critical,
                periods=1,
                outage=True,
                missing=GOOD,
                runbook=f"{RUNBOOK}#{line.name}",
            )

    def _alarm(self, of: Watched) -> None:
        names = self._args.names
        for severity, limit in (("warning", of.warning), ("critical", of.critical)):
            if limit is None:
                continue
            called, periods = names.of(f"{of.name}-{severity}"), of.periods
            group = severity
            if severity == "critical":
                periods, group = of.critical_periods or periods, "outage" if of.outage else severity
            bad = f"{'at most' if of.below else 'at least'} {_shown(limit, of.unit)} is {SAID[severity]}"
            self._alarms[group][called] = cloudwatch.MetricAlarm(
                f"{self._name}-{of.name}-{severity}",
                name=called,
                alarm_description=f"{names.stack}: {of.title}: {bad}. {of.runbook}",
                namespace=of.namespace,
                metric_name=of.metric,
                dimensions=dict(of.dimensions) or None,
                statistic=of.statistic,
                comparison_operator=f"{'Less' if of.below else 'Greater'}ThanOrEqualToThreshold",
                threshold=limit,
                period=PERIOD,
                evaluation_periods=periods,
                datapoints_to_alarm=of.enough or periods,
                treat_missing_data=of.missing,
                opts=self.child(),
            )

    def _composite(self, severity: str, suppressor: cloudwatch.CompositeAlarm | None) -> cloudwatch.CompositeAlarm:
        """The alarm that notifies: once where the first of a severity is raised, and once where the last is cleared."""
        names, alarms = self._args.names, self._alarms[severity]
        silenced = (
            {"alarm": suppressor.alarm_name, "wait_period": WAIT, "extension_period": AFTER} if suppressor else None
        )
        return cloudwatch.CompositeAlarm(
            f"{self._name}-{severity}",
            alarm_name=names.of(f"notify-{severity}"),
            alarm_description=f"{names.stack}: something is {SAID[severity]}. What, shows the dashboard "
            f"{names.of('database')}; each alarm names its page. {RUNBOOK}",
            alarm_rule=" OR ".join(f'ALARM("{called}")' for called in sorted(alarms)),
            alarm_actions=[self._args.topic],
            ok_actions=[self._args.topic],
            actions_suppressor=silenced,
            opts=self.child(*alarms.values()),
        )

    def _events(self) -> None:
        """What RDS itself says of the server: that another took over, that it failed, that its storage is full."""
        names = self._args.names
        kinds: dict[str, tuple[Sequence[str], Sequence[str]]] = {
            "db-instance": (self._args.servers, EVENTS["db-instance"])
        }
        if self._args.settings.engine == AURORA:
            kinds = {
                "db-instance": (self._args.servers, MEMBER_EVENTS),
                "db-cluster": ([names.of("database")], EVENTS["db-cluster"]),
            }
        for kind, (sources, categories) in kinds.items():
            rds.EventSubscription(
                f"{self._name}-events-{kind}",
                name=names.of(f"events-{kind}"),
                sns_topic=self._args.topic,
                source_type=kind,
                source_ids=list(sources),
                event_categories=list(categories),
                opts=self.child(*self._args.ready),
            )

    def _dashboard(self, composites: Sequence[pulumi.Output[str]], watched: Sequence[Watched]) -> None:
        region = self._args.region
        panels = [_panel(each, region) for each in watched]

        alarms = [each.arn for group in self._alarms.values() for each in group.values()]

        def body(arns: list[str]) -> str:
            first = _alarms("What notifies", arns[: len(composites)])
            more = arns[len(composites) :]
            rest = [_alarms("Every alarm", more[at : at + MOST_ALARMS]) for at in range(0, len(more), MOST_ALARMS)]
            return json.dumps({"widgets": [_placed(at, each) for at, each in enumerate([first, *rest, *panels])]})

        cloudwatch.Dashboard(
            f"{self._name}-dashboard",
            dashboard_name=self._args.names.of("database"),
            dashboard_body=pulumi.Output.all(*composites, *alarms).apply(body),
            opts=self.child(),
        )


def _alarms(title: str, arns: Sequence[str]) -> dict[str, Any]:
    return {"type": "alarm", "properties": {"title": title, "alarms": list(arns)}}


def _shown(value: float, unit: str) -> str:
    return f"{value / GIB:.3g} GiB" if unit == "bytes" else f"{value:g} {unit}".rstrip()


def _placed(at: int, panel: Mapping[str, Any]) -> dict[str, Any]:
    where = {"x": at % COLUMNS * WIDTH, "y": at // COLUMNS * HEIGHT, "width": WIDTH, "height": HEIGHT}
    return {**panel, **where}


def _panel(of: Watched, region: str) -> dict[str, Any]:
    """A line for the number, and one for each threshold."""
    limits = [("warning", of.warning, "#ff7f0e"), ("critical", of.critical, "#d62728")]
    dimensions = [text for pair in of.dimensions.items() for text in pair]
    return {
        "type": "metric",
        "properties": {
            "title": f"{of.name}: {of.title}" + (f", {of.unit}" if of.unit else ""),
            "region": region,
            "view": "timeSeries",
            "stat": of.statistic,
            "period": PERIOD,
            "metrics": [[of.namespace, of.metric, *dimensions]],
            "annotations": {
                "horizontal": [
                    {"label": label, "value": limit, "color": color}
                    for label, limit, color in limits
                    if limit is not None
                ]
            },
        },
    }
