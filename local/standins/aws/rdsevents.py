"""Who hears of what happens to a server of RDS."""

from typing import ClassVar

from local.standins.aws.rds import RdsKind
from local.standins.aws.resource import AutoName, AwsKind, Site, Values
from local.standins.aws.shapes import FLAG, TEXT, Block, Field, SetOf, TagMap, choice
from plugin.server import CheckFailure


class EventSubscription(RdsKind):
    """A topic that hears of events of some kinds, from some servers."""

    token = "aws:rds/eventSubscription:EventSubscription"
    noun = "event subscription"
    # As AWS says it, and as moto does.
    gone = frozenset({"SubscriptionNotFound", "SubscriptionNotFoundFault"})
    auto_name = AutoName("name", "namePrefix", limit=255)
    properties: ClassVar = {
        "enabled": Field(shape=FLAG, default=True),
        "eventCategories": Field(shape=SetOf(TEXT)),
        "name": Field(computed=True, immutable=True, aws="SubscriptionName"),
        "namePrefix": Field(computed=True, immutable=True, unreported=True),
        "snsTopic": Field(required=True, aws="SnsTopicArn"),
        "sourceIds": Field(shape=SetOf(TEXT)),
        "sourceType": Field(
            shape=choice(
                *("db-instance", "db-cluster", "db-parameter-group", "db-security-group", "db-snapshot"),
                *("db-cluster-snapshot", "db-proxy", "blue-green-deployment", "custom-engine-version"),
            )
        ),
    }
    outputs: ClassVar = {"arn": TEXT, "customerAwsId": TEXT}

    def faults(self, inputs: Values) -> list[CheckFailure]:
        if inputs.get("sourceIds") and not inputs.get("sourceType"):
            return [CheckFailure("sourceType", "is required where sourceIds are given")]
        return []

    def make(self, site: Site, inputs: Values) -> str:
        name = self.auto_name.given(inputs)
        fields = {each: item for each, item in self.properties.items() if each not in ("name", "namePrefix")}
        arguments = Block(fields).to_aws(inputs)
        tags = TagMap().to_aws(self.all_tags(inputs))
        site.client.create_event_subscription(SubscriptionName=name, Tags=tags, **arguments)
        return name

    def find(self, site: Site, id: str) -> Values | None:
        (found,) = site.client.describe_event_subscriptions(SubscriptionName=id)["EventSubscriptionsList"]
        arn = found["EventSubscriptionArn"]
        return {
            "arn": arn,
            "customerAwsId": found["CustomerAwsId"],
            "enabled": found["Enabled"],
            "eventCategories": found.get("EventCategoriesList"),
            "name": id,
            "snsTopic": found["SnsTopicArn"],
            "sourceIds": found.get("SourceIdsList"),
            "sourceType": found.get("SourceType"),
            "tagsAll": self._tags(site, arn),
        }

    def change(self, site: Site, id: str, state: Values, new: Values) -> None:
        fields = {name: self.properties[name] for name in ("enabled", "eventCategories", "snsTopic", "sourceType")}
        before, after = (set(each.get("sourceIds") or []) for each in (state, new))
        for source in sorted(before - after):
            site.client.remove_source_identifier_from_subscription(SubscriptionName=id, SourceIdentifier=source)
        if any(not item.shape.same(state.get(name), new.get(name)) for name, item in fields.items()):
            site.client.modify_event_subscription(SubscriptionName=id, **Block(fields).to_aws(new))
        for source in sorted(after - before):
            site.client.add_source_identifier_to_subscription(SubscriptionName=id, SourceIdentifier=source)
        self._retag(site, state, new)

    def remove(self, site: Site, id: str, state: Values) -> None:
        site.client.delete_event_subscription(SubscriptionName=id)


KINDS: tuple[type[AwsKind], ...] = (EventSubscription,)
