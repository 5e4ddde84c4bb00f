"""What a file is by its first bytes: the types that the buckets take, files that lie, and anything at all."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from visual_prompt_builder.content import START, kind, mismatch

from tests.objects import sound


def box(brand: bytes, fits: bytes = b"mp42isom") -> bytes:
    body = brand + bytes(4) + fits
    return struct.pack(">I4s", 8 + len(body), b"ftyp") + body + struct.pack(">I4s", 8, b"moov")


def ebml(doctype: bytes) -> bytes:
    body = b"\x42\x86\x81\x01\x42\xf7\x81\x01\x42\xf2\x81\x04\x42\xf3\x81\x08\x42\x82" + bytes([0x80 | len(doctype)])
    return b"\x1a\x45\xdf\xa3" + bytes([0x80 | len(body + doctype)]) + body + doctype + b"\x18\x53\x80\x67\x01"


FILES = {
    "wav": sound.wav(0.1),
    "ogg": sound.ogg_opus(),
    "mp3": sound.mp3(),
    "mp3 with id3": b"ID3\x04\0\0\0\0\0\0" + sound.mp3(),
    "mp3 of mpeg 2": b"\xff\xf3\x44\xc4" + bytes(400),
    "mp3 of mpeg 2.5": b"\xff\xe3\x18\xc4" + bytes(400),
    "mp3 with checksum": b"\xff\xfa\x90\x64" + bytes(400),
    "mp3 with a large id3": b"ID3\x03\0\0\0\1\0\0" + b"APIC" + bytes(9000),
    "mp3 with id3 and padding": b"ID3\x03\0\0\0\0\0\x10" + bytes(600) + b"\xff\xe3\x18\xc4" + bytes(400),
    "rf64": b"RF64\xff\xff\xff\xffWAVEds64" + bytes(30),
    "m4a of quicktime": box(b"qt  ", b"qt  "),
    "m4a": box(b"M4A "),
    "mp4": box(b"isom"),
    "mp4 fragment": box(b"iso5", b"iso5dash"),
    "webm": ebml(b"webm"),
    "matroska": ebml(b"matroska"),
    "flac": b"fLaC\0\0\0\x22" + bytes(34),
    "aac": b"\xff\xf1\x50\x80" + bytes(50),
    "png": b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + bytes(20),
    "jpeg": b"\xff\xd8\xff\xe0\0\x10JFIF\0" + bytes(20),
    "webp": b"RIFF\x24\0\0\0WEBPVP8 " + bytes(20),
    "gif": b"GIF89a" + bytes(20),
    "avif": box(b"avif"),
    "zip": b"PK\x03\x04" + bytes(30),
    "html": b"<!doctype html><script>alert(1)</script>",
    "svg": b'<svg xmlns="http://www.w3.org/2000/svg"/>',
    "text": b"a,b\n1,2\n",
    "exe": b"MZ\x90\0" + bytes(60),
    "elf": b"\x7fELF\2\1\1" + bytes(60),
    "empty": b"",
}


@pytest.mark.parametrize(
    ("file", "declared"),
    [
        ("wav", "audio/wav"),
        ("wav", "audio/x-wav"),
        ("ogg", "audio/ogg"),
        ("ogg", "audio/ogg;codecs=opus"),
        ("mp3", "audio/mpeg"),
        ("mp3 with id3", "audio/mpeg"),
        ("mp3 of mpeg 2", "audio/mp3"),
        ("mp3 of mpeg 2.5", "audio/mpeg"),
        ("mp3 with checksum", "audio/mpeg"),
        ("mp3 with a large id3", "audio/mpeg"),
        ("mp3 with id3 and padding", "audio/mpeg"),
        ("rf64", "audio/wav"),
        ("m4a of quicktime", "audio/mp4"),
        ("m4a of quicktime", "audio/x-m4a"),
        ("m4a", "audio/mp4"),
        ("m4a", "audio/x-m4a"),
        ("mp4", "audio/mp4"),
        ("mp4 fragment", "audio/mp4"),
        ("webm", "audio/webm"),
        ("webm", "Audio/WebM; codecs=opus"),
        ("matroska", "audio/x-matroska"),
        ("flac", "audio/flac"),
        ("aac", "audio/aac"),
        ("png", "image/png"),
        ("jpeg", "image/jpeg"),
        ("webp", "image/webp"),
        ("gif", "image/gif"),
        ("avif", "image/avif"),
        ("zip", "application/zip"),
        ("text", "text/csv"),
        ("text", "application/json"),
        ("exe", None),
        ("exe", "application/octet-stream"),
    ],
)
def test_a_file_is_what_it_says(file: str, declared: str | None) -> None:
    assert mismatch(declared, FILES[file][:START]) is None


@pytest.mark.parametrize(
    ("file", "declared", "reason"),
    [
        ("html", "audio/mpeg", "declared as audio/mpeg, and is none"),
        ("svg", "image/png", "declared as image/png, and is none"),
        ("svg", "image/svg+xml", "declared as image/svg+xml, and is none"),
        ("empty", "audio/wav", "declared as audio/wav, and is none"),
        ("exe", "audio/wav", "declared as audio/wav, is application/x-msdownload"),
        ("elf", "text/csv", "declared as text/csv, is application/x-executable"),
        ("zip", "application/json", "declared as application/json, is application/zip"),
        ("webp", "audio/wav", "declared as audio/wav, is image/webp"),
        ("wav", "image/webp", "declared as image/webp, is audio/x-wav"),
        ("mp3", "audio/wav", "declared as audio/wav, is audio/mpeg"),
        ("avif", "audio/mp4", "declared as audio/mp4, is image/avif"),
        ("matroska", "audio/webm", "declared as audio/webm, is video/x-matroska"),
        ("png", "image/jpeg", "declared as image/jpeg, is image/png"),
    ],
)
def test_a_file_that_is_something_else_is_reported_by_its_bytes(file: str, declared: str, reason: str) -> None:
    assert mismatch(declared, FILES[file][:START]) == reason


@pytest.mark.parametrize(
    ("start", "declared"),
    [
        (b"ID3<html><script>alert(1)</script>", "audio/mpeg"),
        (b"ID3\x04\0\0\0\0\0\0<html><script>alert(1)</script>", "audio/mpeg"),
        (b"ID3\x04\0\0\0\0\0\x02\0\0\0\0<html>", "audio/mpeg"),
        (b"\xff\xfb<html><script>", "audio/mpeg"),
        (b"\xff\xfb\xf0\xc0" + bytes(400), "audio/mpeg"),
        (b"\xff\xeb\x90\x64" + bytes(400), "audio/mpeg"),
        (b"\xff\xd8\xff<html><script>alert(1)</script>", "image/jpeg"),
        (b"RF64\0\0\0\0AVI " + bytes(30), "audio/wav"),
    ],
)
def test_a_page_behind_the_letters_of_a_sound_or_an_image_is_neither(start: bytes, declared: str) -> None:
    assert mismatch(declared, start) == f"declared as {declared}, and is none"


BEGINNINGS = st.sampled_from([file[:12] for file in FILES.values()])


@given(st.binary(max_size=START) | st.builds(bytes.__add__, BEGINNINGS, st.binary(max_size=300)), st.none() | st.text())
def test_no_bytes_and_no_declared_type_make_it_stumble(start: bytes, declared: str | None) -> None:
    assert kind(start) is None or "/" in str(kind(start))
    reason = mismatch(declared, start)
    assert reason is None or reason.startswith("declared as ")


@given(st.sampled_from(sorted(FILES)), st.integers(0, 40))
def test_a_file_that_was_cut_off_is_never_taken_for_another_sound(name: str, length: int) -> None:
    found = kind(FILES[name][:length])
    assert found in (None, kind(FILES[name])) or name in ("matroska", "webm", "avif", "m4a", "mp4", "mp4 fragment")
