"""The command: exit statuses, the form of its JSON, one line for what stands in its way, and no secret anywhere."""

import json
import os
import re
import subprocess
import sys

import psycopg
import pytest

from declared.paths import CHECKOUT
from ops.audit import run as audits
from ops.audit.model import AuditError, Severity
from ops.audit.registry import RULES
from tests.sql.trail import chain_again, unguarded

FINDING = {"rule": str, "severity": str, "object": str, "reason": str, "repair": str, "standards": list}


def audit(url: str, *options: str) -> subprocess.CompletedProcess[str]:
    """The address goes by the environment: other accounts of the machine can read a command line."""
    return subprocess.run(
        [sys.executable, "-m", "ops", "audit", *options],
        cwd=CHECKOUT,
        env={**os.environ, "AUDIT_URL": url, "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def stray(url):
    """A finding that lasts as long as the test."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute('create schema "[red]stray"')
        yield
        connection.execute('drop schema "[red]stray"')


def test_a_database_as_up_makes_it_is_clean_and_what_was_not_looked_at_is_reported(url):
    run = audit(url)
    assert run.returncode == 0, run.stdout + run.stderr
    assert re.search(rf"server: clean; {len(RULES)} rules, \d+ info, \d+\.\d s", run.stdout)
    assert "not checked: state-secret: there is no state: a server was named, and no stack" in run.stdout


def test_a_finding_makes_the_status_2_unless_it_is_too_small(url, stray):
    run = audit(url)
    assert run.returncode == 2
    assert "schema [red]stray" in run.stdout, "names from the server are text, not markup"
    assert "server: 1 to mend" in run.stdout
    assert audit(url, "--fail-on", "medium").returncode == 0
    assert audit(url, "--fail-on", "info").returncode == 2


def test_the_json_has_the_form_that_scripts_rely_on(url, stray):
    run = audit(url, "--json")
    report = json.loads(run.stdout)
    assert list(report) == ["audited", "clean", "fail_on", "rules", "counts", "findings", "skipped"]
    assert (report["audited"], report["clean"], report["fail_on"]) == ("server", False, "low")
    assert list(report["counts"]) == ["critical", "high", "medium", "low", "info"]
    for finding in report["findings"]:
        assert {name: type(value) for name, value in finding.items()} == FINDING
        assert finding["severity"] in Severity.__members__
    assert report["findings"][0]["rule"] == "schema-undeclared", "the worst comes first"
    assert {"rule", "reason"} == set(report["skipped"][0])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda url: url.replace("@", "x@"), "password authentication failed"),
        (lambda url: re.sub(r":\d+/", ":1/", url), "check that it runs"),
        (lambda url: url + "_nowhere", 'database "postgres_nowhere" does not exist'),
        (lambda url: "mysql://somebody:sesame@host/db", "--url must be postgresql://"),
        (lambda url: "postgresql://somebody:sesame@host:port/db", "--url must be postgresql://"),
    ],
)
def test_a_server_that_cannot_be_asked_is_one_line_without_the_password(url, server, change, said):
    run = audit(change(url))
    assert run.returncode == 1
    assert len(run.stderr.strip().splitlines()) == 1
    assert said in run.stderr
    assert not [word for word in (server.password, "sesame") if word in run.stdout + run.stderr]


def test_a_stack_that_was_never_made_is_one_line():
    run = subprocess.run(
        [sys.executable, "-m", "ops", "audit", "--stack", "nowhere"],
        cwd=CHECKOUT,
        env={**os.environ},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 1
    assert run.stderr.startswith("error: there is no stack nowhere; there are: ")
    assert len(run.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize("command", ["audit", "rekey"])
def test_an_empty_address_is_refused_and_no_stack_is_taken_in_its_place(command):
    variable = {"audit": "AUDIT_URL", "rekey": "DATABASE_URL"}[command]
    for words, value, said in ((["--url", ""], "x", "--url is empty"), ([], "", f"{variable} is empty")):
        run = subprocess.run(
            [sys.executable, "-m", "ops", command, *words],
            cwd=CHECKOUT,
            env={**os.environ, variable: value, "COLUMNS": "200"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert (run.returncode, run.stdout) == (1, "")
        assert said in run.stderr
        assert run.stderr.count("\n") == 1


def test_no_secret_is_in_any_form_of_the_report(url, server):
    """With findings about passwords and secrets: they are named, and not shown."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("set password_encryption = 'md5'; alter role authjs password 'open-sesame'")
        connection.execute("alter database postgres set app.jwt_secret = 'open-sesame'")
        (verifier,) = connection.execute("select rolpassword from pg_authid where rolname = 'monitor'").fetchone()
        (hashed,) = connection.execute("select rolpassword from pg_authid where rolname = 'authjs'").fetchone()
        try:
            runs = [audit(url), audit(url, "--json")]
        finally:
            connection.execute("alter database postgres reset app.jwt_secret")
            connection.execute(f"alter role authjs password '{verifier}'")
    for run in runs:
        assert run.returncode == 2
        assert "password-not-scram" in run.stdout
        assert "app.jwt_secret" in run.stdout
        for secret in ("open-sesame", verifier, hashed, server.password, "SCRAM-SHA-256$"):
            assert secret not in run.stdout + run.stderr


def test_an_anchor_is_written_and_tells_of_a_trail_that_was_chained_again(url, tmp_path):
    anchor = tmp_path / "anchor.json"
    person = "insert into next_auth.users (email) values ('somebody@example.org') returning id"
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(person)
        assert audit(url, "--anchor", str(anchor)).returncode == 0
        before = anchor.read_text()
        with connection.transaction(), unguarded(connection):
            connection.execute("update audit.log set login = 'x'")
            chain_again(connection)
        assert audit(url).returncode == 0, "the chain alone is whole"
        found = audit(url, "--anchor", str(anchor))
        assert found.returncode == 2
        assert "audit-trail-broken" in found.stdout
        assert anchor.read_text() == before, "the proof isn't overwritten"


def test_a_file_that_is_no_anchor_is_one_line(url, tmp_path):
    path = tmp_path / "anchor.json"
    path.write_text("[]")
    refused = audit(url, "--anchor", str(path))
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr.startswith(f"error: {path}: no anchor of the audit trail")
    assert refused.stderr.count("\n") == 1


def test_an_adopted_database_is_refused_with_what_to_do(monkeypatch):
    monkeypatch.setattr("ops.audit.run.Environment.of", lambda stack: None)
    monkeypatch.setattr("ops.audit.run.engine.adopted", lambda stack: "adopted/shop")
    with pytest.raises(AuditError, match="stack shop is the adopted database of adopted/shop, and"):
        audits.audit("shop")
