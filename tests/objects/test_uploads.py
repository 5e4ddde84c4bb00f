"""A signed upload against the store: what it allows arrives, everything else is sent and refused.

The client is `requests`, as an app's or a person's program would be; the Node client is in test_node_client.py.
"""

import time
import uuid
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest
import requests
from botocore.exceptions import ClientError
from visual_prompt_builder import uploads
from visual_prompt_builder.names import ObjectError, key
from visual_prompt_builder.signing import Store, Upload, sign_upload
from visual_prompt_builder.uploads import Stored, finish_upload

from tests.local.conftest import ACCESS_KEY
from tests.objects.conftest import ADA, AUDIO, BOB

SOUND = b"RIFF" + b"\0" * 96


def form(store: Store, **more: Any) -> Upload:
    return sign_upload(
        store, AUDIO, f"{ADA}/a.wav", "audio/wav", **{"folder": ADA, "person": ADA, "room": None, **more}
    )


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
def test_a_file_that_fits_arrives_beside_the_objects(store: Store, size: int) -> None:
    upload = form(store)
    assert send(upload, b"x" * size) == (204, "")
    assert upload.key == f"uploads/storage-single-tenant/audio/{ADA}/a.wav/{upload.version}"
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
    "another form's mark": ({"x_amz_meta_form": "0" * 64}, (403, "AccessDenied")),
    "kept for another time": ({"Cache_Control": "public, max-age=1"}, (403, "AccessDenied")),
    "a field of your own": ({"x_amz_meta_owner": BOB}, (403, "AccessDenied")),
    "another place to go on": ({"success_action_redirect": "https://example.org"}, (403, "AccessDenied")),
}

KEPT = "private, max-age=31536000, immutable"


@pytest.mark.parametrize("what", REFUSED)
def test_what_the_form_does_not_allow_is_refused(store: Store, what: str) -> None:
    changed, (status, code) = REFUSED[what]
    upload = form(store)
    answer = send(upload, **changed)
    assert answer[0] == status, answer
    assert not code or answer[1] == code
    assert not is_there(store, upload.key), "nothing arrived"
    assert send(upload)[0] == 204, "the same form, unchanged, is good"


def finish(store: Store, upload: Upload, **more: str) -> Stored:
    return finish_upload(store, "audio", upload.name, upload.version, **{"folder": ADA, "person": ADA, **more})


def read(store: Store, object_key: str) -> bytes:
    found: bytes = store.s3.get_object(Bucket=store.bucket, Key=object_key)["Body"].read()
    return found


def test_what_was_taken_over_lies_where_the_storage_api_looks_and_the_form_cannot_replace_it(store: Store) -> None:
    upload = form(store)
    send(upload)
    done = finish(store, upload)
    final = f"storage-single-tenant/audio/{ADA}/a.wav/{upload.version}"
    assert (done.version, done.size, done.metadata["mimetype"]) == (upload.version, len(SOUND), "audio/wav")
    assert done.metadata["cacheControl"] == KEPT
    assert send(upload, b"x")[0] == 204, "until it expires the form is good"
    assert read(store, final) == SOUND
    head = store.s3.head_object(Bucket=store.bucket, Key=final)
    assert (head["ETag"], head["CacheControl"]) == (done.etag, KEPT), "for browsers, from S3 and the CDN alike"


def test_taking_over_twice_changes_nothing_also_where_the_form_was_sent_again(store: Store) -> None:
    upload = form(store)
    send(upload)
    done = finish(store, upload)
    assert finish(store, upload) == done
    send(upload, b"other bytes")
    assert finish(store, upload) == done
    assert read(store, key("storage-single-tenant", "audio", upload.name, upload.version)) == SOUND


def test_a_finish_that_copies_when_another_s_object_has_ended_is_refused(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload, original = form(store), uploads._copy
    send(upload)

    def slow(store: Store, sent: str, final: str, head: Mapping[str, Any]) -> str:
        monkeypatch.setattr(uploads, "_copy", original)
        finish(store, upload)
        store.s3.delete_object(Bucket=store.bucket, Key=final)
        return original(store, sent, final, head)

    monkeypatch.setattr(uploads, "_copy", slow)
    with pytest.raises(ObjectError, match="was moved, deleted or found harmful since"):
        finish(store, upload)


@pytest.mark.parametrize("how", ["deleted", "every version deleted"])
def test_what_is_an_object_no_more_does_not_come_back(store: Store, how: str) -> None:
    """A person deletes it, or the scanner or the cleaner does; what the form has sent is there for another day."""
    upload = form(store)
    send(upload)
    finish(store, upload)
    final = {"Bucket": store.bucket, "Key": key("storage-single-tenant", "audio", upload.name, upload.version)}
    store.s3.delete_object(**final)
    if how != "deleted":
        found = store.s3.list_object_versions(Bucket=store.bucket, Prefix=final["Key"])
        for each in (*found["Versions"], *found["DeleteMarkers"]):
            store.s3.delete_object(**final, VersionId=each["VersionId"])
    for _ in range(2):
        with pytest.raises(ObjectError, match="was moved, deleted or found harmful since; upload the file again"):
            finish(store, upload)
        send(upload, b"sent again")
    assert not is_there(store, final["Key"])


def test_who_dies_before_the_mark_is_made_makes_it_when_called_again(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload = form(store)
    send(upload)
    with monkeypatch.context() as patch:
        patch.setattr(store.s3, "put_object", lambda **given: (_ for _ in ()).throw(MemoryError))
        with pytest.raises(MemoryError):
            finish(store, upload)
    assert not is_there(store, upload.key + uploads.FINISHED)
    finish(store, upload)
    assert is_there(store, upload.key + uploads.FINISHED)


def test_what_was_sent_too_long_ago_for_its_mark_is_not_taken_over(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload = form(store)
    send(upload)
    monkeypatch.setattr(uploads, "GOOD_FOR", timedelta(seconds=-5))
    with pytest.raises(ObjectError, match="nothing was uploaded as version"):
        finish(store, upload)


def test_of_a_form_that_was_sent_twice_the_newer_bytes_are_taken_over(store: Store) -> None:
    upload = form(store)
    send(upload, b"older")
    send(upload, b"the newer ones")
    finish(store, upload)
    assert read(store, key("storage-single-tenant", "audio", upload.name, upload.version)) == b"the newer ones"


def test_bytes_that_came_in_between_are_not_taken_for_those_that_were_looked_at(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload = form(store)
    send(upload)
    head = uploads._head

    def and_send(store: Store, object_key: str) -> Any:
        found = head(store, object_key)
        if object_key == upload.key:
            send(upload, b"other bytes")
        return found

    monkeypatch.setattr(uploads, "_head", and_send)
    done = finish(store, upload)
    assert read(store, key("storage-single-tenant", "audio", upload.name, upload.version)) == SOUND
    assert done.size == len(SOUND)


@pytest.mark.parametrize("code", ["", "ConditionalRequestConflict"])
def test_of_two_at_once_the_first_copy_stays_though_the_form_was_sent_again(
    store: Store, monkeypatch: pytest.MonkeyPatch, code: str
) -> None:
    """The second one looked before the first had copied, and what the first copied may be clean by now."""
    upload = form(store)
    send(upload)
    copy, firsts = uploads._copy, list[Stored]()

    def slow(*given: Any) -> str:
        monkeypatch.setattr(uploads, "_copy", copy)
        firsts.append(finish(store, upload))
        if code:
            raise ClientError({"Error": {"Code": code}}, "CopyObject")
        return copy(*given)

    head = uploads._head

    def and_send(store: Store, place: str) -> Any:
        send(upload, b"other bytes, and more of them")
        monkeypatch.setattr(uploads, "_head", head)
        return head(store, place)

    monkeypatch.setattr(uploads, "_head", and_send)
    monkeypatch.setattr(uploads, "_copy", slow)
    assert finish(store, upload) == firsts[0]
    place = key("storage-single-tenant", "audio", upload.name, upload.version)
    versions = store.s3.list_object_versions(Bucket=store.bucket, Prefix=place)["Versions"]
    assert [version["Size"] for version in versions] == [firsts[0].size]


def test_a_copy_that_fails_otherwise_fails(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    upload = form(store)
    send(upload)
    for code in ("ConditionalRequestConflict", "SlowDown"):
        monkeypatch.setattr(uploads, "_copy", lambda *given, code=code: refuse(code))
        with pytest.raises(ClientError, match=code):
            finish(store, upload)


def refuse(code: str) -> str:
    raise ClientError({"Error": {"Code": code}}, "CopyObject")


def test_what_was_taken_over_has_no_tags_of_the_original(store: Store) -> None:
    upload = form(store)
    send(upload)
    tags = {"TagSet": [{"Key": "GuardDutyMalwareScanStatus", "Value": "NO_THREATS_FOUND"}]}
    store.s3.put_object_tagging(Bucket=store.bucket, Key=upload.key, Tagging=tags)
    finish(store, upload)
    final = key("storage-single-tenant", "audio", upload.name, upload.version)
    assert store.s3.get_object_tagging(Bucket=store.bucket, Key=final)["TagSet"] == []


@pytest.mark.parametrize("more", [{"person": BOB}, {"folder": BOB}, {"person": "ada"}])
def test_it_is_taken_over_for_its_person_and_in_its_folder_alone(store: Store, more: dict[str, str]) -> None:
    upload = form(store)
    send(upload)
    for _ in ("before", "after"):
        with pytest.raises(ObjectError):
            finish(store, upload, **more)
        finish(store, upload)


def test_what_is_an_object_already_and_came_otherwise_is_not_taken_over(store: Store) -> None:
    """As the Storage API stores it, of anybody's."""
    version = str(uuid.uuid4())
    object_key = key("storage-single-tenant", "audio", f"{ADA}/b.wav", version)
    store.s3.put_object(Bucket=store.bucket, Key=object_key, Body=SOUND)
    with pytest.raises(ObjectError, match="nothing was uploaded as version"):
        finish_upload(store, "audio", f"{ADA}/b.wav", version, folder=ADA, person=ADA)
    assert read(store, object_key) == SOUND


def test_what_was_not_uploaded_cannot_be_taken_over(store: Store) -> None:
    upload = form(store)
    with pytest.raises(ObjectError) as caught:
        finish(store, upload)
    reason = f"nothing was uploaded as version {upload.version} by a form of this person"
    assert str(caught.value) == f'object "audio/{ADA}/a.wav": {reason}'


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
