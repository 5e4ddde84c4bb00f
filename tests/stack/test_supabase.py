"""A project like a hosted one of Supabase, through the real engine: from the first `up` to an end that leaves it."""

import json

import psycopg
import pytest

from declared import connectionurl, roles
from declared.platform import SUPABASE
from harness.checkout import Scratch
from tests.doubles import supabasecatalogue, supabaselike
from tests.stack.conftest import succeeded

pytestmark = pytest.mark.stack

RELEASE = (
    "alter table auth.users add column nickname text",
    "create table storage.replicas (id uuid primary key)",
    "create role supabase_new_admin login",
    "create function auth.tenant() returns uuid language sql stable as $$ select null::uuid $$",
)
# The platform's own logins, and its store's outputs.
MISSING = ("api_url", "storage_url", "s3_endpoint", "object_bucket", "cdn_domain", "alarm_topic_arn")


def test_a_project_is_provisioned_repaired_and_left_as_it_was():
    with supabaselike.server() as double, Scratch("staging") as scratch:
        with psycopg.connect(double.platform()) as connection:
            known = supabasecatalogue.roles(connection)
            before = supabasecatalogue.lines(connection, known)
        succeeded(scratch.pulumi("stack", "init"))
        for words in (["database:target", "supabase"], ["database:protectData", "false"]):
            succeeded(scratch.pulumi("config", "set", *words))
        refused = scratch.pulumi("preview")
        assert "database:target is supabase, which makes no server" in " ".join(refused.output.split())
        succeeded(scratch.pulumi("config", "set", "--secret", "database:url", double.url()))
        try:
            run = scratch.up()
            assert double.password not in run.output
            assert "session_replication_role = replica" in " ".join(succeeded(run).split()), "what can't be had there"
            outputs = json.loads(scratch.pulumi("stack", "output", "--json", "--show-secrets").output)
            check_outputs(outputs)
            double.release(*RELEASE)
            with psycopg.connect(double.url(), autocommit=True) as connection:
                connection.execute("alter policy objects_select_own on storage.objects using (true)")
            drift = scratch.drift()
            assert drift.status == 2, drift.output[-2000:]
            rows = [line for line in drift.output.splitlines() if line.startswith("| `")]
            assert ["objects_select_own" in row for row in rows] == [True], "nothing of the platform's release"
            succeeded(scratch.pulumi("up", "--yes", "--skip-preview", "--non-interactive"))
            for login in supabaselike.LOGINS:
                psycopg.connect(double.url(login)).close()
        finally:
            succeeded(scratch.start("down", "--confirm", "staging").wait())
        with psycopg.connect(double.platform()) as connection:
            after = supabasecatalogue.lines(connection, known)
            left = connection.execute("select rolname from pg_roles where rolname = any (%s)", [roles.names(SUPABASE)])
            assert left.fetchall() == []
        assert before - after == set()
        assert {name.partition(".")[0] for _, name, _ in after - before} <= {"auth", "storage"}, "its release alone"


def check_outputs(outputs: dict[str, str]) -> None:
    assert not {*MISSING} & outputs.keys()
    urls = {name: url for name, url in outputs.items() if name.endswith("_url")}
    assert urls.keys() == {"admin_url", *(spec.output for spec in roles.on(SUPABASE).values() if spec.output)}
    for name, url in urls.items():
        assert connectionurl.parse(url)["sslmode"] == "verify-full", name
        with psycopg.connect(url) as connection:
            assert connection.execute("select 1").fetchone() == (1,)
    with psycopg.connect(outputs["auth_url"]) as connection:
        assert connection.execute("show vpb.keys").fetchone() != ("",), "what a session starts with arrives"
    with psycopg.connect(outputs["monitor_url"]) as connection:
        connection.execute("select * from ops.slow_statements(1)")
