"""A signed upload against the store: what it allows arrives, everything else is sent and refused.

The client is `requests`, as an app's or a person's program would be; the Node client is in test_node_client.py.
"""

import time
from typing import Any

import pytest
import requests
from botocore.exceptions import ClientError
from visual_prompt_builder.names import ObjectError
from visual_prompt_builder.signing import Store, Upload, sign_upload
from visual_prompt_builder.uploads import finish_upload

from tests.local.conftest import ACCESS_KEY
from tests.objects.conftest import ADA, AUDIO, BOB

SOUND = b"RIFF" + b"\0" * 96


def form(store: Store, **more: Any) -> Upload:
    return sign_upload(store, AUDIO, f"{ADA}/a.wav", "audio/wav", **{"folder": ADA, **more})


def send(upload: Upload, body: bytes = SOUND, **changed: str | None) -> tuple[int, str]:
    """Status and error code of a form that is sent with other fields, or with None without them."""
    fields = {**upload.fields, **{name.replace("_", "-"): value for name, value in changed.items()}}
    kept = {name: value for name, value in fields.items() if value is not None}
    answer = requests.post(upload.url, data=kept, files={"file": ("whatever.exe", body)}, timeout=10)
    return answer.status_code, answer.text.partition("<Code>")[2].partition("</Code>")[0]


def is_there(store: Store, key: str) -> bool:
    try:
        store.s3.head_object(Bucket=store.bucket, Key=key)
    except ClientError:
        return False
    return True


@pytest.mark.parametrize("size", [1, 100, 1000])
def test_a_file_that_fits_arrives_where_the_storage_api_looks_for_it(store: Store, size: int) -> None:
    upload = form(store)
    assert send(upload, b"x" * size) == (204, "")
    assert upload.key == f"storage-single-tenant/audio/{ADA}/a.wav/{upload.version}"
    found = store.s3.get_object(Bucket=store.bucket, Key=upload.key)
    assert (found["ContentType"], found["ContentLength"]) == ("audio/wav", size)


# Fields are spelled as the form has them.
REFUSED = {
    "too big": ({"body": b"x" * 1001}, (400, "EntityTooLarge")),
    "empty": ({"body": b""}, (400, "EntityTooSmall")),
    "another type": ({"Content_Type": "text/html"}, (403, "AccessDenied")),
    "two types": ({"Content_Type": "audio/wav,text/html"}, (403, "AccessDenied")),
    "no type": ({"Content_Type": None}, (403, "AccessDenied")),
    "another person's folder": ({"key": f"storage-single-tenant/audio/{BOB}/a.wav/1"}, (403, "AccessDenied")),
    "another bucket": ({"key": f"storage-single-tenant/avatars/{ADA}/a.wav/1"}, (403, "AccessDenied")),
    # 400 on AWS, where a form is known by its policy and not by its key.
    "no key": ({"key": None}, (403, "AccessDenied")),
    "an altered signature": ({"x_amz_signature": "0" * 64}, (403, "SignatureDoesNotMatch")),
    "no signature": ({"x_amz_signature": None}, (400, "InvalidArgument")),
    "no policy": ({"policy": None}, (403, "AccessDenied")),
    "no credential": ({"x_amz_credential": None}, (400, "InvalidRequest")),
    "no date": ({"x_amz_date": None}, (403, "")),
    "public for all": ({"acl": "public-read"}, (403, "AccessDenied")),
    "a field of your own": ({"x_amz_meta_owner": BOB}, (403, "AccessDenied")),
    "another place to go on": ({"success_action_redirect": "https://example.org"}, (403, "AccessDenied")),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_the_form_does_not_allow_is_refused(store: Store, what: str) -> None:
    changed, (status, code) = REFUSED[what]
    upload = form(store)
    answer = send(upload, **changed)
    assert answer[0] == status, answer
    assert not code or answer[1] == code
    assert not is_there(store, upload.key), "nothing arrived"
    assert send(upload)[0] == 204, "the same form, unchanged, is good"


def test_what_was_taken_over_the_form_cannot_replace(store: Store) -> None:
    upload = form(store)
    send(upload)
    done = finish_upload(store, "audio", upload.name, upload.version)
    final = upload.key.replace(upload.version, done.version)
    assert (done.size, done.metadata["mimetype"], is_there(store, upload.key)) == (len(SOUND), "audio/wav", False)
    assert send(upload, b"x")[0] == 204, "until it expires the form is good"
    assert store.s3.get_object(Bucket=store.bucket, Key=final)["Body"].read() == SOUND
    assert store.s3.head_object(Bucket=store.bucket, Key=final)["ETag"] == done.etag


def test_what_was_taken_over_has_no_tags_of_the_original(store: Store) -> None:
    upload = form(store)
    send(upload)
    tags = {"TagSet": [{"Key": "GuardDutyMalwareScanStatus", "Value": "NO_THREATS_FOUND"}]}
    store.s3.put_object_tagging(Bucket=store.bucket, Key=upload.key, Tagging=tags)
    done = finish_upload(store, "audio", upload.name, upload.version)
    final = upload.key.replace(upload.version, done.version)
    assert store.s3.get_object_tagging(Bucket=store.bucket, Key=final)["TagSet"] == []


def test_what_was_not_uploaded_cannot_be_taken_over(store: Store) -> None:
    upload = form(store)
    with pytest.raises(ObjectError) as caught:
        finish_upload(store, "audio", upload.name, upload.version)
    wanted = f'object "audio/{ADA}/a.wav": nothing was uploaded as version {upload.version}'
    assert str(caught.value) == wanted


def test_an_expired_form_is_refused(store: Store) -> None:
    over, valid = form(store, seconds=1), form(store, seconds=900)
    time.sleep(2.1)
    assert send(over) == (403, "AccessDenied")
    assert send(valid)[0] == 204


def test_a_form_signed_with_a_key_that_nobody_knows_is_refused(store: Store) -> None:
    wrong = {"bucket": store.bucket, "region": store.region, "endpoint": store.endpoint}
    stranger = Store(**wrong, access_key="AKIANOBODYKNOWSTHIS1", secret_key="x")
    forger = Store(**wrong, access_key=ACCESS_KEY, secret_key="guessed")
    assert send(form(stranger)) == (403, "InvalidAccessKeyId")
    assert send(form(forger)) == (403, "SignatureDoesNotMatch")
