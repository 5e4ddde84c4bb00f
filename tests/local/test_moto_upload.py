"""Presigned uploads and signatures against the real server.

What the service does is in the Amazon S3 API reference: "POST Policy", "POST Object", "Authenticating requests: using
query parameters", "Signature calculations for the Authorization header" and "Error responses".
"""

import base64
import copy
import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from moto.s3.models import FakeKey

from local.moto import listing
from tests.local.conftest import ACCESS_KEY, REGION, MotoServer, fetch

BUCKET = "uploads"
TYPE = ["starts-with", "$Content-Type", "audio/"]
LIMIT = ["content-length-range", 10, 1000]


@pytest.fixture(scope="module")
def s3(moto_server: MotoServer) -> Any:
    client = moto_server.client("s3")
    client.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
    return client


def form(s3: Any, key: str = "u1/${filename}", more: dict[str, str] | None = None, seconds: int = 60) -> dict[str, Any]:
    """A presigned POST for audio of 10 to 1000 bytes below u1/."""
    fields = more or {}
    conditions = [LIMIT, TYPE, *({name: value} for name, value in fields.items())]
    post: dict[str, Any] = s3.generate_presigned_post(
        BUCKET, key, Fields=dict(fields), Conditions=conditions, ExpiresIn=seconds
    )
    post["fields"]["Content-Type"] = "audio/webm"
    return post


def send(post: dict[str, Any], body: bytes = b"x" * 100, **changed: str | None) -> tuple[int, str]:
    fields = {**post["fields"], **{name.replace("_", "-"): value for name, value in changed.items()}}
    parts = [
        f'--edge\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
        for name, value in fields.items()
        if value is not None
    ]
    file = b'--edge\r\nContent-Disposition: form-data; name="file"; filename="a.webm"\r\n\r\n' + body + b"\r\n"
    headers = {"Content-Type": "multipart/form-data; boundary=edge"}
    return fetch(post["url"], "POST", b"".join([*parts, file, b"--edge--\r\n"]), headers)


def refusal(answer: tuple[int, str]) -> tuple[int, str]:
    return answer[0], answer[1].partition("<Code>")[2].partition("</Code>")[0]


def test_an_upload_within_its_policy_arrives_with_its_fields(s3: Any) -> None:
    more = {"x-amz-server-side-encryption": "AES256", "x-amz-meta-project": "p1"}
    assert send(form(s3, more=more))[0] == 204
    head = s3.head_object(Bucket=BUCKET, Key="u1/a.webm")
    assert head["ContentLength"] == 100
    assert (head["ContentType"], head["Metadata"]) == ("audio/webm", {"project": "p1"})
    assert head["ServerSideEncryption"] == "AES256"
    assert send(form(s3, key="u1/plain"))[0] == 204
    assert "ServerSideEncryption" not in s3.head_object(Bucket=BUCKET, Key="u1/plain")


@pytest.mark.parametrize(("size", "wanted"), [(9, "EntityTooSmall"), (10, ""), (1000, ""), (1001, "EntityTooLarge")])
def test_the_size_must_lie_in_the_range(s3: Any, size: int, wanted: str) -> None:
    assert refusal(send(form(s3), b"x" * size)) == ((400, wanted) if wanted else (204, ""))


@pytest.mark.parametrize(
    "changed",
    [
        {"Content_Type": "text/html"},
        {"Content_Type": "audio/webm,text/html"},
        {"Content_Type": None},
        {"key": "other/a.webm"},
        {"x_amz_meta_extra": "not in the policy"},
        {"acl": "public-read"},
    ],
)
def test_a_field_that_the_policy_does_not_allow_is_refused(s3: Any, changed: Any) -> None:
    assert send(form(s3))[0] == 204
    assert refusal(send(form(s3), **changed)) == (403, "AccessDenied")


def test_fields_that_begin_with_x_ignore_are_free(s3: Any) -> None:
    assert send(form(s3), x_ignore_me="1")[0] == 204


def test_a_key_may_be_bound_to_its_beginning(s3: Any) -> None:
    post = s3.generate_presigned_post(BUCKET, "u2/${filename}", Conditions=[["starts-with", "$key", "u2/"]])
    assert send(post, key="u2/b")[0] == 204
    assert refusal(send(post, key="u3/b")) == (403, "AccessDenied")


def test_an_expired_form_is_refused(s3: Any) -> None:
    status, text = send(form(s3, seconds=-1))
    assert (status, "Policy expired" in text) == (403, True)


@pytest.mark.parametrize(
    ("changed", "wanted"),
    [
        ({"x_amz_signature": "0" * 64}, (403, "SignatureDoesNotMatch")),
        ({"x_amz_signature": None}, (400, "InvalidArgument")),
        ({"x_amz_credential": None}, (400, "InvalidRequest")),
    ],
)
def test_a_form_without_a_good_signature_is_refused(s3: Any, changed: Any, wanted: tuple[int, str]) -> None:
    assert refusal(send(form(s3), **changed)) == wanted


def test_a_form_with_a_policy_of_the_senders_own_is_refused(s3: Any) -> None:
    expiration = (datetime.now(UTC) + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    own = base64.b64encode(json.dumps({"expiration": expiration, "conditions": []}).encode()).decode()
    assert refusal(send(form(s3), policy=own)) == (403, "SignatureDoesNotMatch")


def test_a_form_without_a_policy_counts_as_sent_by_nobody(s3: Any) -> None:
    post = form(s3)
    assert refusal(send({**post, "fields": {"key": "u1/x"}})) == (403, "AccessDenied")
    policy = {"Effect": "Allow", "Principal": "*", "Action": "s3:PutObject", "Resource": f"arn:aws:s3:::{BUCKET}/u1/*"}
    s3.put_bucket_policy(Bucket=BUCKET, Policy=json.dumps({"Statement": policy}))
    assert send({**post, "fields": {"key": "u1/x"}})[0] == 204
    assert send({**post, "fields": {"key": "u2/x"}})[0] == 403
    s3.delete_bucket_policy(Bucket=BUCKET)


def presigned(s3: Any, method: str = "get_object", seconds: int = 60, **more: Any) -> str:
    return str(s3.generate_presigned_url(method, {"Bucket": BUCKET, "Key": "a b/ü+.txt", **more}, ExpiresIn=seconds))


def test_a_presigned_url_reads_and_writes_its_one_object(s3: Any) -> None:
    url = presigned(s3, "put_object", ContentType="text/plain")
    assert fetch(url, "PUT", b"text", {"Content-Type": "text/plain"})[0] == 200
    assert fetch(presigned(s3)) == (200, "text")
    assert refusal(fetch(presigned(s3).replace("a%20b", "c"))) == (403, "SignatureDoesNotMatch")
    assert refusal(fetch(presigned(s3), "DELETE")) == (403, "SignatureDoesNotMatch")
    assert refusal(fetch(presigned(s3) + "&versionId=1")) == (403, "SignatureDoesNotMatch")


def test_a_presigned_url_holds_the_sender_to_the_signed_headers(s3: Any) -> None:
    url = presigned(s3, "put_object", ContentType="text/plain")
    assert refusal(fetch(url, "PUT", b"", {"Content-Type": "text/html"})) == (403, "SignatureDoesNotMatch")
    smuggled = {"Content-Type": "text/plain", "x-amz-acl": "public-read"}
    assert refusal(fetch(url, "PUT", b"", smuggled)) == (403, "AccessDenied")


def test_a_presigned_url_ends_with_its_time(s3: Any) -> None:
    url = presigned(s3, seconds=1)
    time.sleep(2.1)
    status, text = fetch(url)
    assert (status, "Request has expired" in text) == (403, True)
    assert refusal(fetch(presigned(s3, seconds=8 * 24 * 3600)))[0] == 400


def test_signature_version_2_is_over(moto_server: MotoServer, s3: Any) -> None:
    url = f"{moto_server.endpoint}/{BUCKET}/k?AWSAccessKeyId={ACCESS_KEY}&Signature=abc&Expires=9999999999"
    assert refusal(fetch(url)) == (400, "InvalidRequest")


@pytest.mark.parametrize(
    ("keys", "wanted"),
    [(("AKIANOBODYKNOWSTHIS1", "x"), "InvalidAccessKeyId"), ((ACCESS_KEY, "wrong"), "SignatureDoesNotMatch")],
)
def test_signed_requests_need_a_known_key_and_its_secret(
    moto_server: MotoServer, s3: Any, keys: tuple[str, str], wanted: str
) -> None:
    with pytest.raises(ClientError, match=wanted) as caught:
        moto_server.client("s3", *keys).list_objects_v2(Bucket=BUCKET)
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403


def test_uploads_in_parts_and_odd_keys_are_signed_right(s3: Any) -> None:
    for key in ("plain", "with space", "a+b&c=d", "ü/é", "~tilde*'()"):
        s3.put_object(Bucket=BUCKET, Key=key, Body=b"1", Metadata={"under_score": "v  w"})
        assert s3.get_object(Bucket=BUCKET, Key=key)["Metadata"] == {"under_score": "v  w"}
        assert s3.list_objects_v2(Bucket=BUCKET, Prefix=key)["KeyCount"] == 1
    upload = s3.create_multipart_upload(Bucket=BUCKET, Key="big")["UploadId"]
    part = s3.upload_part(Bucket=BUCKET, Key="big", UploadId=upload, PartNumber=1, Body=b"p")["ETag"]
    s3.complete_multipart_upload(
        Bucket=BUCKET, Key="big", UploadId=upload, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": part}]}
    )
    assert s3.get_object(Bucket=BUCKET, Key="big")["Body"].read() == b"p"


def test_an_upload_in_parts_says_when_it_was_begun(s3: Any, moto_server: MotoServer) -> None:
    before = datetime.now(UTC) - timedelta(seconds=1)
    s3.create_multipart_upload(Bucket=BUCKET, Key="under/way")
    time.sleep(1.2)

    def begun() -> datetime:
        (upload,) = s3.list_multipart_uploads(Bucket=BUCKET, Prefix="under/")["Uploads"]
        found: datetime = upload["Initiated"]
        return found

    first = begun()
    assert before < first < datetime.now(UTC) - timedelta(seconds=1)
    moto_server.restart()
    assert begun() == first, "after a restart too"


@pytest.fixture
def trusting_server(tmp_path: Path) -> Iterator[MotoServer]:
    server = MotoServer(tmp_path / "state", verified=False)
    server.start()
    yield server
    server.stop()


def test_without_a_key_of_its_own_the_server_checks_conditions_but_no_signature(trusting_server: MotoServer) -> None:
    s3 = trusting_server.client("s3", "any", "thing")
    s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
    assert send(form(s3), x_amz_signature="0" * 64)[0] == 204
    assert refusal(send(form(s3), b"x" * 1001)) == (400, "EntityTooLarge")
    assert fetch(f"{trusting_server.endpoint}/{BUCKET}")[0] == 403


def test_of_many_copies_at_once_that_are_to_replace_nothing_one_is_made(s3: Any) -> None:
    """ "Conditional writes": If-None-Match: * of CopyObject."""
    s3.put_object(Bucket=BUCKET, Key="source", Body=b"x" * 5_000_000)
    s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})

    def copied(_: int) -> str:
        source = {"Bucket": BUCKET, "Key": "source"}
        try:
            s3.copy_object(Bucket=BUCKET, Key="once", CopySource=source, IfNoneMatch="*")
        except ClientError as error:
            return str(error.response["Error"]["Code"])
        return "made"

    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(copied, range(16))) == ["PreconditionFailed"] * 15 + ["made"]
    assert len(s3.list_object_versions(Bucket=BUCKET, Prefix="once")["Versions"]) == 1


def test_listing_versions_copies_no_bytes() -> None:
    listing.install()
    key = FakeKey("k", b"bytes", account_id="123456789012", region_name=REGION)
    listed = copy.deepcopy(key)
    listed.is_latest = False
    assert not hasattr(key, "is_latest")
    assert listed._value_buffer is key._value_buffer
