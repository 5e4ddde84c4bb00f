"""A stack's whole life in a project like a hosted one of Supabase: what is the platform's stays as it is."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace

import psycopg
import pytest

from declared import roles
from declared.platform import SUPABASE
from declared.roles import OWNER
from harness import scratch, stack
from harness.stack import Run, Stack, with_inputs
from ops.audit import run
from ops.audit.model import Severity
from ops.branches import copying, structure
from ops.migrations import run as migrations
from ops.migrations.job import Options
from tests.doubles import supabasecatalogue, supabaselike
from tests.doubles.supabasecatalogue import Lines
from tests.doubles.supabaselike import SupabaseLike
from tests.sql import provision
from tests.sql.provision import refused

# One server, whose tests go on from each other.
pytestmark = pytest.mark.xdist_group("supabaselike")
OURS = roles.names(SUPABASE)
# What the platform ships every month.
RELEASE = (
    "alter table auth.users add column nickname text",
    "create table auth.passkeys (id uuid primary key)",
    "grant all on table auth.passkeys to supabase_auth_admin",
    "alter table storage.objects add column checksum text",
    "create table storage.replicas (id uuid primary key); alter table storage.replicas enable row level security",
    "create index replicated on storage.objects (archived_at)",
    "create or replace function storage.filename(name text) returns text language sql immutable"
    " as $$ select reverse(split_part(reverse(name), '/', 1)) $$",
    "create function storage.level(name text) returns integer language sql security definer"
    " as $$ select cardinality(string_to_array(name, '/')) $$",
    "create or replace function extensions.grant_pg_net_access() returns event_trigger language plpgsql"
    " as $$ begin null; end $$",
    "create role supabase_new_admin login",
    "create schema supabase_functions; grant usage on schema supabase_functions to anon",
    "create event trigger more on ddl_command_end execute function extensions.pgrst_ddl_watch()",
    "create publication supabase_more",
    "alter default privileges for role postgres in schema public revoke all on tables from anon",
    "alter default privileges for role supabase_admin in schema storage grant select on tables to anon",
    "alter database postgres set statement_timeout = '3min'",
    "alter role authenticated set statement_timeout = '9s'",
    "grant truncate on table storage.objects to supabase_etl_admin",
    "create trigger more before insert on storage.objects for each row"
    " execute function storage.update_updated_at_column()",
)


@dataclass
class World:
    """The double, with a stack in it."""

    double: SupabaseLike
    stack: Stack
    known: list[str]
    """The platform's roles."""
    before: Lines
    """What was there before the stack."""
    first: Run
    """The first preview."""

    def lines(self) -> Lines:
        with psycopg.connect(self.double.platform()) as connection:
            return supabasecatalogue.lines(connection, self.known)

    def manually(self, *statements: str) -> None:
        with psycopg.connect(self.double.url(), autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement.encode())


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    """A first preview, `up`, and a second preview that has nothing to say."""
    with supabaselike.server() as double:
        with psycopg.connect(double.platform()) as connection:
            known = supabasecatalogue.roles(connection)
            before = supabasecatalogue.lines(connection, known)
        made = Stack(double.url(), stack.declaration(supabaselike.DATABASE, target="supabase"))
        world = World(double, made, known, before, made.preview())
        assert world.first.errors == {}
        assert made.up().errors == {}
        assert made.preview().text == []
        yield world


POLICIES = ("storage.objects.objects_", "storage.buckets.buckets_", "realtime.messages.messages_")


def is_ours(kind: str, name: str, definition: str) -> bool:
    """Whether a line that wasn't there before is one that this project may add to what is the platform's."""
    grantee = definition.partition("=")[0]
    return (
        (kind == "grant" and grantee in OURS)
        or (kind == "policy" and name.startswith(POLICIES))
        or (kind == "trigger" and " EXECUTE FUNCTION private." in definition)
        or (kind == "constraint" and definition.startswith("TRIGGER ") and "._" in name)
        or (kind, name) == ("extension", "pg_trgm")
        or (kind == "default privileges" and name.startswith(f"{OWNER} "))
    )


def test_nothing_of_the_platforms_is_another_after_up(world):
    after = world.lines()
    assert world.before - after == frozenset()
    assert [line for line in sorted(after - world.before) if not is_ours(*line)] == []


def test_the_first_preview_says_what_cannot_be_had_there(world):
    said = [line for line in world.first.messages if line.startswith("snapshot-platform: supabase: ")]
    assert len(said) == len(SUPABASE.limits)
    assert "doesn't fire in sessions with session_replication_role = replica" in said[0]
    made = {each.token for each in world.stack.declared.values()}
    assert "pg:index:FunctionGrants" in made
    names = world.stack.declared.keys()
    theirs = {f"roles-{role}" for role in SUPABASE.roles} | {
        f"structure-{name}" for name in ("auth", "realtime", "storage")
    }
    assert names & (theirs | {"structure-extensions", "structure-pgcrypto", "access-functions-auth"}) == set()


def test_each_login_of_the_platform_and_of_ours_connects(world):
    for login in (*supabaselike.LOGINS, supabaselike.PLATFORM):
        with psycopg.connect(world.double.url(login)) as connection:
            assert connection.execute("select 1").fetchone() == (1,)
    for role, spec in roles.on(SUPABASE).items():
        if spec.login:
            password = world.stack.state[f"roles-{role}-password"].state["password"]
            with psycopg.connect(world.double.url(role, password)) as connection:
                assert connection.execute("select current_user").fetchone() == (role,)


def test_row_policies_hold_for_callers_of_the_platforms_api(world):
    with psycopg.connect(world.double.url("authenticator")) as connection:
        connection.execute("set local role authenticated")
        claims = '{"sub": "00000000-0000-7000-8000-000000000001", "role": "authenticated"}'
        connection.execute("select set_config('request.jwt.claims', %s, true)", [claims])
        mine = "insert into storage.objects (bucket_id, name) values ('audio', 'another/a.ogg')"
        refused(connection, psycopg.errors.InsufficientPrivilege, mine)
        assert connection.execute("select count(*) from public.projects").fetchone() == (0,)


def test_a_project_room_stands_on_the_platforms_own_table(world):
    """Realtime has made a day; it asks as its login, and the database sends what has changed."""
    world.double.release("create table realtime.messages_2026_01_01 partition of realtime.messages default")
    assert world.stack.preview().text == []
    insert = "insert into realtime.messages (topic, extension) values (%s, 'broadcast')"
    with psycopg.connect(world.double.platform()) as admin:
        made = "insert into next_auth.users (name, email) values ('Ada', 'ada@example.com') returning id::text"
        (ada,) = provision.row(admin, made)
        project = "insert into public.projects (owner_id, title) values (%s, 'room') returning id::text"
        topic = f"project:{provision.row(admin, project, (ada,))[0]}"
        admin.execute("update private.settings set value = 'true' where name = 'broadcast'")
        stranger = "00000000-0000-7000-8000-000000000001"
        for person, expected in ((ada, 1), (stranger, 0)):
            claims = json.dumps({"sub": person, "role": "authenticated"})
            with admin.transaction(force_rollback=True):
                admin.execute("set local session authorization authenticator; set local role authenticated")
                configure = "select set_config('request.jwt.claims', %s, true), set_config('realtime.topic', %s, true)"
                admin.execute(configure, (claims, topic))
                if person == ada:
                    add = "insert into public.project_components (project_id, kind) values (%s, 'text')"
                    admin.execute(add, (topic.partition(":")[2],))
                    admin.execute(insert, (topic,))
                else:
                    refused(admin, psycopg.errors.InsufficientPrivilege, insert, topic)
                seen = provision.row(admin, "select count(*) filter (where event = 'INSERT') from realtime.messages")
                assert seen == (expected,), person
        admin.rollback()
    world.double.release("drop table realtime.messages_2026_01_01")


def test_a_release_of_the_platform_leaves_previews_empty_and_up_with_nothing_to_do(world):
    before = world.lines()
    world.double.release(*RELEASE)
    assert world.lines() != before
    assert world.stack.preview().text == []
    assert world.stack.up().text == []


def test_a_lost_state_finds_all_of_it_again(world):
    world.stack.state = {}
    assert world.stack.up().errors == {}
    assert world.stack.preview().text == []


def test_manual_changes_of_what_is_ours_are_named_and_repaired(world):
    world.manually(
        "alter policy objects_select_own on storage.objects using (true)",
        "grant insert on table storage.objects to cleaner",
        "revoke usage on schema storage from cleaner",
        "update storage.buckets set public = true where id = 'audio'",
        "alter role backup connection limit 7",
        "grant select on table public.users to anon",
        f"grant service_role to {OWNER}",
    )
    seen = world.stack.preview()
    assert seen.errors == {}
    assert {*seen.changes} == {
        "access-objects_select_own",
        "access-table-storage.objects",
        "structure-schema-storage",
        "storage-audio",
        "roles-backup",
        "access-table-public.users",
        f"roles-{OWNER}-groups",
    }
    assert all(any(line.startswith(name) for line in seen.messages) for name in seen.changes)
    assert not any("isn't whole" in line or "can't be copied" in line for line in seen.messages), seen.messages
    assert world.stack.up().errors == {}
    assert world.stack.preview().text == []


def test_a_preview_fails_where_up_would(world):
    wrong = with_inputs(world.stack.declared, {"access-projects_select_public": {"using": "visible"}})
    (said,) = replace(world.stack, declared=wrong).preview().errors.values()
    assert 'column "visible" does not exist' in said
    assert said.endswith("(tried on a copy of the structure, nothing was changed)")


def test_a_trigger_of_ours_that_is_gone_stops_up(world):
    (definition,) = [line[2] for line in world.lines() if line[1] == "storage.objects._120_check_name"]
    world.manually("drop trigger _120_check_name on storage.objects")
    stopped = world.stack.up()
    assert "table storage.objects: trigger _120_check_name" in next(iter(stopped.errors.values()))
    world.manually(definition.removesuffix("O"))
    assert world.stack.preview().text == []


def audited(world: World) -> set[tuple[str, str]]:
    """What the audit finds above info, but for what the double's server is and what a stack alone knows."""
    found = run.audit(None, world.double.url()).findings
    beside = ("setting-weak", "bucket-public")
    return {(each.rule, each.object) for each in found if each.severity > Severity.info and each.rule not in beside}


def test_the_audit_has_nothing_to_say_above_info_of_what_is_the_platforms(world):
    assert audited(world) == set()
    said = run.audit(None, world.double.url()).findings
    detail = "_900_audit_update on storage.buckets doesn't fire in sessions with session_replication_role = replica"
    assert detail in {each.reason for each in said if each.rule == "audit-trail-broken"}


def test_the_audit_finds_what_is_nobodys_in_the_platforms_schemas_too(world):
    world.manually(
        "create role stray login",
        "grant anon to stray",
        "grant usage on schema storage to stray",
        "grant select on table storage.objects to stray",
        "grant update on table storage.objects to cleaner",
        "grant create on schema public to anon",
        "grant create on database postgres to stray",
        "grant create on schema extensions to authenticated",
        "grant service_role to anon",
        "grant select on table public.users to anon",
        "create policy by_dashboard on storage.objects for select to anon using (true)",
        "drop trigger _900_audit_delete on storage.buckets",
        "create schema of_the_app",
    )
    found = audited(world)
    assert {
        ("role-undeclared", "role stray"),
        ("membership-undeclared", "role anon"),
        ("grant-undeclared", "schema extensions"),
        ("membership-undeclared", "role stray"),
        ("grant-undeclared", "schema storage"),
        ("grant-undeclared", "table storage.objects"),
        ("grant-undeclared", "schema public"),
        ("grant-undeclared", "database postgres"),
        ("grant-undeclared", "table public.users"),
        ("policy-undeclared", "policy by_dashboard on storage.objects"),
        ("audit-trail-broken", "audit trail"),
    } <= found, found
    world.manually(
        "create trigger _900_audit_delete after delete on storage.buckets referencing old table as old_rows"
        " for each statement execute function private.tg_storage_buckets__audit()",
        "drop policy by_dashboard on storage.objects; drop schema of_the_app; revoke create on schema public from anon",
        "revoke create on schema extensions from authenticated; revoke service_role from anon",
        "grant stray to postgres; drop owned by stray; drop role stray",
    )
    assert world.stack.up().errors == {}
    assert world.stack.preview().text == []


def test_migrations_are_those_that_this_platform_has(world):
    found = migrations.run("status", "dev", world.double.url(), True, Options())
    assert {folder: each["pending"] for folder, each in found.items()} == {"sql/supabase": [], "sql/migrations": []}
    assert [each["unknown"] for each in found.values()] == [[], []]


def test_a_row_policy_of_somebody_else_is_named_and_stays(world):
    world.manually("create policy by_dashboard on storage.objects for select to anon using (true)")
    said = [
        "access-storage.objects: row security of storage.objects: [by_dashboard] isn't declared and may open the "
        "table; it stays, as the table is the platform's: write it into sql/policies/storage.objects.sql, or drop it"
    ]
    assert world.stack.preview().text == said
    assert world.stack.up().text == said
    world.manually("drop policy by_dashboard on storage.objects")
    assert world.stack.preview().text == []


def test_what_the_platform_lacks_is_named_before_anything_is_changed(world):
    objects = [*SUPABASE.objects, "function auth.tenant() returns uuid", "column storage.objects.name jsonb"]
    more = with_inputs(world.stack.declared, {"snapshot-platform": {"objects": objects}})
    other = replace(world.stack, declared=more, state={})
    said = {
        "snapshot-platform": "what supabase brings: function auth.tenant() returns uuid, column storage.objects.name "
        "jsonb isn't there as this project needs it; database:url has to be the direct connection of a project of "
        "supabase, as its login postgres"
    }
    assert other.preview().errors == said
    assert other.up().errors == said


def test_masked_rows_come_into_a_server_without_the_platform(world):
    made = "insert into next_auth.users (name, email) values ('Ada', 'ada@example.com') returning id"
    with psycopg.connect(world.double.url(), autocommit=True) as connection:
        (person,) = provision.row(connection, made)
        connection.execute("insert into public.projects (owner_id, title) values (%s, 'Secret')", (person,))
        try:
            with scratch.server() as server, copying.opened(world.double.url()) as (source, at):
                structure.build(server.url(), structure.applied(source))
                copied = copying.copy(source, at, server.url(), lambda table: None)
                with psycopg.connect(server.url()) as copy:
                    found = copy.execute("select owner_id, title from public.projects").fetchall()
        finally:
            connection.execute("delete from next_auth.users where id = %s", (person,))
    assert found == [(person, "lorem ")]
    assert copied.rows["next_auth.users"] == 1
    assert "auth.users" in copied.empty


def test_destroy_leaves_what_is_the_platforms_and_what_was_adopted(world):
    before = {line for line in world.lines() if not is_ours(*line)}
    world.manually("create table public.of_the_app (id int)")
    gone = world.stack.down()
    assert gone.errors == {}
    after = {*world.lines()}
    assert (before - after, after - before) == (set(), set())
    with psycopg.connect(world.double.platform()) as connection:
        left = connection.execute("select rolname from pg_roles where rolname = any (%s)", [OURS]).fetchall()
        assert left == []
        schemas = "select nspname::text from pg_namespace where nspname in ('private', 'audit', 'supabase_migrations')"
        assert connection.execute(schemas).fetchall() == []
        assert connection.execute("select to_regclass('public.of_the_app')::text").fetchone() == ("of_the_app",)
        kept = {name for (name,) in connection.execute("select extname::text from pg_extension").fetchall()}
        assert {"pgcrypto", "pg_stat_statements"} <= kept
        published = connection.execute("select pubname::text from pg_publication where pubname = 'supabase_realtime'")
        assert published.fetchall() == [("supabase_realtime",)]
