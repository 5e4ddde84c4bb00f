"""What looks into files: ClamAV's real daemon where the machine has one, a tiny fake one, and our test signatures."""

import os
import shutil
import socket
import socketserver
import struct
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest
from visual_prompt_builder.content import mismatch

from local.ports import free_port
from ops.storage.scanning import clamd as clamav
from ops.storage.scanning import engines, samples
from ops.storage.scanning.clamd import Clamd, dated
from ops.storage.scanning.engines import Engine, EngineDownError, ScanError, UnscannableError
from ops.storage.scanning.signatures import CLAMAV, TEST_SIGNATURES
from tests.conftest import absent
from tests.objects import sound

EICAR, OURS = TEST_SIGNATURES.values()
CHUNK = 4096
# As ClamAV's own has it: EICAR's test file is one only if nothing comes before it.
EICARS = f"Eicar-Test-Signature:0:0:{EICAR.hex()}\n"


def chunks(content: bytes, size: int = CHUNK) -> Iterator[bytes]:
    return (content[start : start + size] for start in range(0, len(content), size))


@pytest.fixture(scope="module")
def clamd_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("clamd")


@contextmanager
def daemon(folder: Path, signatures: str = EICARS + CLAMAV + "\n", **more: object) -> Iterator[Clamd]:
    """ClamAV's daemon (Debian: clamav-daemon) with a database of its own, on TCP; it takes 2.5 MB at most."""
    program = shutil.which("clamd", path=os.environ.get("PATH", os.defpath) + ":/usr/sbin")
    if not program:
        absent("no clamd on this machine (Debian: apt install clamav-daemon)")
    port = free_port()
    (folder / "vpb.ndb").write_text(signatures)
    settings = {"Foreground": "yes", "DatabaseDirectory": folder, "TCPSocket": port, "TCPAddr": "127.0.0.1"}
    settings |= {"StreamMaxLength": "2500K", "LocalSocket": folder / "socket", "User": "root", "AlertExceedsMax": "yes"}
    settings |= {"AlertEncrypted": "yes", "MaxFileSize": "3M", "MaxScanSize": "500K", **more}
    (folder / "clamd.conf").write_text("".join(f"{name} {value}\n" for name, value in settings.items()))
    with (folder / "log").open("w") as log:
        process = subprocess.Popen([program, "-c", folder / "clamd.conf"], stdout=log, stderr=log)
    found = Clamd(f"tcp://127.0.0.1:{port}")
    deadline = time.monotonic() + 30
    while True:
        try:
            found.check()
            break
        except EngineDownError:
            assert process.poll() is None, (folder / "log").read_text()[-1000:]
            assert time.monotonic() < deadline, (folder / "log").read_text()[-1000:]
            time.sleep(0.1)
    try:
        yield found
    finally:
        process.kill()
        process.wait()


@pytest.fixture(scope="module")
def clamd(clamd_folder: Path) -> Iterator[Clamd]:
    with daemon(clamd_folder) as found:
        yield found


@pytest.fixture(params=["clamd", "test signatures"])
def engine(request: pytest.FixtureRequest) -> Engine:
    found: Engine = request.getfixturevalue("clamd") if request.param == "clamd" else engines.TestSignatures()
    return found


@pytest.mark.parametrize("before", [b"", b"x" * (CHUNK - 30), sound.wav(1)], ids=["first", "across two chunks", "deep"])
def test_a_signature_is_found_wherever_it_stands(engine: Engine, before: bytes) -> None:
    found = engine.scan(chunks(before + OURS + b"x" * 5000))
    # clamd says of a database that isn't ClamAV's own that it is unofficial.
    assert str(found).removesuffix(".UNOFFICIAL") == "Vpb-Test-Signature"


def test_eicars_test_file_is_found_and_in_a_zip_too(clamd: Clamd) -> None:
    for content in (EICAR, samples.zipped(EICAR)):
        assert clamd.scan(chunks(content)) == "Eicar-Test-Signature.UNOFFICIAL"


HIDDEN = {
    "behind the letters of an ID3 tag": b"ID3",
    "behind an ID3 tag": b"ID3\x04\0\0\0\0\0\0",
    "behind the letters of an Ogg page": b"OggS",
    "behind the first page of an Ogg stream": sound.ogg_opus(),
    "behind sound without a tag": sound.mp3(),
    "in a page": b"<!doctype html><html><script>",
    "in a page behind an ID3 tag": b"ID3\x04\0\0\0\0\0\0<html>",
    "in a page behind zeros": bytes(40) + b"<html><body>",
    "in a table with a page in it": b"a,b\n1,<html>\n",
}


@pytest.mark.parametrize("before", HIDDEN.values(), ids=HIDDEN.keys())
def test_nothing_hides_behind_what_clamav_takes_for_harmless_by_its_beginning(clamd: Clamd, before: bytes) -> None:
    assert clamd.scan(chunks(before + OURS)) == "Vpb-Test-Signature.UNOFFICIAL"


def test_more_than_it_unpacks_is_not_called_clean(clamd: Clamd) -> None:
    for content in (samples.bomb(), samples.zipped(bytes(600_000) + OURS), samples.zipped(bytes(600_000))):
        with pytest.raises(ScanError, match="can't tell"):
            clamd.scan(chunks(content))


def test_a_daemon_that_is_set_up_as_documented_is_blind_to_nothing(clamd: Clamd) -> None:
    probed = [type for type, _ in samples.samples(())]
    assert {"audio/mpeg", "audio/ogg", "audio/mp4", "video/webm", "image/png", "application/zip"} <= {*probed}
    assert clamd.blind(()) == {}


def test_a_daemon_that_unpacks_in_part_and_calls_it_clean_is_blind_to_what_is_packed(tmp_path: Path) -> None:
    with daemon(tmp_path, MaxFileSize="2300K", MaxScanSize="100M") as found:
        assert {*found.blind(())} == {"application/zip", "application/pdf"}
        assert "set MaxFileSize" in found.blind(["application/zip"])["application/zip"]
        assert found.blind(["audio/*", "image/png", "text/csv"]) == {}, "a bucket of these unpacks nothing"


def test_what_is_locked_with_a_password_is_not_called_clean_and_not_tried_again(clamd: Clamd) -> None:
    with pytest.raises(UnscannableError, match="locked with a password"):
        clamd.scan(chunks(samples.locked()))


def test_what_is_known_to_be_harmful_is_so_beside_what_is_locked(clamd: Clamd) -> None:
    assert clamd.scan(chunks(samples.locked() + OURS)) == "Vpb-Test-Signature.UNOFFICIAL"


def test_a_daemon_that_calls_clean_what_is_locked_is_blind_to_what_is_packed(tmp_path: Path) -> None:
    with daemon(tmp_path, AlertEncrypted="no") as found:
        assert {*found.blind(())} == {"application/zip", "application/pdf"}
        assert "set AlertEncrypted yes" in found.blind(["application/zip"])["application/zip"]


def test_a_daemon_without_our_signature_can_not_be_tried(tmp_path: Path) -> None:
    with daemon(tmp_path, EICARS) as found, pytest.raises(EngineDownError, match="--signature") as caught:
        found.blind(())
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize("type", ["audio/ogg", "audio/mpeg", "text/csv"])
def test_a_type_that_the_daemon_passes_over_in_both_forms_is_told(
    clamd: Clamd, monkeypatch: pytest.MonkeyPatch, type: str
) -> None:
    monkeypatch.setattr(clamav, "MASK", b"")
    assert {*clamd.blind([type])} == {type}


@pytest.mark.parametrize(
    ("declared", "probed"),
    [
        (["audio/x-m4a"], {"audio/mp4", "video/mp4"}),
        (["audio/wav"], {"audio/x-wav"}),
        (["image/*"], {"image/avif", "image/gif", "image/jpeg", "image/png", "image/webp"}),
        (["application/json"], {"application/json"}),
        (["font/woff2"], set()),
    ],
)
def test_what_is_tried_is_what_a_bucket_takes(declared: list[str], probed: set[str]) -> None:
    assert {type for type, _ in samples.samples(declared)} == probed


@pytest.mark.parametrize("type", [type for type, _ in samples.samples(())])
def test_each_sample_is_taken_for_what_it_stands_for(type: str) -> None:
    for content in (each for name, each in samples.samples(()) if name == type):
        assert mismatch(type, content) is None


def test_clamav_says_of_when_its_signatures_are() -> None:
    assert dated("ClamAV 1.4.6/27832/Thu Nov 26 09:24:04 2026") == datetime(2026, 11, 26, 9, 24, 4, tzinfo=UTC)
    assert [dated(said) for said in ("ClamAV 1.4.6", "ClamAV 1.4.6/1/soon", "test signatures only")] == [None] * 3


@pytest.mark.parametrize("content", [b"", b"x", sound.wav(3), EICAR[:-1], sound.mp3()])
def test_whatever_holds_none_is_clean(engine: Engine, content: bytes) -> None:
    assert engine.scan(chunks(content)) is None


def test_the_daemon_says_what_it_is(clamd: Clamd) -> None:
    assert clamd.check().startswith("ClamAV ")


def test_a_stream_that_is_longer_than_the_daemon_takes_is_not_called_clean(clamd: Clamd) -> None:
    with pytest.raises(ScanError, match=r"size limit exceeded|hung up"):
        clamd.scan(chunks(bytes(5_000_000)))


def test_a_file_that_the_daemon_read_in_part_only_is_not_called_clean(clamd: Clamd) -> None:
    with pytest.raises(ScanError, match=r"can't tell"):
        clamd.scan(chunks(os.urandom(900_000)))


@pytest.mark.usefixtures("clamd")
def test_a_unix_socket_does_as_well(clamd_folder: Path) -> None:
    assert Clamd(f"unix:{clamd_folder / 'socket'}").scan(chunks(EICAR))


Answer = Callable[[socket.socket], None]


@contextmanager
def fake(answer: Answer) -> Iterator[Clamd]:
    """A daemon that does one thing with each connection."""

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            # What has one verdict asks for no second one in the middle of it.
            with suppress(ConnectionError):
                answer(self.request)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield Clamd(f"tcp://127.0.0.1:{server.server_address[1]}")
        server.shutdown()
        thread.join()


def received(connection: socket.socket, count: int) -> bytes:
    found = b""
    while len(found) < count:
        part = connection.recv(count - len(found))
        if not part:
            raise ConnectionError
        found += part
    return found


def stream(connection: socket.socket) -> bytes:
    """What came in by INSTREAM, read as the manual has it."""
    assert received(connection, 10) == b"zINSTREAM\0"
    content = b""
    while size := struct.unpack("!L", received(connection, 4))[0]:
        content += received(connection, size)
    return content


def test_the_stream_arrives_as_it_was_in_chunks_with_their_lengths() -> None:
    heard: list[bytes] = []

    def answer(connection: socket.socket) -> None:
        heard.append(stream(connection))
        connection.sendall(b"stream: Some.Virus-1 FO")
        time.sleep(0.05)
        connection.sendall(b"UND\0")

    with fake(answer) as daemon:
        assert daemon.scan(iter([b"ab", b"", b"cde"])) == "Some.Virus-1"
    assert sorted(heard) == sorted([b"abcde", clamav.MASK + b"abcde"]), "an empty chunk would have ended it"


@pytest.mark.parametrize(
    "said",
    [
        b"INSTREAM size limit exceeded. ERROR\0",
        b"stream: Can't allocate memory ERROR\0",
        b"stream: Heuristics.Limits.Exceeded.MaxFileSize FOUND\0",
        b"OK\0",
        b"\xff\xfe\0",
        b"\0",
        b"stream: OK",
        b"",
        b"x" * 10000,
    ],
)
def test_an_answer_that_says_neither_clean_nor_found_is_no_verdict(said: bytes) -> None:
    def answer(connection: socket.socket) -> None:
        stream(connection)
        connection.sendall(said)

    with fake(answer) as daemon, pytest.raises(ScanError) as caught:
        daemon.scan(chunks(b"x"))
    assert len(str(caught.value).splitlines()) == 1


def test_a_daemon_that_hangs_up_in_the_middle_is_no_verdict() -> None:
    with fake(lambda connection: connection.close()) as daemon, pytest.raises(ScanError, match="hung up"):
        daemon.scan(chunks(bytes(10_000_000)))


def test_a_daemon_that_hangs_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clamav, "SECONDS", 0.2)
    release = threading.Event()
    with fake(lambda connection: release.wait(5) and None) as daemon:
        with pytest.raises(ScanError):
            daemon.scan(chunks(b"x"))
        release.set()


@pytest.mark.parametrize(
    "address",
    ["tcp://127.0.0.1:1", "unix:/no/such/socket", "127.0.0.1:3310", "tcp://127.0.0.1:99999", "tcp://::1:3310"],
)
def test_a_daemon_that_is_not_there_is_reported_in_one_line(address: str) -> None:
    for call in (Clamd(address).check, lambda: Clamd(address).scan(chunks(b"x"))):
        with pytest.raises(EngineDownError, match="clamd") as caught:
            call()
        assert address in str(caught.value)
        assert len(str(caught.value).splitlines()) == 1


def test_another_server_is_not_taken_for_the_daemon() -> None:
    with fake(lambda connection: connection.sendall(b"220 mail.example.org\0")) as daemon:
        with pytest.raises(EngineDownError, match="isn't clamd"):
            daemon.check()
