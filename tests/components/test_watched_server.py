"""What the program declares to watch a server at AWS by: which alarms there are, and which of them notify."""

import json
import re
from typing import Any

import pytest

from declared import naming
from declared.paths import CHECKOUT
from harness.program import ACCOUNT, Program, run
from local.moto.policy import Principal, Request, Verdict, evaluate

ALARM, COMPOSITE = "aws:cloudwatch/metricAlarm:MetricAlarm", "aws:cloudwatch/compositeAlarm:CompositeAlarm"
TOPIC = f"arn:aws:sns:us-east-1:{ACCOUNT}:alarms-topic"
NAME = "visual-prompt-builder-prod"
# As the CloudWatch API reference has it ("PutCompositeAlarm").
MOST_CHILDREN = 100


def at_aws(server: dict[str, Any] | None = None, **changes: Any) -> Program:
    return run("prod", access=False, target="aws", offline="true", server=server or {}, **changes)


@pytest.fixture(scope="module", params=["postgres", "aurora"])
def prod(request: pytest.FixtureRequest) -> Program:
    return at_aws({"engine": request.param, **({"readers": "2"} if request.param == "aurora" else {})})


def composites(program: Program) -> dict[str, Any]:
    return {each.inputs["alarmName"]: each for each in program.of_type(COMPOSITE)}


# Of what is bad at once for everybody: nothing that can stay bad for days.
OUTAGES = ("silent", "sessions", "log-panic", "health-silent")


def test_three_alarms_notify_and_all_others_are_named_by_one_of_them(prod):
    found = composites(prod)
    assert found.keys() == {f"{NAME}-notify-{each}" for each in ("outage", "critical", "warning")}
    named = {name: set(re.findall(r'ALARM\("([^"]+)"\)', each.inputs["alarmRule"])) for name, each in found.items()}
    alarms = {each.inputs["name"]: each for each in prod.of_type(ALARM) if each.parent == "server-watch"}
    assert set().union(*named.values()) == alarms.keys()
    for name, children in named.items():
        assert 0 < len(children) <= MOST_CHILDREN
        severity = name.rpartition("-")[2].replace("outage", "critical")
        assert {child.rpartition("-")[2] for child in children} == {severity}
        assert found[name].waits_for >= {alarms[child].name for child in children}, "AWS refuses what isn't there"
    assert not [name for name, each in alarms.items() if each.inputs.keys() & {"alarmActions", "okActions"}]
    for each in found.values():
        assert each.inputs["alarmActions"] == each.inputs["okActions"] == [TOPIC]


def test_an_outage_is_heard_of_whatever_else_is_bad_and_nothing_else_while_it_lasts(prod):
    found = {name.rpartition("-")[2]: each.inputs for name, each in composites(prod).items()}
    assert "actionsSuppressor" not in found["outage"]
    for severity in ("critical", "warning"):
        assert found[severity]["actionsSuppressor"] == {
            "alarm": f"{NAME}-notify-outage",
            "waitPeriod": 120,
            "extensionPeriod": 300,
        }
    named = re.findall(r'ALARM\("([^"]+)"\)', found["outage"]["alarmRule"])
    disk = ["storage"] if "server-watch-storage-critical" in prod.resources else ["readers-sessions"]
    assert {*named} == {f"{NAME}-{name}-critical" for name in (*OUTAGES, *disk)}


def test_what_is_left_of_a_disk_is_critical_at_once(prod):
    if critical := prod.resources.get("server-watch-storage-critical"):
        warning = prod.resources["server-watch-storage-warning"].inputs
        assert (critical.inputs["evaluationPeriods"], critical.inputs["datapointsToAlarm"]) == (1, 1)
        assert (warning["evaluationPeriods"], warning["datapointsToAlarm"]) == (6, 6)


@pytest.mark.parametrize("engine", ["postgres", "aurora"])
def test_no_stack_has_a_name_at_aws_that_is_one_of_another_stack(engine):
    """Of two stacks, one called as the other with more behind it, no alarm has the name of one of the other."""
    program = at_aws({"engine": engine, **({"readers": "2"} if engine == "aurora" else {})})
    named = ("name", "alarmName", "identifier", "dashboardName")
    names = {
        each.inputs[key].removeprefix(f"{NAME}-")
        for each in program.resources.values()
        for key in named
        if str(each.inputs.get(key, "")).startswith(f"{NAME}-")
    }
    assert len(names) > 50
    begun = {
        f"-{name[:at]}" for name in names for at in range(len(name)) if name[at] == "-" and name[at + 1 :] in names
    }
    assert begun == {*naming.SHARED} if engine == "aurora" else {"-health"}
    for suffix in begun:
        with pytest.raises(naming.NameRefused, match=f"ends with {naming.SHARED[0]}"):
            naming.stack(f"prod{suffix}")


def test_what_a_client_sends_is_no_line_of_another_level(prod):
    prefix = "2026-11-30 06:00:00 UTC:10.0.1.7(51234):authenticator@app:[77]:"
    quoted = f'{prefix}ERROR:  invalid input syntax for type uuid: "]:PANIC:"'
    patterns = {
        each.inputs["metricTransformation"]["name"]: each.inputs["pattern"]
        for each in prod.of_type("aws:cloudwatch/logMetricFilter:LogMetricFilter")
    }
    assert all(re.fullmatch("%.+%", each) for each in patterns.values()), "a regular expression"

    def counted(line: str) -> set[str]:
        return {name for name, each in patterns.items() if re.search(each.strip("%"), line)}

    assert counted(quoted) == {"log-error"}
    assert counted(f"{prefix}PANIC:  could not write to file") == {"log-panic"}
    assert counted(f"{prefix}FATAL:  sorry, too many clients already") == {"log-fatal"}
    assert counted(f"{prefix}STATEMENT:  select ']:PANIC:'") == set()


def test_a_server_that_is_gone_is_critical_and_its_other_alarms_say_nothing(prod):
    watched = {each.name: each.inputs for each in prod.of_type(ALARM) if each.parent == "server-watch"}
    silent = watched["server-watch-silent-critical"]
    assert (silent["statistic"], silent["comparisonOperator"], silent["threshold"], silent["treatMissingData"]) == (
        *("SampleCount", "LessThanOrEqualToThreshold", 0, "breaching"),
    )
    measured = {
        each["treatMissingData"] for each in watched.values() if each["namespace"] == "AWS/RDS" and each is not silent
    }
    assert measured == {"missing"}
    assert {each["treatMissingData"] for each in watched.values() if each["namespace"].endswith("/log")} == {
        "notBreaching"
    }


def test_small_is_bad_of_what_is_free_and_large_of_all_else(prod):
    lower = {
        each.inputs["metricName"]
        for each in prod.of_type(ALARM)
        if each.inputs["comparisonOperator"].startswith("Less")
        and each.inputs["statistic"] != "SampleCount"
        # The others are held by test_healthprobe.py.
        and each.inputs["namespace"].startswith("AWS/")
    }
    assert lower in ({"FreeableMemory", "FreeStorageSpace"}, {"FreeableMemory"})


def test_each_alarm_names_a_page_that_is_there(prod):
    for each in [*prod.of_type(ALARM), *prod.of_type(COMPOSITE)]:
        if each.parent == "server-watch":
            path, _, section = each.inputs["alarmDescription"].rpartition(" ")[2].partition("#")
            page = (CHECKOUT / path).read_text()
            assert not section or f"\n## {section}\n" in page, each.name


def test_lines_of_the_log_are_counted_after_its_group_is_there(prod):
    filters = prod.of_type("aws:cloudwatch/logMetricFilter:LogMetricFilter")
    assert len(filters) == 3
    groups = {each.inputs["name"] for each in prod.of_type("aws:cloudwatch/logGroup:LogGroup")}
    for each in filters:
        assert each.inputs["logGroupName"] in groups
        counted = each.inputs["metricTransformation"]
        assert (counted["value"], counted["defaultValue"]) == ("1", "0")
        assert any("-log-postgresql" in name for name in prod.waits_for(each.name))


def test_the_topic_hears_of_events_of_each_server_and_lets_rds_of_this_account_publish(prod):
    subscriptions = {
        each.inputs["sourceType"]: each for each in prod.of_type("aws:rds/eventSubscription:EventSubscription")
    }
    servers = prod.of_type("aws:rds/instance:Instance") + prod.of_type("aws:rds/clusterInstance:ClusterInstance")
    assert set(subscriptions["db-instance"].inputs["sourceIds"]) == {each.inputs["identifier"] for each in servers}
    assert subscriptions["db-instance"].waits_for >= {each.name for each in servers} | {"alarms-policy"}, (
        "SNS lets it in"
    )
    failing = {category for each in subscriptions.values() for category in each.inputs["eventCategories"]}
    assert failing >= {"failover", "failure", "maintenance"}
    for each in subscriptions.values():
        assert each.inputs["snsTopic"] == TOPIC
    policy = prod.resources["alarms-policy"].inputs["policy"]
    verdicts = [
        evaluate(
            policy,
            Request(
                *("sns:Publish", TOPIC, Principal(service="events.rds.amazonaws.com")),
                {"aws:securetransport": "true", "aws:sourceaccount": account},
            ),
        )
        for account in (ACCOUNT, "999999999999")
    ]
    assert verdicts == [Verdict.ALLOW, Verdict.SILENT]


def test_the_dashboard_shows_what_notifies_and_each_number_with_its_thresholds(prod):
    (page,) = prod.of_type("aws:cloudwatch/dashboard:Dashboard")
    first, every, *panels = json.loads(page.inputs["dashboardBody"])["widgets"]
    assert (first["type"], every["type"]) == ("alarm", "alarm")
    assert len(first["properties"]["alarms"]) == 3
    assert len(every["properties"]["alarms"]) == len(
        [each for each in prod.of_type(ALARM) if each.parent == "server-watch"]
    )
    shown = {each["properties"]["metrics"][0][1] for each in panels}
    alarms = [each.inputs for each in prod.of_type(ALARM) if each.parent == "server-watch"]
    assert {each["metricName"] for each in alarms} <= shown
    lines = [line["value"] for each in panels for line in each["properties"]["annotations"]["horizontal"]]
    assert {each["threshold"] for each in alarms if each["statistic"] != "SampleCount"} <= {*lines}
    places = {(each["x"], each["y"]) for each in [first, every, *panels]}
    assert len(places) == len(panels) + 2


def test_where_another_makes_the_server_nothing_of_it_is_watched_and_rds_publishes_nothing():
    elsewhere = at_aws(url="postgresql://u@h/d?sslmode=verify-full&sslrootcert=/ca.pem")
    for program in (elsewhere, run()):
        assert "server-watch" not in program.resources
        assert "events.rds" not in json.dumps(program.resources["alarms-policy"].inputs)
        assert "events.rds" not in json.dumps(program.resources["alarms-key"].inputs)


def test_each_alarm_goes_by_the_server_in_periods_of_five_minutes(prod):
    aurora = bool(prod.of_type("aws:rds/cluster:Cluster"))
    watched = {
        each.name: each.inputs
        for each in prod.of_type(ALARM)
        if each.parent == "server-watch" and each.inputs["namespace"] == "AWS/RDS"
    }
    for name, each in watched.items():
        role = "READER" if name.startswith("server-watch-readers-") else "WRITER"
        cluster = {"DBClusterIdentifier": f"{NAME}-database", "Role": role}
        assert each["dimensions"] == (cluster if aurora else {"DBInstanceIdentifier": f"{NAME}-database"}), name
        assert each["period"] == 300
        assert each["datapointsToAlarm"] == each["evaluationPeriods"]
    assert {each["evaluationPeriods"] for each in watched.values()} <= {1, 2, 3, 6}
    low = prod.resources["server-watch-events-db-instance"].inputs["eventCategories"]
    assert ("low storage" in low) != aurora
