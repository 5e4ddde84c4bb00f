"""Composite alarms, and what is put a second time: where moto fails, or keeps both.

As in the Amazon CloudWatch API reference: a rule names alarms that are there ("PutCompositeAlarm", "DeleteAlarms"), one
that a composite alarm depends on isn't deleted, a suppressor comes with both of its periods, and a description has at
most 1,024 characters. As in the CloudWatch Logs API reference ("PutMetricFilter"): a filter of the same name is
replaced, and its log group is there. As in the Amazon RDS API reference ("ModifyEventSubscription",
"AddSourceIdentifierToSubscription", "CreateEventSubscription"): subscriptions change, their topic and their sources are
there, and sources are of one type. Nothing is evaluated, and no event is sent.
"""

import functools
import re
from collections.abc import Callable, Sequence
from typing import Any

from moto.cloudwatch.exceptions import ValidationError
from moto.cloudwatch.models import Alarm, CloudWatchBackend
from moto.cloudwatch.responses import CloudWatchResponse
from moto.core.responses import ActionResult, EmptyResult
from moto.logs.exceptions import ResourceNotFoundException
from moto.logs.models import LogsBackend
from moto.rds.exceptions import RDSClientError
from moto.rds.models import EventSubscription, RDSBackend
from moto.rds.responses import RDSResponse
from moto.sns.models import sns_backends

NAMED = re.compile(r'(?:ALARM|OK|INSUFFICIENT_DATA)\s*\(\s*"?([^")]+?)"?\s*\)')
LONGEST, LONGEST_RULE = 1024, 10240
SUPPRESSOR = ("ActionsSuppressor", "ActionsSuppressorWaitPeriod", "ActionsSuppressorExtensionPeriod")
SOURCES = {"db-instance": ("databases", "DBInstance"), "db-cluster": ("clusters", "DBCluster")}

Method = Callable[..., Any]


def _named(alarm: Alarm) -> set[str]:
    """The alarms that a composite one depends on."""
    suppressor = getattr(alarm, "actions_suppressor", None)
    return {*NAMED.findall(alarm.rule or ""), *([suppressor.rpartition(":alarm:")[2]] if suppressor else [])}


def _there(self: CloudWatchBackend) -> list[Alarm]:
    """All alarms, as a copy: while one call looks through them, another may add or delete one."""
    return list(self.alarms.values())


def _by_names(self: CloudWatchBackend, names: Sequence[str]) -> list[Alarm]:
    return [alarm for name in names if (alarm := self.alarms.get(name)) is not None]


def _put(real: Method) -> Method:
    @functools.wraps(real)
    def put_metric_alarm(self: CloudWatchBackend, **given: Any) -> Any:
        if len(given.get("description") or "") > LONGEST:
            raise ValidationError(f"AlarmDescription has more than {LONGEST} characters")
        return real(self, **given)

    return put_metric_alarm


def _put_composite(self: CloudWatchResponse) -> ActionResult:
    backend, params = self.cloudwatch_backend, self.params
    rule, given = params["AlarmRule"], [params.get(name) for name in SUPPRESSOR]
    if len(rule) > LONGEST_RULE:
        raise ValidationError(f"AlarmRule has more than {LONGEST_RULE} characters")
    if any(value is not None for value in given) and None in given:
        raise ValidationError(f"{', '.join(SUPPRESSOR)} must be given together")
    wanted = {*NAMED.findall(rule), *([given[0].rpartition(":alarm:")[2]] if given[0] else [])}
    if not wanted:
        raise ValidationError("AlarmRule must name an alarm")
    for name in sorted(wanted):
        if name not in backend.alarms:
            raise ValidationError(f"Could not save the composite alarm as alarm {name} in the alarm rule doesn't exist")
    before = backend.alarms.get(params["AlarmName"])
    self.put_metric_alarm()
    alarm = backend.alarms[params["AlarmName"]]
    alarm.actions_suppressor, alarm.actions_suppressor_wait_period, alarm.actions_suppressor_extension_period = given
    if before is not None:
        alarm.state_value = before.state_value
    return EmptyResult()


def _delete(real: Method) -> Method:
    @functools.wraps(real)
    def delete_alarms(self: CloudWatchBackend, alarm_names: Sequence[str]) -> Any:
        for alarm in _there(self):
            for name in sorted(_named(alarm) & set(alarm_names)):
                raise ValidationError(f"Alarm {name} can't be deleted: composite alarm {alarm.name} depends on it")
        return real(self, alarm_names)

    return delete_alarms


def _put_filter(real: Method) -> Method:
    @functools.wraps(real)
    def put_metric_filter(self: LogsBackend, filter_name: str, pattern: str, group: str, transformations: Any) -> Any:
        if group not in self.groups:
            raise ResourceNotFoundException("The specified log group does not exist.")
        self.filters.delete_filter(filter_name, group)
        return real(self, filter_name, pattern, group, transformations)

    return put_metric_filter


def _check(backend: RDSBackend, topic: str, kind: str | None, sources: Sequence[str]) -> None:
    """
    :raises RDSClientError: for a topic or a server that isn't there
    """
    if topic not in sns_backends[backend.account_id][backend.region_name].topics:
        raise RDSClientError("SNSTopicArnNotFound", "SNS topic ARN does not exist")
    if sources and not kind:
        raise RDSClientError("InvalidParameterCombination", "SourceType is required where SourceIds are given")
    for name in sources:
        kept, called = SOURCES.get(kind or "", ("databases", "DBInstance"))
        if name not in getattr(backend, kept):
            raise RDSClientError("SourceNotFound", f"{called} {name} not found.")


def _subscribe(real: Method) -> Method:
    @functools.wraps(real)
    def create_event_subscription(self: RDSBackend, given: Any) -> Any:
        _check(self, given["SnsTopicArn"], given.get("SourceType"), given.get("SourceIds") or [])
        return real(self, given)

    return create_event_subscription


def _subscription(response: RDSResponse) -> EventSubscription:
    (found,) = response.backend.describe_event_subscriptions(response.params["SubscriptionName"])
    return found


def _modify(self: RDSResponse) -> ActionResult:
    found, params = _subscription(self), self.params
    topic, kind = params.get("SnsTopicArn", found.sns_topic_arn), params.get("SourceType", found.source_type)
    _check(self.backend, topic, kind, found.source_ids or [])
    found.sns_topic_arn, found.source_type = topic, kind
    found.event_categories = params.get("EventCategories", found.event_categories)
    found.enabled = params.get("Enabled", found.enabled)
    return ActionResult({"EventSubscription": found})


def _add_source(self: RDSResponse) -> ActionResult:
    found, source = _subscription(self), self.params["SourceIdentifier"]
    _check(self.backend, found.sns_topic_arn, found.source_type, [source])
    found.source_ids = [*(found.source_ids or []), source]
    return ActionResult({"EventSubscription": found})


def _remove_source(self: RDSResponse) -> ActionResult:
    found, source = _subscription(self), self.params["SourceIdentifier"]
    if source not in (found.source_ids or []):
        raise RDSClientError("SourceNotFound", f"{source} isn't a source of {found.subscription_name}")
    found.source_ids = [each for each in found.source_ids if each != source]
    return ActionResult({"EventSubscription": found})


def install() -> None:
    """Puts all of it into moto's classes; once per process, before the server is made."""
    CloudWatchBackend.put_metric_alarm = _put(CloudWatchBackend.put_metric_alarm)
    CloudWatchBackend.delete_alarms = _delete(CloudWatchBackend.delete_alarms)
    CloudWatchBackend.describe_alarms = _there
    CloudWatchBackend.get_alarms_by_alarm_names = _by_names
    CloudWatchResponse.put_composite_alarm = _put_composite
    LogsBackend.put_metric_filter = _put_filter(LogsBackend.put_metric_filter)
    RDSBackend.create_event_subscription = _subscribe(RDSBackend.create_event_subscription)
    EventSubscription.customer_aws_id = property(lambda self: self.account_id)
    RDSResponse.modify_event_subscription = _modify
    RDSResponse.add_source_identifier_to_subscription = _add_source
    RDSResponse.remove_source_identifier_from_subscription = _remove_source
