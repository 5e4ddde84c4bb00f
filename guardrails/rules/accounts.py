"""Rules on keys, topics, roles, functions, and on secrets wherever they are."""

import re

from guardrails.model import EVERY, Check, Plan, Resource, Severity, Where, is_, names, rule, shown
from guardrails.values import SECRET, actions, listed, principals, statements, texts

KEY, TOPIC, TOPIC_POLICY = "aws:kms/key:Key", "aws:sns/topic:Topic", "aws:sns/topicPolicy:TopicPolicy"
ROLE, ROLE_POLICY = "aws:iam/role:Role", "aws:iam/rolePolicy:RolePolicy"
HELD_SECRET, SECRET_VERSION = "aws:secretsmanager/secret:Secret", "aws:secretsmanager/secretVersion:SecretVersion"
FUNCTION, PERMISSION = "aws:lambda/function:Function", "aws:lambda/permission:Permission"
SUPPORTED = re.compile(r"python3\.(1[0-9])|nodejs2[0-9]\.x|provided\.al2023")
# Names whose values are secrets, at their end: `secretArn` names one, and `rotation` of a password is its number.
SECRET_NAME = re.compile(
    r"(password|passwd|passphrase|secret|secret_?string|token|(private|secret|access|api)_?key|credentials?)(wo)?$",
    re.IGNORECASE,
)
# What is a secret wherever it stands: a URL with a password, a private key, keys of AWS and of age, tokens, verifiers.
SECRET_VALUE = re.compile(
    r"\w+://[^/\s:@]+:[^/\s:@]+@|-----BEGIN [A-Z ]*PRIVATE KEY|\bAKIA[0-9A-Z]{16}\b|AGE-SECRET-KEY-1"
    r"|\beyJ[\w-]+\.eyJ[\w-]+\.|SCRAM-SHA-256\$\d+:|\bsbp_[0-9a-f]{40}\b"
)
# Where keys are names of tables and steps, and texts are SQL.
NO_VALUES = {f"pg:index:{each}" for each in ("MigrationSet", "Policy", "SchemaCheckpoint", "SchemaSnapshot")}


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
    if resource.type in NO_VALUES:
        return None
    found = [path for path, text in texts(dict(resource.inputs)) if text and _is_secret(path, text)]
    # The value itself is never evidence.
    return Check(not found, f"in clear text: {names(found)}" if found else "no secret in clear text")


def _is_secret(path: str, text: str) -> bool:
    # A variable may name where a secret is kept.
    named = SECRET_NAME.search(re.split(r"[.\[]", path)[-1]) and not text.startswith("arn:")
    return bool(named) or SECRET_VALUE.search(text) is not None


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
    "policy-open",
    Severity.critical,
    (KEY, TOPIC_POLICY),
    "a key or a topic whose policy lets anybody in",
    "anybody decrypts with it, or publishes to it",
    "name a principal, or narrow it by a condition",
    "AWS KMS.5",
    "AWS SNS.4",
)
def policy_open(resource: Resource, plan: Plan) -> Check:
    found = statements(resource.get("policy"))
    open_ = [
        each
        for each in found
        if each.get("Effect") == "Allow" and "*" in principals(each) and not each.get("Condition")
    ]
    return Check(not open_, f"{len(open_)} of {len(found)} statements are for anybody")


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
        if each.get("Effect") == "Deny"
        and str(((each.get("Condition") or {}).get("Bool") or {}).get("aws:SecureTransport")).lower() == "false"
    ]
    return Check(bool(found), f"statement {found[0].get('Sid')}" if found else "no statement denies it")


@rule(
    "role-rights",
    Severity.high,
    ROLE_POLICY,
    "a role that may do everything, or everything of a service",
    "who gets it once has the account",
    "name the actions and the resources",
    "AWS IAM.1",
    "AWS IAM.21",
)
def role_rights(resource: Resource, plan: Plan) -> Check:
    wide = [
        action
        for each in statements(resource.get("policy"))
        if each.get("Effect") == "Allow"
        for action in actions(each)
        if action == "*" or (action.endswith(":*") and "*" in listed(each.get("Resource")))
    ]
    return Check(not wide, f"allowed everywhere: {names(wide) or 'nothing whole'}")


@rule(
    "key-for-all",
    Severity.medium,
    ROLE_POLICY,
    "a role that decrypts with every key",
    "a key of its own protects nothing from it",
    "name the key's ARN",
    "AWS KMS.2",
    "AWS KMS.1",
)
def key_for_all(resource: Resource, plan: Plan) -> Check:
    wide = [
        each
        for each in statements(resource.get("policy"))
        if each.get("Effect") == "Allow"
        and {"kms:Decrypt", "kms:ReEncryptFrom", "kms:*"} & {*actions(each)}
        and "*" in listed(each.get("Resource"))
    ]
    return Check(not wide, f"{len(wide)} statements decrypt with any key")


@rule(
    "role-trust",
    Severity.critical,
    ROLE,
    "a role that anybody may take",
    "each account at AWS has its rights",
    "name who takes it in database:roleTrust",
    "IAM manual, Roles terms and concepts",
)
def role_trust(resource: Resource, plan: Plan) -> Check:
    found = statements(resource.get("assumeRolePolicy"))
    open_ = [each for each in found if each.get("Effect") == "Allow" and "*" in principals(each)]
    who = {str(each) for statement in found if statement.get("Effect") == "Allow" for each in principals(statement)}
    return Check(not open_, f"taken by {names(who) or 'nobody'}")


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
    policy_open,
    topic_encrypted,
    topic_tls,
    role_rights,
    key_for_all,
    role_trust,
    secret_key,
    secret_value,
    function_open,
    function_runtime,
    function_zones,
    secret_rotation,
)
