"""The state file: what survives which end, what is refused, and how the server ends.

No real service stands behind this file; the rules are the ones that `local/moto/statefile.py` states.
"""

import io
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Callable
from typing import Any

import pytest

from tests.local.conftest import REGION, ROOT, MotoServer, fetch

TRUST = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
        ],
    }
)


def _zip() -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("handler.py", "def handle(event, context): return 1")
    return content.getvalue()


def _make_bucket(server: MotoServer, name: str = "kept-bucket") -> Any:
    s3 = server.client("s3")
    s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION})
    return s3


def _populate(server: MotoServer) -> None:
    """Something in every service that the project uses, including what needs a reducer to be pickled."""
    call = server.client
    s3 = _make_bucket(server)
    s3.put_bucket_versioning(Bucket="kept-bucket", VersioningConfiguration={"Status": "Enabled"})
    for body in (b"first", b"second" * 200_000):
        s3.put_object(Bucket="kept-bucket", Key="voice.webm", Body=body, Tagging="scan=clean")
    kms = call("kms")
    key = kms.create_key(KeyUsage="ENCRYPT_DECRYPT")["KeyMetadata"]["KeyId"]
    kms.create_alias(AliasName="alias/data", TargetKeyId=key)
    kms.create_key(KeyUsage="SIGN_VERIFY", KeySpec="RSA_2048")
    kms.create_key(KeyUsage="SIGN_VERIFY", KeySpec="ECC_NIST_P256")
    role = call("iam").create_role(RoleName="runner", AssumeRolePolicyDocument=TRUST)["Role"]["Arn"]
    call("sts").assume_role(RoleArn=role, RoleSessionName="session")
    call("sns").create_topic(Name="alarms")
    queue = call("sqs").create_queue(QueueName="jobs")["QueueUrl"]
    call("sqs").send_message(QueueUrl=queue, MessageBody="hello")
    call("secretsmanager").create_secret(Name="login", SecretString="s3cret")
    call("ssm").put_parameter(Name="/app/key", Value="v", Type="SecureString")
    call("ssm").add_tags_to_resource(ResourceType="Parameter", ResourceId="/app/key", Tags=[{"Key": "a", "Value": "b"}])
    call("logs").create_log_group(logGroupName="app")
    call("events").put_rule(Name="nightly", ScheduleExpression="rate(1 day)")
    call("cloudwatch").put_dashboard(DashboardName="board", DashboardBody="{}")
    call("lambda").create_function(
        FunctionName="f", Runtime="python3.11", Role=role, Handler="handler.handle", Code={"ZipFile": _zip()}
    )
    call("guardduty").create_detector(Enable=True)
    call("backup").create_backup_vault(BackupVaultName="vault")
    call("cloudfront").create_origin_access_control(
        OriginAccessControlConfig={
            "Name": "oac",
            "SigningProtocol": "sigv4",
            "SigningBehavior": "always",
            "OriginAccessControlOriginType": "s3",
        }
    )
    call("ec2").create_vpc(CidrBlock="10.9.0.0/16")
    call("rds").create_db_instance(
        DBInstanceIdentifier="db",
        DBInstanceClass="db.t3.micro",
        Engine="postgres",
        EngineVersion="16",
        MasterUsername="u",
        MasterUserPassword="made-up-1",
        AllocatedStorage=20,
    )


def _view(server: MotoServer) -> dict[str, Any]:
    """What a reader sees of it all, ids included."""
    call = server.client
    reads: dict[str, Callable[[], Any]] = {
        "versions": lambda: call("s3").list_object_versions(Bucket="kept-bucket")["Versions"],
        "body": lambda: call("s3").get_object(Bucket="kept-bucket", Key="voice.webm")["Body"].read(),
        "tags": lambda: call("s3").get_object_tagging(Bucket="kept-bucket", Key="voice.webm")["TagSet"],
        "kms": lambda: [sorted(key["KeyId"] for key in call("kms").list_keys()["Keys"]), call("kms").list_aliases()],
        "iam": lambda: call("iam").list_roles()["Roles"],
        "sns": lambda: call("sns").list_topics()["Topics"],
        "sqs": lambda: call("sqs").get_queue_attributes(
            QueueUrl=call("sqs").get_queue_url(QueueName="jobs")["QueueUrl"], AttributeNames=["All"]
        )["Attributes"],
        "secret": lambda: call("secretsmanager").get_secret_value(SecretId="login")["VersionId"],
        "ssm": lambda: call("ssm").get_parameter(Name="/app/key", WithDecryption=True)["Parameter"],
        "logs": lambda: call("logs").describe_log_groups()["logGroups"],
        "events": lambda: call("events").list_rules()["Rules"],
        "cloudwatch": lambda: call("cloudwatch").list_dashboards()["DashboardEntries"],
        "lambda": lambda: call("lambda").list_functions()["Functions"],
        "guardduty": lambda: call("guardduty").list_detectors()["DetectorIds"],
        "backup": lambda: call("backup").list_backup_vaults()["BackupVaultList"],
        "cloudfront": lambda: call("cloudfront").list_origin_access_controls()["OriginAccessControlList"]["Items"],
        "ec2": lambda: call("ec2").describe_vpcs()["Vpcs"],
        "rds": lambda: call("rds").describe_db_instances()["DBInstances"],
    }
    found = json.loads(json.dumps({name: read() for name, read in reads.items()}, default=str))
    found["kms"][1].pop("ResponseMetadata")
    found["rds"][0].pop("LatestRestorableTime")
    return dict(found)


def test_every_service_is_the_same_after_sigterm(fresh_server: MotoServer) -> None:
    assert fresh_server.health()["empty"] is True
    _populate(fresh_server)
    before = _view(fresh_server)
    assert fresh_server.health() | {"pid": 0} == {
        "moto": "5.2.5",
        "pid": 0,
        "state": str(fresh_server.state),
        "loaded": False,
        "empty": False,
    }
    assert fresh_server.stop() == "", "a service that isn't saved says so on standard error"
    fresh_server.start()
    after = _view(fresh_server)
    assert {name: (before[name], after[name]) for name in before if before[name] != after[name]} == {}
    assert fresh_server.health()["loaded"] is True
    keys = fresh_server.client("kms").list_keys()["Keys"]
    specs = [fresh_server.client("kms").describe_key(KeyId=key["KeyId"])["KeyMetadata"] for key in keys]
    signing = next(spec["KeyId"] for spec in specs if spec["KeySpec"] == "RSA_2048")
    signed = fresh_server.client("kms").sign(
        KeyId=signing, Message=b"m", MessageType="RAW", SigningAlgorithm="RSASSA_PSS_SHA_256"
    )
    assert signed["Signature"], "a restored private key still signs"
    fresh_server.client("sqs").create_queue(QueueName="after-restart")


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
    from local.moto import pickling

    dumped, lost = pickling.dump({"good": {"a": {"r": [1]}}, "bad": {"a": {"r": (item for item in ())}}})
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
    for _ in range(100):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", fresh_server.port)) == 0:
                break
        time.sleep(0.05)
    fetch(f"{fresh_server.endpoint}/_local/health")
    loud.terminate()
    assert "GET /_local/health" in loud.communicate(timeout=10)[1]
