"""The function that puts the database's health into CloudWatch, as it is packed, against a server with TLS and moto."""

import importlib.util
import io
import json
import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from components import probezip
from components.healthprobe import ANSWERED, sent
from declared.connectionurl import parse
from declared.health import CHECKS
from tests.doubles import tls
from tests.local.conftest import ACCESS_KEY, REGION, SECRET_KEY, MotoServer
from tests.objects.conftest import World

PASSWORD = "made-up"
# Of what every database has, however empty it is.
ALWAYS = {"connections", "database_bytes", "transaction_ids", "errors"}


@pytest.fixture(scope="module")
def authority(cluster: Any) -> Iterator[Path]:
    """The server takes TLS too, as long as these tests run."""
    with tempfile.TemporaryDirectory(prefix="visual-prompt-builder-tls-") as made:
        folder = Path(made)
        # Another account runs a server that root starts.
        folder.chmod(0o755)
        known = tls.authority(folder, "authority")
        tls.certificate(known, folder)
        settings = {"ssl_cert_file": folder / "server.crt", "ssl_key_file": folder / "server.key", "ssl": "on"}
        with psycopg.connect(cluster.server.url(), autocommit=True) as connection:
            for name, value in settings.items():
                connection.execute(f"alter system set {name} = '{value}'".encode())
            connection.execute("select pg_reload_conf()")
        yield known
        with psycopg.connect(cluster.server.url(), autocommit=True) as connection:
            for name in settings:
                connection.execute(f"alter system reset {name}".encode())
            connection.execute("select pg_reload_conf()")


@dataclass
class Function:
    """The packed function, and what Lambda gives it."""

    folder: Path
    module: ModuleType
    moto: MotoServer
    environment: dict[str, str]
    patch: pytest.MonkeyPatch

    def log_in_as(self, *logins: tuple[str, str]) -> None:
        kept = {"logins": [{"username": user, "password": password} for user, password in logins]}
        secrets = self.moto.client("secretsmanager")
        secrets.put_secret_value(SecretId=self.environment["SECRET"], SecretString=json.dumps(kept))

    def run(self, **changes: str) -> dict[str, Any]:
        for name, value in {**self.environment, **changes}.items():
            self.patch.setenv(name, value)
        answer: dict[str, Any] = self.module.handle({}, None)
        return answer

    def stored(self, namespace: str) -> dict[str, set[str]]:
        """Metric → the objects that there are numbers of; an empty text is none."""
        found: dict[str, set[str]] = {}
        pages = self.moto.client("cloudwatch").get_paginator("list_metrics").paginate(Namespace=namespace)
        for each in (metric for page in pages for metric in page["Metrics"]):
            objects = [dimension["Value"] for dimension in each["Dimensions"]]
            found.setdefault(each["MetricName"], set()).add(objects[0] if objects else "")
        return found


@pytest.fixture
def function(
    moto: MotoServer, complete: World, authority: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Function:
    content = probezip.content(sent(CHECKS), authority.read_bytes())
    zipfile.ZipFile(io.BytesIO(content)).extractall(tmp_path)
    spec = importlib.util.spec_from_file_location("packed_handler", tmp_path / "handler.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    secret = moto.client("secretsmanager").create_secret(Name=f"login-{uuid4()}")["ARN"]
    there = parse(complete.monitor_url)
    environment = {
        "AWS_ENDPOINT_URL": moto.endpoint,
        "AWS_ACCESS_KEY_ID": ACCESS_KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
        "AWS_DEFAULT_REGION": REGION,
        "DATABASE_HOST": there["host"],
        "DATABASE_PORT": there["port"],
        "DATABASE_NAME": there["dbname"],
        "SECRET": secret,
        "NAMESPACE": f"test/{uuid4()}",
        "OBJECTS": "false",
    }
    made = Function(tmp_path, module, moto, environment, monkeypatch)
    made.log_in_as(("monitor", PASSWORD))
    return made


def test_the_worst_of_each_metric_is_there_and_that_there_was_an_answer(function):
    assert function.run()["answered"] is True
    found = function.stored(function.environment["NAMESPACE"])
    assert found.keys() >= {ANSWERED, *ALWAYS}
    assert found.keys() <= {ANSWERED, *CHECKS}
    assert set().union(*found.values()) == {""}, "an alarm has no dimension"


def test_objects_are_dimensions_where_they_are_asked_for(function):
    function.run(OBJECTS="true")
    found = function.stored(function.environment["NAMESPACE"])
    assert "" in found["connections"]
    assert any(objects - {""} for objects in found.values())


def test_the_archive_has_all_that_it_runs_with_but_boto3(function):
    program = "import handler, pg8000, scramp, asn1crypto, dateutil, six; print([m.__file__ for m in (pg8000, scramp, "
    program += "asn1crypto, dateutil, six)]); print(handler.handle({}, None))"
    environment = {**os.environ, **function.environment, "PYTHONPATH": str(function.folder)}
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True, timeout=60
    )
    files, _, answer = done.stdout.strip().splitlines()
    assert files.count(str(function.folder)) == 5
    assert "'answered': True" in answer


def test_of_two_logins_the_one_that_comes_in_is_taken(function):
    function.log_in_as(("monitor_2", "of the next one"), ("monitor", PASSWORD))
    assert function.run()["answered"] is True


def values(function: Function, metric: str) -> list[float]:
    now = datetime.now(UTC)
    found = function.moto.client("cloudwatch").get_metric_statistics(
        Namespace=function.environment["NAMESPACE"],
        MetricName=metric,
        StartTime=now - timedelta(minutes=10),
        EndTime=now + timedelta(minutes=10),
        Period=60,
        Statistics=["Maximum"],
    )
    return [each["Maximum"] for each in found["Datapoints"]]


def test_no_answer_is_a_number_and_one_line_without_the_password(function, capsys):
    function.log_in_as(("monitor", "Wr0ng"), ("monitor_2", "Wr0ng"))
    assert function.run() == {"answered": False, "values": 1}
    said = capsys.readouterr().out
    assert said.startswith(f"health: {function.environment['DATABASE_HOST']}:")
    assert (said.count("\n"), "Wr0ng" in said) == (1, False)
    assert function.stored(function.environment["NAMESPACE"]) == {ANSWERED: {""}}
    assert values(function, ANSWERED) == [0.0]


@pytest.mark.parametrize(
    ("said", "answered", "connections"),
    [
        ("remaining connection slots are reserved for roles with the SUPERUSER attribute", True, [1.0]),
        ("sorry, too many clients already", True, [1.0]),
        ('too many connections for role "monitor"', False, []),
    ],
)
def test_what_is_full_is_distinguished(function, monkeypatch, said, answered, connections):
    def refused(*_: Any, **__: Any) -> None:
        raise function.module.pg8000.exceptions.DatabaseError({"C": "53300", "M": said})

    monkeypatch.setattr(function.module.pg8000.native, "Connection", refused)
    assert function.run()["answered"] is answered
    assert (values(function, "connections"), values(function, ANSWERED)) == (connections, [float(answered)])


def test_what_was_read_before_the_session_was_ended_is_sent(function, complete, capsys, monkeypatch):
    parts = function.module.json.loads((function.folder / "checks.json").read_text())["parts"]
    run = function.module.pg8000.native.Connection.run

    def ended(connection: Any, text: str, *given: Any, **named: Any) -> Any:
        if f"ops.{parts[2]}_metrics" in text:
            with psycopg.connect(complete.url, autocommit=True) as session:
                session.execute(
                    "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'vpb health'"
                )
        return run(connection, text, *given, **named)

    monkeypatch.setattr(function.module.pg8000.native.Connection, "run", ended)
    assert function.run(OBJECTS="true")["answered"] is True
    found = function.stored(function.environment["NAMESPACE"])
    assert found["unreadable"] == {"", parts[2]}
    assert "connections" in found
    assert "Traceback" not in capsys.readouterr().out


def test_an_archive_without_certificates_is_one_line(function, capsys):
    (function.folder / "authorities.pem").write_bytes(b"")
    assert function.run()["answered"] is False
    said = capsys.readouterr().out
    assert (said.startswith("health: authorities.pem: "), said.count("\n")) == (True, 1)


def test_a_secret_that_is_no_secret_of_the_program_s_is_one_line_without_it(function, capsys):
    secrets = function.moto.client("secretsmanager")
    secrets.put_secret_value(SecretId=function.environment["SECRET"], SecretString="Wr0ng {")
    assert function.run()["answered"] is False
    said = capsys.readouterr().out
    assert said == f"health: secret {function.environment['SECRET']}: isn't as the program writes it\n"


def test_a_server_under_another_authority_is_not_talked_to(function, capsys, tmp_path_factory):
    other = tls.authority(tmp_path_factory.mktemp("other"), "other")
    (function.folder / "authorities.pem").write_bytes(other.read_bytes())
    assert function.run()["answered"] is False
    assert "certificate verify failed" in capsys.readouterr().out


def test_a_part_that_is_locked_is_said_and_takes_no_other_away(function, complete, capsys):
    with psycopg.connect(complete.url) as connection:
        connection.execute("lock table analytics.error_logs in access exclusive mode")
        connection.execute("set local statement_timeout = '30s'")
        assert function.run(OBJECTS="true")["answered"] is True
    found = function.stored(function.environment["NAMESPACE"])
    assert found["unreadable"] == {"", "usage"}
    assert "errors" not in found
    assert "connections" in found


def test_the_worst_is_the_least_where_small_is_bad_and_no_more_than_a_thousand_are_sent(function):
    rows = [("partitions_ahead", "a", 50.0), ("partitions_ahead", "b", 10.0), ("lock_wait", "a", 1.0)]
    rows += [("lock_wait", ":ü\n", 9.0), ("other", "", 1.0), ("spend", "", float("inf"))]
    checks = {name: {"unit": check.unit, "below": check.below} for name, check in CHECKS.items()}
    data = list(function.module.metrics(rows, checks, True))
    worst = {each["MetricName"]: each["Value"] for each in data if "Dimensions" not in each}
    assert worst == {"partitions_ahead": 10.0, "lock_wait": 9.0, ANSWERED: 1.0}
    named = {(each["MetricName"], each["Dimensions"][0]["Value"]) for each in data if "Dimensions" in each}
    assert named == {
        *(("partitions_ahead", "a"), ("partitions_ahead", "b")),
        *(("lock_wait", "a"), ("lock_wait", "??")),
    }
    many = [("lock_wait", f"o{number}", 1.0) for number in range(2000)]
    sent_all = list(function.module.metrics([*many, ("spend", "", 2.0)], checks, True))
    assert len(sent_all) == 1000
    assert "spend" in {each["MetricName"] for each in sent_all}, "the worst are sent first"
    for name, value in function.environment.items():
        function.patch.setenv(name, value)
    function.module.put(sent_all)
    assert len(function.stored(function.environment["NAMESPACE"])["lock_wait"]) == 1 + 1000 - 3
