"""What is refused is refused however it is spelled, and what is narrow passes: rules asked of single resources."""

import base64
from typing import Any

import pytest

from guardrails.expressions import Reach, reach
from guardrails.model import Plan, Resource, Status
from guardrails.networks import wide
from guardrails.rules import BY_ID
from guardrails.rules.rights import ATTACHMENTS, EXCLUSIVE, OWN_POLICY
from guardrails.values import UNKNOWN
from tests.guardrails.conftest import plan_of

OWN, OTHER = "123456789012", "999999999999"
ROWS = {
    Reach.all: [
        "true",
        "((select true))",
        "true or false",
        "not (1 = 2)",
        "1 + 1 = 2",
        "'2' = 2",
        "id = id",
        "projects.id = (select id)",
        "id in (id, owner_id)",
        "id = any(array[id])",
        "(a, b) = (a, b)",
        "id between id and id",
        "id is not distinct from id",
        "exists (select 1)",
        "true::boolean",
        "cast('yes' as boolean)",
        "name like '%'",
        "name ~ ''",
        "null is null",
        "coalesce(owner_id = auth.uid(), true)",
        "case when owner_id = auth.uid() then false else true end",
        "owner_id = auth.uid() or true",
    ],
    Reach.any: [
        "auth.uid() is not null",
        "auth.role() = 'authenticated'",
        "private.always()",
        "id is not null",
        "random() >= 0",
        "owner_id = auth.uid() or auth.uid() is not null",
        "exists (select 1 from public.users)",
        "exists (select 1 from private.staff where user_id = auth.uid())",
        # Within the query both are columns of `c`.
        "exists (select 1 from public.collaborators as c where c.project_id = project_id)",
        "(select staff from public.users where id = auth.uid())",
        "true) with check (true",
        "true group by 1",
        "no SQL",
    ],
    Reach.some: [
        "visibility = 'public'",
        "archived_at is null",
        "private.always(id)",
        "private.always(id, auth.uid())",
        "owner_id <> auth.uid()",
        "owner_id < auth.uid() or owner_id > auth.uid()",
        "id between '00000000-0000-0000-0000-000000000000' and auth.uid()",
        "not (owner_id = auth.uid())",
        "owner_id = coalesce(auth.uid(), owner_id)",
        "id in (select id from public.projects)",
        "id in (select id from public.projects where owner_id = auth.uid() or true)",
        "exists (select 1 from public.projects as p where p.id = notes.project_id and auth.uid() = auth.uid())",
    ],
    Reach.own: [
        "owner_id = (select auth.uid())",
        "(owner_id = auth.uid()) is true",
        "auth.uid() = any(members)",
        "starts_with(name, (select auth.uid())::text || '/')",
        "owner_id = current_setting('request.jwt.claim.sub')::uuid",
        "name >= auth.uid()::text || '/' and name < auth.uid()::text || '0'",
        "id between (select private.supervised_from()) and 'ffffffff-ffff-ffff-ffff-ffffffffffff'",
        "private.may_edit(project_id)",
        "(select private.is_super_admin())",
        "project_id in (select project_id from public.collaborators where user_id = auth.uid())",
        "exists (select 1 from c where c.user_id = auth.uid() and c.project_id = notes.project_id)",
        "exists (select 1 from p join c on c.p = p.id and c.user_id = auth.uid() where p.id = notes.project_id)",
        "owner_id = auth.uid() and true",
    ],
    Reach.none: ["false", "null", "1 = 2", "id = null", "not true"],
}


@pytest.mark.parametrize(("rows", "expression"), [(rows, each) for rows, found in ROWS.items() for each in found])
def test_which_rows_an_expression_lets_through(rows, expression):
    assert reach(expression) is rows


def status(rule: str, resource: Resource, *beside: Resource) -> Status:
    found = BY_ID[rule](resource, Plan((resource, *beside)))
    assert found is not None
    return found.status


def policy(command: str, expression: str) -> Resource:
    key = "check" if command == "insert" else "using"
    return Resource("pg:index:Policy", "p", {"command": command, "roles": ["authenticated"], key: expression})


def test_a_condition_of_the_row_alone_is_enough_to_read_and_not_to_write():
    public, own = "visibility = 'public'", "owner_id = (select auth.uid())"
    for command in ("insert", "update", "delete", "all"):
        assert status("policy-not-bound", policy(command, public)) is Status.failed
        assert status("policy-not-bound", policy(command, own)) is Status.passed
        assert status("policy-write-unconditional", policy(command, "2 = 2")) is Status.failed
    assert status("policy-not-bound", policy("select", public)) is Status.passed
    assert status("policy-not-bound", policy("select", "private.always()")) is Status.failed
    assert status("policy-read-unconditional", policy("select", "id = id")) is Status.failed
    for name in ("raw_user_meta_data", "user_metadata", "RAW_USER_META_DATA"):
        assert status("policy-user-metadata", policy("select", f"{own} and {name} is not null")) is Status.failed


BUCKET, KEY, ROLE = "aws:s3/bucketPolicy:BucketPolicy", "aws:kms/key:Key", "aws:iam/role:Role"
RIGHTS = "aws:iam/rolePolicy:RolePolicy"


def statement(**more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", **more}


def to(condition: Any) -> dict[str, Any]:
    return statement(Principal="*", Action="s3:GetObject", Condition=condition)


def given(type: str, *statements: dict[str, Any]) -> Resource:
    key = "assumeRolePolicy" if type == ROLE else "policy"
    return Resource.of(type, "r", {key: {"Statement": [*statements]}})


OIDC = "arn:aws:iam::123456789012:oidc-provider/token.actions.githubusercontent.com"
SUBJECT = "token.actions.githubusercontent.com:sub"


def login(subject: str) -> dict[str, Any]:
    condition = {"StringLike": {SUBJECT: subject}} if subject else {}
    return statement(Principal={"Federated": OIDC}, Action="sts:AssumeRoleWithWebIdentity", Condition=condition)


def taken(**more: Any) -> dict[str, Any]:
    return statement(Action="sts:AssumeRole", **more)


# Rule, type, what is refused, what passes.
POLICIES: list[tuple[str, str, list[dict[str, Any]], list[dict[str, Any]]]] = [
    (
        "s3-policy-open",
        BUCKET,
        [
            statement(NotPrincipal={"AWS": OTHER}, Action="s3:GetObject"),
            statement(Principal={"AWS": ["*"]}, Action="s3:GetObject"),
            to({"StringLike": {"aws:PrincipalArn": "*"}}),
            to({"StringEqualsIfExists": {"aws:SourceAccount": OWN}}),
            to({"ForAllValues:StringEquals": {"aws:SourceAccount": OWN}}),
            to({"StringNotEquals": {"aws:SourceAccount": OWN}}),
            to({"IpAddress": {"aws:SourceIp": "0.0.0.0/1"}}),
            to({"Bool": {"aws:SecureTransport": "true"}}),
            to({"ArnLike": {"aws:SourceArn": "arn:aws:cloudfront::*:distribution/*"}}),
            *(
                statement(Principal={"AWS": OTHER}, Action=each)
                for each in ("S3:*", "s3:P*", "s3:put?ucketPolicy", "s3:PutBucketPolicy")
            ),
            statement(Principal={"AWS": OTHER}, NotAction="s3:GetObject"),
        ],
        [
            to({"StringEquals": {"aws:SourceAccount": OWN}}),
            to({"ArnLike": {"aws:SourceArn": f"arn:aws:cloudfront::{OWN}:distribution/*"}}),
            to({"IpAddress": {"aws:SourceIp": "203.0.113.0/24"}}),
            {"Effect": "Deny", "NotPrincipal": {"AWS": OWN}, "Action": "s3:*"},
            statement(Principal={"Service": "logging.s3.amazonaws.com"}, Action="s3:*"),
        ],
    ),
    (
        "policy-open",
        KEY,
        [
            statement(NotPrincipal={"AWS": OWN}, Action="kms:Decrypt"),
            statement(Principal="*", Action="kms:*", Condition={"StringLike": {"kms:CallerAccount": "*"}}),
            statement(Principal="*", Action="kms:*", Condition={"StringEquals": {"kms:EncryptionContext:a": "b"}}),
        ],
        [statement(Principal="*", Action="kms:*", Condition={"StringEquals": {"kms:CallerAccount": OWN}})],
    ),
    (
        "role-rights",
        RIGHTS,
        [
            statement(Action="**", Resource="arn:aws:s3:::b"),
            statement(Action="iam:**", Resource="*"),
            statement(Action="*:*", Resource="arn:aws:s3:::b"),
            statement(Action="IAM:*", Resource="arn:aws:iam::*:*"),
            statement(Action="iam:Put*", Resource=f"arn:aws:iam::{OWN}:role/*"),
            statement(Action="iam:PassRole", Resource="*"),
            statement(Action="sts:AssumeRole", Resource=f"arn:aws:iam::{OWN}:role/*"),
            statement(Action="s3:P*", Resource="arn:aws:s3:::*"),
            statement(Action="secretsmanager:Get*", Resource="*"),
            statement(Action="s3:*", NotResource="arn:aws:s3:::b"),
            statement(NotAction="iam:*", Resource="arn:aws:s3:::b"),
        ],
        [
            statement(Action="s3:*", Resource=["arn:aws:s3:::b", "arn:aws:s3:::b/*"]),
            statement(Action=["rds:Describe*", "s3:List*", "cloudwatch:PutMetricData"], Resource="*"),
            statement(Action="iam:PassRole", Resource=f"arn:aws:iam::{OWN}:role/app"),
            {"Effect": "Deny", "NotAction": "s3:*", "Resource": "*"},
        ],
    ),
    (
        "key-for-all",
        RIGHTS,
        [statement(Action="KMS:De*", Resource="arn:aws:kms:*:*:key/*")],
        [statement(Action="kms:Decrypt", Resource=f"arn:aws:kms:us-east-1:{OWN}:key/1")],
    ),
    (
        "role-trust",
        ROLE,
        [
            taken(NotPrincipal={"AWS": OWN}),
            taken(Principal={"AWS": "*"}, Condition={"StringLike": {"aws:PrincipalArn": "*"}}),
            *map(login, ("", "*", "repo:*", "repo:owner/*", "repo:*/name:ref:refs/heads/main")),
        ],
        [
            taken(Principal={"Service": "lambda.amazonaws.com"}),
            taken(Principal={"AWS": "*"}, Condition={"StringEquals": {"aws:PrincipalOrgID": "o-1234567890"}}),
            *map(login, ("repo:owner/name:environment:prod", "repo:owner/name:*")),
        ],
    ),
]


@pytest.mark.parametrize(("rule", "type", "refused", "passes"), POLICIES, ids=[each[0] for each in POLICIES])
def test_policies_of_aws_in_all_their_spellings(rule, type, refused, passes):
    for each in refused:
        assert status(rule, given(type, each)) is Status.failed, each
    for each in passes:
        assert status(rule, given(type, each)) is Status.passed, each


def test_a_condition_of_more_than_tls_denies_less():
    whole = ["arn:aws:s3:::b", "arn:aws:s3:::b/*"]
    tls = {"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": whole}
    clear = {"Bool": {"aws:SecureTransport": "false"}}
    bucket = Resource("aws:s3/bucket:Bucket", "b", {"bucket": "b"}, id="b")

    def said(**more: Any) -> Status:
        setting = Resource.of(BUCKET, "p", {"bucket": "b", "policy": {"Statement": [{**tls, **more}]}})
        return status("s3-tls", bucket, setting)

    assert said(Condition=clear) is Status.passed
    assert said(Condition={**clear, "StringEquals": {"aws:SourceVpc": "v"}}) is Status.failed
    assert said(Condition={"Bool": {"aws:SecureTransport": ["false", "true"]}}) is Status.failed
    assert said(Condition=clear, Resource=["arn:aws:s3:::b/a/*", "arn:aws:s3:::b/*"]) is Status.failed


def test_another_account_is_found_beside_this_one():
    here = Resource("aws:sns/topic:Topic", "t", {"kmsMasterKeyId": f"arn:aws:kms:us-east-1:{OWN}:key/1"})
    for type in (BUCKET, KEY, ROLE, "aws:sns/topicPolicy:TopicPolicy"):
        for who in (OTHER, f"arn:aws:iam::{OTHER}:role/a", [f"arn:aws:iam::{OWN}:root", f"arn:aws:iam::{OTHER}:root"]):
            foreign = given(type, statement(Principal={"AWS": who}, Action="s3:GetObject"))
            assert status("account-foreign", foreign, here) is Status.failed
        own = given(type, statement(Principal={"AWS": [OWN, f"arn:aws:iam::{OWN}:root"]}, Action="s3:GetObject"))
        assert status("account-foreign", own, here) is Status.passed
    assert plan_of("prod").account == OWN


def test_what_is_attached_to_a_role_is_asked_too():
    wide = {"Statement": [statement(Action="*", Resource="*")]}
    inline = Resource.of(ROLE, "r", {"inlinePolicies": [{"name": "a", "policy": wide}]})
    assert status("role-rights", inline) is Status.failed
    assert status("role-rights", Resource.of(OWN_POLICY, "p", {"policy": wide})) is Status.failed
    assert status("role-managed", Resource(ROLE, "r", {"managedPolicyArns": [UNKNOWN]})) is Status.unknown
    lambda_role = "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"
    own = Resource(OWN_POLICY, "own", {}, id=f"arn:aws:iam::{OWN}:policy/own")
    for type in ATTACHMENTS:
        for arn in ("arn:aws:iam::aws:policy/AdministratorAccess", own.id):
            assert status("role-managed", Resource(type, "a", {"policyArn": arn})) is Status.failed
        assert status("role-managed", Resource(type, "a", {"policyArn": lambda_role})) is Status.passed
        assert status("role-managed", Resource(type, "a", {"policyArn": own.id}), own) is Status.passed
    later = Resource(EXCLUSIVE, "a", {"policyArns": [UNKNOWN]}, depends={"policyArns": ("own",)})
    assert status("role-managed", later, own) is Status.passed


def test_networks_are_wide_by_their_length_and_together():
    for each in (["0.0.0.0/0"], ["0::/0"], ["0.0.0.0/1", "128.0.0.0/1"], ["64.0.0.0/7"], ["2000::/3"], ["anything"]):
        assert wide(each), each
    assert wide([f"{each}.0.0.0/8" for each in (20, 21)])
    assert wide([f"2{each:03x}::/16" for each in range(1, 3)])
    for each in (["10.0.0.0/8", "172.16.0.0/12"], ["203.0.113.7/32"], ["2001:db8::/32"], ["20.0.0.0/8"], []):
        assert not wide(each), each


def test_each_type_of_a_way_into_a_network_is_asked():
    group, both = "aws:ec2/securityGroup:SecurityGroup", "aws:ec2/securityGroupRule:SecurityGroupRule"
    single = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"
    for type, inputs in (
        (both, {"type": "ingress", "cidrBlocks": ["0.0.0.0/1", "128.0.0.0/1"]}),
        (both, {"type": "ingress", "ipv6CidrBlocks": ["::/0"]}),
        (single, {"cidrIpv6": "0::/0"}),
        (single, {"prefixListId": "pl-1"}),
        (group, {"ingress": [{"cidrBlocks": ["128.0.0.0/1"]}]}),
    ):
        assert status("network-open", Resource(type, "r", inputs)) is Status.failed, inputs
    assert status("network-open", Resource(single, "r", {"cidrIpv4": UNKNOWN})) is Status.unknown
    assert status("network-open", Resource(single, "r", {"referencedSecurityGroupId": "g"})) is Status.passed
    out = Resource(both, "r", {"type": "egress", "cidrBlocks": ["0.0.0.0/0"]})
    assert BY_ID["network-open"](out, Plan((out,))) is None
    assert status("network-egress", out) is Status.failed


@pytest.mark.parametrize("types", [["*"], ["*/*"], ["image/png", "*/*"], ["application/*"], []])
def test_a_bucket_without_a_real_limit_is_refused(types):
    def said(size: int, types: list[str]) -> Status:
        return status(
            "bucket-limits", Resource("pg:index:Bucket", "b", {"fileSizeLimit": size, "allowedMimeTypes": types})
        )

    assert said(5 * 10**9, ["audio/*"]) is Status.passed
    assert said(5 * 10**9, types) is Status.failed
    assert said(10**15, ["audio/*"]) is Status.failed


def test_a_membership_reaches_on_through_other_roles():
    def members(role: str, members: list[str], groups: list[str]) -> Resource:
        return Resource("pg:index:Memberships", role, {"role": role, "members": members, "groups": groups})

    service = members("service_role", ["supabase_storage_admin"], [])
    storage = members("supabase_storage_admin", ["authenticated with set false"], ["service_role"])
    assert status("service-role-reach", service) is Status.passed
    assert status("service-role-reach", service, storage) is Status.failed
    assert status("service-role-reach", storage, service) is Status.failed
    assert status("service-role-reach", members("authenticated", [], []), storage) is Status.failed
    assert status("service-role-reach", members("authenticated", [], [])) is Status.passed


PLAIN: list[tuple[str, dict[str, Any]]] = [
    ("aws:any/thing:Thing", each)
    for each in (
        {"password": ["geheim"]},
        {"environment": [{"name": "DB_PASSWORD", "value": "geheim"}]},
        {"parameters": [{"key": "apiToken", "value": "geheim"}]},
        {"dbPwd": "geheim"},
        {"DB_PASS": "geheim"},
        {"text": "ghp_" + "a1" * 18},
        {"text": "github_pat_" + "a1" * 20},
        {"text": "export KEY=AKIA" + "A1" * 8},
        {"text": "sk_live_" + "a1" * 12},
        {"text": "xoxb-1234567890-abc"},
        {"text": "-----BEGIN OPENSSH PRIVATE KEY-----"},
        {"text": "redis://:geheim@cache:6379"},
        {"text": "host=db dbname=app user=app password=geheim"},
        {"text": "password=geheim port=5432"},
        {"userData": base64.b64encode(b"#!/bin/sh\nexport URL=postgresql://app:geheim@db.example.org/app\n").decode()},
    )
] + [
    ("pg:index:MigrationSet", {"steps": [{"up": each}]})
    for each in (
        "alter role app password 'geheim';",
        "create user mapping for app server s options (user 'a', password 'geheim');",
        "create role app login password $$geheim$$;",
        "select dblink('host=db password=geheim');",
    )
]


@pytest.mark.parametrize(("type", "inputs"), PLAIN)
def test_a_secret_in_clear_text_is_found_and_not_shown(type, inputs):
    resource = Resource.of(type, "r", inputs)
    found = BY_ID["secret-plain"](resource, Plan((resource,)))
    assert found is not None
    assert found.status is Status.failed
    assert "geheim" not in found.line


@pytest.mark.parametrize(
    "inputs",
    [
        {"environment": [{"name": "DB_HOST", "value": "db"}]},
        {"parameters": [{"name": "password_encryption", "value": "scram-sha-256"}]},
        {"secrets": [{"name": "DB_PASSWORD", "value": "arn:aws:secretsmanager:us-east-1:1:secret:a"}]},
        {"text": "https://example.org/a@b", "bypass": "compass"},
        {"steps": "alter role app password null; -- password of the role app"},
    ],
)
def test_what_only_looks_like_a_secret_is_passed(inputs):
    assert status("secret-plain", Resource.of("aws:any/thing:Thing", "r", inputs)) is Status.passed
