"""Rules on who may do what at AWS: policies of keys and topics, rights of roles, who may take them."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from guardrails.awspolicies import accounts, allowing, allows, anybody, conditions, everywhere, matched, ties
from guardrails.model import Check, Plan, Resource, Severity, names, rule
from guardrails.rules.accounts import KEY, ROLE, ROLE_POLICY, TOPIC, TOPIC_POLICY
from guardrails.values import UNKNOWN, NotKnown, listed, principals, statements

OWN_POLICY = "aws:iam/policy:Policy"
# Whose input `policy` says who may come in.
GUARDED = (
    KEY,
    TOPIC,
    TOPIC_POLICY,
    "aws:kms/keyPolicy:KeyPolicy",
    "aws:sqs/queue:Queue",
    "aws:sqs/queuePolicy:QueuePolicy",
    "aws:secretsmanager/secret:Secret",
    "aws:secretsmanager/secretPolicy:SecretPolicy",
    "aws:backup/vaultPolicy:VaultPolicy",
)
BUCKETS = ("aws:s3/bucketPolicy:BucketPolicy", "aws:s3/bucket:Bucket")
RIGHTS = (ROLE_POLICY, OWN_POLICY, ROLE, "aws:iam/userPolicy:UserPolicy", "aws:iam/groupPolicy:GroupPolicy")
ATTACHMENTS = tuple(
    f"aws:iam/{each[0].lower()}{each[1:]}:{each}"
    for each in ("RolePolicyAttachment", "PolicyAttachment", "UserPolicyAttachment", "GroupPolicyAttachment")
)
EXCLUSIVE = "aws:iam/rolePolicyAttachmentsExclusive:RolePolicyAttachmentsExclusive"
# AWS' own policies that give what one service needs for itself.
MANAGED = {
    f"arn:aws:iam::aws:policy/service-role/{each}"
    for each in (
        "AmazonRDSEnhancedMonitoringRole",
        "AWSLambdaBasicExecutionRole",
        "AWSLambdaVPCAccessExecutionRole",
        "AWSBackupServiceRolePolicyForBackup",
    )
}
# Actions by which a role gives itself more, or takes another one's rights.
ESCALATES = (
    *(f"iam:{each}RolePolicy" for each in ("Put", "Attach", "Delete", "Detach")),
    *(f"iam:{each}" for each in ("CreateAccessKey", "CreateLoginProfile", "CreatePolicyVersion", "CreateRole")),
    *(f"iam:{each}" for each in ("AddUserToGroup", "AttachUserPolicy", "PutUserPolicy", "UpdateLoginProfile")),
    *("iam:PassRole", "iam:SetDefaultPolicyVersion", "iam:UpdateAssumeRolePolicy", "sts:AssumeRole", "kms:CreateGrant"),
    *("lambda:UpdateFunctionCode", "kms:PutKeyPolicy", "s3:PutBucketPolicy", "organizations:LeaveOrganization"),
)
READS = re.compile(r"[\w-]+:(describe|list)\w*\*", re.IGNORECASE)
TAKES = ("sts:AssumeRole", "sts:AssumeRoleWithWebIdentity", "sts:AssumeRoleWithSAML")


@rule(
    "policy-open",
    Severity.critical,
    GUARDED,
    "a key, a topic, a queue, a secret or a vault whose policy lets anybody in",
    "anybody decrypts with it, publishes to it or reads it",
    "name a principal, or narrow it by a condition that ties it to an account",
    "AWS KMS.5",
    "AWS SNS.4",
)
def policy_open(resource: Resource, plan: Plan) -> Check | None:
    document = resource.get("policy")
    if document is None and resource.type not in (KEY, TOPIC_POLICY):
        return None
    found = statements(document)
    open_ = [each for each in allowing(document) if anybody(each) and not ties(each)]
    return Check(not open_, f"{len(open_)} of {len(found)} statements are for anybody")


@rule(
    "account-foreign",
    Severity.high,
    (*GUARDED, *BUCKETS, ROLE),
    "a policy that lets another account in",
    "who works there isn't known here, nor when that ends",
    "name a role of this account, or except it with the reason why the other account is let in",
    "AWS S3.6",
    "IAM manual, Cross account resource access",
    whole=True,
)
def account_foreign(resource: Resource, plan: Plan) -> Check | None:
    document = resource.get("assumeRolePolicy" if resource.type == ROLE else "policy")
    if document is None:
        return None
    foreign = {each for statement in allowing(document) for each in accounts(statement)} - {plan.account}
    return Check(not foreign, f"it lets in {names(foreign)}" if foreign else "it lets in this account and services")


def _documents(resource: Resource) -> Iterator[Any]:
    """The policies that a resource gives its role."""
    if resource.type != ROLE:
        yield resource.get("policy")
    for each in listed(resource.get("inlinePolicies") if resource.type == ROLE else None):
        if each.get("policy") is UNKNOWN:
            raise NotKnown("inlinePolicies.policy")
        yield each.get("policy")


@rule(
    "role-rights",
    Severity.high,
    RIGHTS,
    "a role that may do everything, everything of a service, or give itself more",
    "who gets it once has the account",
    "name the actions and the resources",
    "AWS IAM.1",
    "AWS IAM.21",
)
def role_rights(resource: Resource, plan: Plan) -> Check | None:
    found = [each for document in _documents(resource) for each in allowing(document)]
    if resource.type == ROLE and not found:
        return None
    wide = [each for statement in found for each in _too_much(statement)]
    return Check(not wide, f"allowed everywhere: {names({*wide}) or 'nothing whole'}")


def _too_much(statement: Mapping[str, Any]) -> Iterator[str]:
    if "NotAction" in statement:
        yield f"all but {names(listed(statement['NotAction']))}"
    everything = everywhere(statement)
    for action in listed(statement.get("Action")):
        if isinstance(action, str) and (_whole(action) or (everything and _pattern(action))):
            yield action
    if everything and not _tied(statement):
        yield from (each for each in ESCALATES if matched(each, _exact(statement)))


def _whole(action: str) -> bool:
    """Whether a pattern is of more than one service."""
    service, _, _ = action.partition(":")
    return "*" in service or "?" in service


def _pattern(action: str) -> bool:
    return ("*" in action or "?" in action) and not READS.fullmatch(action)


def _exact(statement: Mapping[str, Any]) -> list[str]:
    return [each for each in listed(statement.get("Action")) if isinstance(each, str) and "*" not in each]


def _tied(statement: Mapping[str, Any]) -> bool:
    """Whether only a service of AWS may be given more."""
    return any(key in ("iam:passedtoservice", "kms:grantisforawsresource") for _, key, _ in conditions(statement))


@rule(
    "role-managed",
    Severity.high,
    (*ATTACHMENTS, EXCLUSIVE, ROLE),
    "a role with a policy of AWS' that isn't for one service, or with one that isn't seen here",
    "AWS' own policies are wide, and change without a word here",
    "write a RolePolicy with the actions that it needs; `MANAGED` of guardrails/rules/rights.py lists the others",
    "IAM manual, Managed policies and inline policies",
    whole=True,
)
def role_managed(resource: Resource, plan: Plan) -> Check | None:
    if resource.type in ATTACHMENTS:
        key = "policyArn"
    else:
        key = "managedPolicyArns" if resource.type == ROLE else "policyArns"
    ours = plan.of_type(OWN_POLICY)
    seen = MANAGED | {each.id for each in ours} | {str(each.inputs.get("arn")) for each in ours}
    if {each.name for each in ours} >= {*resource.depends.get(key, ())} != set():
        return Check(True, f"its policy is {names(resource.depends[key])}")
    given = listed(resource.get(key))
    if UNKNOWN in given:
        raise NotKnown(key)
    beyond = {*given} - seen
    return Check(not beyond, f"attached: {names(beyond or given) or 'nothing'}")


@rule(
    "key-for-all",
    Severity.medium,
    RIGHTS,
    "a role that decrypts with every key",
    "a key of its own protects nothing from it",
    "name the key's ARN",
    "AWS KMS.2",
    "AWS KMS.1",
)
def key_for_all(resource: Resource, plan: Plan) -> Check | None:
    found = [each for document in _documents(resource) for each in allowing(document)]
    if resource.type == ROLE and not found:
        return None
    wide = [each for each in found if allows(each, ("kms:Decrypt", "kms:ReEncryptFrom")) and everywhere(each)]
    return Check(not wide, f"{len(wide)} statements decrypt with any key")


@rule(
    "role-trust",
    Severity.critical,
    ROLE,
    "a role that anybody may take",
    "each account at AWS has its rights, or each workflow of a provider of logins",
    "name who takes it in database:roleTrust; of a provider, ask for a whole `sub`",
    "IAM manual, Roles terms and concepts",
)
def role_trust(resource: Resource, plan: Plan) -> Check:
    found = allowing(resource.get("assumeRolePolicy"))
    open_ = [each for each in found if allows(each, TAKES) and ((anybody(each) and not ties(each)) or _any_login(each))]
    who = {str(each) for statement in found for each in principals(statement)}
    said = f"taken by {names(who) or 'nobody'}"
    return Check(not open_, f"{said}, in {len(open_)} statements without a limit" if open_ else said)


def _any_login(statement: Mapping[str, Any]) -> bool:
    """Whether each login of a provider of OpenID Connect may take it: nothing asks which one it is."""
    principal = statement.get("Principal")
    if not isinstance(principal, Mapping):
        return False
    providers = [each for each in listed(principal.get("Federated")) if ":saml-provider/" not in str(each)]
    return bool(providers) and not any(
        asked in ("stringequals", "stringlike") and key.endswith(":sub") and values and all(map(_named, values))
        for asked, key, values in conditions(statement)
    )


def _named(subject: Any) -> bool:
    """Whether a subject says whose it is: `repo:owner/name:*` does, `repo:owner/*` doesn't."""
    if subject is UNKNOWN:
        return True
    first, _, last = str(subject).rpartition(":")
    parts = 3 if str(subject).startswith("system:") else 2
    wild = any(each in last for each in "*?")
    return "*" not in first and "?" not in first and (not wild or first.count(":") >= parts - 1)


RULES = (policy_open, account_foreign, role_rights, role_managed, key_for_all, role_trust)
