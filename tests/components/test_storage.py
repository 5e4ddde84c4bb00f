"""What the program declares at AWS: the object bucket, the CDN, the roles; and the guardrail for all buckets."""

import json
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

import pulumi
import pytest
from pulumi_aws import s3

import harness.program
from components import guardrail, privatebucket
from declared import objectlayout
from declared.paths import CHECKOUT
from declared.schemas import SCHEMAS
from harness.program import Program, run
from targets.local import SERVICES, Local

ACCOUNT = "123456789012"
DISTRIBUTION = f"arn:aws:cloudfront:us-east-1:{ACCOUNT}:storage-cdn-distribution"
OBJECTS = "arn:aws:s3:::storage-objects-files-bucket"
LOGS = "arn:aws:s3:::storage-objects-logs-bucket"
KEY = f"arn:aws:kms:us-east-1:{ACCOUNT}:storage-objects-key"
# What each backup is encrypted for.
RECIPIENT = "age1" + "q" * 58
BACKUPS = {
    "retention": {"daily": 7, "weekly": 5, "monthly": 12},
    "recoveryPoint": 24,
    "recoveryTime": 4,
    "lockDays": 7,
    "recipients": [RECIPIENT],
}
SSE = "s3:x-amz-server-side-encryption"


@pytest.fixture(scope="module")
def other() -> Program:
    """The program with other settings: sites that are let in, a second key, and buckets without a CDN."""
    buckets = [{"id": "songs", "fileSizeLimit": 5, "allowedMimeTypes": ["audio/*"]}, {"id": "open", "public": True}]
    buckets += [{"id": id, "absent": True} for id in ("audio", "exports", "avatars")]
    return run(access=False, buckets=buckets, corsOrigins=["https://app.example.org"], cdnKeys=["new", "old"])


def inputs(program: Program, name: str) -> dict[str, Any]:
    return program.resources[name].inputs


def document(value: Any) -> dict[str, dict[str, Any]]:
    """A policy's statements by their Sid, or by their number where they have none."""
    parsed = json.loads(value) if isinstance(value, str) else value
    return {statement.get("Sid", str(number)): statement for number, statement in enumerate(parsed["Statement"])}


# Buckets.


def test_buckets_are_those_of_the_settings(other):
    found = {each.inputs["bucket"]: each.inputs for each in other.of_type("pg:index:Bucket")}
    assert found == {
        "songs": {"bucket": "songs", "public": False, "fileSizeLimit": 5, "allowedMimeTypes": ["audio/*"]},
        "open": {"bucket": "open", "public": True},
    }


@pytest.mark.parametrize("name", ["storage-objects-files", "storage-objects-logs"])
def test_an_s3_bucket_is_private_owned_encrypted_and_tls_only(program, name):
    block = inputs(program, f"{name}-private")
    switches = ("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets")
    assert [block[switch] for switch in switches] == [True] * 4
    assert inputs(program, f"{name}-owner")["rule"] == {"objectOwnership": "BucketOwnerEnforced"}
    statement = document(inputs(program, f"{name}-tls")["policy"])["TlsOnly"]
    assert (statement["Effect"], statement["Principal"], statement["Action"]) == ("Deny", "*", "s3:*")
    assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    assert statement["Resource"] == [f"arn:aws:s3:::{name}-bucket", f"arn:aws:s3:::{name}-bucket/*"]
    rules = inputs(program, f"{name}-lifecycle")["rules"]
    assert {"daysAfterInitiation": 7} in [rule.get("abortIncompleteMultipartUpload") for rule in rules]


def test_the_names_at_s3_have_the_stack_and_the_account_in_them(program):
    assert inputs(program, "storage-objects-files-bucket")["bucket"] == f"vpb-dev-{ACCOUNT}-objects"
    assert inputs(program, "storage-objects-logs-bucket")["bucket"] == f"vpb-dev-{ACCOUNT}-logs"


def test_objects_are_encrypted_with_a_key_of_their_own_that_rotates(program):
    (rule,) = inputs(program, "storage-objects-files-encrypted")["rules"]
    assert rule["applyServerSideEncryptionByDefault"] == {"sseAlgorithm": "aws:kms", "kmsMasterKeyId": KEY}
    assert rule["bucketKeyEnabled"] is True
    assert inputs(program, "storage-objects-key")["enableKeyRotation"] is True
    assert inputs(program, "storage-objects-alias")["targetKeyId"] == "storage-objects-key-id"


def test_logs_are_encrypted_in_the_one_way_that_s3_delivers_logs_to(program):
    (rule,) = inputs(program, "storage-objects-logs-encrypted")["rules"]
    assert rule["applyServerSideEncryptionByDefault"] == {"sseAlgorithm": "AES256"}


def test_the_key_is_the_accounts_and_the_cdn_reads_with_it(program):
    owner, cdn = document(inputs(program, "storage-objects-key")["policy"]).values()
    assert owner["Principal"] == {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}
    assert (cdn["Principal"], cdn["Action"]) == ({"Service": "cloudfront.amazonaws.com"}, "kms:Decrypt")
    assert cdn["Condition"] == {"ArnLike": {"aws:SourceArn": f"arn:aws:cloudfront::{ACCOUNT}:distribution/*"}}


def test_objects_go_when_their_bucket_says_so(program):
    rules = {rule["id"]: rule for rule in inputs(program, "storage-objects-files-lifecycle")["rules"]}
    assert rules.keys() == {"unfinished-uploads", "old-versions", "retention-exports", "uploads"}
    uploads = rules["uploads"]
    assert uploads["filter"] == {"prefix": f"{objectlayout.UPLOADS}/"}
    assert (uploads["expiration"], uploads["noncurrentVersionExpiration"]) == ({"days": 8}, {"noncurrentDays": 1})
    exports = rules["retention-exports"]
    assert exports["filter"] == {"prefix": f"{objectlayout.TENANT}/exports/"}
    assert (exports["expiration"], exports["noncurrentVersionExpiration"]) == ({"days": 7}, {"noncurrentDays": 1})
    assert rules["old-versions"]["noncurrentVersionExpiration"] == {"noncurrentDays": 30}
    assert inputs(program, "storage-objects-files-versions")["versioningConfiguration"] == {"status": "Enabled"}


def test_both_services_may_write_logs_and_for_this_account_only(program):
    found = document(inputs(program, "storage-objects-logs-tls")["policy"])
    s3_logs, cdn_logs = found["S3WritesItsLogs"], found["CloudFrontWritesItsLogs"]
    assert s3_logs["Resource"] == f"{LOGS}/s3/*"
    assert s3_logs["Condition"]["ArnEquals"] == {"aws:SourceArn": OBJECTS}
    assert cdn_logs["Resource"] == f"{LOGS}/AWSLogs/*"
    for statement in (s3_logs, cdn_logs):
        assert statement["Action"] == "s3:PutObject"
        assert statement["Condition"]["StringEquals"]["aws:SourceAccount"] == ACCOUNT
    logged = inputs(program, "storage-objects-logged")
    assert (logged["targetBucket"], logged["targetPrefix"]) == ("storage-objects-logs-bucket-id", "s3/")
    assert "storage-objects-logs-tls" in program.waits_for("storage-objects-logged")


def test_sites_are_let_in_where_the_settings_name_them(program, other):
    cors = "aws:s3/bucketCorsConfiguration:BucketCorsConfiguration"
    assert program.of_type(cors) == []
    assert "corsConfig" not in inputs(program, "storage-cdn-headers")
    origins = ["https://app.example.org"]
    (rule,) = other.of_type(cors)[0].inputs["corsRules"]
    assert (rule["allowedOrigins"], rule["allowedMethods"]) == (origins, ["GET", "HEAD", "POST", "PUT"])
    headers = inputs(other, "storage-cdn-headers")["corsConfig"]
    assert headers["accessControlAllowOrigins"] == {"items": origins}
    for behavior in (distribution(other)["defaultCacheBehavior"], *distribution(other)["orderedCacheBehaviors"]):
        assert behavior["allowedMethods"] == ["GET", "HEAD", "OPTIONS"], "S3 answers a preflight"
        assert behavior["originRequestPolicyId"] == "88a5eaf4-2fd4-4709-b370-b4c650ea3fcf"


# The CDN.


def distribution(program: Program) -> dict[str, Any]:
    return inputs(program, "storage-cdn-distribution")


def test_the_cdn_signs_its_requests_to_the_bucket_and_hides_the_tenant(program):
    (origin,) = distribution(program)["origins"]
    assert origin["domainName"] == "storage-objects-files-bucket.s3.us-east-1.amazonaws.com"
    assert origin["originPath"] == f"/{objectlayout.TENANT}"
    assert origin["originAccessControlId"] == "storage-cdn-access-id"
    access = inputs(program, "storage-cdn-access")
    assert (access["signingBehavior"], access["signingProtocol"]) == ("always", "sigv4")


def test_private_buckets_need_a_signed_url_and_public_ones_dont(program):
    behaviors = {each["pathPattern"]: each for each in distribution(program)["orderedCacheBehaviors"]}
    assert behaviors.keys() == {"/audio/*", "/avatars/*"}
    assert behaviors["/audio/*"]["trustedKeyGroups"] == ["storage-cdn-keys-id"]
    assert "trustedKeyGroups" not in behaviors["/avatars/*"]
    assert distribution(program)["defaultCacheBehavior"]["trustedKeyGroups"] == ["storage-cdn-keys-id"]


def test_the_cdn_reads_the_buckets_that_it_serves_and_no_other(program):
    statement = document(inputs(program, "storage-objects-files-tls")["policy"])["CdnReads"]
    assert statement["Principal"] == {"Service": "cloudfront.amazonaws.com"}
    assert statement["Action"] == "s3:GetObject"
    assert statement["Resource"] == [f"{OBJECTS}/{objectlayout.TENANT}/{id}/*" for id in ("audio", "avatars")]
    scanned = {"s3:ExistingObjectTag/scan": "clean"}
    assert statement["Condition"] == {"StringEquals": {"aws:SourceArn": DISTRIBUTION, **scanned}}


def test_a_cdn_without_buckets_may_read_nothing(other):
    assert "CdnReads" not in document(inputs(other, "storage-objects-files-tls")["policy"])
    assert other.outputs["cdn_domain"]


def test_what_is_under_a_version_is_kept_for_a_year_and_by_its_path_alone(program):
    policy = inputs(program, "storage-cdn-cache")
    assert {policy[name] for name in ("minTtl", "defaultTtl", "maxTtl")} == {365 * 24 * 3600}
    key = policy["parametersInCacheKeyAndForwardedToOrigin"]
    assert key["queryStringsConfig"] == {"queryStringBehavior": "none"}
    headers = inputs(program, "storage-cdn-headers")["customHeadersConfig"]["items"]
    added = {each["header"].lower() for each in headers}
    assert "cache-control" not in added, "it would be added to a 403 too, which is what a file answers until its scan"


def test_answers_carry_the_security_headers(program):
    found = inputs(program, "storage-cdn-headers")["securityHeadersConfig"]
    assert found["contentSecurityPolicy"]["contentSecurityPolicy"] == "default-src 'none'; sandbox"
    assert found["contentTypeOptions"] == {"override": True}
    assert found["strictTransportSecurity"]["accessControlMaxAgeSec"] >= 31536000
    behaviors = [distribution(program)["defaultCacheBehavior"], *distribution(program)["orderedCacheBehaviors"]]
    for behavior in behaviors:
        assert behavior["viewerProtocolPolicy"] == "redirect-to-https"
        assert behavior["allowedMethods"] == ["GET", "HEAD"]
        assert behavior["compress"] is False, "a compressed answer has no byte ranges"
        assert behavior["responseHeadersPolicyId"] == "storage-cdn-headers-id"
        assert behavior["cachePolicyId"] == "storage-cdn-cache-id"


def test_the_first_key_signs_and_all_are_accepted(other):
    assert inputs(other, "storage-cdn-keys")["items"] == ["storage-cdn-key-new-id", "storage-cdn-key-old-id"]
    assert other.outputs["cdn_signing_key"] == {
        "id": "storage-cdn-key-new-id",
        "private_key": "password-of-storage-cdn-pair-new",
    }
    assert inputs(other, "storage-cdn-key-old")["encodedKey"] == "public-storage-cdn-pair-old"


def test_the_cdn_serves_a_bucket_once_what_ends_in_it_is_noted(program):
    assert "stored-settings" in program.waits_for("storage-cdn-distribution")


def test_the_cdn_delivers_its_logs_from_the_region_that_it_is_at_home_in(program):
    for part in ("source", "target"):
        assert inputs(program, f"storage-cdn-log-{part}")["region"] == "us-east-1"
    assert inputs(program, "storage-cdn-log-source")["resourceArn"] == DISTRIBUTION
    target = inputs(program, "storage-cdn-log-target")["deliveryDestinationConfiguration"]
    assert target == {"destinationResourceArn": LOGS}
    assert "storage-objects-logs-tls" in program.waits_for("storage-cdn-log"), "or AWS adds to the bucket's policy"


# GuardDuty, which is for a target that isn't built yet.


def run_guarded() -> Program:
    """The program where GuardDuty scans."""
    with mock.patch.object(Local, "can", replace(Local.can, guardduty=True)):
        return run(access=False, scanning="guardduty")


@pytest.fixture(scope="module")
def guarded() -> Program:
    return run_guarded()


def test_guardduty_scans_the_tenant_and_tags_what_it_finds(guarded):
    plan = inputs(guarded, "storage-malware-plan")
    bucket = {"bucketName": "storage-objects-files-bucket-id", "objectPrefixes": [f"{objectlayout.TENANT}/"]}
    assert plan["protectedResource"] == {"s3Bucket": bucket}
    assert plan["actions"] == [{"taggings": [{"status": "ENABLED"}]}]
    (trust,) = document(inputs(guarded, "storage-malware-role")["assumeRolePolicy"]).values()
    assert trust["Principal"] == {"Service": "malware-protection-plan.guardduty.amazonaws.com"}
    assert trust["Condition"] == {"StringEquals": {"aws:SourceAccount": ACCOUNT}}
    statements = document(inputs(guarded, "storage-malware-rights")["policy"]).values()
    assert "*" not in [statement["Resource"] for statement in statements]


def test_nothing_is_read_before_it_is_tagged_clean_but_by_guardduty_and_the_api(guarded, program):
    found = document(inputs(guarded, "storage-objects-files-tls")["policy"])
    guardduty, api, scanner, server = (
        f"arn:aws:iam:us-east-1:{ACCOUNT}:storage-{role}"
        for role in ("malware-role", "access-api", "access-scanner", "access-server")
    )
    tag, clean = "s3:ExistingObjectTag/GuardDutyMalwareScanStatus", "NO_THREATS_FOUND"
    assert found["UnreadUntilClean"]["Condition"] == {
        "StringNotEquals": {tag: clean, "aws:PrincipalArn": [guardduty, scanner, server, api]}
    }
    # Archived months are no uploads, and no scan tags them.
    assert objectlayout.ARCHIVES not in str(found["UnreadUntilClean"]["Resource"])
    assert len(found["UnreadUntilClean"]["Resource"]) == 3
    assert found["UnreadUntilScanned"]["Condition"] == {
        "StringEquals": {"aws:PrincipalArn": scanner},
        "StringNotEquals": {tag: [clean, "THREATS_FOUND"]},
    }
    assert found["UnservedUntilClean"]["Condition"] == {
        "StringEquals": {"aws:PrincipalArn": server},
        "StringNotEquals": {tag: clean},
    }
    assert found["TaggedByGuardDuty"]["Condition"] == {"StringNotEquals": {"aws:PrincipalArn": guardduty}}
    assert found["CdnReads"]["Condition"]["StringEquals"][tag] == clean
    own = document(inputs(program, "storage-objects-files-tls")["policy"])
    assert not {"UnreadUntilClean", "UnreadUntilScanned", "TaggedByGuardDuty"} & own.keys()


# Roles.


def rights(program: Program, role: str) -> dict[str, set[str]]:
    """What a role may do, resource to actions."""
    statements = document(inputs(program, f"storage-access-{role}-rights")["policy"]).values()
    return {each["Resource"]: set(each["Action"]) for each in statements if each["Effect"] == "Allow"}


TENANT = f"{OBJECTS}/{objectlayout.TENANT}/*"


def test_the_api_writes_and_reads_its_tenant_and_no_settings(program):
    found = rights(program, "api")
    assert found.keys() == {TENANT, OBJECTS, KEY}
    assert {"s3:GetObject", "s3:PutObject", "s3:DeleteObject"} <= found[TENANT]
    assert found[OBJECTS] == {"s3:ListBucket", "s3:ListBucketMultipartUploads"}
    assert found[KEY] == {"kms:Decrypt", "kms:GenerateDataKey"}
    statements = document(inputs(program, "storage-access-api-rights")["policy"]).values()
    (denied,) = (each for each in statements if each["Effect"] == "Deny")
    assert (denied["Resource"], denied["Action"]) == (TENANT, ["s3:PutObjectTagging"])
    assert denied["Condition"] == {"Null": {"s3:RequestObjectTag/scan": "false"}}


def test_the_apps_server_puts_what_was_sent_in_its_place_and_deletes_nothing(program):
    found = rights(program, "server")
    assert found == {
        f"{OBJECTS}/{objectlayout.UPLOADS}/{objectlayout.TENANT}/*": {
            "s3:AbortMultipartUpload",
            "s3:GetObject",
            "s3:GetObjectVersion",
            "s3:ListMultipartUploadParts",
            "s3:PutObject",
        },
        TENANT: {"s3:AbortMultipartUpload", "s3:GetObject", "s3:PutObject"},
        OBJECTS: {"s3:ListBucket"},
        KEY: {"kms:Decrypt", "kms:GenerateDataKey"},
    }


def test_the_scanner_marks_objects_and_moves_them_to_quarantine(program, guarded):
    found = rights(program, "scanner")
    assert {"s3:GetObject", "s3:PutObjectTagging"} <= found[TENANT]
    assert "s3:PutObject" not in found[TENANT]
    quarantine = {"s3:GetObject", "s3:PutObject", "s3:PutObjectTagging"}
    assert found[f"{OBJECTS}/{objectlayout.QUARANTINE}/*"] == quarantine
    under_guardduty = rights(guarded, "scanner")
    assert found[TENANT] - under_guardduty[TENANT] == {"s3:PutObjectTagging", "s3:PutObjectVersionTagging"}
    assert "s3:GetObjectTagging" in under_guardduty[TENANT]


def test_the_scanner_alone_tells_the_alarm_topic(program):
    topic, key = (
        f"arn:aws:{service}:us-east-1:{ACCOUNT}:alarms-{what}" for service, what in (("sns", "topic"), ("kms", "key"))
    )
    found = rights(program, "scanner")
    assert (found[topic], found[key]) == ({"sns:Publish"}, {"kms:Decrypt", "kms:GenerateDataKey"})
    for role in ("server", "api", "cleaner"):
        assert not {topic, key} & rights(program, role).keys()


def test_the_cleaner_lists_and_deletes_and_reads_no_object(program):
    found = rights(program, "cleaner")
    assert found[f"{OBJECTS}/*"] == {
        "s3:AbortMultipartUpload",
        "s3:DeleteObject",
        "s3:DeleteObjectVersion",
        "s3:ListMultipartUploadParts",
    }
    # What S3 wants before it lists the parts of an encrypted upload.
    assert found[KEY] == {"kms:Decrypt"}
    assert found[DISTRIBUTION] == {"cloudfront:CreateInvalidation"}


@pytest.mark.parametrize("role", ["server", "api", "scanner", "cleaner"])
def test_no_role_may_do_everything_with_anything(program, role):
    for resource, actions in rights(program, role).items():
        assert resource != "*"
        assert not [action for action in actions if "*" in action]
    (trust,) = document(inputs(program, f"storage-access-{role}")["assumeRolePolicy"]).values()
    assert (trust["Effect"], trust["Principal"]) == ("Deny", {"AWS": "*"}), "nobody is named"


@pytest.mark.parametrize(
    ("role", "key", "service"),
    [
        ("api", KEY, "s3"),
        ("scanner", KEY, "s3"),
        ("scanner", KEY.replace("storage-objects", "alarms"), "sns"),
    ],
)
def test_a_key_is_used_through_its_service_only(program, role, key, service):
    statements = document(inputs(program, f"storage-access-{role}-rights")["policy"]).values()
    (with_key,) = [statement for statement in statements if statement["Resource"] == key]
    assert with_key["Condition"] == {"StringEquals": {"kms:ViaService": f"{service}.us-east-1.amazonaws.com"}}


def test_the_provider_knows_where_every_service_is(guarded):
    names = {"cloudwatch/event": "events", "cloudwatch/log": "logs", "vpc": "ec2"}
    at_aws = run("prod", access=False, target="aws", offline="true", server={"proxy": "true"}, backups=BACKUPS)
    resources = [*guarded.resources.values(), *at_aws.resources.values()]
    used = {each.type.split(":")[1] for each in resources if each.type[:4] == "aws:"}
    found = {next((to for name, to in names.items() if of.startswith(name)), of.split("/")[0]) for of in used}
    assert found | {"sts"} == set(SERVICES)


# The guardrail.

LAST = "guardrail.check()\n"
STRAY = """
import pulumi_aws
pulumi_aws.s3.Bucket("stray", opts=pulumi.ResourceOptions(parent=stored_files.rows))
"""
SMALL = """
import pulumi
import pulumi_aws
from components.guardrail import Guardrail
from components.privatebucket import PrivateBucket, PrivateBucketArgs
guardrail = Guardrail()
small = PrivateBucket("small", PrivateBucketArgs(bucket="small", rules=[]))
{added}
pulumi.run(lambda: None)
guardrail.check()
"""
POLICY = "small.policy()"
TOPIC = POLICY + '; pulumi_aws.sns.Topic("plain"{key})'
CHILD = """
import sys, warnings
from pathlib import Path
import pulumi
from harness import program
program.MAIN = Path(sys.argv[1])
program.Program.register = lambda self, resource: print(resource.name)
pulumi.log.error = lambda message: print(message, file=sys.stderr)
program.run()
"""


def main_with(added: str, folder: Path) -> Path:
    """The program as somebody has changed it."""
    text = (CHECKOUT / "__main__.py").read_text()
    assert text.endswith(LAST)
    file = folder / "__main__.py"
    file.write_text(text.removesuffix(LAST) + added + LAST)
    return file


def test_a_bucket_that_somebody_adds_bare_ends_the_program_before_anything_is_registered(tmp_path):
    command = [sys.executable, "-W", "ignore", "-c", CHILD, main_with(STRAY, tmp_path)]
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout) == (guardrail.MESSAGE_SHOWN, ""), "nothing has reached the engine"
    assert done.stderr == (
        "bucket stray: lacks a public access block with all four switches on; "
        "`components/privatebucket.py` makes buckets that have it\n"
    )


@pytest.fixture
def ended(monkeypatch: pytest.MonkeyPatch) -> None:
    """The end of the process as an exception."""

    def end(message: str) -> None:
        raise pulumi.RunError(message)

    monkeypatch.setattr(guardrail, "end", end)


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ended: None) -> Callable[[str], Program]:
    """Runs a program of one bucket and what is added: the whole one takes seconds for each case."""
    monkeypatch.setattr(harness.program, "MAIN", tmp_path / "__main__.py")

    def run_small(added: str) -> Program:
        harness.program.MAIN.write_text(SMALL.format(added=added))
        return run()

    return run_small


def test_a_bucket_and_a_topic_that_lack_nothing_pass(small):
    assert "small-tls" in small(TOPIC.format(key=", kms_master_key_id='alias/ours'")).resources


def test_a_bucket_without_a_policy_is_refused(small):
    with pytest.raises(pulumi.RunError, match=r"^bucket small-bucket: lacks a policy that denies requests without TLS"):
        small("")


@pytest.mark.parametrize(
    ("type", "arguments", "lack"),
    [
        ("BucketPublicAccessBlock", {"ignore_public_acls": False}, "a public access block with all four switches on"),
        ("BucketPublicAccessBlock", {"block_public_policy": None}, "a public access block with all four switches on"),
        ("BucketServerSideEncryptionConfiguration", {"rules": []}, "encryption of all objects"),
        ("BucketLifecycleConfiguration", {"rules": [{"id": "a", "status": "Disabled"}]}, "an enabled lifecycle rule"),
        ("BucketPolicy", {"policy": "{}"}, "a policy that denies requests without TLS"),
        ("BucketPolicy", {"policy": {"Statement": []}}, "a policy that denies requests without TLS"),
    ],
)
def test_a_protection_that_is_weakened_counts_as_none(type, arguments, lack, small, monkeypatch):
    weaken(monkeypatch, type, arguments)
    with pytest.raises(pulumi.RunError, match=f"^bucket small-bucket: lacks {re.escape(lack)}; "):
        small(POLICY)


@pytest.mark.usefixtures("ended")
def test_the_guardrail_of_the_whole_program_sees_its_first_bucket(monkeypatch):
    weaken(monkeypatch, "BucketPublicAccessBlock", {"restrict_public_buckets": False})
    with pytest.raises(pulumi.RunError, match=r"^bucket storage-objects-files-bucket: lacks a public access block "):
        run()


def weaken(monkeypatch: pytest.MonkeyPatch, type: str, arguments: dict[str, Any]) -> None:
    """Have every resource of this type made with these arguments."""
    original = getattr(s3, type)
    monkeypatch.setattr(privatebucket.s3, type, lambda name, **given: original(name, **{**given, **arguments}))


@pytest.mark.parametrize("key", ["", ", kms_master_key_id=''"])
def test_a_topic_without_a_key_is_refused(key, small):
    with pytest.raises(
        pulumi.RunError, match=r"^topic plain: lacks encryption; give it a key as `components/alarms.py`"
    ):
        small(TOPIC.format(key=key))


def test_no_bucket_goes_with_objects_in_it_when_its_resource_is_deleted(program):
    """The engine deletes a resource also where only its name in the program changed; moto's buckets go with moto."""
    buckets = program.of_type("aws:s3/bucket:Bucket")
    assert buckets
    for bucket in buckets:
        assert not bucket.inputs.get("forceDestroy")
        assert bucket.retain


def test_all_of_it_says_whose_it_is(program):
    tags = json.loads(inputs(program, "aws")["defaultTags"])
    assert tags == {"tags": {"Project": "visual-prompt-builder", "Stack": "dev"}}


# What a destroy finds.


def run_lasting(**changes: Any) -> Program:
    """The program where data isn't disposable."""
    with mock.patch.object(Local, "disposable", False):
        return run(access=False, **changes)


@pytest.fixture(scope="module")
def lasting() -> Program:
    return run_lasting(corsOrigins=["https://app.example.org"], encryptionKeys=["k2", "k1"])


# Without one of these data is gone, unreadable, or at another address.
KEPT = {
    "structure-platform",
    "structure-migrations",
    *(f"structure-{schema}" for schema in SCHEMAS),
    "alarms-key",
    "alarms-alias",
    "encryption-k2",
    "storage-objects-key",
    "storage-objects-alias",
    "storage-cdn-distribution",
    *(f"storage-objects-{bucket}-bucket" for bucket in ("files", "logs")),
}


def kept(program: Program) -> set[str]:
    found = (each for each in program.resources.values() if not each.type.startswith("vpb:"))
    return {each.name for each in found if each.held}


def test_where_data_lasts_a_destroy_is_refused_for_all_that_it_needs(lasting, program):
    assert kept(lasting) == KEPT
    assert not any(bucket.retain for bucket in lasting.of_type("aws:s3/bucket:Bucket"))
    assert lasting.resources["storage-objects-key"].inputs["deletionWindowInDays"] == 30
    assert kept(program) == set()


def test_one_setting_gives_it_up_and_the_same_one_keeps_what_is_disposable():
    assert kept(run_lasting(protectData="false")) == set()
    assert kept(run(protectData="true", encryptionKeys=["k2"])) == KEPT


def test_a_bucket_that_is_not_empty_stays_readable_and_closed(lasting):
    """S3 refuses to delete it. By then nothing of it may be gone: neither its settings nor its key."""
    settings = {each.name for each in lasting.resources.values() if each.type.startswith("aws:s3/bucket")}
    buckets = {each.name for each in lasting.of_type("aws:s3/bucket:Bucket")}
    for name in settings - buckets:
        bucket = "logs" if "-logs-" in name else "files"
        assert lasting.resources[name].goes_with == f"storage-objects-{bucket}-bucket", name
    assert {"storage-objects-key", "storage-objects-alias"} <= lasting.waits_for("storage-objects-files-bucket")
