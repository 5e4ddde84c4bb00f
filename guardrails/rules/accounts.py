"""Rules on keys, topics, functions, and on secrets wherever they are."""

import re

from guardrails import plaintext
from guardrails.awspolicies import allows, denies_clear_text
from guardrails.model import EVERY, Check, Plan, Resource, Severity, Where, is_, names, rule, shown
from guardrails.values import SECRET, listed, statements

KEY, TOPIC, TOPIC_POLICY = "aws:kms/key:Key", "aws:sns/topic:Topic", "aws:sns/topicPolicy:TopicPolicy"
ROLE, ROLE_POLICY = "aws:iam/role:Role", "aws:iam/rolePolicy:RolePolicy"
HELD_SECRET, SECRET_VERSION = "aws:secretsmanager/secret:Secret", "aws:secretsmanager/secretVersion:SecretVersion"
FUNCTION, PERMISSION = "aws:lambda/function:Function", "aws:lambda/permission:Permission"
SUPPORTED = re.compile(r"python3\.(1[0-9])|nodejs2[0-9]\.x|provided\.al2023")
# Where keys are names of tables and steps, and texts are SQL.
NO_NAMES = {f"pg:index:{each}" for each in ("MigrationSet", "Policy", "SchemaCheckpoint", "SchemaSnapshot")}


@rule(
    "secret-plain",
    Severity.critical,
    EVERY,
    "a secret in an input that isn't marked as one",
    "it is in the state, in each preview and in logs in clear text",
    "make it by pulumi.Output.secret, or hand on the ARN of where it is kept",
    "AWS SecretsManager.1",
    "Pulumi manual, Secrets",
)
def secret_plain(resource: Resource, plan: Plan) -> Check | None:
    found = plaintext.found(dict(resource.inputs), named=resource.type not in NO_NAMES)
    # The value itself is never evidence.
    return Check(not found, f"in clear text: {names(found)}" if found else "no secret in clear text")


@rule(
    "key-rotation",
    Severity.medium,
    KEY,
    "a KMS key that never changes",
    "what it has ever encrypted is open to who gets it once",
    "set enableKeyRotation to true",
    "AWS KMS.4",
)
def key_rotation(resource: Resource, plan: Plan) -> Check:
    return is_(resource, True, "enableKeyRotation")


@rule(
    "key-window",
    Severity.high,
    KEY,
    "a KMS key that is gone a few days after its deletion",
    "with it everything that it has encrypted, backups too, is lost",
    "set deletionWindowInDays to 30",
    "AWS KMS.3",
    where=Where.kept,
)
def key_window(resource: Resource, plan: Plan) -> Check:
    days = resource.get("deletionWindowInDays")
    return Check((days or 30) >= 30, f"deletionWindowInDays is {shown(days)}")


@rule(
    "topic-encrypted",
    Severity.medium,
    TOPIC,
    "a topic without a key",
    "messages lie in clear text",
    "give it a key, as components/alarms.py does",
    "AWS SNS.1",
)
def topic_encrypted(resource: Resource, plan: Plan) -> Check:
    key = resource.inputs.get("kmsMasterKeyId")
    return Check(key not in (None, ""), "it has a key" if key else "kmsMasterKeyId is not set")


@rule(
    "topic-tls",
    Severity.high,
    TOPIC_POLICY,
    "a topic that takes messages without TLS",
    "messages cross the network in clear text",
    "deny it as components/alarms.py does",
    "SNS manual, Security best practices",
)
def topic_tls(resource: Resource, plan: Plan) -> Check:
    found = [
        each
        for each in statements(resource.get("policy"))
        if denies_clear_text(each)
        and allows(each, ("sns:Publish", "sns:Subscribe")) == ["sns:Publish", "sns:Subscribe"]
    ]
    return Check(bool(found), f"statement {found[0].get('Sid')}" if found else "no statement denies it")


@rule(
    "secret-key",
    Severity.medium,
    HELD_SECRET,
    "a secret that is kept under AWS' own key",
    "who may read secrets of the account reads it",
    "set kmsKeyId",
    "Secrets Manager manual, Encryption and decryption",
)
def secret_key(resource: Resource, plan: Plan) -> Check:
    key = resource.inputs.get("kmsKeyId")
    return Check(key not in (None, ""), f"kmsKeyId is {'set' if key else 'not set'}")


@rule(
    "secret-value",
    Severity.critical,
    SECRET_VERSION,
    "a secret whose value the program has in clear text",
    "it is in the state and in each preview",
    "make it by pulumi.Output.secret",
    "Pulumi manual, Secrets",
)
def secret_value(resource: Resource, plan: Plan) -> Check:
    value = resource.get("secretString")
    return Check(
        value is None or value is SECRET,
        f"secretString is {'a secret' if value is SECRET else shown(value and 'plain')}",
    )


@rule(
    "function-open",
    Severity.critical,
    PERMISSION,
    "a function that others may call",
    "anybody runs it, at this account's cost and with its rights",
    "name a service as principal, and sourceArn",
    "AWS Lambda.1",
)
def function_open(resource: Resource, plan: Plan) -> Check:
    who, source = resource.get("principal"), resource.inputs.get("sourceArn")
    good = isinstance(who, str) and who.endswith(".amazonaws.com") and source is not None
    return Check(good, f"principal {who}, sourceArn {'set' if source else 'not set'}")


@rule(
    "function-runtime",
    Severity.medium,
    FUNCTION,
    "a function on a runtime that gets no corrections any more",
    "known holes stay open",
    "set a supported runtime",
    "AWS Lambda.2",
)
def function_runtime(resource: Resource, plan: Plan) -> Check:
    runtime = resource.get("runtime")
    return Check(bool(runtime and SUPPORTED.fullmatch(runtime)), f"runtime is {shown(runtime)}")


@rule(
    "function-zones",
    Severity.medium,
    FUNCTION,
    "a function in a network that is in one zone of it",
    "with the zone it stops",
    "give vpcConfig subnets of two zones",
    "AWS Lambda.5",
)
def function_zones(resource: Resource, plan: Plan) -> Check | None:
    subnets = listed((resource.inputs.get("vpcConfig") or {}).get("subnetIds"))
    return Check(len(subnets) > 1, f"in {len(subnets)} subnets") if subnets else None


@rule(
    "secret-rotation",
    Severity.low,
    HELD_SECRET,
    "a secret that AWS doesn't change by itself",
    "it is good until somebody changes it",
    "logins here are changed by ./vpb rotate, and so is the secret; except it with that reason",
    "AWS SecretsManager.1",
    whole=True,
)
def secret_rotation(resource: Resource, plan: Plan) -> Check:
    found = plan.settings("aws:secretsmanager/secretRotation:SecretRotation", "secretId", resource, "name")
    return Check(bool(found), f"rotated by {names(each.name for each in found) or 'nothing of AWS'}")


RULES = (
    secret_plain,
    key_rotation,
    key_window,
    topic_encrypted,
    topic_tls,
    secret_key,
    secret_value,
    function_open,
    function_runtime,
    function_zones,
    secret_rotation,
)
