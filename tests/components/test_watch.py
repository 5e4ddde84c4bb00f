"""What the program declares to watch a server at AWS by: which alarms there are, and which of them notify."""

import json
import re
from typing import Any

import pytest

from declared.paths import CHECKOUT
from harness.program import ACCOUNT, Program, run
from local.moto.policy import Principal, Request, Verdict, evaluate

ALARM, COMPOSITE = "aws:cloudwatch/metricAlarm:MetricAlarm", "aws:cloudwatch/compositeAlarm:CompositeAlarm"
TOPIC = f"arn:aws:sns:us-east-1:{ACCOUNT}:alarms-topic"
NAME = "visual-prompt-builder-prod"
# As the CloudWatch API reference has it ("PutCompositeAlarm").
MOST_CHILDREN = 100


def at_aws(server: dict[str, Any] | None = None, **changes: Any) -> Program:
    return run("prod", target="aws", offline="true", server=server or {}, **changes)


@pytest.fixture(scope="module", params=["postgres", "aurora"])
def prod(request: pytest.FixtureRequest) -> Program:
    return at_aws({"engine": request.param, **({"readers": "2"} if request.param == "aurora" else {})})


def composites(program: Program) -> dict[str, Any]:
    return {each.inputs["alarmName"]: each for each in program.of_type(COMPOSITE)}


def test_two_alarms_notify_and_all_others_are_named_by_one_of_them(prod):
    found = composites(prod)
    assert found.keys() == {f"{NAME}-critical", f"{NAME}-warning"}
    named = {name: set(re.findall(r'ALARM\("([^"]+)"\)', each.inputs["alarmRule"])) for name, each in found.items()}
    alarms = {each.inputs["name"]: each for each in prod.of_type(ALARM) if each.parent == "server-watch"}
    assert set().union(*named.values()) == alarms.keys()
    for name, children in named.items():
        assert 0 < len(children) <= MOST_CHILDREN
        assert {child.rpartition("-")[2] for child in children} == {name.rpartition("-")[2]}
        assert found[name].waits_for >= {alarms[child].name for child in children}, "AWS refuses what isn't there"
    assert not [name for name, each in alarms.items() if each.inputs.keys() & {"alarmActions", "okActions"}]
    for each in found.values():
        assert each.inputs["alarmActions"] == each.inputs["okActions"] == [TOPIC]


def test_a_warning_is_silent_while_something_is_critical(prod):
    critical, warning = (composites(prod)[f"{NAME}-{severity}"].inputs for severity in ("critical", "warning"))
    assert warning["actionsSuppressor"] == {"alarm": f"{NAME}-critical", "waitPeriod": 120, "extensionPeriod": 300}
    assert "actionsSuppressor" not in critical


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
    assert {each.inputs["pattern"] for each in filters} == {'"]:PANIC:"', '"]:FATAL:"', '"]:ERROR:"'}
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
    assert subscriptions["db-instance"].waits_for >= {each.name for each in servers}
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
    first, *panels = json.loads(page.inputs["dashboardBody"])["widgets"]
    assert first["type"] == "alarm"
    assert len(first["properties"]["alarms"]) == 2
    shown = {each["properties"]["metrics"][0][1] for each in panels}
    alarms = [each.inputs for each in prod.of_type(ALARM) if each.parent == "server-watch"]
    assert {each["metricName"] for each in alarms} <= shown
    lines = [line["value"] for each in panels for line in each["properties"]["annotations"]["horizontal"]]
    assert {each["threshold"] for each in alarms if each["statistic"] != "SampleCount"} <= {*lines}
    places = {(each["x"], each["y"]) for each in [first, *panels]}
    assert len(places) == len(panels) + 1


def test_where_another_makes_the_server_nothing_of_it_is_watched_and_rds_publishes_nothing():
    elsewhere = at_aws(url="postgresql://u@h/d?sslmode=verify-full&sslrootcert=/ca.pem")
    for program in (elsewhere, run()):
        assert "server-watch" not in program.resources
        assert "events.rds" not in json.dumps(program.resources["alarms-policy"].inputs)
        assert "events.rds" not in json.dumps(program.resources["alarms-key"].inputs)
