"""The alarm topic: what people must hear of, encrypted, and published by nobody but this account and its alarms."""

from dataclasses import dataclass
from typing import Any

import pulumi
from pulumi_aws import sns

from components.base import Component
from components.documents import PolicyStatement, account_itself, document, key_rights
from components.namedkey import named_key
from declared.awsnames import asked_tag
from targets.found import Found

ALARMS, RULES = "cloudwatch.amazonaws.com", "events.amazonaws.com"
SERVERS = "events.rds.amazonaws.com"
# What can be done with a topic by its policy; SNS refuses `sns:*` there.
ACTIONS = ("AddPermission", "DeleteTopic", "GetTopicAttributes", "ListSubscriptionsByTopic", "Publish",
           "RemovePermission", "SetTopicAttributes", "Subscribe")  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class AlarmsArgs:
    found: Found
    """What is there already."""
    region: str
    emails: tuple[str, ...] = ()
    """Who gets each alarm by e-mail, once they have confirmed it."""
    disposable: bool = False
    """Whether the key may go at once."""
    servers: bool = False
    """Whether a server of the account tells it what happens to it."""


class Alarms(Component):
    """A topic with a name that the stack alone decides, a key of its own, and a subscription for each address."""

    topic: pulumi.Output[str]
    """Its ARN."""
    key: pulumi.Output[str]
    """The ARN of the key that its messages are encrypted with; a publisher needs it too."""

    def __init__(self, name: str, args: AlarmsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(name, {"emails": list(args.emails)}, opts)
        topic = args.found.names.of("alarms")
        # Not asked of the plugin: a destroy after a first `up` that failed early has none of it.
        account = pulumi.Output.from_input(args.found.names.account)
        # The key is there before the topic, so the topic's ARN is written down here.
        arn = pulumi.Output.concat("arn:aws:sns:", args.region, ":", account, ":", topic)
        key, _ = named_key(self, name, "alarms", args.found, _key_rights(account, arn, args.servers), args.disposable)
        asked = {asked_tag(address): "yes" for address in args.emails} or None
        made = sns.Topic(f"{name}-topic", name=topic, kms_master_key_id=key.arn, tags=asked, opts=self.child())
        policy = sns.TopicPolicy(
            f"{name}-policy",
            arn=made.arn,
            policy=document(*_rights(account, made.arn, args.servers)),
            opts=self.child(),
        )
        for address in args.emails:
            if args.found.silent(address):
                # Declared again, it would be a change in each preview, and a mail at each `up`.
                pulumi.log.warn(
                    f"alarmEmails: {address} hears of no alarm: its link wasn't followed in time, or it has "
                    "unsubscribed; to ask it again take it out of the list, run `up`, and put it back"
                )
                continue
            sns.TopicSubscription(
                f"{name}-{address}", topic=made.arn, protocol="email", endpoint=address, opts=self.child()
            )
        # Who publishes there waits until it may.
        self.topic, self.key = pulumi.Output.all(made.arn, policy.id).apply(lambda found: found[0]), key.arn
        self.register_outputs({"topic": self.topic})


def _key_rights(account: pulumi.Input[str], topic: pulumi.Input[str], servers: bool) -> list[PolicyStatement]:
    """Who may use the key: whom the account's own policies let, and the services for this topic's messages."""
    use: dict[str, Any] = {"Effect": "Allow", "Action": ["kms:Decrypt", "kms:GenerateDataKey*"], "Resource": "*"}
    this_topic = {"kms:EncryptionContext:aws:sns:topicArn": topic}
    return [
        key_rights(account),
        {
            **use,
            "Principal": {"Service": ALARMS},
            "Condition": {"StringEquals": {**this_topic, "aws:SourceAccount": account}},
        },
        # Neither says for whom it asks for a topic's key; whose rules and servers publish, the topic's policy says.
        {
            **use,
            "Principal": {"Service": [RULES, SERVERS] if servers else RULES},
            "Condition": {"StringEquals": this_topic},
        },
    ]


def _rights(account: pulumi.Input[str], topic: pulumi.Input[str], servers: bool) -> list[PolicyStatement]:
    """Who may publish: whom the account's own policies let, and the services for this account; all with TLS."""
    publish: dict[str, Any] = {"Effect": "Allow", "Action": "sns:Publish", "Resource": topic}
    return [
        {
            "Sid": "TlsOnly",
            "Effect": "Deny",
            "Principal": "*",
            "Action": [f"sns:{action}" for action in ACTIONS],
            "Resource": topic,
            "Condition": {"Bool": {"aws:SecureTransport": "false"}},
        },
        {"Sid": "OwnAccount", **publish, "Principal": account_itself(account)},
        {
            "Sid": "OwnAlarms",
            **publish,
            "Principal": {"Service": [ALARMS, RULES, *([SERVERS] if servers else [])]},
            "Condition": {"StringEquals": {"aws:SourceAccount": account}},
        },
    ]
