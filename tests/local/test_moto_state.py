"""The state file: what survives which end, what is refused, and how the server ends.

No real service stands behind this file; the rules are the ones that `local/moto/statefile.py` states.
"""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from local.moto import pickling
from tests.local.conftest import REGION, ROOT, MotoServer, fetch


def _make_bucket(server: MotoServer, name: str = "kept-bucket") -> Any:
    s3 = server.client("s3")
    s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION})
    return s3


def test_what_is_a_second_old_survives_sigkill(fresh_server: MotoServer) -> None:
    _make_bucket(fresh_server).put_object(Bucket="kept-bucket", Key="k", Body=b"bytes")
    time.sleep(1)
    fresh_server.restart(signal.SIGKILL)
    assert fresh_server.client("s3").get_object(Bucket="kept-bucket", Key="k")["Body"].read() == b"bytes"


def test_a_change_survives_sigint_at_once(fresh_server: MotoServer) -> None:
    _make_bucket(fresh_server)
    fresh_server.restart(signal.SIGINT)
    assert [bucket["Name"] for bucket in fresh_server.client("s3").list_buckets()["Buckets"]] == ["kept-bucket"]


def test_reading_writes_no_file_and_a_reset_leaves_an_empty_state(fresh_server: MotoServer) -> None:
    fresh_server.client("sqs").list_queues()
    fresh_server.client("ec2").describe_vpcs()
    time.sleep(0.7)
    assert not fresh_server.state.exists()
    _make_bucket(fresh_server)
    assert fetch(f"{fresh_server.endpoint}/moto-api/reset", "POST", b"")[0] == 200
    fresh_server.restart()
    assert (fresh_server.health()["loaded"], fresh_server.health()["empty"]) == (True, True)


def test_only_the_user_can_read_the_file_and_nothing_is_left_beside_it(fresh_server: MotoServer) -> None:
    _make_bucket(fresh_server)
    fresh_server.stop()
    assert fresh_server.state.stat().st_mode & 0o777 == 0o600
    assert list(fresh_server.state.parent.iterdir()) == [fresh_server.state]


def test_writers_at_work_while_it_saves_lose_nothing(fresh_server: MotoServer) -> None:
    _make_bucket(fresh_server)
    failures: list[Exception] = []

    def write(writer: int) -> None:
        s3, sqs = fresh_server.client("s3"), fresh_server.client("sqs")
        try:
            for number in range(40):
                s3.put_object(Bucket="kept-bucket", Key=f"{writer}/{number}", Body=b"x" * 1000)
                sqs.create_queue(QueueName=f"q-{writer}-{number}")
        except Exception as error:
            failures.append(error)

    writers = [threading.Thread(target=write, args=(writer,)) for writer in range(4)]
    for thread in writers:
        thread.start()
    seen = set()
    while any(thread.is_alive() for thread in writers):
        if fresh_server.state.exists():
            seen.add(fresh_server.state.stat().st_ino)
        time.sleep(0.05)
    assert failures == []
    assert len(seen) > 1, "it saved while the writers were at work"
    time.sleep(1)
    assert fresh_server.stop(signal.SIGKILL) == ""
    fresh_server.start()
    assert fresh_server.client("s3").list_objects_v2(Bucket="kept-bucket")["KeyCount"] == 160
    assert len(fresh_server.client("sqs").list_queues()["QueueUrls"]) == 160


def test_a_waiting_receiver_holds_up_neither_requests_nor_saving(fresh_server: MotoServer) -> None:
    queue = fresh_server.client("sqs").create_queue(QueueName="slow")["QueueUrl"]
    receiver = threading.Thread(
        target=lambda: fresh_server.client("sqs").receive_message(QueueUrl=queue, WaitTimeSeconds=4)
    )
    receiver.start()
    time.sleep(0.5)
    started = time.monotonic()
    _make_bucket(fresh_server)
    time.sleep(0.8)
    inode = fresh_server.state.stat().st_mtime
    assert inode > time.time() - 1.5
    assert time.monotonic() - started < 3
    receiver.join()


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda content: content.replace(b'"5.2.5"', b'"5.2.4"', 1), "was written by moto 5.2.4, this is 5.2.5"),
        (lambda content: content[:-100], "is damaged"),
        (lambda content: b"no state at all", "is damaged"),
        (lambda content: b"", "is damaged"),
    ],
    ids=["another version", "cut off", "something else", "no content"],
)
def test_a_file_that_is_not_ours_is_refused_and_kept(
    fresh_server: MotoServer, spoil: Callable[[bytes], bytes], reason: str
) -> None:
    _make_bucket(fresh_server)
    fresh_server.stop()
    spoiled = spoil(fresh_server.state.read_bytes())
    fresh_server.state.write_bytes(spoiled)
    done = subprocess.run(fresh_server.command(), cwd=ROOT, capture_output=True, text=True, timeout=20)
    assert (done.returncode, done.stderr.count("\n")) == (3, 1)
    assert reason in done.stderr
    assert fresh_server.state.read_bytes() == spoiled


def test_a_file_that_others_can_write_is_not_loaded(fresh_server: MotoServer) -> None:
    _make_bucket(fresh_server)
    fresh_server.stop()
    fresh_server.state.chmod(0o666)
    done = subprocess.run(fresh_server.command(), cwd=ROOT, capture_output=True, text=True, timeout=20)
    assert (done.returncode, done.stderr.count("\n")) == (3, 1)
    assert "can be written by others (mode 666)" in done.stderr


def test_a_service_that_cannot_be_pickled_costs_only_itself() -> None:
    tree: pickling.Tree = {"good": {"a": {"r": [1]}}, "bad": {"a": {"r": (number for number in [1])}}}
    dumped, lost = pickling.dump(tree)
    assert pickling.load(dumped) == {"good": {"a": {"r": [1]}}}
    assert list(lost) == ["bad"]


def test_a_taken_port_is_one_line_and_status_4(fresh_server: MotoServer) -> None:
    done = subprocess.run(fresh_server.command(), cwd=ROOT, capture_output=True, text=True, timeout=20)
    assert (done.returncode, done.stderr.count("\n")) == (4, 1)
    assert f"can't listen on 127.0.0.1:{fresh_server.port}" in done.stderr


def test_it_ends_with_the_process_it_was_started_for(fresh_server: MotoServer) -> None:
    fresh_server.stop()
    parent = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    command = [part if part != str(os.getpid()) else str(parent.pid) for part in fresh_server.command()]
    server = subprocess.Popen(command, cwd=ROOT)
    time.sleep(2)
    assert server.poll() is None
    parent.kill()
    parent.wait()
    assert server.wait(timeout=5) == 0


def test_it_writes_no_line_for_a_request_unless_told(fresh_server: MotoServer) -> None:
    fresh_server.client("sqs").list_queues()
    assert fresh_server.stop() == ""
    loud = subprocess.Popen(fresh_server.command("--verbose"), cwd=ROOT, stderr=subprocess.PIPE, text=True)
    for _ in range(400):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", fresh_server.port)) == 0:
                break
        time.sleep(0.05)
    fetch(f"{fresh_server.endpoint}/_local/health")
    loud.terminate()
    assert "GET /_local/health" in loud.communicate(timeout=10)[1]
