"""Uploads in parts, in Python and TypeScript: what one has begun, the other goes on with."""

import itertools
from dataclasses import asdict
from typing import Any

import pytest
import requests
from visual_prompt_builder import uploads
from visual_prompt_builder.names import TENANT, Bucket, ObjectError, key, upload_key
from visual_prompt_builder.parts import Part, Parts, begin_parts, finish_parts, pieces, sign_parts, stop_parts
from visual_prompt_builder.signing import Store
from visual_prompt_builder.uploads import Stored

from tests.objects.conftest import ADA, BOB, TypeScript

MIB = 2**20
SIZE = 17 * MIB
LIMIT = 20 * MIB
AUDIO = Bucket("audio", LIMIT, ("audio/wav",))
NAME = f"{ADA}/in parts.wav"
BODY = (b"abcdefg" * (SIZE // 7 + 1))[:SIZE]
MISSING = f'object "audio/{NAME}": parts are missing or of another size: 1, 2'
GONE = f'object "audio/{NAME}": no such upload; it was finished, stopped, or begun more than 7 days ago'
FULL = (
    f'object "audio/{NAME}": was given room for {{}} bytes of the quota that it counts for, not for {SIZE}; '
    "delete files, or raise it"
)
STRANGER = f'object "audio/{NAME}": nothing was uploaded as version {{}} by a form of this person'


def begun(store: Store) -> Parts:
    return begin_parts(store, AUDIO, NAME, "audio/wav", SIZE, folder=ADA, person=ADA, room=None)


def put(part: Part, body: bytes | None = None) -> int:
    return requests.put(part.url, data=BODY[part.start : part.end] if body is None else body, timeout=30).status_code


def finish(store: Store, upload: Parts, person: str = ADA) -> Stored:
    return finish_parts(store, AUDIO, upload, folder=ADA, person=person)


def read(store: Store, object_key: str) -> bytes:
    found: bytes = store.s3.get_object(Bucket=store.bucket, Key=object_key)["Body"].read()
    return found


def node(
    typescript: TypeScript, store: Store, *steps: str, upload: Parts | None = None, **more: Any
) -> tuple[list[Any], Parts]:
    given = {"store": asdict(store), "limit": LIMIT, "folder": ADA, "person": ADA, "name": NAME, "size": SIZE}
    known = {**given, "upload": asdict(upload) if upload else None, "steps": steps, **more}
    answer = typescript.run("parts.mjs", known)
    last = answer["upload"]
    return answer["answers"], Parts(
        bucket=last["bucket"], name=last["name"], version=last["version"], upload_id=last["uploadId"], size=last["size"]
    )


def refusal(call: Any, *given: Any, **more: Any) -> str:
    with pytest.raises(ObjectError) as error:
        call(*given, **more)
    return str(error.value)


def test_what_was_sent_is_not_sent_again_and_the_whole_is_one_object(store: Store) -> None:
    upload = begun(store)
    assert refusal(finish, store, upload) == MISSING
    first, second = sign_parts(store, AUDIO, upload, folder=ADA, room=SIZE)
    assert (second.start, second.end) == (16 * MIB, SIZE)
    assert (put(second, b"x" * (MIB + 1)), put(second, b"x")) == (403, 403), "its length is signed"
    assert put(second) == 200
    assert [part.number for part in sign_parts(store, AUDIO, upload, folder=ADA, room=SIZE)] == [1]
    assert put(first) == 200
    assert sign_parts(store, AUDIO, upload, folder=ADA, room=SIZE) == []
    done = finish(store, upload)
    assert (done.size, done.content_type) == (SIZE, "audio/wav")
    assert read(store, key(TENANT, "audio", NAME, upload.version)) == BODY
    assert finish(store, upload) == done
    assert refusal(sign_parts, store, AUDIO, upload, folder=ADA, room=SIZE) == GONE


def test_another_persons_upload_or_folder_is_refused(store: Store) -> None:
    upload = begun(store)
    for part in sign_parts(store, AUDIO, upload, folder=ADA, room=SIZE):
        put(part)
    assert refusal(finish, store, upload, BOB) == STRANGER.format(upload.version)
    for call in (sign_parts, finish_parts):
        more: dict[str, Any] = {"person": BOB} if call is finish_parts else {"room": None}
        assert "is not in the folder" in refusal(call, store, AUDIO, upload, folder=BOB, **more)
    assert "is not in the folder" in refusal(stop_parts, store, upload, folder=BOB)


def test_what_was_stopped_is_gone(store: Store) -> None:
    upload = begun(store)
    put(sign_parts(store, AUDIO, upload, folder=ADA, room=SIZE, most=1)[0])
    for _ in range(2):
        stop_parts(store, upload, folder=ADA)
    assert refusal(sign_parts, store, AUDIO, upload, folder=ADA, room=SIZE) == GONE
    assert refusal(finish, store, upload) == STRANGER.format(upload.version)


@pytest.mark.parametrize("size", [0, -1, LIMIT + 1])
def test_a_size_that_the_bucket_does_not_take_is_refused(store: Store, size: int) -> None:
    said = refusal(begin_parts, store, AUDIO, NAME, "audio/wav", size, folder=ADA, person=ADA, room=None)
    assert said == f"size {size}: bucket audio takes 1 to {LIMIT} bytes in parts"


@pytest.mark.parametrize("room", [0, SIZE - 1])
def test_what_the_quota_has_no_room_for_is_not_begun(store: Store, room: int) -> None:
    said = refusal(begin_parts, store, AUDIO, NAME, "audio/wav", SIZE, folder=ADA, person=ADA, room=room)
    assert said == FULL.format(room)
    upload = begin_parts(store, AUDIO, NAME, "audio/wav", SIZE, folder=ADA, person=ADA, room=SIZE)
    assert refusal(sign_parts, store, AUDIO, upload, folder=ADA, room=room) == FULL.format(room)
    stop_parts(store, upload, folder=ADA)


def test_parts_that_are_sent_again_take_no_more_than_the_file_has(store: Store) -> None:
    upload = begun(store)
    place = {"Bucket": store.bucket, "Key": upload_key(TENANT, "audio", NAME, upload.version)}
    for part in sign_parts(store, AUDIO, upload, folder=ADA, room=SIZE):
        assert [put(part), put(part)] == [200, 200]
    parts = store.s3.list_parts(**place, UploadId=upload.upload_id)["Parts"]
    assert sum(part["Size"] for part in parts) == SIZE
    stop_parts(store, upload, folder=ADA)


def test_a_size_that_another_says_later_is_checked_too(store: Store) -> None:
    upload = begun(store)
    larger = Parts(**{**asdict(upload), "size": LIMIT + 1})
    assert refusal(sign_parts, store, AUDIO, larger, folder=ADA, room=None).startswith("size ")
    assert refusal(finish, store, larger).startswith("size ")


@pytest.mark.parametrize("size", [1, 16 * MIB, 16 * MIB + 1, 160_000 * MIB + 1, 5 * 2**40])
def test_the_pieces_are_the_file_and_s3_takes_them(size: int) -> None:
    found = list(pieces(size))
    assert (found[0][1], found[-1][2]) == (0, size)
    assert all(end == start for (_, _, end), (_, start, _) in itertools.pairwise(found))
    assert len(found) <= 10_000
    assert all(5 * MIB <= end - start <= 5 * 2**30 for _, start, end in found[:-1])


def test_a_file_above_one_copys_size_is_copied_in_pieces(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "LARGEST_COPY", 6 * MIB)
    upload = begun(store)
    for part in sign_parts(store, AUDIO, upload, folder=ADA, room=SIZE):
        put(part)
    done = finish(store, upload)
    object_key = key(TENANT, "audio", NAME, upload.version)
    head = store.s3.head_object(Bucket=store.bucket, Key=object_key)
    assert (head["ETag"], head["ContentType"], done.etag[-3:]) == (done.etag, "audio/wav", '-3"')
    assert read(store, object_key) == BODY


def test_of_two_copies_in_pieces_at_once_the_first_stays(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "LARGEST_COPY", 6 * MIB)
    upload = begun(store)
    for part in sign_parts(store, AUDIO, upload, folder=ADA, room=SIZE):
        put(part)
    copy, firsts = uploads._copy, list[Stored]()

    def slow(*given: Any) -> str:
        monkeypatch.setattr(uploads, "_copy", copy)
        firsts.append(finish(store, upload))
        return copy(*given)

    monkeypatch.setattr(uploads, "_copy", slow)
    assert finish(store, upload) == firsts[0]
    place = {"Bucket": store.bucket, "Prefix": key(TENANT, "audio", NAME, upload.version)}
    assert len(store.s3.list_object_versions(**place)["Versions"]) == 1
    assert "Uploads" not in store.s3.list_multipart_uploads(**place), "nothing of the second one stays"


def test_typescript_does_the_same(typescript: TypeScript, store: Store) -> None:
    for room, said in ((5, FULL.format(5)), ("20000000", "room: must be a whole number of bytes, or null")):
        assert node(typescript, store, "begin", "sign", room=room, upload=begun(store))[0] == [said, said]
    steps = ("begin", "finish", "send one byte", "send", "sign")
    (_, missing, one_byte, sent, left), upload = node(typescript, store, *steps)
    assert (missing, one_byte, sent, left) == (MISSING, 403, 200, [[2, 16 * MIB, SIZE]])
    (part,) = sign_parts(store, AUDIO, upload, folder=ADA, room=SIZE)
    assert put(part) == 200
    (done, again, gone, etag), _ = node(typescript, store, "finish", "finish", "sign", "copy in pieces", upload=upload)
    assert (done, gone) == (again, GONE)
    assert done["metadata"] == finish(store, upload).metadata
    assert read(store, key(TENANT, "audio", NAME, upload.version)) == BODY == read(store, "copy")
    assert etag.endswith('-3"')
    for largest in (SIZE, 6 * MIB):
        (refused, same), _ = node(typescript, store, "copy again", "finish", upload=upload, largest=largest)
        assert (refused, same) == ("PreconditionFailed", done), "a second finish that came too late to look"
    (stopped, gone), _ = node(typescript, store, "stop", "sign", upload=begun(store))
    assert (stopped, gone) == (None, GONE)
