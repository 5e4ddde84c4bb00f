"""`./vpb scan`, and a scanner that is really killed in the middle of a file."""

import json
import signal
import socket
import subprocess
import sys
import threading
import uuid
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from visual_prompt_builder.names import key
from visual_prompt_builder.signing import Store

from declared.paths import CHECKOUT
from ops import __main__ as ops
from ops.environment import Environment
from ops.storage import scan as command
from ops.storage.scanning.engines import TestSignatures
from ops.storage.scanning.job import Job
from ops.storage.scanning.queue import Queue, Scan
from ops.storage.scanning.signatures import CLAMAV, TEST_SIGNATURES
from targets.local import Local
from tests.local.conftest import MotoServer
from tests.objects import sound
from tests.objects.conftest import ADA, PROJECT, World
from tests.objects.test_scan_queue import DUE, STORE

STATUS = "select status from private.object_scans order by queued_at"


class Topic:
    """A topic and who listens to it."""

    def __init__(self, moto: MotoServer, name: str) -> None:
        sns, self._sqs = moto.client("sns"), moto.client("sqs")
        self.arn = sns.create_topic(Name=name)["TopicArn"]
        self._queue = self._sqs.create_queue(QueueName=name)["QueueUrl"]
        sns.subscribe(TopicArn=self.arn, Protocol="sqs", Endpoint=self.arn.replace(":sns:", ":sqs:"))

    def heard(self) -> list[str]:
        """The subjects of the messages since the last time."""
        messages = self._sqs.receive_message(QueueUrl=self._queue, MaxNumberOfMessages=10).get("Messages", [])
        for message in messages:
            self._sqs.delete_message(QueueUrl=self._queue, ReceiptHandle=message["ReceiptHandle"])
        return [json.loads(message["Body"])["Subject"] for message in messages]


@pytest.fixture(scope="module")
def topic(moto: MotoServer) -> Topic:
    return Topic(moto, "of-the-stack")


@pytest.fixture
def outputs(store: Store, world: World, topic: Topic) -> dict[str, Any]:
    return {
        "object_bucket": store.bucket,
        "scanner_url": world.scanner_url,
        "scanning": "clamav",
        "alarm_topic_arn": topic.arn,
        "storage_buckets": {"audio": {"allowed_mime_types": ["audio/wav"]}},
    }


@pytest.fixture
def environment(store: Store, outputs: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """A stack whose store and database are the tests' own."""
    monkeypatch.setattr(Environment, "of", lambda stack: Environment(stack, outputs))
    monkeypatch.setattr(Environment, "store", store)


def add(world: World, store: Store, content: bytes, name: str = f"{PROJECT}/one.wav") -> str:
    """Store a file with its row; its key."""
    version = str(uuid.uuid4())
    place = key(store.tenant, "audio", name, version)
    store.s3.put_object(Bucket=store.bucket, Key=place, Body=content, ContentType="audio/wav")
    world.run(STORE, "audio", name, ADA, version, '{"mimetype": "audio/wav"}')
    return place


def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *words: str) -> tuple[int, str, str]:
    status = ops.main(["scan", *words])
    said = capsys.readouterr()
    return status, said.out, said.err


@pytest.mark.usefixtures("environment")
def test_it_says_what_it_found_and_ends_with_2_if_that_is_bad(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, world: World, store: Store
) -> None:
    add(world, store, sound.wav(0.1))
    status, said, error = run(capsys, monkeypatch)
    assert (status, said) == (0, "")
    assert error == "engine: test signatures only, which find no real virus\n"
    add(world, store, TEST_SIGNATURES["Vpb-Test-Signature"], f"{PROJECT}/bad.wav")
    status, said, _ = run(capsys, monkeypatch, "--json", "--once")
    about, found, tally = map(json.loads, said.splitlines())
    assert about == {"engine": "test signatures only, which find no real virus", "signatures": None, "blind": {}}
    assert (status, tally) == (2, {"infected": 1})
    assert (found["name"], found["found"]) == (f"{PROJECT}/bad.wav", "Vpb-Test-Signature")
    assert run(capsys, monkeypatch)[0] == 0, "once told, it is no news"


@pytest.mark.usefixtures("environment")
def test_where_there_are_real_files_it_wants_a_real_engine(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Local, "can", replace(Local.can, test_signatures=False))
    status, said, error = run(capsys, monkeypatch, "--stack", "prod")
    assert (status, said) == (1, "")
    assert error == "error: stack prod: name ClamAV's daemon with --clamd or CLAMD_ADDRESS\n"


@pytest.mark.usefixtures("environment")
def test_the_stack_s_topic_hears_of_it_unless_another_one_or_none_is_named(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    world: World,
    store: Store,
    topic: Topic,
    moto: MotoServer,
) -> None:
    other = Topic(moto, "another")
    topic.heard()
    told = "Storage: infected upload in audio"
    for number, (words, heard) in enumerate(
        [([], ([told], [])), (["--topic", other.arn], ([], [told])), (["--no-topic"], ([], []))]
    ):
        add(world, store, TEST_SIGNATURES["Vpb-Test-Signature"], f"{PROJECT}/{number}.wav")
        assert run(capsys, monkeypatch, *words)[0] == 2
        assert (topic.heard(), other.heard()) == heard, words


@pytest.mark.usefixtures("environment")
def test_what_is_no_topic_is_refused_before_anything_is_taken(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, world: World, store: Store
) -> None:
    add(world, store, TEST_SIGNATURES["Vpb-Test-Signature"])
    status, said, error = run(capsys, monkeypatch, "--topic", "alarms")
    assert (status, said, error.count("\n")) == (1, "", 1)
    assert "--topic is 'alarms'; it must be an SNS topic's ARN" in error
    assert world.run("select attempts from private.object_scans") == [(0,)]


@pytest.mark.usefixtures("environment")
def test_a_stack_that_has_no_topic_yet_is_told_to_get_one_before_anything_is_taken(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    world: World,
    store: Store,
    outputs: dict[str, Any],
) -> None:
    add(world, store, sound.wav(0.1))
    del outputs["alarm_topic_arn"]
    status, _, error = run(capsys, monkeypatch)
    said = "error: stack dev has no output alarm_topic_arn yet; `make up STACK=dev` provisions it\n"
    assert (status, error) == (1, said)
    assert world.run("select attempts from private.object_scans") == [(0,)]


@pytest.mark.usefixtures("environment")
def test_where_guardduty_scans_its_tags_are_read_and_no_daemon_is_wanted(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    world: World,
    store: Store,
    outputs: dict[str, Any],
) -> None:
    outputs["scanning"] = "guardduty"
    monkeypatch.setattr(Local, "can", replace(Local.can, test_signatures=False))
    monkeypatch.setenv("CLAMD_ADDRESS", "tcp://127.0.0.1:1")
    key = add(world, store, sound.wav(0.1))
    status, said, error = run(capsys, monkeypatch, "--json")
    assert (status, said.splitlines()[1:], error) == (
        0,
        ['{"waiting": 1}'],
        "engine: GuardDuty, by the tags that it sets\n",
    )
    tags = {"TagSet": [{"Key": "GuardDutyMalwareScanStatus", "Value": "NO_THREATS_FOUND"}]}
    store.s3.put_object_tagging(Bucket=store.bucket, Key=key, Tagging=tags)
    world.run(DUE)
    status, said, _ = run(capsys, monkeypatch, "--json")
    assert (status, said.splitlines()[1:]) == (0, ['{"clean": 1}'])


@pytest.mark.usefixtures("environment")
@pytest.mark.parametrize(
    ("scanning", "words", "engine"),
    [
        ("guardduty", ["--engine", "clamav"], "test signatures only"),
        ("guardduty", ["--clamd", "tcp://127.0.0.1:1"], "clamd at tcp://127.0.0.1:1"),
        ("clamav", ["--engine", "guardduty"], "GuardDuty, by the tags"),
    ],
)
def test_an_option_says_more_than_the_stack(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    outputs: dict[str, Any],
    scanning: str,
    words: list[str],
    engine: str,
) -> None:
    outputs["scanning"] = scanning
    assert engine in run(capsys, monkeypatch, *words)[2]


@pytest.mark.usefixtures("environment")
def test_an_engine_that_does_not_answer_is_one_line_and_takes_nothing(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, world: World, store: Store
) -> None:
    add(world, store, sound.wav(0.1))
    monkeypatch.setenv("CLAMD_ADDRESS", "tcp://127.0.0.1:1")
    status, said, error = run(capsys, monkeypatch)
    assert (status, said, len(error.splitlines())) == (1, "", 1)
    assert error.startswith("error: clamd at tcp://127.0.0.1:1 doesn't answer")
    assert world.run("select attempts from private.object_scans") == [(0,)]


@pytest.mark.usefixtures("environment")
@pytest.mark.parametrize(
    ("days", "words", "status", "said"),
    [
        (1, (), 0, None),
        (8, (), 0, "warning: its signatures are 8 days old: run freshclam"),
        (
            31,
            (),
            1,
            "its signatures are 31 days old, 30 are allowed: run freshclam, or allow more with --signature-days",
        ),
        (31, ("--signature-days", "40"), 0, "warning: its signatures are 31 days old"),
        (2, ("--signature-days", "1"), 1, "its signatures are 2 days old, 1 are allowed"),
    ],
)
def test_old_signatures_are_told_and_too_old_ones_scan_nothing(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    world: World,
    store: Store,
    days: int,
    words: tuple[str, ...],
    status: int,
    said: str | None,
) -> None:
    made = datetime.now(UTC) - timedelta(days=days)
    monkeypatch.setattr(TestSignatures, "check", lambda self: f"ClamAV 1.4.6/27832/{made:%a %b %d %H:%M:%S %Y}")
    add(world, store, sound.wav(0.1))
    found, told, error = run(capsys, monkeypatch, *words, "--json")
    assert found == status, error
    assert (said or "engine: ClamAV") in error
    assert ("warning" in error) == (said is not None and status == 0)
    assert world.run("select attempts from private.object_scans") == [(0 if status else 1,)]
    if status == 0:
        about = json.loads(told.splitlines()[0])
        assert (about["engine"][:12], about["signatures"][:10]) == ("ClamAV 1.4.6", f"{made:%Y-%m-%d}")


@pytest.mark.usefixtures("environment")
def test_a_type_to_which_the_engine_is_blind_is_told_and_is_bad_news(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    world: World,
    store: Store,
    outputs: dict[str, Any],
) -> None:
    tried: list[Any] = []

    def blind(self: TestSignatures, types: Any) -> dict[str, str]:
        tried.append(types)
        return {"audio/x-wav": "it looks away"}

    monkeypatch.setattr(TestSignatures, "blind", blind)
    add(world, store, sound.wav(0.1))
    status, said, error = run(capsys, monkeypatch, "--json")
    assert (status, json.loads(said.splitlines()[0])["blind"]) == (2, {"audio/x-wav": "it looks away"})
    assert "warning: finds nothing in audio/x-wav, so no such file is called clean: it looks away" in error
    assert world.run(STATUS) == [("pending",)]
    outputs["storage_buckets"]["any"] = {"allowed_mime_types": []}
    run(capsys, monkeypatch)
    assert tried == [{"audio/wav"}, set()], "a bucket that takes anything has it tried with everything"


@pytest.mark.usefixtures("environment")
def test_what_was_given_up_is_taken_up_again_by_an_option(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, world: World, store: Store
) -> None:
    add(world, store, sound.wav(0.1))
    world.run("update private.object_scans set status = 'failed', scanned_at = now(), attempts = 5")
    assert run(capsys, monkeypatch)[0] == 0
    assert world.run(STATUS) == [("failed",)]
    status, _, error = run(capsys, monkeypatch, "--again")
    assert (status, "due again: 1 files that were given up" in error) == (0, True)
    assert world.run(STATUS) == [("clean",)]


def test_the_signature_for_clamav_is_printed(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run(capsys, monkeypatch, "--signature") == (0, CLAMAV + "\n", "")


@pytest.mark.usefixtures("environment")
def test_a_watch_goes_on_when_a_server_was_away_until_it_is_interrupted(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, world: World, store: Store
) -> None:
    rounds: list[float] = []

    def sleep(seconds: float) -> None:
        rounds.append(seconds)
        if len(rounds) == 1:
            # Down in this round, and back in the next.
            world.run("alter role scanner nologin")
            add(world, store, sound.wav(0.1))
        elif len(rounds) == 2:
            world.run("alter role scanner login")
        else:
            raise KeyboardInterrupt

    monkeypatch.setattr(command.time, "sleep", sleep)
    status, _, error = run(capsys, monkeypatch, "--watch")
    assert status == 130
    assert [line.split(":")[0] for line in error.splitlines()] == [
        "engine",
        "waiting",
        "interrupted; run it again, it goes on from there",
    ]
    assert world.run(STATUS) == [("clean",)]


ENDED = "select pg_terminate_backend(pg_backend_pid())"


def end_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first time that files are asked for, the session ends within the statement."""
    take, ended = Queue.take, list[int]()

    def taken(self: Queue, count: int = 1) -> list[Scan]:
        if not ended:
            ended.append(1)
            with self._connect() as connection:
                connection.execute(ENDED)
        return take(self, count)

    monkeypatch.setattr(Queue, "take", taken)


@pytest.mark.usefixtures("environment")
def test_a_session_that_ends_within_a_statement_is_one_line_and_a_watch_goes_on(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, world: World, store: Store
) -> None:
    add(world, store, sound.wav(0.1))
    end_once(monkeypatch)
    said = "database: terminating connection due to administrator command"
    status, _, error = run(capsys, monkeypatch)
    assert (status, error.splitlines()[1:]) == (1, [f"error: {said}"])
    end_once(monkeypatch)
    rounds = iter((None, KeyboardInterrupt()))

    def sleep(seconds: float) -> None:
        if error := next(rounds):
            raise error

    monkeypatch.setattr(command.time, "sleep", sleep)
    status, _, error = run(capsys, monkeypatch, "--watch")
    assert (status, error.splitlines()[1]) == (130, f"waiting: {said}")
    assert world.run(STATUS) == [("clean",)]


SCANNER = """
import json, sys
from visual_prompt_builder.signing import Store
from ops.storage.scanning.clamd import Clamd
from ops.storage.scanning.job import Job
from ops.storage.scanning.queue import Queue, Scan
given = json.load(sys.stdin)
job = Job(Queue(given["url"]), Store(**given["store"]), Clamd(given["clamd"]))
job.scan(job.queue.take()[0])
"""


def test_a_scanner_that_was_killed_in_the_middle_of_a_file_leaves_it_to_the_next(world: World, store: Store) -> None:
    add(world, store, TEST_SIGNATURES["Eicar-Test-Signature"])
    fields: dict[str, Any] = {name: getattr(store, name) for name in store.__dataclass_fields__}
    with socket.create_server(("127.0.0.1", 0)) as daemon:
        given = {"url": world.scanner_url, "store": fields, "clamd": f"tcp://127.0.0.1:{daemon.getsockname()[1]}"}
        process = subprocess.Popen([sys.executable, "-c", SCANNER], cwd=CHECKOUT, stdin=subprocess.PIPE, text=True)
        assert process.stdin
        process.stdin.write(json.dumps(given))
        process.stdin.close()
        daemon.settimeout(30)
        connection, _ = daemon.accept()
        with connection:
            # It has begun to send, and waits for an answer that never comes.
            assert connection.recv(10) == b"zINSTREAM\0"
            process.send_signal(signal.SIGKILL)
            assert process.wait(10) == -signal.SIGKILL
    job = Job(Queue(world.scanner_url), store, TestSignatures())
    job.run()
    assert (job.tally, world.run(STATUS)) == ({}, [("pending",)])
    world.run(DUE)
    job.run()
    assert world.run(STATUS) == [("infected",)]


def test_two_scanners_at_once_scan_each_file_once(world: World, store: Store) -> None:
    for number in range(20):
        add(world, store, sound.wav(0.05), f"{PROJECT}/{number}.wav")
    jobs = [Job(Queue(world.scanner_url), store, TestSignatures()) for _ in range(2)]
    threads = [threading.Thread(target=job.run) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(job.tally.get("clean", 0) for job in jobs) == 20
    assert world.run("select max(attempts), min(status), max(status) from private.object_scans") == [
        (1, "clean", "clean")
    ]
