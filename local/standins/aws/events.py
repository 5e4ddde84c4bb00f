"""Rules of EventBridge, and what they call; none is ever called by its schedule here."""

from typing import ClassVar

from local.standins.aws.resource import AutoName, AwsKind, Site, Values, tag_changes
from local.standins.aws.shapes import TEXT, Block, Field, JsonText, TagMap, choice
from plugin.server import CheckFailure

_GONE = frozenset({"ResourceNotFoundException"})
_NONE_HAS_IT = "nothing of the program has it, leave it out"


class EventRule(AwsKind):
    """When something is called: by a schedule, or by what happens."""

    token = "aws:cloudwatch/eventRule:EventRule"
    service = "events"
    noun = "rule"
    gone = _GONE
    tagged = True
    auto_name = AutoName("name", "namePrefix", limit=64)
    _sent: ClassVar = {
        "description": Field(),
        "eventPattern": Field(shape=JsonText()),
        "scheduleExpression": Field(),
        "state": Field(shape=choice("ENABLED", "DISABLED"), default="ENABLED"),
    }
    properties: ClassVar = {
        **_sent,
        "name": Field(computed=True, immutable=True),
        "namePrefix": Field(computed=True, immutable=True, unreported=True),
    }
    outputs: ClassVar = {"arn": TEXT}
    refused: ClassVar = {
        "isEnabled": "use state instead",
        **dict.fromkeys(("eventBusName", "forceDestroy", "roleArn"), _NONE_HAS_IT),
    }

    def faults(self, inputs: Values) -> list[CheckFailure]:
        if inputs.get("eventPattern") or inputs.get("scheduleExpression"):
            return []
        return [CheckFailure("scheduleExpression", "or eventPattern must be given")]

    def make(self, site: Site, inputs: Values) -> str:
        name = self.auto_name.given(inputs)
        tags = TagMap().to_aws(self.all_tags(inputs))
        site.client.put_rule(Name=name, **Block(self._sent).to_aws(inputs), **({"Tags": tags} if tags else {}))
        return name

    def find(self, site: Site, id: str) -> Values | None:
        found = site.client.describe_rule(Name=id)
        tags = site.client.list_tags_for_resource(ResourceARN=found["Arn"])["Tags"]
        return {
            **Block(self._sent).from_aws(found),
            "arn": found["Arn"],
            "name": id,
            "tagsAll": TagMap().from_aws(tags),
        }

    def change(self, site: Site, id: str, state: Values, new: Values) -> None:
        site.client.put_rule(Name=id, **Block(self._sent).to_aws(new))
        added, removed = tag_changes(state.get("tagsAll") or {}, self.all_tags(new))
        if removed:
            site.client.untag_resource(ResourceARN=state["arn"], TagKeys=removed)
        if added:
            site.client.tag_resource(ResourceARN=state["arn"], Tags=TagMap().to_aws(added))

    def remove(self, site: Site, id: str, state: Values) -> None:
        site.client.delete_rule(Name=id)


class EventTarget(AwsKind):
    """What a rule calls. Its id is the rule and its own."""

    token = "aws:cloudwatch/eventTarget:EventTarget"
    service = "events"
    noun = "target of rule"
    gone = _GONE
    auto_name = AutoName("targetId", limit=64)
    properties: ClassVar = {
        "arn": Field(required=True),
        "input": Field(),
        "rule": Field(required=True, immutable=True),
        "targetId": Field(computed=True, immutable=True),
    }
    refused: ClassVar = dict.fromkeys(
        (
            *("appsyncTarget", "batchTarget", "deadLetterConfig", "ecsTarget", "eventBusName", "forceDestroy"),
            *("httpTarget", "inputPath", "inputTransformer", "kinesisTarget", "redshiftTarget", "retryPolicy"),
            *("roleArn", "runCommandTargets", "sagemakerPipelineTarget", "sqsTarget"),
        ),
        _NONE_HAS_IT,
    )

    def make(self, site: Site, inputs: Values) -> str:
        id = f"{inputs['rule']}/{inputs['targetId']}"
        self.change(site, id, {}, inputs)
        return id

    def find(self, site: Site, id: str) -> Values | None:
        rule, _, target = id.partition("/")
        targets = site.client.list_targets_by_rule(Rule=rule)["Targets"]
        found = next((each for each in targets if each["Id"] == target), None)
        if found is None:
            return None
        return {"arn": found["Arn"], "input": found.get("Input"), "rule": rule, "targetId": target}

    def change(self, site: Site, id: str, state: Values, new: Values) -> None:
        rule, _, target = id.partition("/")
        more = {"Input": new["input"]} if new.get("input") else {}
        site.client.put_targets(Rule=rule, Targets=[{"Id": target, "Arn": new["arn"], **more}])

    def remove(self, site: Site, id: str, state: Values) -> None:
        rule, _, target = id.partition("/")
        site.client.remove_targets(Rule=rule, Ids=[target])


KINDS: tuple[type[AwsKind], ...] = (EventRule, EventTarget)
