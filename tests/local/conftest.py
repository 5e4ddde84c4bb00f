"""A real server of ours as a process: started on a free port, stopped and started again by the tests."""

import functools
import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from local.ports import free_port

ROOT = Path(__file__).parents[2]
REGION = "eu-central-1"
ACCESS_KEY = "AKIALOCALTESTS000001"
SECRET_KEY = "made-up-for-these-tests"
ACCOUNT = "123456789012"


class MotoServer:
    """One server and its state file."""

    def __init__(self, state: Path, *, verified: bool = True) -> None:
        self.state = state
        self.port = free_port()
        self.endpoint = f"http://127.0.0.1:{self.port}"
        self.keys = ("--access-key", ACCESS_KEY, "--secret-key", SECRET_KEY) if verified else ()
        self.process: subprocess.Popen[str] | None = None

    def command(self, *more: str) -> list[str]:
        fixed = ("--port", str(self.port), "--state", str(self.state), "--parent-pid", str(os.getpid()))
        return [sys.executable, "-m", "local.moto", *fixed, *self.keys, *more]

    def start(self) -> None:
        self.process = subprocess.Popen(self.command(), cwd=ROOT, stderr=subprocess.PIPE, text=True)
        # On a busy machine the imports alone take long.
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            try:
                self.health()
            except OSError:
                if self.process.poll() is not None:
                    raise RuntimeError(self.process.communicate()[1]) from None
                time.sleep(0.05)
            else:
                return
        raise TimeoutError("the server didn't answer")

    def stop(self, number: int = signal.SIGTERM) -> str:
        """What it wrote to standard error."""
        assert self.process is not None
        self.process.send_signal(number)
        return self.process.communicate(timeout=60)[1]

    def restart(self, number: int = signal.SIGTERM) -> None:
        self.stop(number)
        self.start()

    def health(self) -> dict[str, Any]:
        facts: dict[str, Any] = json.loads(fetch(f"{self.endpoint}/_local/health")[1])
        return facts

    @functools.cache  # noqa: B019
    def client(
        self, service: str, access_key: str = ACCESS_KEY, secret: str = SECRET_KEY, token: str | None = None
    ) -> Any:
        config = Config(signature_version="s3v4", s3={"addressing_style": "path"}) if service == "s3" else None
        return boto3.client(
            service,
            region_name=REGION,
            endpoint_url=self.endpoint,
            aws_access_key_id=access_key,
            aws_secret_access_key=secret,
            aws_session_token=token,
            config=config,
        )


def fetch(
    url: str, method: str = "GET", body: bytes | None = None, headers: dict[str, str] | None = None
) -> tuple[int, str]:
    """Status and text of an answer to somebody without any AWS library."""
    request = urllib.request.Request(url, data=body, method=method, headers=headers or {})
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


class Bucket:
    """A bucket with one object, seen by its owner."""

    def __init__(self, server: MotoServer) -> None:
        self.server = server
        self.name = f"policy-{uuid.uuid4().hex[:12]}"
        self.s3 = server.client("s3")
        self.s3.create_bucket(Bucket=self.name, CreateBucketConfiguration={"LocationConstraint": REGION})
        self.s3.put_object(Bucket=self.name, Key="file", Body=b"x")
        self.url = f"{server.endpoint}/{self.name}"
        self.file = f"{self.url}/file"

    def policy(self, *statements: dict[str, Any]) -> None:
        filled = [
            {"Effect": "Allow", "Principal": "*", "Action": "s3:*", "Resource": self.arns, **statement}
            for statement in statements
        ]
        self.s3.put_bucket_policy(Bucket=self.name, Policy=json.dumps({"Version": "2012-10-17", "Statement": filled}))

    @property
    def arns(self) -> list[str]:
        return [f"arn:aws:s3:::{self.name}", f"arn:aws:s3:::{self.name}/*"]


def code(call: Callable[..., Any], **arguments: Any) -> str:
    """The error code of a call, or ok."""
    try:
        call(**arguments)
    except ClientError as error:
        return str(error.response["Error"]["Code"])
    return "ok"


@pytest.fixture(scope="module")
def moto_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MotoServer]:
    server = MotoServer(tmp_path_factory.mktemp("moto") / "state")
    server.start()
    yield server
    server.stop()


@pytest.fixture
def fresh_server(tmp_path: Path) -> Iterator[MotoServer]:
    server = MotoServer(tmp_path / "state")
    server.start()
    yield server
    if server.process is not None and server.process.poll() is None:
        server.stop()


@pytest.fixture
def bucket(moto_server: MotoServer) -> Bucket:
    return Bucket(moto_server)
