"""What CloudWatch and RDS refuse of alarms on alarms, metric filters and subscriptions, and what moto would forget.

Where it is documented: `local/moto/alarms.py`.
"""

from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.local.conftest import MotoServer
from tests.standins.awscases import World


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    server = MotoServer(tmp_path_factory.mktemp("moto") / "state", verified=False)
    server.start()
    yield World(server.endpoint)
    server.stop()


def refused(call: Any, **arguments: Any) -> str:
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    return str(caught.value.response["Error"]["Code"])


def test_a_composite_alarm_names_alarms_that_are_there_and_keeps_them(world):
    cloudwatch, alarm = world.client("cloudwatch"), world.alarm()
    put = cloudwatch.put_composite_alarm
    assert refused(put, AlarmName="c", AlarmRule='ALARM("nowhere")') == "ValidationError"
    assert refused(put, AlarmName="c", AlarmRule=f'ALARM("{alarm}")', ActionsSuppressor="nowhere") == "ValidationError"
    put(AlarmName="c", AlarmRule=f'ALARM("{alarm}")')
    assert refused(cloudwatch.delete_alarms, AlarmNames=[alarm]) == "ValidationError"
    cloudwatch.delete_alarms(AlarmNames=["c"])
    cloudwatch.delete_alarms(AlarmNames=[alarm])
    assert cloudwatch.describe_alarms(AlarmNames=[alarm])["MetricAlarms"] == []


def test_a_suppressor_is_kept_and_comes_with_both_of_its_periods(world):
    cloudwatch, alarm, over = world.client("cloudwatch"), world.alarm(), world.alarm()
    periods = {"ActionsSuppressorWaitPeriod": 60, "ActionsSuppressorExtensionPeriod": 90}
    rule = {"AlarmName": "s", "AlarmRule": f'ALARM("{alarm}")', "ActionsSuppressor": over}
    assert refused(cloudwatch.put_composite_alarm, **rule) == "ValidationError"
    cloudwatch.put_composite_alarm(**rule, **periods)
    (found,) = cloudwatch.describe_alarms(AlarmNames=["s"], AlarmTypes=["CompositeAlarm"])["CompositeAlarms"]
    assert found.items() >= {**rule, **periods}.items()
    assert refused(cloudwatch.delete_alarms, AlarmNames=[over]) == "ValidationError"


def test_a_metric_filter_that_is_put_again_is_replaced_and_its_group_is_there(world):
    logs, group = world.client("logs"), world.log_group()
    made = {"metricName": "m", "metricNamespace": "n", "metricValue": "1"}
    given = {"filterName": "f", "metricTransformations": [made]}
    assert refused(logs.put_metric_filter, logGroupName="nowhere", filterPattern="a", **given) == (
        "ResourceNotFoundException"
    )
    for pattern in ("a", "b"):
        logs.put_metric_filter(logGroupName=group, filterPattern=pattern, **given)
    found = logs.describe_metric_filters(logGroupName=group)["metricFilters"]
    assert [each["filterPattern"] for each in found] == ["b"]


def test_a_subscription_names_a_topic_and_servers_that_are_there_and_changes(world):
    rds, server, topic = world.client("rds"), world.server(), world.topic()
    create = rds.create_event_subscription
    given = {"SubscriptionName": "e", "SourceType": "db-instance"}
    missing = topic.replace("topic", "other")
    assert refused(create, **given, SnsTopicArn=missing, SourceIds=[server]).startswith("SNSTopicArnNotFound")
    assert refused(create, **given, SnsTopicArn=topic, SourceIds=["nowhere"]).startswith("SourceNotFound")
    assert refused(create, SubscriptionName="e", SnsTopicArn=topic, SourceIds=[server]) == "InvalidParameterCombination"
    create(**given, SnsTopicArn=topic, SourceIds=[server], EventCategories=["failure"])
    assert refused(rds.modify_event_subscription, SubscriptionName="nowhere").startswith("SubscriptionNotFound")
    rds.modify_event_subscription(SubscriptionName="e", EventCategories=["failover"])
    added = world.server()
    rds.add_source_identifier_to_subscription(SubscriptionName="e", SourceIdentifier=added)
    rds.remove_source_identifier_from_subscription(SubscriptionName="e", SourceIdentifier=server)
    (found,) = rds.describe_event_subscriptions(SubscriptionName="e")["EventSubscriptionsList"]
    assert (found["SourceIdsList"], found["EventCategoriesList"]) == ([added], ["failover"])
