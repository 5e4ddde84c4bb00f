"""What the resources of an environment at AWS cost by the month, and what their use costs.

On demand, in US dollars without taxes, as AWS publishes them for us-east-1 on the pages of `SOURCES`. AWS bills by the
hour; a month has 730, as in its own calculator.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

READ = "2026-06"
REGION = "us-east-1"
SOURCES = (
    "https://aws.amazon.com/rds/postgresql/pricing/",
    "https://aws.amazon.com/rds/aurora/pricing/",
    "https://aws.amazon.com/rds/proxy/pricing/",
    "https://aws.amazon.com/kms/pricing/",
    "https://aws.amazon.com/secrets-manager/pricing/",
    "https://aws.amazon.com/privatelink/pricing/",
    "https://aws.amazon.com/s3/pricing/",
    "https://aws.amazon.com/cloudfront/pricing/",
    "https://aws.amazon.com/guardduty/pricing/",
    "https://aws.amazon.com/cloudwatch/pricing/",
)
HOURS = 730
INSTANCE, MEMBER, PROXY, SECRETS, KEY, ENDPOINT, ALARM, COMPOSITE, DASHBOARD, COUNTED, FUNCTION = (
    "aws:rds/instance:Instance",
    "aws:rds/clusterInstance:ClusterInstance",
    "aws:rds/proxy:Proxy",
    "aws:secretsmanager/secret:Secret",
    "aws:kms/key:Key",
    "aws:ec2/vpcEndpoint:VpcEndpoint",
    "aws:cloudwatch/metricAlarm:MetricAlarm",
    "aws:cloudwatch/compositeAlarm:CompositeAlarm",
    "aws:cloudwatch/dashboard:Dashboard",
    "aws:cloudwatch/logMetricFilter:LogMetricFilter",
    "aws:lambda/function:Function",
)
# Of one PostgreSQL server, by the hour; the sizes of a family in order.
CLASSES: Mapping[str, float] = {
    "db.t4g.micro": 0.016,
    "db.t4g.small": 0.032,
    "db.t4g.medium": 0.065,
    "db.t4g.large": 0.129,
    "db.t4g.xlarge": 0.258,
    "db.t4g.2xlarge": 0.517,
    "db.m7g.large": 0.168,
    "db.m7g.xlarge": 0.337,
    "db.m7g.2xlarge": 0.674,
    "db.m7g.4xlarge": 1.348,
    "db.m7g.8xlarge": 2.695,
    "db.r7g.large": 0.239,
    "db.r7g.xlarge": 0.478,
    "db.r7g.2xlarge": 0.957,
    "db.r7g.4xlarge": 1.914,
    "db.r7g.8xlarge": 3.827,
}
# The same of one server in a cluster of Aurora.
AURORA_CLASSES: Mapping[str, float] = {
    "db.t4g.medium": 0.073,
    "db.t4g.large": 0.146,
    "db.r6g.large": 0.26,
    "db.r6g.xlarge": 0.519,
    "db.r6g.2xlarge": 1.038,
    "db.r6g.4xlarge": 2.076,
    "db.r6g.8xlarge": 4.153,
    "db.r7g.large": 0.276,
    "db.r7g.xlarge": 0.553,
    "db.r7g.2xlarge": 1.106,
    "db.r7g.4xlarge": 2.211,
    "db.r7g.8xlarge": 4.423,
}
# Aurora's unit of capacity; a proxy for a vCPU of its server, or for a unit, of which it is billed for 8 at least.
ACU_HOUR, PROXY_HOUR, PROXY_LEAST_ACU = 0.12, 0.015, 8
# The tag of a server and of a proxy that says what size their price goes by: `db.r7g.large`, or `2-16` in ACU.
SIZE_TAG = "Size"
# The tag of the health's function that says how many metrics it sends, without those of single objects.
METRICS_TAG = "Metrics"
# By the month.
STORAGE_GIB, SECRET, KEY_MONTH, ALARM_MONTH = 0.115, 0.40, 1.00, 0.10
# The first three dashboards of an account cost nothing, and neither do its first ten metrics and alarms.
COMPOSITE_MONTH, DASHBOARD_MONTH, METRIC_MONTH = 0.50, 3.00, 0.30
# By the hour and zone.
ENDPOINT_HOUR = 0.01
MORE_STORAGE, MOST_READERS = 100, 15
# What is billed by use, which no declaration says. Text, price, unit.
USES: Sequence[tuple[str, float, str]] = (
    ("files in S3, old versions too", 0.023, "GB and month"),
    ("files that CloudFront hands out, beyond 1 TB a month", 0.085, "GB"),
    ("paths that CloudFront invalidates, beyond 1,000 a month", 0.005, "path"),
    ("uploads that GuardDuty scans", 0.09, "GB"),
    ("uploads that GuardDuty scans, one by one", 0.000215, "object"),
    ("backups of RDS beyond the size of its storage", 0.095, "GB and month"),
    ("storage of Aurora", 0.10, "GB and month"),
    ("reads and writes of Aurora's storage", 0.20, "million requests"),
    ("backups of Aurora beyond the size of its storage", 0.021, "GB and month"),
    ("logs that CloudWatch takes in, the server's among them", 0.50, "GB"),
    ("metrics of single objects, with server:healthMetrics objects", METRIC_MONTH, "metric and month"),
    ("requests to KMS, beyond 20,000 a month", 0.000003, "request"),
)


@dataclass(frozen=True)
class Charge:
    """What one resource costs by the month; None where no price is known."""

    resource: str
    what: str
    dollars: float | None


@dataclass(frozen=True)
class Choice:
    """What another value of a setting changes in the sum of a month."""

    setting: str
    value: str
    dollars: float


@dataclass(frozen=True)
class Declared:
    """A declared resource with its inputs, as Pulumi names them."""

    type: str
    name: str
    inputs: Mapping[str, Any]


def charges(of: Declared) -> list[Charge]:
    """What a resource costs as long as it is there; nothing for one that costs by use alone."""
    match of.type:
        case "aws:rds/instance:Instance":
            return _server(of)
        case "aws:rds/cluster:Cluster" if of.inputs.get("manageMasterUserPassword"):
            return [Charge(of.name, "the master's secret", SECRET)]
        case "aws:rds/clusterInstance:ClusterInstance":
            return [_member(of)]
        case "aws:rds/proxy:Proxy":
            return [_proxy(of)]
        case "aws:secretsmanager/secret:Secret":
            return [Charge(of.name, "secret", SECRET)]
        case "aws:kms/key:Key":
            return [Charge(of.name, "key; 1 more after each of its first two rotations", KEY_MONTH)]
        case "aws:ec2/vpcEndpoint:VpcEndpoint" if of.inputs.get("vpcEndpointType") == "Interface":
            zones = len(of.inputs.get("subnetIds") or ())
            return [
                Charge(of.name, f"endpoint in {zones} zone{'s' if zones != 1 else ''}", ENDPOINT_HOUR * HOURS * zones)
            ]
        case "aws:cloudwatch/metricAlarm:MetricAlarm":
            return [Charge(of.name, "alarm", ALARM_MONTH)]
        case "aws:cloudwatch/compositeAlarm:CompositeAlarm":
            return [Charge(of.name, "alarm on alarms", COMPOSITE_MONTH)]
        case "aws:cloudwatch/dashboard:Dashboard":
            return [Charge(of.name, "dashboard; the first 3 of an account cost nothing", DASHBOARD_MONTH)]
        case "aws:cloudwatch/logMetricFilter:LogMetricFilter":
            return [Charge(of.name, "metric of a log", METRIC_MONTH)]
        case "aws:lambda/function:Function":
            count = int((of.inputs.get("tags") or {}).get(METRICS_TAG, 0))
            return [Charge(of.name, f"{count} metrics of our own", METRIC_MONTH * count)]
    return []


def monthly(of: Declared) -> float:
    """The sum of what has a price."""
    return sum(charge.dollars or 0 for charge in charges(of))


def choices(declared: Sequence[Declared]) -> list[Choice]:
    """What the settings of the server's size would change, each alone."""
    servers = [each for each in declared if each.type == INSTANCE]
    return [*_readers(declared), *(choice for each in servers for choice in _sizes(each))]


def _readers(declared: Sequence[Declared]) -> list[Choice]:
    """The first number of readers that makes a server more: the first reader may be there as the standby already."""
    members = [each for each in declared if each.type == MEMBER]
    if not members or len(members) > MOST_READERS:
        return []
    return [Choice("server:readers", str(len(members)), monthly(members[-1]))]


def _sizes(of: Declared) -> list[Choice]:
    size, doubled = str(of.inputs.get("instanceClass")), bool(of.inputs.get("multiAz"))
    storage = _number(of.inputs.get("allocatedStorage"))
    others: list[tuple[str, str, dict[str, Any]]] = [
        ("server:multiAz", str(not doubled).lower(), {"multiAz": not doubled}),
        ("server:storage", f"{storage + MORE_STORAGE:.0f}", {"allocatedStorage": storage + MORE_STORAGE}),
        *(("server:class", each, {"instanceClass": each}) for each in _beside(size)),
    ]
    now = monthly(of)
    return [
        Choice(setting, value, monthly(replace(of, inputs={**of.inputs, **changed})) - now)
        for setting, value, changed in others
        if setting != "server:class" or size in CLASSES
    ]


def _server(of: Declared) -> list[Charge]:
    size, servers = str(of.inputs.get("instanceClass")), 2 if of.inputs.get("multiAz") else 1
    counted = "two servers, one as standby" if servers > 1 else "one server"
    hour, storage = CLASSES.get(size), _number(of.inputs.get("allocatedStorage"))
    charged = [
        Charge(of.name, f"{size}, {counted}", None if hour is None else hour * HOURS * servers),
        Charge(
            of.name, f"{storage:.0f} GiB of storage{' on each' if servers > 1 else ''}", storage * STORAGE_GIB * servers
        ),
    ]
    if of.inputs.get("manageMasterUserPassword"):
        charged.append(Charge(of.name, "the master's secret", SECRET))
    return charged


def _member(of: Declared) -> Charge:
    """A server in a cluster; one that follows its load at the least."""
    between = _between(of)
    if between:
        least, most = (each * ACU_HOUR * HOURS for each in between)
        return Charge(of.name, f"{_size(of)} ACU at the least; at the most {most:.2f}", least)
    size = str(of.inputs.get("instanceClass"))
    hour = AURORA_CLASSES.get(size)
    return Charge(of.name, f"{size}, one server", None if hour is None else hour * HOURS)


def _proxy(of: Declared) -> Charge:
    """A proxy, by the size of one server; each reader that it serves is billed as well."""
    if between := _between(of):
        units = max(between[0], PROXY_LEAST_ACU)
        return Charge(of.name, f"proxy for {units:g} ACU, the least", PROXY_HOUR * HOURS * units)
    size = _size(of)
    processors = _processors(size)
    dollars = None if processors is None else PROXY_HOUR * HOURS * processors
    return Charge(of.name, f"proxy for one {size}", dollars)


def _size(of: Declared) -> str:
    return str((of.inputs.get("tags") or {}).get(SIZE_TAG, ""))


def _between(of: Declared) -> tuple[float, float] | None:
    """The least and the most capacity of a server that follows its load, in ACU."""
    found = re.fullmatch(r"([0-9.]+)-([0-9.]+)", _size(of))
    return (float(found[1]), float(found[2])) if found else None


def _processors(size: str) -> int | None:
    """The vCPU of a class; the smallest that are billed are 2."""
    found = re.fullmatch(r"db\.[a-z0-9]+\.(micro|small|medium|large|([0-9]*)xlarge)", size)
    if found is None:
        return None
    return 4 * int(found[2] or 1) if found[2] is not None else 2


def _beside(size: str) -> list[str]:
    """The next smaller and the next larger class of the same family."""
    family = [each for each in CLASSES if each.rpartition(".")[0] == size.rpartition(".")[0]]
    if size not in family:
        return []
    at = family.index(size)
    return [*family[max(at - 1, 0) : at], *family[at + 1 : at + 2]]


def _number(value: Any) -> float:
    # Pulumi writes a whole number as a float, and one that isn't known yet as text.
    return float(value) if isinstance(value, int | float) else 0.0
