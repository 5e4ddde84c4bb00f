"""Topics, who may publish to them, and who hears of it."""

import json
from typing import Any, ClassVar

from local.standins.aws.resource import AutoName, AwsKind, Site, Values, tag_changes
from local.standins.aws.shapes import FLAG, NUMBER, TEXT, Field, JsonText, TagMap, choice

_GONE = frozenset({"NotFound", "NotFoundException"})
_UNKNOWN_TO_MOTO = "moto doesn't give it back, leave it out"
_FEEDBACK = tuple(
    f"{protocol}{what}"
    for protocol in ("application", "firehose", "http", "lambda", "sqs")
    for what in ("FailureFeedbackRoleArn", "SuccessFeedbackRoleArn", "SuccessFeedbackSampleRate")
)
# What somebody who has a right to it may do with a topic; nobody but the account has one.
_OWNER_S_ACTIONS = ("GetTopicAttributes", "SetTopicAttributes", "AddPermission", "RemovePermission", "DeleteTopic",
                    "Subscribe", "ListSubscriptionsByTopic", "Publish")  # fmt: skip


def _attributes(values: Values, fields: dict[str, Field]) -> dict[str, str]:
    """The attributes that `values` has, as AWS wants them: all of them texts."""
    found = {item.wire_name(name): values[name] for name, item in fields.items() if values.get(name) is not None}
    return {name: str(value).lower() if isinstance(value, bool) else str(value) for name, value in found.items()}


def _taken_away(before: dict[str, str], after: dict[str, str]) -> dict[str, str]:
    """What ends what isn't declared any more; what AWS has chosen stays."""
    gone = before.keys() - after.keys() - {"FilterPolicyScope", "Policy"}
    return {name: "false" if before[name] == "true" else "" for name in gone if before[name] not in ("", "false")}


def _is_on(value: Any) -> bool:
    # moto answers with a switch where AWS does with a text.
    return str(value).lower() == "true"


class Topic(AwsKind):
    """A topic. Its name alone makes it: one that is there already is taken over, and then set as declared."""

    token = "aws:sns/topic:Topic"
    service = "sns"
    noun = "SNS topic"
    gone = _GONE
    tagged = True
    auto_name = AutoName("name", "namePrefix", limit=256)
    _changeable: ClassVar = {
        "contentBasedDeduplication": Field(shape=FLAG),
        "deliveryPolicy": Field(shape=JsonText()),
        "displayName": Field(),
        "kmsMasterKeyId": Field(),
        "policy": Field(shape=JsonText(), computed=True),
    }
    properties: ClassVar = {
        **_changeable,
        "fifoTopic": Field(shape=FLAG, immutable=True),
        "name": Field(computed=True, immutable=True),
        "namePrefix": Field(computed=True, immutable=True, unreported=True),
    }
    outputs: ClassVar = {"arn": TEXT, "owner": TEXT}
    refused: ClassVar = dict.fromkeys(
        (
            *_FEEDBACK,
            "archivePolicy",
            "fifoThroughputScope",
            "maximumMessageSize",
            "signatureVersion",
            "tracingConfig",
        ),
        _UNKNOWN_TO_MOTO,
    )
    withheld = frozenset({"beginningArchiveTime"})

    def make(self, site: Site, inputs: Values) -> str:
        name = AutoName("name", "namePrefix").given(inputs)
        # Attributes that differ from those of a topic that is there would be refused here.
        kind = {"FifoTopic": "true"} if inputs.get("fifoTopic") else {}
        tags = TagMap().to_aws(self.all_tags(inputs))
        arn: str = site.client.create_topic(Name=name, Attributes=kind, Tags=tags)["TopicArn"]
        self._set(site, arn, _attributes(inputs, self._changeable))
        return arn

    def _set(self, site: Site, arn: str, attributes: dict[str, str]) -> None:
        for name, value in attributes.items():
            site.client.set_topic_attributes(TopicArn=arn, AttributeName=name, AttributeValue=value)

    def find(self, site: Site, id: str) -> Values | None:
        found = site.client.get_topic_attributes(TopicArn=id)["Attributes"]
        return {
            "arn": id,
            "contentBasedDeduplication": _is_on(found.get("ContentBasedDeduplication")),
            "deliveryPolicy": found.get("DeliveryPolicy") or None,
            "displayName": found.get("DisplayName"),
            "fifoTopic": _is_on(found.get("FifoTopic")),
            "kmsMasterKeyId": found.get("KmsMasterKeyId"),
            "name": id.rsplit(":", 1)[1],
            "owner": found["Owner"],
            "policy": found["Policy"],
            "tagsAll": TagMap().from_aws(site.client.list_tags_for_resource(ResourceArn=id)["Tags"]),
        }

    def change(self, site: Site, id: str, state: Values, new: Values) -> None:
        before, after = (_attributes(values, self._changeable) for values in (state, new))
        self._set(site, id, {**_taken_away(before, after), **after})
        added, removed = tag_changes(state.get("tagsAll") or {}, self.all_tags(new))
        if removed:
            site.client.untag_resource(ResourceArn=id, TagKeys=removed)
        if added:
            site.client.tag_resource(ResourceArn=id, Tags=TagMap().to_aws(added))

    def remove(self, site: Site, id: str, state: Values) -> None:
        site.client.delete_topic(TopicArn=id)


class TopicPolicy(AwsKind):
    """Who may do what with a topic. A topic has one always: at the end of this one it's that of a new topic."""

    token = "aws:sns/topicPolicy:TopicPolicy"
    service = "sns"
    noun = "policy of SNS topic"
    gone = _GONE
    properties: ClassVar = {
        "arn": Field(required=True, immutable=True),
        "policy": Field(shape=JsonText(), required=True),
    }
    outputs: ClassVar = {"owner": TEXT}

    def make(self, site: Site, inputs: Values) -> str:
        arn: str = inputs["arn"]
        self.change(site, arn, {}, inputs)
        return arn

    def find(self, site: Site, id: str) -> Values | None:
        found = site.client.get_topic_attributes(TopicArn=id)["Attributes"]
        return {"arn": id, "owner": found["Owner"], "policy": found["Policy"]}

    def change(self, site: Site, id: str, state: Values, new: Values) -> None:
        site.client.set_topic_attributes(TopicArn=id, AttributeName="Policy", AttributeValue=new["policy"])

    def remove(self, site: Site, id: str, state: Values) -> None:
        statement = {
            "Sid": "__default_statement_ID",
            "Effect": "Allow",
            "Principal": {"AWS": "*"},
            "Action": [f"SNS:{action}" for action in _OWNER_S_ACTIONS],
            "Resource": id,
            "Condition": {"StringEquals": {"AWS:SourceOwner": state["owner"]}},
        }
        default = {"Version": "2008-10-17", "Id": "__default_policy_ID", "Statement": [statement]}
        self.change(site, id, {}, {"policy": json.dumps(default)})


class TopicSubscription(AwsKind):
    """Somebody who hears of what is published."""

    token = "aws:sns/topicSubscription:TopicSubscription"
    service = "sns"
    noun = "subscription to SNS topic"
    gone = _GONE
    _changeable: ClassVar = {
        "deliveryPolicy": Field(shape=JsonText()),
        # Before the policy that it is for.
        "filterPolicyScope": Field(shape=choice("MessageAttributes", "MessageBody"), computed=True),
        "filterPolicy": Field(shape=JsonText()),
        "rawMessageDelivery": Field(shape=FLAG),
        "redrivePolicy": Field(shape=JsonText()),
        "subscriptionRoleArn": Field(),
    }
    properties: ClassVar = {
        **_changeable,
        "confirmationTimeoutInMinutes": Field(shape=NUMBER, default=1, local=True),
        "endpoint": Field(required=True, immutable=True),
        "endpointAutoConfirms": Field(shape=FLAG, local=True),
        "protocol": Field(
            shape=choice("sqs", "sms", "lambda", "firehose", "application", "email", "email-json", "http", "https"),
            required=True,
            immutable=True,
        ),
        "topic": Field(required=True, immutable=True),
    }
    outputs: ClassVar = {
        "arn": TEXT,
        "confirmationWasAuthenticated": FLAG,
        "ownerId": TEXT,
        "pendingConfirmation": FLAG,
    }
    refused: ClassVar = {"replayPolicy": _UNKNOWN_TO_MOTO}

    def make(self, site: Site, inputs: Values) -> str:
        made = site.client.subscribe(
            TopicArn=inputs["topic"],
            Protocol=inputs["protocol"],
            Endpoint=inputs["endpoint"],
            Attributes=_attributes(inputs, self._changeable),
            # An e-mail's recipient has confirmed nothing yet.
            ReturnSubscriptionArn=True,
        )
        return str(made["SubscriptionArn"])

    def find(self, site: Site, id: str) -> Values | None:
        found = site.client.get_subscription_attributes(SubscriptionArn=id)["Attributes"]
        texts = {
            name: found.get(self._changeable[name].wire_name(name)) or None
            for name in self._changeable.keys() - {"rawMessageDelivery"}
        }
        return {
            **texts,
            "arn": id,
            "confirmationWasAuthenticated": _is_on(found.get("ConfirmationWasAuthenticated")),
            "endpoint": found["Endpoint"],
            "ownerId": found["Owner"],
            "pendingConfirmation": _is_on(found.get("PendingConfirmation")),
            "protocol": found["Protocol"],
            "rawMessageDelivery": _is_on(found.get("RawMessageDelivery")),
            "topic": found["TopicArn"],
        }

    def change(self, site: Site, id: str, state: Values, new: Values) -> None:
        before, after = (_attributes(values, self._changeable) for values in (state, new))
        for name, value in {**_taken_away(before, after), **after}.items():
            site.client.set_subscription_attributes(SubscriptionArn=id, AttributeName=name, AttributeValue=value)

    def remove(self, site: Site, id: str, state: Values) -> None:
        site.client.unsubscribe(SubscriptionArn=id)


KINDS: tuple[type[AwsKind], ...] = (Topic, TopicPolicy, TopicSubscription)
