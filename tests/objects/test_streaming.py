"""Streaming: a player reads a real file in ranges through a signed URL, seeks, and is refused beyond it."""

import io
import time
import wave
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.request import Request, urlopen

import pytest
import requests
from visual_prompt_builder.names import Bucket
from visual_prompt_builder.signing import Store, sign_download, sign_upload
from visual_prompt_builder.uploads import finish_upload

from tests.objects import sound
from tests.objects.conftest import ADA, BOB

RECORDINGS = Bucket("audio", 1_000_000, ("audio/wav", "audio/mpeg", "audio/ogg"))


@dataclass(frozen=True)
class Recording:
    """An uploaded file and an address that reads it."""

    content: bytes
    name: str
    version: str
    url: str

    def get(self, range: str | None = None) -> requests.Response:
        return requests.get(self.url, headers={"Range": range} if range else {}, timeout=10)


def upload(store: Store, name: str, type: str, content: bytes) -> Recording:
    form = sign_upload(store, RECORDINGS, f"{ADA}/{name}", type, folder=ADA, person=ADA, room=None)
    assert requests.post(form.url, data=form.fields, files={"file": content}, timeout=10).status_code == 204
    finish_upload(store, "audio", form.name, form.version, folder=ADA, person=ADA)
    return Recording(content, form.name, form.version, sign_download(store, "audio", form.name, form.version))


@pytest.fixture(scope="module")
def recording(store: Store) -> Iterator[Recording]:
    return upload(store, "tone (1).wav", "audio/wav", sound.wav())


def test_a_player_seeks_to_the_middle_and_goes_on_piece_by_piece(recording: Recording) -> None:
    whole = recording.get()
    assert (whole.status_code, whole.headers["Content-Type"], whole.headers["Accept-Ranges"]) == (
        200,
        "audio/wav",
        "bytes",
    )
    assert whole.content == recording.content
    size, middle = len(recording.content), len(recording.content) // 2
    heard = b""
    for start in range(middle, size, 16384):
        end = min(start + 16384, size) - 1
        piece = recording.get(f"bytes={start}-{end}")
        assert piece.status_code == 206
        assert piece.headers["Content-Range"] == f"bytes {start}-{end}/{size}"
        assert int(piece.headers["Content-Length"]) == end - start + 1
        heard += piece.content
    assert heard == recording.content[middle:]
    # The pieces and the head that a player reads first are a sound again.
    with wave.open(io.BytesIO(recording.get("bytes=0-43").content + heard)) as file:
        assert (file.getframerate(), file.getsampwidth(), file.getnchannels()) == (16000, 2, 1)


@pytest.mark.parametrize(
    ("range", "start", "end"), [("bytes=-100", -100, None), ("bytes=100-", 100, None), ("bytes=0-0", 0, 1)]
)
def test_ranges_without_a_beginning_or_an_end(recording: Recording, range: str, start: int, end: int | None) -> None:
    answer = recording.get(range)
    assert (answer.status_code, answer.content) == (206, recording.content[start:end])


def test_a_range_that_ends_beyond_the_file_ends_with_it_and_one_that_begins_there_is_refused(
    recording: Recording,
) -> None:
    size = len(recording.content)
    tail = recording.get(f"bytes={size - 10}-{size + 1000}")
    assert (tail.status_code, tail.headers["Content-Range"]) == (206, f"bytes {size - 10}-{size - 1}/{size}")
    beyond = recording.get(f"bytes={size}-")
    assert (beyond.status_code, "InvalidRange" in beyond.text) == (416, True)


def test_several_ranges_at_once_get_the_whole_file_as_the_real_service_gives_it(recording: Recording) -> None:
    """Amazon S3 API reference, GetObject: it "doesn't support retrieving multiple ranges of data per GET request"."""
    answer = recording.get("bytes=0-9,20-29")
    assert answer.status_code in (200, 206)
    assert answer.content in (recording.content, recording.content[:10])


def test_a_file_is_read_by_the_standard_library_in_pieces_over_one_address(recording: Recording) -> None:
    with urlopen(Request(recording.url, headers={"Range": "bytes=44-1043"}), timeout=10) as answer:
        assert (answer.status, answer.read()) == (206, recording.content[44:1044])


@pytest.mark.parametrize(
    ("name", "type", "content"),
    [("a.ogg", "audio/ogg", sound.ogg_opus()), ("a.mp3", "audio/mpeg", sound.mp3())],
)
def test_other_sounds_stream_as_well(store: Store, name: str, type: str, content: bytes) -> None:
    made = upload(store, name, type, content)
    answer = made.get("bytes=4-")
    assert (answer.status_code, answer.headers["Content-Type"], answer.content) == (206, type, content[4:])


def test_a_browser_saves_it_under_the_name_that_was_signed(store: Store, recording: Recording) -> None:
    url = sign_download(store, "audio", recording.name, recording.version, filename="Grüße.wav")
    answer = requests.get(url, timeout=10)
    assert answer.headers["Content-Disposition"] == "attachment; filename*=UTF-8''Gr%C3%BC%C3%9Fe.wav"


def status(url: str, method: str = "GET") -> tuple[int, str]:
    answer = requests.request(method, url, timeout=10)
    return answer.status_code, answer.text.partition("<Code>")[2].partition("</Code>")[0]


def test_an_address_reads_its_one_object_and_nothing_else(store: Store, recording: Recording) -> None:
    assert status(recording.url)[0] == 200
    assert status(recording.url.replace(ADA, BOB)) == (403, "SignatureDoesNotMatch")
    assert status(recording.url.replace("tone", "tune")) == (403, "SignatureDoesNotMatch")
    assert status(recording.url, "DELETE") == (403, "SignatureDoesNotMatch")
    altered = recording.url[:-1] + ("0" if recording.url[-1] != "0" else "1")
    assert status(altered) == (403, "SignatureDoesNotMatch")
    assert status(recording.url.replace("X-Amz-Expires=900", "X-Amz-Expires=3600")) == (403, "SignatureDoesNotMatch")
    assert status(recording.url.partition("?")[0]) == (403, "AccessDenied")
    assert status(recording.url + "&response-content-type=text/html") == (403, "SignatureDoesNotMatch")


def test_an_address_is_good_for_its_time_only(store: Store, recording: Recording) -> None:
    over = sign_download(store, "audio", recording.name, recording.version, seconds=1)
    valid = sign_download(store, "audio", recording.name, recording.version, seconds=900)
    time.sleep(2.1)
    assert status(over) == (403, "AccessDenied")
    assert status(valid)[0] == 200
