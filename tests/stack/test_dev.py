"""The dev environment through the real engine: from nothing to provisioned, changed manually, repaired, taken away.

What a single resource type does is in tests/provider, what survives a crash in test_faults.py.
"""

import json
import re
import time
from pathlib import Path
from typing import Any

import boto3
import psycopg
import pytest
from botocore.config import Config

from declared.permissions import today
from harness.checkout import Scratch
from tests.stack.conftest import succeeded

ALLOWED = f"  database:allow: [{{what: exports public, reason: a test, until: {today():%Y-%m-%d}}}]\n"

pytestmark = [pytest.mark.stack, pytest.mark.xdist_group("dev")]

OUTPUTS = {
    "deployed",
    "admin_url",
    "api_url",
    "auth_url",
    "monitor_url",
    "migrator_url",
    "backup_url",
    "scanner_url",
    "cleaner_url",
    "storage_url",
    "storage_buckets",
    "storage_retention_days",
    "max_object_size",
    "object_bucket",
    "s3_endpoint",
    "retention_months",
    "archived_tables",
    "cdn_domain",
    "cdn_distribution",
    "cdn_signing_key",
    "object_roles",
    "alarm_topic_arn",
    "scanning",
}

# What is done manually → what the preview and the drift report say of it.
MANUAL = {
    "alter policy projects_update_own on public.projects using (true)": (
        "policy projects_update_own on public.projects: using was changed manually"
    ),
    "drop policy users_update_own on public.users": "policy users_update_own on public.users is gone",
    "alter policy users_all_present on public.users with check (true)": (
        "policy users_all_present on public.users: check was changed manually"
    ),
    "alter role service_role set search_path = 'evil'": "role service_role: settings was changed manually",
    "create policy stray on public.users for select to anon using (true)": (
        "row security of public.users: manually, [stray] was added"
    ),
    "alter table public.projects disable row level security": (
        "row security of public.projects: enabled was changed manually"
    ),
    "alter table next_auth.users no force row level security": (
        "row security of next_auth.users: forced was changed manually"
    ),
    "alter role anon createdb": "role anon: createdb was changed manually",
    "alter role authenticated set statement_timeout = '1h'": "role authenticated: settings was changed manually",
    "alter role authjs password 'guessed'": "role authjs: verifier was changed manually",
    "grant pg_read_all_data to monitor": "memberships of role monitor: manually, [pg_read_all_data] was granted",
    "revoke anon from authenticator": "memberships of role authenticator: manually, [anon] was revoked",
    "grant truncate on public.users to anon": "grants on table public.users: manually, [truncate to anon] was granted",
    "revoke select on public.projects from authenticated": (
        "grants on table public.projects: manually, [select to authenticated] was revoked"
    ),
    "grant execute on function private.tg__updated_at() to public": (
        "grants on functions of schema private: manually, on private.tg__updated_at() [execute to public] was granted"
    ),
    "grant create on schema private to monitor": "grants on schema private: manually, [create to monitor] was granted",
    "update storage.buckets set file_size_limit = 1": (
        "bucket audio: fileSizeLimit was changed manually from 50000000 to 1"
    ),
    "alter publication supabase_realtime drop table public.projects": (
        "publication supabase_realtime: tables was changed manually"
    ),
    "update private.sealing_keys set public_key = 'other'": (
        "sealing keys in private.sealing_keys: publicKeys of [k1] was changed manually"
    ),
    "drop extension pg_trgm": "extension pg_trgm is gone",
    "alter schema private owner to postgres": "schema private: owner was changed manually",
    "delete from supabase_migrations.schema_migrations where version = '0007'": (
        "the row of 0007_projects is gone from supabase_migrations.schema_migrations"
    ),
}
# What is said of it once the state has lost it too.
LOST = {
    "policy users_update_own on public.users is gone": "Policy public.users/users_update_own isn't in the state",
    "extension pg_trgm is gone": "Extension pg_trgm isn't in the state",
}
AT_AWS = (
    "storage-objects-files-private",
    "storage-objects-files-versions",
    "storage-objects-files-tls",
    "alarms-policy",
)


def client_of(scratch: Scratch, service: str, **more: Any) -> Any:
    aws = scratch.services["aws"]
    return boto3.client(
        service,
        endpoint_url=aws["endpoint"],
        aws_access_key_id=aws["access_key"],
        aws_secret_access_key=aws["secret_key"],
        region_name="us-east-1",
        **more,
    )


def s3(scratch: Scratch):
    return client_of(scratch, "s3", config=Config(s3={"addressing_style": "path"}, signature_version="s3v4"))


def sns(scratch: Scratch):
    return client_of(scratch, "sns")


def outputs(scratch: Scratch) -> dict:
    answer = scratch.pulumi("stack", "output", "--json", "--show-secrets")
    return json.loads(answer.output)


def test_up_shows_what_changes_alone_then_how_to_connect(dev):
    succeeded(dev.pulumi("config", "set", "database:invitationDays", "8"))
    pending = dev.start("preview").wait()
    assert (pending.status, pending.output.splitlines()[:2]) == (
        2,
        [" ~ Settings stored-settings", '     values["invitationDays"]: "14" → "8"'],
    )
    assert pending.last_line.endswith("do it: ./vpb up --stack dev")
    told = [json.loads(line) for line in succeeded(dev.start("up", "--json").wait()).splitlines()]
    assert any("summaryEvent" in event for event in told)
    assert not [event for event in told if event.get("diagnosticEvent", {}).get("severity") == "debug"]
    succeeded(dev.pulumi("config", "rm", "database:invitationDays"))
    lines = succeeded(dev.up()).splitlines()
    assert len(lines) <= 10
    assert lines[2].startswith("stack dev: 1 updated in ")
    assert "./vpb psql --stack dev" in lines[3]


def test_the_audit_of_a_fresh_environment_is_clean(dev):
    audit = dev.start("audit", "--json").wait()
    report = json.loads(audit.output[audit.output.index("{") :])
    assert (audit.status, report["clean"], report["skipped"]) == (0, True, [])
    assert [finding for finding in report["findings"] if finding["severity"] != "info"] == []


def test_each_url_logs_in_as_its_role_and_none_of_them_can_do_more(dev):
    urls = outputs(dev)
    assert set(urls) == OUTPUTS
    logins = {"admin_url": "postgres", "api_url": "authenticator", "auth_url": "authjs"}
    logins |= {f"{role}_url": role for role in ("monitor", "migrator", "backup")}
    for output, role in logins.items():
        with psycopg.connect(urls[output]) as connection:
            assert connection.execute("select current_user").fetchone() == (role,)
    with psycopg.connect(urls["api_url"]) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute("select * from public.projects")
    with psycopg.connect(urls["api_url"]) as connection:
        connection.execute("set role anon")
        assert connection.execute("select count(*) from public.projects").fetchone() == (0,)
    with psycopg.connect(urls["auth_url"]) as connection:
        assert connection.execute('select "emailVerified" from users').fetchall() == []


def test_the_outputs_describe_the_buckets_and_hide_the_urls(dev):
    shown = json.loads(dev.pulumi("stack", "output", "--json").output)
    assert shown["admin_url"] == "[secret]"
    assert shown["storage_buckets"]["audio"]["file_size_limit"] == 50_000_000
    assert shown["storage_buckets"]["audio"]["public"] is False
    assert "audio/mpeg" in shown["storage_buckets"]["audio"]["allowed_mime_types"]
    assert s3(dev).head_bucket(Bucket=shown["object_bucket"])["ResponseMetadata"]["HTTPStatusCode"] == 200


def test_an_app_gets_what_it_needs_from_one_command(dev):
    shown = dev.start("env", "--secrets", "--format", "json").wait()
    found = json.loads(succeeded(shown))
    with psycopg.connect(found["DATABASE_URL"]) as connection:
        assert connection.execute("select current_user").fetchone() == ("authenticator",)
    with psycopg.connect(found["AUTH_DATABASE_URL"]) as connection:
        assert connection.execute("select current_user").fetchone() == ("authjs",)
    client = boto3.client(
        "s3",
        endpoint_url=found["AWS_ENDPOINT_URL_S3"],
        region_name=found["AWS_REGION"],
        aws_access_key_id=found["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=found["AWS_SECRET_ACCESS_KEY"],
        config=Config(s3={"addressing_style": "path"}),
    )
    assert client.head_bucket(Bucket=found["OBJECT_BUCKET"])["ResponseMetadata"]["HTTPStatusCode"] == 200


def test_a_session_status_and_log_of_the_embedded_server(dev):
    session = dev.start("psql", "--as", "anon", "-c", "select current_user, auth.role()").wait()
    assert "anon         | anon" in succeeded(session)
    status = json.loads(succeeded(dev.start("status", "--json").wait()))
    running = {service["name"]: service["address"] for service in status["services"]}
    assert f"127.0.0.1:{dev.services['postgres']['port']}" in running["PostgreSQL"]
    assert running["moto"] == dev.services["aws"]["endpoint"]
    assert (status["problem"], status["last_up"]["result"]) == (None, "succeeded")
    dev.sql("create table private.logged (); drop table private.logged")
    assert "drop table private.logged" in succeeded(dev.start("logs", "--lines", "200").wait())


def test_no_password_lies_in_the_state_or_in_a_log(dev):
    secrets = {url.split(":")[2].split("@")[0] for name, url in outputs(dev).items() if name.endswith("_url")}
    files = [path for path in (dev.folder / ".local").rglob("*") if path.is_file()]
    assert dev.checkpoint in files
    readable = [path for path in files if path.name not in ("services.json", "server.json")]
    leaks = [path for path in readable for secret in secrets if secret.encode() in path.read_bytes()]
    assert not leaks, "only the two files that describe the superuser's login hold it, for its owner to read"
    assert (dev.folder / ".local").stat().st_mode & 0o077 == 0, "nobody else looks inside"


def unlisted(dev: Scratch, *said: str) -> list[str]:
    """What the drift report doesn't say."""
    run = dev.start("drift", "--json").wait()
    assert run.status == 2
    found = [change for drift in json.loads(run.output)["drift"] for change in drift["manual"]]
    lines = " | ".join(f"{each['object']}: {each['what']} | {each['object']} {each['what']}" for each in found)
    return [each for each in said if each.replace("manually, ", "").replace(" manually", "") not in lines]


def test_every_change_manually_is_named_and_repaired(dev):
    dev.sql("insert into next_auth.users (email) values ('kept@example.org')")
    for statement in MANUAL:
        dev.sql(statement)
    client, bucket = s3(dev), outputs(dev)["object_bucket"]
    client.delete_public_access_block(Bucket=bucket)
    client.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Suspended"})
    client.delete_bucket_policy(Bucket=bucket)
    topic = outputs(dev)["alarm_topic_arn"]
    everybody = {"Effect": "Allow", "Principal": "*", "Action": "sns:Publish", "Resource": topic}
    sns(dev).set_topic_attributes(
        TopicArn=topic, AttributeName="Policy", AttributeValue=json.dumps({"Statement": [everybody]})
    )

    preview = dev.preview()
    assert preview.status != 0, "a preview that expects no changes must fail on drift"
    unsaid = [said for said in (*MANUAL.values(), *AT_AWS) if said not in preview.output]
    assert not unsaid, "the preview names each of them"
    assert not unlisted(dev, *MANUAL.values(), *AT_AWS), "the drift report lists each of them"
    # Somebody lets the state take it in, or a run does that fails afterwards: what isn't undone stays a manual change.
    succeeded(dev.pulumi("refresh", "--yes"))
    dev.sql("revoke truncate on public.users from anon")
    undone = MANUAL["grant truncate on public.users to anon"]
    said = [LOST.get(each, each) for each in MANUAL.values()]
    assert unlisted(dev, *said) == [undone], "what is undone is no manual change any more"

    succeeded(dev.up())
    assert dev.drift().status == 0
    assert dev.sql("select count(*) from next_auth.users where email = 'kept@example.org'") == [(1,)]
    switches = "select relrowsecurity, relforcerowsecurity from pg_class where oid in (%s)"
    tables = "'public.users'::regclass, 'public.projects'::regclass, 'next_auth.users'::regclass"
    assert dev.sql(switches % tables) == [(True, True)] * 3
    assert dev.sql("select 1 from pg_policies where policyname = 'stray'") == []


def test_an_applied_step_that_was_edited_is_refused_by_name(dev):
    path = dev.folder / "sql" / "migrations" / "0007_projects.up.sql"
    text = path.read_text()
    path.write_text(text + "-- one line more\n")
    try:
        refused = dev.up()
        assert refused.status == 1
        assert "0007_projects.up.sql" in refused.output
        lines = [line for line in refused.output.splitlines() if "was edited after it was applied" in line]
        assert [line for line in lines if "sql/migrations/0007_projects.up.sql:1: was edited" not in line] == []
        assert max(map(len, lines)) < 310, "without the checksums of all migrations"
        assert refused.last_line == f"error: {lines[-1].removeprefix('error: ')}", "the cause is last"
        assert len(refused.output.splitlines()) <= 10
        assert "Traceback" not in refused.output
    finally:
        path.write_text(text)


def test_a_setting_that_cannot_be_used_is_refused_in_one_line(dev):
    stack_file = dev.folder / "Pulumi.dev.yaml"
    before = stack_file.read_text()
    try:
        stack_file.write_text("config:\n  database:colour: red\n")
        refused = dev.pulumi("preview", "--non-interactive")
        assert refused.status != 0
        assert "setting database:colour is 'red'; allowed is no such key" in refused.output
        assert "Traceback" not in refused.output
    finally:
        stack_file.write_text(before)


def test_a_broken_rule_in_sql_is_refused_in_one_line_before_anything_is_registered(dev):
    path = dev.folder / "sql" / "policies" / "public.stray.sql"
    path.write_text("select 1; /* todo")
    try:
        refused = dev.pulumi("preview", "--non-interactive")
        assert refused.status != 0
        assert "sql/policies/public.stray.sql:1: /* comment is not closed in this file" in refused.output
        assert "Traceback" not in refused.output
        assert "pg:index:Role" not in refused.output
    finally:
        path.unlink()


def test_a_change_of_buckets_that_reaches_files_is_refused_before_anything_is_changed(dev):
    """The figures are in the preview; what is allowed by name passes."""
    dev.sql(
        """insert into storage.objects (bucket_id, name, metadata) values ('exports', 'a/b.zip', '{"size": 700}')""",
    )
    cdn = client_of(dev, "cloudfront")
    client, bucket = s3(dev), outputs(dev)["object_bucket"]

    def at_aws():
        return (
            cdn.get_distribution_config(Id=outputs(dev)["cdn_distribution"])["DistributionConfig"],
            client.get_bucket_policy(Bucket=bucket)["Policy"],
            client.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"],
        )

    stack_file = dev.folder / "Pulumi.dev.yaml"
    before, stood = stack_file.read_text(), at_aws()
    declared = "config:\n  database:target: local\n  database:buckets:\n"
    public = "    - {id: exports, public: true, cdn: true}\n"
    try:
        stack_file.write_text(declared + public)
        refused = dev.up()
        assert "bucket exports: public makes 1 files, 700 bytes, readable by everybody" in refused.output
        assert at_aws() == stood
        assert dev.sql("select id, public from storage.buckets order by id") == [
            ("audio", False),
            ("avatars", True),
            ("exports", False),
        ]
        stack_file.write_text(declared + public + ALLOWED)
        shown = dev.start("preview", "--json").wait()
        assert "readable by everybody" not in shown.output
        found = json.loads(shown.output[shown.output.index("{") :])
        assert (shown.status, found["changeSummary"]["update"] > 0) == (2, True)
    finally:
        stack_file.write_text(before)
        dev.sql("begin; set local storage.allow_delete_query = 'true'; delete from storage.objects; commit")


def test_ctrl_c_ends_a_run_with_a_clear_line_and_the_next_goes_on(dev):
    run = dev.start("up")
    deadline = time.monotonic() + 60
    while not any("pulumi" in process.command for process in dev.processes()) and time.monotonic() < deadline:
        time.sleep(0.1)
    time.sleep(1)
    run.interrupt()
    ended = run.wait()
    # Before the engine listens for it, the signal ends it as any other would.
    clear = ("interrupted; run it again, it goes on from there", "it goes on from where this run was")
    assert ended.status == 0 or any(line in ended.last_line for line in clear)
    again = dev.up()
    succeeded(again)
    assert re.fullmatch(r"stack dev: up to date, nothing to do \(\d+ s\)", again.last_line)


def test_a_run_leaves_the_checkouts_files_as_they_were(dev):
    assert (dev.folder / "Pulumi.dev.yaml").read_text() == Path("Pulumi.dev.yaml").read_text()
