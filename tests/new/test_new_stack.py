"""`./vpb new stack`: a server is looked at, its URL is kept encrypted, and nothing is started or left half made."""

import os
import pty
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
import yaml
from psycopg import sql

from declared.paths import CHECKOUT
from harness.checkout import Scratch

COMMAND = [sys.executable, "-m", "ops", "new", "stack"]


@pytest.fixture(scope="module")
def copy() -> Iterator[Scratch]:
    with Scratch("own") as scratch:
        yield scratch


@pytest.fixture
def emptied(copy: Scratch) -> Iterator[Scratch]:
    """The copy, without the stacks of other tests."""
    yield copy
    for name in ("own*", "trial", "other"):
        for path in copy.folder.glob(f"Pulumi.{name}.yaml"):
            path.unlink()
    copy.clear()


def run(copy: Scratch, *words: str, said: str = "", **variables: str) -> subprocess.CompletedProcess[str]:
    environment = copy.environment | variables
    return subprocess.run(
        [*COMMAND, *words], cwd=copy.folder, env=environment, input=said, capture_output=True, text=True
    )


def refused(copy: Scratch, *words: str, said: str = "", **variables: str) -> str:
    """The one line of a refusal, which leaves no file and no stack."""
    before = files(copy)
    done = run(copy, *words, said=said, **variables)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1), done.stderr
    assert files(copy) == before
    assert copy.processes() == []
    assert "geheim" not in done.stderr
    return done.stderr


def files(copy: Scratch) -> set[str]:
    """The files of stacks, and their states."""
    found = [*copy.folder.glob("Pulumi*.yaml"), *copy.state_folder.rglob("stacks/database/*.json")]
    return {str(path.relative_to(copy.folder)) for path in found}


def kept(copy: Scratch) -> str:
    """The URL that the program will get."""
    return copy.pulumi("config", "get", "database:url").output.strip()


def checked(copy: Scratch, url: str, password: str) -> None:
    """The file has the URL encrypted, the state has the stack, and nothing was started for it."""
    text = (copy.folder / "Pulumi.own.yaml").read_text()
    assert re.search(r"database:url:\n\s+secure: v1:", text)
    assert "database:target: local" in text
    assert password not in text
    assert kept(copy) == url
    assert copy.checkpoint.exists()
    assert copy.processes() == []
    assert not copy.stack_folder.exists()


def test_the_documented_command_makes_it_of_a_file(emptied, database):
    found = set(re.findall(r"^\./vpb new stack .*$", _pages(), re.MULTILINE))
    assert found == {"./vpb new stack own --url - < url.txt"}
    (emptied.folder / "url.txt").write_text(f"{database.url}\n")
    done = subprocess.run(
        ["bash", "-c", found.pop().replace("./vpb", f"{sys.executable} -m ops")],
        cwd=emptied.folder,
        env=emptied.environment,
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert f"stack own lives on database {database.name} on {database.host}:{database.port}" in done.stdout
    assert "next: ./vpb up --stack own\n" in done.stdout
    assert database.password not in done.stdout
    checked(emptied, database.url, database.password)
    with psycopg.connect(database.url) as connection:
        schemas = "select nspname from pg_namespace where nspname in ('private', 'supabase_migrations')"
        assert connection.execute(schemas).fetchall() == []
    assert refused(emptied, "own", "--embedded") == "error: Pulumi.own.yaml: is there already; nothing was changed\n"
    (emptied.folder / "Pulumi.own.yaml").unlink()
    assert "stack own is there already, without a file" in refused(emptied, "own", "--embedded")


def _pages() -> str:
    return "".join((CHECKOUT / "docs" / page).read_text() for page in ("everyday.md", "servers.md"))


def test_a_variable_holds_the_url_too(emptied, database):
    assert run(emptied, "own", STACK_URL=database.url).returncode == 0
    checked(emptied, database.url, database.password)


@pytest.mark.parametrize("with_url", [False, True])
def test_a_terminal_is_asked_for_the_url_or_for_its_password_alone(emptied, database, with_url):
    url = database.url.replace(f":{database.password}@", "@")
    words, typed = (["--url", url], database.password) if with_url else ([], database.url)
    terminal, end = pty.openpty()
    process = subprocess.Popen(
        [*COMMAND, "own", *words],
        cwd=emptied.folder,
        env=emptied.environment,
        stdin=end,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    assert process.stderr
    asked = b""
    # What is typed before it asks is thrown away.
    while b"): " not in asked:
        asked += os.read(process.stderr.fileno(), 1000) or pytest.fail(f"nothing was asked: {asked!r}")
    os.write(terminal, f"{typed}\n".encode())
    said, more = process.communicate(timeout=120)
    os.close(terminal)
    os.close(end)
    assert process.returncode == 0, more
    assert b"not shown" in asked
    assert database.password.encode() not in said + asked + more
    checked(emptied, database.url, database.password)


def test_an_embedded_one_is_asked_for_in_words(emptied):
    done = run(emptied, "own", "--embedded")
    assert (done.returncode, "the embedded server, which `up` starts" in done.stdout) == (0, True)
    assert (emptied.folder / "Pulumi.own.yaml").read_text() == "config:\n  database:target: local\n"
    assert emptied.processes() == []


def test_a_stack_at_aws_needs_no_server_and_may_be_offline(emptied):
    done = run(emptied, "trial", "--target", "aws", "--offline")
    assert (done.returncode, "a server of its own, which `up` makes" in done.stdout) == (0, True), done.stderr
    written = (emptied.folder / "Pulumi.trial.yaml").read_text()
    assert written == 'config:\n  database:target: aws\n  database:offline: "true"\n'
    assert emptied.processes() == []


def test_a_stack_begins_with_the_settings_of_another_but_where_that_is_and_its_secrets(emptied):
    (emptied.folder / "Pulumi.other.yaml").write_text(
        "config:\n  database:target: aws\n  database:accountIds: ['123456789012']\n  database:promotedFrom: staging\n"
        "  server:class: db.m7g.large\n  database:alarmEmails: [ops@example.org]\n  database:url:\n    secure: v1:abc\n"
        "  app:key:\n    secure: v1:def\n"
    )
    done = run(emptied, "trial", "--like", "other", "--offline")
    assert done.returncode == 0, done.stderr
    written = yaml.safe_load((emptied.folder / "Pulumi.trial.yaml").read_text())
    assert written["config"] == {
        "database:target": "aws",
        "database:offline": "true",
        "server:class": "db.m7g.large",
        "database:alarmEmails": ["ops@example.org"],
    }
    assert "isn't here, and --like names a stack that has one" in refused(emptied, "more", "--like", "none")
    (emptied.folder / "Pulumi.other.yaml").unlink()


def test_what_cannot_be_a_stack_is_refused_in_one_line(copy):
    for words, said, reason in (
        (("Own", "--embedded"), "", "a stack's name has"),
        (("../own", "--embedded"), "", "a stack's name has"),
        (("own",), "", "nobody is there to be asked"),
        (("own", "--embedded", "--url", "-"), "", "exclude each other"),
        (("own", "--embedded", "--target", "aws"), "", "target aws makes its own"),
        (("own", "--embedded", "--offline"), "", "allowed where database:target is aws"),
        (("own", "--embedded", "--target", "supabase"), "", "target supabase needs the URL of one"),
        (
            ("own", "--url", "-", "--target", "supabase"),
            "postgresql://postgres.abcdefghijklmnopqrst:geheim@aws-0-eu.pooler.supabase.com:5432/postgres",
            "use the direct connection",
        ),
        (("own", "--target", "elsewhere"), "", "setting database:target is 'elsewhere'"),
        (("own", "--url", "postgresql://u:geheim@h/d"), "", "--url has a password"),
        (("own", "--url", "host=h user=u password=geheim dbname=d"), "", "--url has a password"),
        (("own", "--url", "-"), "", "and nothing came"),
        (("own", "--url", "-"), "nonsense", "it is no connection URL"),
        (("own", "--url", "-"), "postgresql://u:geheim@/d", "it names no host"),
        (
            ("own", "--url", "-"),
            "postgresql://u:geheim@127.0.0.1:1/d",
            "check that it runs and that the login is right",
        ),
    ):
        assert reason in refused(copy, *words, said=said)
    assert "STACK_URL is empty" in refused(copy, "own", STACK_URL=" ")


def test_what_a_server_lacks_is_named(copy, cluster, database):
    with psycopg.connect(database.url, autocommit=True) as connection:
        connection.execute("create role poor login password 'geheim'")
        try:
            url = f"postgresql://poor:geheim@{database.host}:{database.port}/{database.name}"
            said = refused(copy, "own", "--url", "-", said=url)
            lacks = ("give it CREATEROLE", "grant it CREATE on the database", "nothing was made")
            assert [each for each in lacks if each not in said] == []
            grant = sql.SQL("grant create on database {} to poor").format(sql.Identifier(database.name))
            connection.execute(grant)
            connection.execute("alter role poor createrole")
            assert run(copy, "own", "--url", "-", said=url).returncode == 0
        finally:
            connection.execute("drop owned by poor")
            connection.execute("drop role poor")
            (copy.folder / "Pulumi.own.yaml").unlink(missing_ok=True)
            copy.clear()


def test_a_database_of_another_encoding_is_refused(copy, cluster):
    cluster.execute(sql.SQL("create database latin encoding 'LATIN1' locale 'C' template template0"))
    try:
        url = cluster.server.url("latin")
        assert "the database's encoding is LATIN1" in refused(copy, "own", "--url", "-", said=url)
    finally:
        cluster.drop("latin")


def test_a_setting_that_pulumi_refuses_leaves_no_stack_behind(copy: Scratch, database, tmp_path: Path):
    """A `pulumi` that fails where the URL would be set: nothing is left that the next attempt would find."""
    real = subprocess.run(
        [sys.executable, "-c", "import toolchain, shutil; print(shutil.which('pulumi'))"],
        cwd=copy.folder,
        env=copy.environment,
        capture_output=True,
        text=True,
    ).stdout.strip()
    program = tmp_path / "pulumi"
    program.write_text(f'#!/bin/sh\ncase "$*" in *database:url*) echo no >&2; exit 1;; esac\nexec {real} "$@"\n')
    program.chmod(0o755)
    said = refused(
        copy, "own", "--url", "-", said=database.url, PATH=f"{tmp_path}{os.pathsep}{copy.environment['PATH']}"
    )
    assert said == "error: stack own: database:url can't be set: no\n"
