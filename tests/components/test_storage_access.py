"""The policies that the program declares, put to a real moto: who is let in, who isn't.

The documents are taken from the program as it is run under mocks, word for word; the bucket is called as they say.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import boto3
import pytest
import requests
from botocore.config import Config
from visual_prompt_builder.names import Bucket
from visual_prompt_builder.parts import begin_parts, finish_parts, sign_parts, stop_parts
from visual_prompt_builder.signing import Store, sign_upload
from visual_prompt_builder.uploads import finish_upload

from declared import objectlayout
from declared.objectlayout import GUARDDUTY_CLEAN, GUARDDUTY_TAG, GUARDDUTY_THREAT
from harness.program import Program
from tests.components.test_storage import DISTRIBUTION, KEY, OBJECTS, run_guarded
from tests.local.conftest import ACCESS_KEY, ACCOUNT, REGION, SECRET_KEY, MotoServer, code, fetch

BUCKET = OBJECTS.rsplit(":", 1)[1]
AUDIO = f"{objectlayout.prefix('audio')}u1/voice.webm/v1"
EXPORT = f"{objectlayout.prefix('exports')}u1/all.zip/v1"
ANYBODY = json.dumps(
    {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}}
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, program: Program) -> Iterator[MotoServer]:
    """A server with the object bucket as the program makes it, and an object in two of its storage buckets."""
    made = MotoServer(tmp_path_factory.mktemp("moto") / "state")
    made.start()
    s3 = made.client("s3")
    s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
    block = program.resources["storage-objects-files-private"].inputs
    flags = {name[0].upper() + name[1:]: value for name, value in block.items() if name != "bucket"}
    s3.put_public_access_block(Bucket=BUCKET, PublicAccessBlockConfiguration=flags)
    s3.put_bucket_ownership_controls(
        Bucket=BUCKET, OwnershipControls={"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}
    )
    default = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": KEY}
    s3.put_bucket_encryption(
        Bucket=BUCKET,
        ServerSideEncryptionConfiguration={
            "Rules": [{"ApplyServerSideEncryptionByDefault": default, "BucketKeyEnabled": True}]
        },
    )
    s3.put_bucket_policy(
        Bucket=BUCKET, Policy=json.dumps(program.resources["storage-objects-files-tls"].inputs["policy"])
    )
    for key in (AUDIO, EXPORT):
        s3.put_object(Bucket=BUCKET, Key=key, Body=b"sound", Tagging="scan=clean")
    yield made
    made.stop()


@pytest.fixture
def s3(server: MotoServer) -> Any:
    return server.client("s3")


def client(server: MotoServer, headers: dict[str, str]) -> Any:
    """The owner's client, with headers that only the owner may send."""
    made = boto3.client(
        "s3",
        region_name=REGION,
        endpoint_url=server.endpoint,
        aws_access_key_id=ACCESS_KEY,
        aws_secret_access_key=SECRET_KEY,
        config=Config(signature_version="s3v4", s3={"addressing_style": "path"}),
    )

    def add(request: Any, **_: Any) -> None:
        for name, value in headers.items():
            request.headers[name] = value

    made.meta.events.register("before-sign.s3", add)
    return made


def reading(client: Any, key: str) -> str:
    return code(client.get_object, Bucket=BUCKET, Key=key)


def test_nobody_in_particular_reads_writes_or_lists(server: MotoServer) -> None:
    url = f"{server.endpoint}/{BUCKET}"
    assert fetch(f"{url}/{AUDIO}")[0] == 403
    assert fetch(f"{url}/{AUDIO}", "PUT", b"x")[0] == 403
    assert fetch(f"{url}/{AUDIO}", "DELETE")[0] == 403
    assert fetch(url)[0] == 403


def test_a_policy_or_an_acl_that_opens_the_bucket_is_refused(s3: Any) -> None:
    statement = {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": f"{OBJECTS}/*"}
    opening = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    assert code(s3.put_bucket_policy, Bucket=BUCKET, Policy=opening) == "AccessDenied"
    acl = {"Bucket": BUCKET, "Key": AUDIO, "ACL": "public-read"}
    assert code(s3.put_object_acl, **acl) == "AccessControlListNotSupported"


def test_plain_http_is_denied_to_everybody(server: MotoServer) -> None:
    assert reading(client(server, {"X-Forwarded-Proto": "http"}), AUDIO) == "AccessDenied"
    assert reading(client(server, {"X-Forwarded-Proto": "https"}), AUDIO) == "ok"


@pytest.mark.parametrize(
    ("wish", "answer"),
    [
        ({}, "ok"),
        ({"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": KEY}, "ok"),
        ({"ServerSideEncryption": "AES256"}, "AccessDenied"),
        ({"ServerSideEncryption": "aws:kms"}, "AccessDenied"),
        ({"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": f"{KEY}-of-another"}, "AccessDenied"),
        ({"SSECustomerAlgorithm": "AES256", "SSECustomerKey": "0" * 32}, "AccessDenied"),
    ],
    ids=["none", "own key", "S3's key", "AWS' key", "another key", "a key sent along"],
)
def test_objects_are_encrypted_with_the_own_key_or_not_taken(
    server: MotoServer, s3: Any, wish: dict[str, str], answer: str
) -> None:
    # boto3 sends a customer's key over TLS only, and sees none here.
    s3.meta.events.unregister("before-parameter-build.s3.PutObject")
    assert code(s3.put_object, Bucket=BUCKET, Key="sent", Body=b"x", **wish) == answer
    if answer == "ok":
        assert s3.head_object(Bucket=BUCKET, Key="sent")["SSEKMSKeyId"] == KEY


def through_cdn(server: MotoServer, distribution: str, service: str = "cloudfront.amazonaws.com") -> Any:
    return client(server, {"X-Local-Service": service, "X-Local-Source-Arn": distribution})


def test_the_cdn_reads_what_it_serves_and_nothing_else(server: MotoServer) -> None:
    cdn = through_cdn(server, DISTRIBUTION)
    assert reading(cdn, AUDIO) == "ok"
    assert reading(cdn, EXPORT) == "AccessDenied"
    assert code(cdn.put_object, Bucket=BUCKET, Key=AUDIO, Body=b"x") == "AccessDenied"
    assert code(cdn.list_objects_v2, Bucket=BUCKET) == "AccessDenied"


def test_another_distribution_or_service_reads_nothing(server: MotoServer) -> None:
    assert reading(through_cdn(server, f"{DISTRIBUTION}2"), AUDIO) == "AccessDenied"
    assert reading(through_cdn(server, ""), AUDIO) == "AccessDenied"
    assert reading(through_cdn(server, DISTRIBUTION, "logging.s3.amazonaws.com"), AUDIO) == "AccessDenied"


def tagged(key: str, name: str, value: str) -> dict[str, Any]:
    return {"Bucket": BUCKET, "Key": key, "Tagging": {"TagSet": [{"Key": name, "Value": value}]}}


def test_the_cdn_reads_nothing_that_isn_t_scanned_clean(server: MotoServer, s3: Any) -> None:
    cdn = through_cdn(server, DISTRIBUTION)
    try:
        s3.delete_object_tagging(Bucket=BUCKET, Key=AUDIO)
        assert reading(cdn, AUDIO) == "AccessDenied", "an upload that waits for the scanner, or that it gave up"
        s3.put_object_tagging(**tagged(AUDIO, "scan", "infected"))
        assert reading(cdn, AUDIO) == "AccessDenied"
        assert reading(s3, AUDIO) == "ok", "the API may: who the owner is, the row policies say"
    finally:
        s3.put_object_tagging(**tagged(AUDIO, "scan", "clean"))
    assert reading(cdn, AUDIO) == "ok"


@pytest.fixture(scope="module")
def guarded_policy() -> str:
    """The bucket's policy where GuardDuty scans."""
    return json.dumps(run_guarded().resources["storage-objects-files-tls"].inputs["policy"])


@pytest.fixture
def guarded(server: MotoServer, s3: Any, guarded_policy: str) -> Iterator[dict[str, Any]]:
    """Clients of the roles under that policy; an object that is not tagged."""
    text = guarded_policy
    before = s3.get_bucket_policy(Bucket=BUCKET)["Policy"]
    names = {"guardduty": "storage-malware-role"}
    names |= {role: f"storage-access-{role}" for role in ("api", "scanner", "server")}
    clients = {who: session(server, name) for who, name in names.items()}
    for name in names.values():
        # The name of the role that mocks give it isn't an ARN that could be assumed.
        text = text.replace(f"arn:aws:iam:us-east-1:{ACCOUNT}:{name}", f"arn:aws:iam::{ACCOUNT}:role/{name}")
    s3.delete_object_tagging(Bucket=BUCKET, Key=AUDIO)
    s3.put_bucket_policy(Bucket=BUCKET, Policy=text)
    yield {**clients, "cdn": through_cdn(server, DISTRIBUTION), "owner": s3}
    s3.put_bucket_policy(Bucket=BUCKET, Policy=before)
    s3.put_object_tagging(**tagged(AUDIO, "scan", "clean"))
    for name in names.values():
        server.client("iam").delete_role(RoleName=name)


# What GuardDuty has tagged an object with → who reads it.
READERS = {
    None: {"guardduty", "api"},
    "UNSUPPORTED": {"guardduty", "api"},
    "FAILED": {"guardduty", "api"},
    "THREATS_FOUND": {"guardduty", "api", "scanner"},
    "NO_THREATS_FOUND": {"guardduty", "api", "scanner", "server", "cdn", "owner"},
}


def test_under_guardduty_each_reads_what_its_tag_lets_them(guarded: dict[str, Any]) -> None:
    for status, readers in READERS.items():
        if status:
            assert code(guarded["guardduty"].put_object_tagging, **tagged(AUDIO, GUARDDUTY_TAG, status)) == "ok"
        found = {who: reading(client, AUDIO) for who, client in guarded.items()}
        assert {who for who, answer in found.items() if answer == "ok"} == readers, (status, found)
        assert set(found.values()) <= {"ok", "AccessDenied"}


def test_under_guardduty_the_server_reads_what_its_forms_have_sent(guarded: dict[str, Any]) -> None:
    guarded["owner"].put_object(Bucket=BUCKET, Key=SENT, Body=b"x")
    assert {who for who, client in guarded.items() if reading(client, SENT) == "ok"} == {
        "guardduty",
        "api",
        "scanner",
        "server",
    }


def test_under_guardduty_nobody_else_says_what_is_clean(guarded: dict[str, Any]) -> None:
    clean, version = tagged(AUDIO, GUARDDUTY_TAG, GUARDDUTY_CLEAN), {"VersionId": "null"}
    for who in ("api", "scanner", "owner"):
        client = guarded[who]
        assert code(client.put_object_tagging, **clean) == "AccessDenied"
        assert code(client.put_object_tagging, **clean, **version) == "AccessDenied"
        assert code(client.delete_object_tagging, Bucket=BUCKET, Key=AUDIO) == "AccessDenied"
        assert code(client.delete_object_tagging, Bucket=BUCKET, Key=AUDIO, **version) == "AccessDenied"
    assert code(guarded["cdn"].put_object_tagging, **clean) == "AccessDenied"


def test_under_guardduty_the_storage_api_copies_a_verdict(guarded: dict[str, Any]) -> None:
    guarded["guardduty"].put_object_tagging(**tagged(AUDIO, GUARDDUTY_TAG, GUARDDUTY_CLEAN))
    assert copying(guarded["api"], GUARDED) == "ok"
    assert reading(guarded["cdn"], GUARDED) == "ok"
    said = f"{GUARDDUTY_TAG}={GUARDDUTY_CLEAN}"
    assert copying(guarded["api"], COPY, **REPLACED, Tagging=said) == "AccessDenied"
    assert code(guarded["api"].put_object, Bucket=BUCKET, Key=COPY, Body=b"x", Tagging=said) == "AccessDenied"
    for who in ("owner", "scanner"):
        assert copying(guarded[who], COPY) == "AccessDenied"


def test_under_guardduty_the_scanner_moves_a_threat_and_reads_what_it_noted(guarded: dict[str, Any]) -> None:
    guarded["guardduty"].put_object_tagging(**tagged(AUDIO, GUARDDUTY_TAG, GUARDDUTY_THREAT))
    scanner, moved = guarded["scanner"], f"{objectlayout.QUARANTINE}/{AUDIO}"
    copy = {"Bucket": BUCKET, "Key": moved, "CopySource": {"Bucket": BUCKET, "Key": AUDIO}}
    assert code(scanner.copy_object, **copy, TaggingDirective="REPLACE", Tagging="scan=infected") == "ok"
    assert code(scanner.put_object_tagging, **tagged(moved, "scan", "infected")) == "ok"
    assert code(scanner.head_object, Bucket=BUCKET, Key=moved) == "ok"
    assert {who for who, client in guarded.items() if reading(client, moved) == "ok"} == {"guardduty", "api", "scanner"}


def session(server: MotoServer, role: str, rights: str | None = None) -> Any:
    iam, sts = server.client("iam"), server.client("sts")
    arn = iam.create_role(RoleName=role, AssumeRolePolicyDocument=ANYBODY)["Role"]["Arn"]
    if rights is not None:
        iam.put_role_policy(RoleName=role, PolicyName="rights", PolicyDocument=rights)
    keys = sts.assume_role(RoleArn=arn, RoleSessionName="session")["Credentials"]
    return server.client("s3", keys["AccessKeyId"], keys["SecretAccessKey"], keys["SessionToken"])


def checking(server: MotoServer, from_call: bytes) -> None:
    """From which call on moto looks at what identities may do."""
    text = {"Content-Type": "text/plain"}
    assert fetch(f"{server.endpoint}/moto-api/reset-auth", "POST", from_call, text)[0] == 200


@contextmanager
def as_owner(server: MotoServer) -> Iterator[Any]:
    """The owner's client, while nobody's rights are looked at: moto knows no owner where it looks."""
    checking(server, b"inf")
    yield server.client("s3")
    checking(server, b"0")


@pytest.fixture(scope="module")
def roles(server: MotoServer, program: Program) -> Iterator[dict[str, Any]]:
    """A client of each role, with moto's own check of what identities may do switched on."""
    made = {
        role: session(server, role, program.resources[f"storage-access-{role}-rights"].inputs["policy"])
        for role in ("server", "api", "scanner", "cleaner")
    }
    made["nobody"] = session(server, "nobody")
    checking(server, b"0")
    yield made
    checking(server, b"inf")


CLEAN = {"TagSet": [{"Key": "scan", "Value": "clean"}]}
SENT = f"{objectlayout.UPLOADS}/{AUDIO}"
OTHER_TENANT = "somebody-else/audio/voice.webm/v1"
QUARANTINED = f"{objectlayout.QUARANTINE}/voice.webm"
CALLS: dict[str, Callable[[Any], str]] = {
    "read": lambda client: reading(client, AUDIO),
    "write": lambda client: code(client.put_object, Bucket=BUCKET, Key=AUDIO, Body=b"x"),
    "write elsewhere": lambda client: code(client.put_object, Bucket=BUCKET, Key=OTHER_TENANT, Body=b"x"),
    "quarantine": lambda client: code(client.put_object, Bucket=BUCKET, Key=QUARANTINED, Body=b"x"),
    "tag": lambda client: code(client.put_object_tagging, Bucket=BUCKET, Key=AUDIO, Tagging=CLEAN),
    "send": lambda client: code(client.put_object, Bucket=BUCKET, Key=SENT, Body=b"x"),
    "read what was sent": lambda client: reading(client, SENT),
    "list": lambda client: code(client.list_objects_v2, Bucket=BUCKET),
    "open": lambda client: code(client.delete_bucket_policy, Bucket=BUCKET),
    # S3 answers in the same way where there is nothing to delete.
    "delete": lambda client: code(client.delete_object, Bucket=BUCKET, Key=f"{AUDIO}-gone"),
}
MAY = {
    "server": {"read", "write", "send", "read what was sent", "list"},
    "api": {"read", "write", "list", "delete"},
    "scanner": {"read", "quarantine", "tag", "list", "delete"},
    "cleaner": {"list", "delete"},
    "nobody": set[str](),
}


def copying(client: Any, key: str, **more: Any) -> str:
    """What comes of copying AUDIO to a key."""
    return code(client.copy_object, Bucket=BUCKET, Key=key, CopySource={"Bucket": BUCKET, "Key": AUDIO}, **more)


COPY = f"{objectlayout.prefix('audio')}u1/copy.webm/v1"
GUARDED = f"{objectlayout.prefix('audio')}u1/copy.webm/v2"
REPLACED = {"TaggingDirective": "REPLACE"}


def tags(server: MotoServer, key: str) -> list[dict[str, str]]:
    with as_owner(server) as s3:
        found: list[dict[str, str]] = s3.get_object_tagging(Bucket=BUCKET, Key=key)["TagSet"]
        return found


@pytest.fixture
def scanned(server: MotoServer, roles: dict[str, Any]) -> None:
    with as_owner(server) as s3:
        s3.put_object(Bucket=BUCKET, Key=AUDIO, Body=b"sound", Tagging="scan=clean")


def test_the_storage_api_copies_a_verdict_and_says_none(
    server: MotoServer, roles: dict[str, Any], scanned: None
) -> None:
    api = roles["api"]
    assert copying(api, COPY, MetadataDirective="REPLACE", ContentType="audio/webm") == "ok"
    assert tags(server, COPY) == CLEAN["TagSet"]
    for ask in (
        lambda: code(api.put_object_tagging, Bucket=BUCKET, Key=COPY, Tagging=CLEAN),
        lambda: code(api.put_object, Bucket=BUCKET, Key=COPY, Body=b"other", Tagging="scan=clean"),
        lambda: copying(api, COPY, **REPLACED, Tagging="scan=clean"),
        lambda: code(api.create_multipart_upload, Bucket=BUCKET, Key=COPY, Tagging="a=b&scan=clean"),
        lambda: code(api.delete_object_tagging, Bucket=BUCKET, Key=COPY),
    ):
        assert ask() == "AccessDenied"
    assert tags(server, COPY) == CLEAN["TagSet"]


def test_a_copy_with_tags_needs_a_right_to_each_of_its_steps(
    server: MotoServer, program: Program, roles: dict[str, Any], scanned: None
) -> None:
    rights = json.loads(program.resources["storage-access-api-rights"].inputs["policy"])["Statement"]
    for lost in ("GetObject", "PutObject", "GetObjectTagging", "PutObjectTagging"):
        kept = [{**each, "Action": [name for name in _list(each["Action"]) if name != f"s3:{lost}"]} for each in rights]
        text = json.dumps({"Version": "2012-10-17", "Statement": [each for each in kept if each["Action"]]})
        with as_owner(server):
            client = session(server, f"without-{lost}", text)
        assert copying(client, COPY) == "AccessDenied", lost
    with as_owner(server) as s3:
        s3.delete_object_tagging(Bucket=BUCKET, Key=AUDIO)
    assert copying(client, COPY) == "ok", "no tags, no right to tags"


def _list(value: Any) -> list[str]:
    return value if isinstance(value, list) else [value]


def test_the_storage_api_uploads_in_parts(roles: dict[str, Any]) -> None:
    """As its resumable uploads do, without tags: `TUS_ALLOW_S3_TAGS=false`."""
    api, key = roles["api"], f"{objectlayout.prefix('audio')}u1/long.webm/v1"
    at = {"Bucket": BUCKET, "Key": key}
    for finished in (True, False):
        upload = {**at, "UploadId": api.create_multipart_upload(**at, ContentType="audio/webm")["UploadId"]}
        assert code(api.put_object, Bucket=BUCKET, Key=f"{key}.info", Body=b"{}") == "ok"
        assert code(api.get_object, Bucket=BUCKET, Key=f"{key}.info") == "ok"
        part = api.upload_part(**upload, PartNumber=1, Body=b"sound")
        assert len(api.list_parts(**upload)["Parts"]) == 1
        assert code(api.head_object, Bucket=BUCKET, Key=f"{key}.part") == "404"
        if finished:
            parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
            assert code(api.complete_multipart_upload, **upload, MultipartUpload=parts) == "ok"
        else:
            assert code(api.abort_multipart_upload, **upload) == "ok"
        gone = {"Objects": [{"Key": key}, {"Key": f"{key}.info"}]}
        assert "Errors" not in api.delete_objects(Bucket=BUCKET, Delete=gone)


@pytest.mark.parametrize("role", sorted(MAY))
def test_the_server_alone_can_sign_and_finish_an_upload(server: MotoServer, roles: dict[str, Any], role: str) -> None:
    person, folder = "00000000-0000-7000-8000-00000000000a", "00000000-0000-7000-8000-0000000000a1"
    keys = roles[role]._request_signer._credentials
    place = {"bucket": BUCKET, "region": REGION, "endpoint": server.endpoint}
    credentials = {"access_key": keys.access_key, "secret_key": keys.secret_key, "session_token": keys.token}
    store = Store(**place, **credentials)
    form = sign_upload(
        store, Bucket("audio"), f"{folder}/a.webm", "audio/webm", folder=folder, person=person, room=None
    )
    # moto can't judge who signed a form: the right that it takes is asked directly.
    mark = {"form": form.fields["x-amz-meta-form"]}
    sent = code(roles[role].put_object, Bucket=BUCKET, Key=form.key, Metadata=mark, Body=b"x")
    if role != "server":
        assert sent == "AccessDenied"
        return
    for _ in range(2):
        done = finish_upload(store, "audio", form.name, form.version, folder=folder, person=person)
        assert (sent, done.version, done.size) == ("ok", form.version, 1)
    for end in (finish_parts, stop_parts):
        asked = {"folder": folder, "person": person}
        upload = begin_parts(store, Bucket("audio"), f"{folder}/b.webm", "audio/webm", 1, room=None, **asked)
        (part,) = sign_parts(store, Bucket("audio"), upload, folder=folder, room=None)
        assert requests.put(part.url, data=b"x", timeout=10).status_code == 200
        if end is stop_parts:
            stop_parts(store, upload, folder=folder)
        else:
            assert finish_parts(store, Bucket("audio"), upload, **asked).size == 1


@pytest.mark.parametrize("role", sorted(MAY))
def test_a_role_may_do_what_it_is_for_and_no_more(server: MotoServer, roles: dict[str, Any], role: str) -> None:
    found = {call: ask(roles[role]) for call, ask in CALLS.items()}
    assert {call for call, answer in found.items() if answer == "ok"} == MAY[role], found
    assert set(found.values()) <= {"ok", "AccessDenied"}
