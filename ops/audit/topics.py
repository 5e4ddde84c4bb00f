"""Rules on SNS topics: what alarms say is nobody else's, and nobody else raises them."""

from collections.abc import Iterator
from typing import Any

from botocore.exceptions import ClientError

from ops.audit.buckets import actions, principals, statements
from ops.audit.model import Audited, NotSeen, Row, Rule, Severity, Topic


def _attributes(audited: Audited) -> Iterator[tuple[Topic, dict[str, str]]]:
    """Each topic with what SNS says of it.

    :raises NotSeen: where SNS refuses to tell
    """
    audited.resources()
    for topic in audited.topics:
        try:
            yield topic, topic.client.get_topic_attributes(TopicArn=topic.arn)["Attributes"]
        except ClientError as error:
            raise NotSeen(f"SNS topic {topic.name}: {error.response['Error']['Code']}") from None


def not_encrypted(audited: Audited) -> Iterator[Row]:
    """Topics whose messages lie in the open until they are delivered."""
    for topic, found in _attributes(audited):
        if not found.get("KmsMasterKeyId"):
            yield {"object": f"SNS topic {topic.name}"}


def open_policy(audited: Audited) -> Iterator[Row]:
    """Topics whose policy lets in anybody, or another account."""
    for topic, found in _attributes(audited):
        for statement in statements(found["Policy"]):
            # A condition narrows it to an account; that of a new topic does.
            others = [name for name in principals(statement) if not _is_own(name, topic)]
            if statement["Effect"] == "Allow" and others and not statement.get("Condition"):
                yield _row(topic, others, statement)


def _row(topic: Topic, others: list[str], statement: dict[str, Any]) -> Row:
    who = "anybody" if "*" in others else ", ".join(others)
    return {"object": f"SNS topic {topic.name}", "who": who, "what": ", ".join(actions(statement))}


def _is_own(principal: str, topic: Topic) -> bool:
    account = topic.arn.split(":")[4]
    return principal == account or f"::{account}:" in principal


RULES = (
    Rule(
        "sns-encryption",
        Severity.medium,
        "an SNS topic without encryption",
        "its messages aren't encrypted with a key of its own",
        "make up",
        not_encrypted,
        ("AWS SNS.1",),
    ),
    Rule(
        "sns-open",
        Severity.high,
        "an SNS topic whose policy lets others in",
        "its policy allows {who} {what}",
        "make up",
        open_policy,
        ("AWS SNS.4",),
    ),
)
