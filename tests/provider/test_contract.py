"""One contract for every type of the provider, against real servers, as a superuser and as an owner without superuser.

What is special to migrations, grants and secrets is in files of their own beside this one.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from declared import sqlfiles
from harness.engine import CheckRefusal, Engine, Refusal, Thing
from provider.resources import KINDS
from provider.resources.base import ObjectKind
from tests.provider.world import World

VERIFIERS = [f"SCRAM-SHA-256$4096:{'c2FsdHNhbHRzYWx0c2FsdA=='}${key}=:{key}=" for key in ("A" * 43, "B" * 42 + "E")]
POLICY = {
    "table": "public.notes",
    "name": "notes_select_own",
    "kind": "permissive",
    "command": "select",
    "roles": ["{reader}"],
    "using": "writer = (select current_user) and public.helps(writer)",
    "comment": "A reader's own",
}
REBUILT = "drop policy notes_select_own on public.notes; create policy notes_select_own on public.notes "
OWN = "writer = (select current_user) and public.helps(writer)"


@dataclass(frozen=True)
class Subject:
    """A type, a declaration of it, and what people do to it manually."""

    inputs: dict[str, Any]
    manual: Mapping[str, str]
    """Property to the statement that changes it."""
    another: dict[str, Any]
    """What an update changes in the declaration."""
    before: str = ""
    """What has to be there first."""
    vanish: str = ""
    """How the object goes manually."""
    stays: bool = False
    """Whether deleting the resource leaves the object in place."""
    differs: str = ""
    """How the object is there before us, in another form."""
    blames: str = ""
    """What the refusal names."""
    only_superuser: Mapping[str, str] = field(default_factory=dict)
    """Property to the reason why a login without superuser can't have it."""


SUBJECTS = {
    "Role": Subject(
        inputs={
            "name": "{made}",
            "login": True,
            "settings": {"statement_timeout": "3s", "search_path": "public, extra", "timezone": "UTC"},
            "verifier": VERIFIERS[0],
            "comment": "made for a test",
        },
        manual={
            "login": "alter role {made} nologin",
            "inherit": "alter role {made} noinherit",
            "createrole": "alter role {made} createrole",
            "createdb": "alter role {made} createdb",
            "replication": "alter role {made} replication",
            "bypassrls": "alter role {made} bypassrls",
            "superuser": "alter role {made} superuser",
            "limit": "alter role {made} connection limit 7",
            "expires": "alter role {made} valid until '2030-01-02T03:04:05Z'",
            "settings": "alter role {made} set statement_timeout = '9s'",
            "verifier": f"alter role {{made}} password '{VERIFIERS[1]}'",
            "comment": "comment on role {made} is 'changed'",
        },
        another={
            "limit": 3,
            "inherit": False,
            "createdb": True,
            "settings": {"search_path": "extra", "lock_timeout": "1s"},
            "comment": "another",
        },
        vanish="drop role {made}",
        differs="create role {made} nologin",
        blames="role {made} exists already with login False, declared is True",
        only_superuser={
            "replication": "only a superuser takes replication away from a role",
            "bypassrls": "only a superuser takes BYPASSRLS away from a role",
            "superuser": "only a superuser alters a superuser",
            "verifier": "only a superuser reads the stored verifiers",
        },
    ),
    "RowSecurity": Subject(
        inputs={"table": "public.notes", "policies": []},
        manual={
            "enabled": "alter table public.notes disable row level security",
            "forced": "alter table public.notes no force row level security",
            "policies": "create policy stray on public.notes using (true)",
        },
        another={"forced": False},
        vanish="drop table public.notes",
        stays=True,
        differs="create policy stray on public.notes using (true)",
        blames="row security of public.notes: [stray] exist and aren't declared",
    ),
    "Policy": Subject(
        inputs=POLICY,
        manual={
            "kind": REBUILT + f"as restrictive for select to {{reader}} using ({OWN}); "
            "comment on policy notes_select_own on public.notes is 'A reader''s own'",
            "command": REBUILT + f"for delete to {{reader}} using ({OWN}); "
            "comment on policy notes_select_own on public.notes is 'A reader''s own'",
            "roles": "alter policy notes_select_own on public.notes to {writer}",
            "using": "alter policy notes_select_own on public.notes using (true)",
            "comment": "comment on policy notes_select_own on public.notes is null",
        },
        another={"kind": "restrictive", "command": "update", "check": "title <> ''", "roles": ["{reader}", "{writer}"]},
        vanish="drop policy notes_select_own on public.notes",
        differs="create policy notes_select_own on public.notes for select to {reader} using (true)",
        blames="policy notes_select_own on public.notes exists already with using 'true'",
    ),
    "Policy (check)": Subject(
        inputs={
            "table": "public.notes",
            "name": "notes_insert_own",
            "command": "insert",
            "roles": ["{writer}"],
            "check": "writer = current_user",
            "location": "sql/policies/public.notes.sql:3",
        },
        manual={"check": "alter policy notes_insert_own on public.notes with check (true)"},
        another={"check": "title like '50%'"},
        vanish="drop policy notes_insert_own on public.notes",
        differs="create policy notes_insert_own on public.notes for insert to {writer} with check (true)",
        blames="policy notes_insert_own on public.notes exists already with check 'true'",
    ),
    "Grants": Subject(
        inputs={
            "kind": "table",
            "name": "public.notes",
            "grants": {"{reader}": ["select"], "{writer}": ["insert(title, body)", "delete"]},
        },
        manual={"grants": "grant update on public.notes to {reader}"},
        another={"grants": {"{writer}": ["select(title)"]}},
        vanish="drop table public.notes",
        stays=True,
    ),
    "FunctionGrants": Subject(
        inputs={
            "schema": "extra",
            "functions": {"extra.hail(text)": {"{reader}": ["execute"]}, "extra.clear()": {}},
        },
        before="create function extra.hail(a text) returns text language sql as 'select a';"
        "create procedure extra.clear() language sql as '';"
        "alter function extra.hail(text) owner to app_owner; alter procedure extra.clear() owner to app_owner",
        manual={"functions": "grant execute on procedure extra.clear() to {writer}"},
        another={"functions": {"extra.hail(text)": {"public": ["execute"]}}},
        vanish="drop schema extra cascade",
        stays=True,
    ),
    "Bucket": Subject(
        inputs={
            "bucket": "songs",
            "public": False,
            "fileSizeLimit": 5000,
            "allowedMimeTypes": ["audio/mpeg", "font/*"],
        },
        manual={
            "public": "update storage.buckets set public = true",
            "fileSizeLimit": "update storage.buckets set file_size_limit = 9000000000",
            "allowedMimeTypes": "update storage.buckets set allowed_mime_types = null",
            "columns": "update storage.buckets set name = 'other', owner_id = 'somebody', avif_autodetection = true",
        },
        another={"public": True, "fileSizeLimit": 7000, "allowedMimeTypes": ["audio/ogg"]},
        vanish="begin; set local storage.allow_delete_query = 'true'; delete from storage.buckets; commit",
        differs="insert into storage.buckets (id, name, public) values ('songs', 'songs', true)",
        blames="bucket songs exists already with public True, declared is False",
    ),
    "Publication": Subject(
        inputs={"name": "changes", "tables": ["public.notes"], "operations": ["insert", "update", "delete"]},
        manual={
            "tables": "alter publication changes add table public.other",
            "operations": "alter publication changes set (publish = 'insert, truncate')",
            "schemas": "alter publication changes add tables in schema extra",
            "root": "alter publication changes set (publish_via_partition_root = true)",
        },
        another={"tables": ["public.other"], "operations": ["insert"], "root": True},
        vanish="drop publication changes",
        differs="create publication changes for table public.other",
        blames="publication changes exists already with tables [public.other], declared is [public.notes]",
    ),
    "SealingKeys": Subject(
        inputs={
            "table": "public.sealing_keys",
            "order": ["k1", "k2"],
            "publicKeys": {"k1": "QUFB", "k2": "QkJC" * 50},
        },
        manual={
            "order": "update public.sealing_keys set position = 1 - position",
            "publicKeys": "update public.sealing_keys set public_key = 'other' where id = 'k1'",
        },
        another={"order": ["k3", "k1"], "publicKeys": {"k1": "QUFB", "k3": "Q0ND"}},
        # What sealed values are is the migration's affair: here, a row of public.other is one of k1's.
        before="set role app_owner; create table public.sealing_keys (id text primary key, position bigint, "
        "public_key bytea); create or replace function private.tokens_by_key() returns table (key text, tokens bigint) "
        "language sql as $$ select 'k1', count(*) from public.other $$; reset role",
        vanish="delete from public.sealing_keys",
        stays=True,
        differs="insert into public.sealing_keys values ('k1', 0, 'other'); insert into public.other values (1)",
        blames="sealing keys in public.sealing_keys: [k1] seals 1 tokens here and isn't the declared key",
    ),
    "Settings": Subject(
        inputs={"table": "public.settings", "values": {"days": "14", "names": '["a", "b"]'}},
        manual={"values": "update public.settings set value = '15' where name = 'days'"},
        another={"values": {"days": "7", "more": '{"deep": [true]}'}},
        before="set role app_owner; create table public.settings (name text primary key, value jsonb); reset role",
        vanish="delete from public.settings",
        differs="insert into public.settings values ('days', '3'), ('names', '[]')",
        blames="settings in public.settings exists already with values {days: '3', names: '[]'}, declared is "
        "{days: '14', names: '[\"a\", \"b\"]'}",
    ),
    "Memberships": Subject(
        inputs={"role": "{made}", "groups": ["{reader}"]},
        manual={
            "groups": "set role {master}; grant {writer} to {made}; reset role",
            "members": "grant {made} to {writer}",
        },
        another={"groups": ["{writer}"]},
        before="create role {made}",
        vanish="drop role {made}",
        stays=True,
        only_superuser={"members": "only a superuser takes away what a superuser gave, from PostgreSQL 16 on"},
    ),
    "Schema": Subject(
        inputs={"name": "made_here", "owner": "app_owner", "comment": "made for a test"},
        manual={
            "owner": "alter schema made_here owner to {master}",
            "comment": "comment on schema made_here is 'changed'",
        },
        another={"owner": "{master}", "comment": "another"},
        vanish="drop schema made_here",
        differs="create schema made_here authorization {master}",
        blames="schema made_here exists already with owner '{master}', declared is 'app_owner'",
    ),
    "Extension": Subject(
        inputs={"name": "citext", "schema": "extra"},
        manual={"schema": "alter extension citext set schema public"},
        another={"schema": "public"},
        vanish="drop extension citext",
        differs="create extension citext schema public",
        blames="extension citext exists already with schema 'public', declared is 'extra'",
        only_superuser={"schema": "only its owner moves an extension's objects"},
    ),
    "Extension in a version": Subject(
        inputs={"name": "citext", "schema": "extra", "version": "1.5"},
        manual={"version": "drop extension citext; create extension citext schema extra version '1.4'"},
        another={"version": "1.6"},
        vanish="drop extension citext",
        differs="create extension citext schema extra version '1.4'",
        blames="extension citext exists already with version '1.4', declared is '1.5'",
        only_superuser={"version": "only its owner updates an extension"},
    ),
    "DefaultPrivileges": Subject(
        inputs={"role": "app_owner", "objects": "tables", "schema": "extra", "grants": {"{reader}": ["select"]}},
        manual={
            "grants": "alter default privileges for role app_owner in schema extra grant all on tables to {writer}"
        },
        another={"grants": {"{writer}": ["select with grant option", "insert"], "public": ["references"]}},
        vanish="drop schema extra cascade",
        stays=True,
    ),
    "DefaultPrivileges (everywhere)": Subject(
        inputs={"role": "{made}", "objects": "functions", "grants": {"{reader}": ["execute"]}},
        manual={"grants": "alter default privileges for role {made} grant execute on functions to public"},
        another={"grants": {}},
        before="create role {made}; grant {made} to {master}",
        vanish="drop owned by {made}; drop role {made}",
        stays=True,
    ),
    "MigrationSet": Subject(
        inputs={"folder": "{steps}", "steps": {}},
        manual={"steps": "delete from supabase_migrations.schema_migrations where version = '0001'"},
        another={},
        vanish="drop table public.things; drop schema supabase_migrations cascade",
    ),
}
MANUAL = [(name, property) for name, subject in SUBJECTS.items() for property in subject.manual]
ADOPTED = [name for name, subject in SUBJECTS.items() if subject.differs]


@dataclass
class Case:
    """A subject in a world: its declaration with the names of this run."""

    world: World
    subject: Subject
    token: str
    inputs: dict[str, Any]

    @property
    def engine(self) -> Engine:
        return self.world.engine

    def create(self) -> Thing:
        return self.engine.create(self.token, self.inputs)

    def refreshed(self, thing: Thing) -> Thing:
        found = self.engine.refresh(thing)
        assert found is not None, "the object is there and isn't found"
        return found

    def may(self, property: str) -> None:
        """Skip what this login can't do."""
        reason = self.subject.only_superuser.get(property)
        if reason and not self.world.superuser:
            pytest.skip(reason)

    def change_manually(self, property: str) -> None:
        self.may(property)
        self.world.sql(self.subject.manual[property])


def case(world: World, name: str, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> Case:
    subject = SUBJECTS[name]
    if subject.before:
        world.sql(subject.before)
    token = f"pg:index:{name.split()[0]}"
    inputs = world.named(subject.inputs)
    if name == "MigrationSet":
        inputs = migration_inputs(world, tmp_path)
    if name == "Role" and not world.superuser:
        inputs.pop("verifier")
    return Case(world, subject, token, inputs)


def migration_inputs(world: World, tmp_path: Any) -> dict[str, Any]:
    world.engine.plugin.read_from(tmp_path)
    folder = tmp_path / "sql" / "steps"
    folder.mkdir(parents=True)
    header = "-- 0001 things: a table.\n-- Lock: none. Duration: instant.\n-- Down: {}.\n"
    (folder / "0001_things.up.sql").write_text(header.format("the table") + "create table public.things (id int);\n")
    (folder / "0001_things.down.sql").write_text(header.format("the table") + "drop table public.things;\n")
    return {"folder": "sql/steps", "steps": {step.name: step.checksum for step in sqlfiles.steps(folder)}}


@pytest.fixture
def subject_case(world: World, request: pytest.FixtureRequest, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> Case:
    return case(world, request.param, tmp_path, monkeypatch)


EVERY = pytest.mark.parametrize("subject_case", list(SUBJECTS), indirect=True)


# What is generated is in no catalogue; the others have files of their own.
SNAPSHOT = {"pg:index:SchemaSnapshot", "pg:index:SchemaCheckpoint", "pg:index:BucketGuard", "pg:index:DrillGate"}
GENERATED = {"pg:index:Password", "pg:index:KeyPair", "pg:index:SealingKeyPair"}
OWN = GENERATED | {"pg:index:Given", "pg:index:HostedProject", "pg:index:ScheduledJob"} | SNAPSHOT


def test_every_type_of_the_provider_but_the_generated_ones_has_its_subject_here():
    tokens = {f"pg:index:{name.split()[0]}" for name in SUBJECTS}
    assert {kind.token for kind in KINDS} - tokens == OWN, "these have their own tests"


def test_every_compared_property_has_a_change_manually():
    for kind in KINDS:
        if kind.token in OWN:
            continue
        changeable = {name for name, field in kind.fields.items() if field.compared and not field.identity}
        covered = set()
        for name, subject in SUBJECTS.items():
            if kind.token == f"pg:index:{name.split()[0]}":
                covered |= set(subject.manual)
        # These say where, as whom and under which conditions migrations run; nothing on a server can change them.
        of_steps = {"history", "role", "protect", "allow"}
        # Whether the login acts as a role; a superuser always does. tests/provider/test_memberships.py changes it.
        left = {"pg:index:MigrationSet": of_steps, "pg:index:Memberships": {"acts"}}
        assert changeable - covered <= left.get(kind.token, set())


@EVERY
def test_created_then_nothing_to_do_and_nothing_seen(subject_case):
    thing = subject_case.create()
    assert subject_case.engine.diff(thing) == []
    found = subject_case.refreshed(thing)
    assert subject_case.engine.diff(found, subject_case.inputs) == [], "an undrifted preview is empty"
    assert found.inputs == thing.inputs, "what was declared comes back as it was written"
    assert subject_case.engine.reported() == []


@pytest.mark.parametrize(("subject_case", "property"), MANUAL, indirect=["subject_case"])
def test_a_property_changed_manually_is_seen_told_by_name_and_repaired(subject_case, property):
    thing = subject_case.create()
    subject_case.change_manually(property)
    engine = subject_case.engine
    found = subject_case.refreshed(thing)
    reported = engine.reported()
    label = subject_case.world.named(engine.plugin.kinds[thing.token].label(thing.inputs))
    assert len(reported) == 1
    assert label in reported[0], "the object is named"
    if property not in ("grants", "groups", "members", "policies", "steps"):
        assert property in reported[0], "the property is named"
    paths = engine.diff(found, subject_case.inputs)
    assert {path.split("[")[0] for path in paths} == {property}
    if type(engine.plugin.kinds[thing.token]).read is ObjectKind.read:
        found = subject_case.refreshed(found)
        assert engine.reported() == reported, "a refresh doesn't make it the declared one"
        assert found.inputs == thing.inputs
    repaired = engine.update(found, subject_case.inputs)
    again = subject_case.refreshed(repaired)
    assert engine.diff(again, subject_case.inputs) == [], "one update puts it right"
    assert [line for line in engine.reported() if not line.startswith(("apply ", "put back the row of "))] == []


@EVERY
def test_an_import_needs_the_id_alone(subject_case):
    thing = subject_case.create()
    found = subject_case.engine.bring_in(thing.token, thing.id)
    assert found is not None
    assert found.id == thing.id
    if "location" in subject_case.inputs:
        subject_case.inputs.pop("location")
    stored = {"usingStored": "using", "checkStored": "check"}
    written = {name: found.state[output] for output, name in stored.items() if output in found.state}
    declared = {**subject_case.inputs, **written}
    assert subject_case.engine.diff(found, declared) == []


@EVERY
def test_a_missing_object_cannot_be_imported(subject_case):
    id = subject_case.engine.plugin.kinds[subject_case.token].id(subject_case.inputs)
    if subject_case.subject.stays:
        subject_case.world.sql(subject_case.subject.vanish)
    assert subject_case.engine.bring_in(subject_case.token, id) is None


@EVERY
def test_deleted_then_gone_and_a_second_delete_is_no_error(subject_case):
    thing = subject_case.create()
    subject_case.engine.delete(thing)
    if subject_case.subject.stays:
        subject_case.world.sql(subject_case.subject.vanish)
    assert subject_case.engine.bring_in(thing.token, thing.id) is None
    subject_case.engine.delete(thing)


def test_a_setting_of_a_role_for_this_database_alone_is_seen_and_reset(world):
    thing = world.engine.create("pg:index:Role", world.named({"name": "{made}"}))
    database = world.sql("select current_database()")[0][0]
    world.sql(f"alter role {{made}} in database \"{database}\" set work_mem = '1GB'")
    changed = world.engine.refresh(thing)
    assert changed.state["settings"] == {"in this database: work_mem": "1GB"}
    repaired = world.engine.update(changed, thing.inputs)
    assert world.engine.refresh(repaired).state.get("settings") is None


@EVERY
def test_an_object_that_went_manually_is_made_again(subject_case):
    if subject_case.subject.stays:
        pytest.skip("this type doesn't make its object, a migration does")
    thing = subject_case.create()
    subject_case.world.sql(subject_case.subject.vanish)
    found = subject_case.engine.refresh(thing)
    reported = subject_case.engine.reported()
    assert reported, "it is said that the object is gone"
    if thing.token == "pg:index:MigrationSet":
        return
    assert found is None
    assert reported == [f"{subject_case.engine.plugin.kinds[thing.token].label(thing.inputs)} is gone from the server"]
    assert subject_case.engine.diff(subject_case.refreshed(subject_case.create()), subject_case.inputs) == []


@EVERY
def test_an_update_brings_every_property_to_the_new_declaration(subject_case):
    for property in subject_case.subject.another:
        subject_case.may(property)
    thing = subject_case.create()
    declared = {**subject_case.inputs, **subject_case.world.named(subject_case.subject.another)}
    paths = subject_case.engine.diff(thing, declared)
    assert {path.split("[")[0] for path in paths} == set(subject_case.subject.another)
    news = subject_case.engine.check(thing.token, declared, thing.inputs)
    assert list(subject_case.engine.compared(thing, news).replaces) == [], "never replaced instead of an update"
    updated = subject_case.engine.update(thing, declared)
    assert subject_case.engine.diff(subject_case.refreshed(updated), declared) == []


@EVERY
def test_a_preview_touches_no_server(subject_case, unconnected):
    inputs = subject_case.inputs
    made = unconnected.create(subject_case.token, inputs, preview=True)
    assert made.id == unconnected.plugin.kinds[subject_case.token].id(inputs)
    unconnected.update(replace(made, state=inputs), inputs, preview=True)
    assert subject_case.engine.bring_in(subject_case.token, made.id) is None or subject_case.subject.stays
    with pytest.raises(Refusal, match="the server's address isn't known yet"):
        unconnected.create(subject_case.token, inputs)


@EVERY
def test_an_object_that_is_there_as_declared_is_adopted(subject_case):
    thing = subject_case.create()
    second = subject_case.world.second_engine()
    try:
        adopted = second.create(subject_case.token, subject_case.inputs)
    finally:
        second.close()
    assert adopted.id == thing.id
    assert subject_case.engine.diff(subject_case.refreshed(adopted), subject_case.inputs) == []


@pytest.mark.parametrize("subject_case", ADOPTED, indirect=True)
def test_an_object_that_is_there_and_differs_is_refused_by_name(subject_case):
    subject_case.world.sql(subject_case.subject.differs)
    with pytest.raises(Refusal) as caught:
        subject_case.create()
    assert subject_case.world.named(subject_case.subject.blames) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("subject_case", ADOPTED, indirect=True)
def test_a_refused_object_is_left_as_it_was(subject_case):
    subject_case.world.sql(subject_case.subject.differs)
    id = subject_case.engine.plugin.kinds[subject_case.token].id(subject_case.inputs)
    before = subject_case.engine.bring_in(subject_case.token, id)
    with pytest.raises(Refusal):
        subject_case.create()
    assert subject_case.engine.bring_in(subject_case.token, id) == before


# The password, which is in no catalogue.


def test_a_password_stays_until_its_rotation_changes(unconnected):
    thing = unconnected.create("pg:index:Password", {})
    assert unconnected.diff(thing) == []
    assert unconnected.refresh(thing) == replace(thing, secrets=thing.secrets)
    assert unconnected.diff(thing, {"rotation": "2"}) == ["rotation"]
    rotated = unconnected.update(thing, {"rotation": "2"})
    assert rotated.state["password"] != thing.state["password"]
    assert rotated.state["verifier"] != thing.state["verifier"]
    unconnected.delete(rotated)
    unconnected.delete(rotated)


def test_a_password_and_its_verifier_are_secret_and_unknown_in_a_preview(unconnected):
    thing = unconnected.create("pg:index:Password", {}, preview=True)
    assert thing.id == ""
    assert thing.secrets == {"password", "verifier"}
    assert {repr(thing.state[name]) for name in thing.secrets} == {"unknown"}


def test_a_password_cannot_be_imported(unconnected):
    with pytest.raises(Refusal, match=r"^a password can't be imported; it exists in the state only$"):
        unconnected.bring_in("pg:index:Password", "0011")


def test_two_passwords_differ_and_each_logs_in_by_its_verifier(plain_world):
    import psycopg

    made = [plain_world.engine.create("pg:index:Password", {}).state for _ in range(2)]
    assert made[0]["password"] != made[1]["password"]
    role = plain_world.names["made"]
    plain_world.engine.create("pg:index:Role", {"name": role, "login": True, "verifier": made[0]["verifier"]})
    parts = {"host": plain_world.database.host, "port": plain_world.database.port, "dbname": "postgres"}
    psycopg.connect(**parts, user=role, password=made[0]["password"]).close()
    with pytest.raises(psycopg.OperationalError, match="authentication failed"):
        psycopg.connect(**parts, user=role, password=made[1]["password"])


# What is special to a type.


def test_a_rotated_password_reaches_the_server_though_the_login_may_not_read_verifiers(world):
    role = {"name": world.names["made"], "login": True}
    thing = world.engine.create("pg:index:Role", {**role, "verifier": VERIFIERS[0]})
    world.engine.update(thing, {**role, "verifier": VERIFIERS[1]})
    stored = world.sql("select rolpassword from pg_authid where rolname = '{made}'")
    assert stored == [(VERIFIERS[1],)]


def test_an_adopted_login_gets_the_declared_password(world):
    role = {"name": world.names["made"], "login": True}
    world.engine.create("pg:index:Role", {**role, "verifier": VERIFIERS[0]})
    world.engine.create("pg:index:Role", {**role, "verifier": VERIFIERS[1]})
    assert world.sql("select rolpassword from pg_authid where rolname = '{made}'") == [(VERIFIERS[1],)]


def test_a_role_with_grants_and_no_objects_is_deleted_with_its_grants(world):
    thing = world.engine.create("pg:index:Role", {"name": world.names["made"]})
    grants = {"kind": "table", "name": "public.notes", "grants": {world.names["made"]: ["select"]}}
    world.engine.create("pg:index:Grants", grants)
    world.engine.delete(thing)
    assert world.sql("select 1 from pg_roles where rolname = '{made}'") == []


def test_a_role_that_owns_something_is_kept_and_what_it_owns_is_named(world):
    thing = world.engine.create("pg:index:Role", {"name": world.names["made"]})
    world.sql("create table extra.kept (id int); alter table extra.kept owner to {made}")
    with pytest.raises(Refusal) as caught:
        world.engine.delete(thing)
    world.sql("drop table extra.kept")
    assert "extra.kept" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_restrictive_policy_is_never_open_while_it_changes(plain_world):
    """Trap 14: another kind or command is a drop and a create in one transaction."""
    import psycopg

    create = {**plain_world.named(POLICY), "kind": "restrictive", "using": "false"}
    plain_world.sql("insert into public.notes (writer) values ('a'); grant select on public.notes to {reader}")
    plain_world.sql("create policy everything on public.notes for select using (true)")
    plain_world.sql("grant usage on schema public to {reader}")
    impatient = plain_world.second_engine(lockTimeout="200ms")
    thing = plain_world.engine.create("pg:index:Policy", create)
    with psycopg.connect(plain_world.database.url, autocommit=True) as looking:
        looking.execute(f"set role {plain_world.names['reader']}".encode())
        with psycopg.connect(plain_world.database.url) as holding:
            holding.execute("select count(*) from public.notes")
            refused = Refusal("nothing")
            try:
                impatient.update(thing, {**create, "comment": "held up by another session"})
            except Refusal as error:
                refused = error
        assert "(55P03)" in str(refused), "the lock timeout ends the wait for the other session"
        assert looking.execute("select count(*) from public.notes").fetchone() == (0,)
        impatient.close()
        plain_world.engine.update(thing, {**create, "command": "all", "comment": "now"})
        assert looking.execute("select count(*) from public.notes").fetchone() == (0,)


def test_a_policy_is_compared_as_postgresql_spells_it_under_an_empty_search_path(world):
    """Trap 12: `pg_get_expr` follows the search path, so every session has an empty one."""
    world.sql("alter database {database} set search_path = public")
    engine = world.second_engine()
    try:
        thing = engine.create("pg:index:Policy", world.named(POLICY))
        assert "public.helps(writer)" in thing.state["usingStored"]
        assert "SELECT CURRENT_USER" in thing.state["usingStored"], "PostgreSQL's spelling isn't ours"
        found = engine.refresh(thing)
        assert found is not None
        assert found.inputs["using"] == POLICY["using"]
    finally:
        engine.close()
        world.sql("alter database {database} reset all")


def test_a_policy_s_error_names_object_code_file_and_line(world):
    inputs = {**world.named(POLICY), "using": "nobody = 1", "location": "sql/policies/public.notes.sql:4"}
    with pytest.raises(Refusal) as caught:
        world.engine.create("pg:index:Policy", inputs)
    assert str(caught.value) == (
        'policy notes_select_own on public.notes: column "nobody" does not exist (42703), '
        'sql/policies/public.notes.sql:4; Perhaps you meant to reference the column "notes.body"'
    )


def test_roles_and_policies_in_another_order_are_no_difference(world):
    policy = {**world.named(POLICY), "roles": [world.names["writer"], world.names["reader"]]}
    thing = world.engine.create("pg:index:Policy", policy)
    found = world.engine.refresh(thing)
    assert found is not None
    assert world.engine.diff(found, policy) == []
    guard = {"table": "public.notes", "policies": ["zeta", "notes_select_own"]}
    thing = world.engine.create("pg:index:RowSecurity", guard)
    found = world.engine.refresh(thing)
    assert found is not None
    assert world.engine.diff(found, guard) == []
    assert world.engine.reported() == []


def test_a_published_column_list_or_row_filter_set_manually_is_seen_and_repaired(world):
    inputs = {"name": "changes", "tables": ["public.notes"]}
    thing = world.engine.create("pg:index:Publication", inputs)
    for change in ("(id, title)", "where (title = 'x')"):
        world.sql(f"alter publication changes set table public.notes {change}")
        found = world.engine.refresh(thing)
        assert found is not None
        assert world.engine.diff(found, inputs) == ["tables"]
        assert "public.notes" in world.engine.reported()[0]
        world.engine.update(found, inputs)
        assert world.engine.diff(world.engine.refresh(thing), inputs) == []


def test_published_columns_are_compared_in_any_order_and_changed(world):
    inputs = {"name": "changes", "tables": ["public.notes (title, id)", "public.other"]}
    thing = world.engine.create("pg:index:Publication", inputs)
    assert world.engine.diff(world.engine.refresh(thing), inputs) == []
    (published,) = world.sql("select attnames from pg_publication_tables where tablename = 'notes'")
    assert sorted(published[0]) == ["id", "title"]
    another = {"name": "changes", "tables": ["public.notes (id)", "public.other"]}
    assert world.engine.diff(thing, another) == ["tables"]
    thing = world.engine.update(thing, another)
    assert world.engine.diff(world.engine.refresh(thing), another) == []
    world.sql("alter publication changes set table public.notes, public.other")
    found = world.engine.refresh(thing)
    assert world.engine.diff(found, another) == ["tables"]
    assert world.engine.reported() == [
        "publication changes: tables was changed manually from [public.notes (id), public.other] to "
        "[public.notes, public.other]"
    ]


def test_a_publication_of_every_table_is_seen_and_replaced_by_the_declared_one(world):
    inputs = {"name": "changes", "tables": ["public.notes"]}
    thing = world.engine.create("pg:index:Publication", inputs)
    world.sql("drop publication changes; create publication changes for all tables")
    found = world.engine.refresh(thing)
    assert world.engine.diff(found, inputs) == ["tables"]
    assert world.engine.reported() == ["publication changes: tables was changed manually from [public.notes] to [*]"]
    if not world.superuser:
        return  # It is the superuser's now, and only its owner drops it.
    world.engine.update(found, inputs)
    assert world.engine.diff(world.engine.refresh(thing), inputs) == []


def test_every_table_is_published_where_it_is_declared(plain_world):
    thing = plain_world.engine.create("pg:index:Publication", {"name": "changes", "tables": ["*"], "root": True})
    assert plain_world.engine.diff(plain_world.engine.refresh(thing)) == []
    assert plain_world.sql("select puballtables, pubviaroot from pg_publication") == [(True, True)]
    plain_world.engine.update(thing, {"name": "changes", "tables": ["public.other"], "schemas": ["extra"]})
    assert plain_world.sql("select puballtables, pubviaroot from pg_publication") == [(False, False)]


def test_every_kind_of_expiry_is_seen_and_another_spelling_of_one_is_no_difference(world):
    name = world.names["made"]
    thing = world.engine.create("pg:index:Role", {"name": name})
    for until in ("-infinity", "2030-01-02 03:04:05.5+00"):
        world.sql(f"alter role {{made}} valid until '{until}'")
        found = world.engine.refresh(thing)
        assert found is not None
        assert world.engine.diff(found, {"name": name}) == ["expires"]
        world.engine.update(found, {"name": name})
        assert world.sql("select rolvaliduntil::text from pg_roles where rolname = '{made}'") == [("infinity",)]
    for text in ("2030-01-02", "2030-01-02T00:00:00Z", "2030-01-02T01:00:00.000+01:00"):
        thing = world.engine.update(thing, {"name": name, "expires": text})
        found = world.engine.refresh(thing)
        assert found is not None
        assert world.engine.diff(found, {"name": name, "expires": text}) == []
        assert found.inputs["expires"] == text


def test_a_function_that_nobody_declared_is_seen_and_closed(world):
    world.sql("create function extra.kept() returns int language sql as 'select 1'")
    world.sql("alter function extra.kept() owner to app_owner; revoke execute on function extra.kept() from public")
    inputs = {"schema": "extra", "functions": {"extra.kept()": {}}}
    thing = world.engine.create("pg:index:FunctionGrants", inputs)
    world.sql("create function extra.stray(a timestamptz) returns int language sql as 'select 1'")
    world.sql("alter function extra.stray(timestamptz) owner to app_owner")
    assert world.engine.diff(world.engine.refresh(thing), inputs) == [], "nobody may execute it"
    world.sql("grant execute on function extra.stray(timestamptz) to public")
    found = world.engine.refresh(thing)
    assert world.engine.reported() == [
        "grants on functions of schema extra: manually, on extra.stray(timestamp with time zone) "
        "[execute to public] was granted"
    ]
    assert world.engine.diff(found, inputs) == ['functions["extra.stray(timestamp with time zone)"]']
    world.engine.update(found, inputs)
    assert world.engine.diff(world.engine.refresh(thing), inputs) == []
    assert world.sql("select has_function_privilege('{reader}', 'extra.stray(timestamptz)', 'execute')") == [(False,)]


def test_functions_of_a_platform_are_let_be_where_the_schema_is_open_to_it(world):
    world.sql("create function extra.stray() returns int language sql as 'select 1'")
    world.sql("grant execute on function extra.stray() to public")
    thing = world.engine.create("pg:index:FunctionGrants", {"schema": "extra", "functions": {}, "open": True})
    assert world.engine.diff(world.engine.refresh(thing)) == []
    assert world.engine.reported() == []
    assert world.sql("select has_function_privilege('{reader}', 'extra.stray()', 'execute')") == [(True,)]


def test_a_schema_with_anything_in_it_is_kept_and_what_is_in_it_is_named(world):
    thing = world.engine.create("pg:index:Schema", {"name": "made_here", "owner": "app_owner"})
    world.sql("create table made_here.kept (id int)")
    with pytest.raises(Refusal) as caught:
        world.engine.delete(thing)
    assert world.sql("select to_regclass('made_here.kept') is not null") == [(True,)]
    assert "schema made_here: cannot drop schema made_here because other objects depend on it" in str(caught.value)
    assert "table made_here.kept depends on schema made_here" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_extension_that_something_depends_on_is_kept(plain_world):
    thing = plain_world.engine.create("pg:index:Extension", {"name": "citext", "schema": "extra"})
    assert thing.state["version"]
    plain_world.sql("create table public.kept (word extra.citext)")
    with pytest.raises(Refusal, match=r"column word of table public\.kept depends on type extra\.citext"):
        plain_world.engine.delete(thing)


def test_a_declared_version_of_an_extension_is_updated_to_and_is_no_manual_change(plain_world):
    """Its members go along; a manual update is named by both."""
    engine, declared = plain_world.engine, {"name": "citext", "schema": "extra"}
    old = engine.create("pg:index:Extension", {**declared, "version": "1.5"})
    snapshot = engine.create("pg:index:SchemaSnapshot", {"name": "schema", "schemas": ["extra"]})
    assert engine.diff(old, declared) == [], "without one, whatever there is"
    new = {**declared, "version": "1.6"}
    assert engine.diff(old, new) == ["version"]
    for version, kind in (("1.4", Refusal), ("9.9", Refusal), ("", CheckRefusal), ("1.6'; drop", CheckRefusal)):
        with pytest.raises(kind, match=r"no way to version|is no version"):
            engine.diff(old, {**declared, "version": version})
    thing = engine.update(old, new)
    assert thing.state["version"] == "1.6"
    assert _drift(engine, snapshot) == []
    plain_world.sql("drop extension citext; create extension citext schema extra version '1.5'")
    read = engine.refresh(thing)
    assert read is not None
    assert engine.diff(read, new) == ["version"]
    assert any(
        "extension citext: version was changed manually from '1.6' to '1.5'" in line for line in engine.reported()
    )
    assert _drift(engine, snapshot) == ["extension citext: version"]
    engine.reported()
    undeclared = Thing(thing.token, thing.id, declared, thing.state)
    read = engine.refresh(undeclared)
    assert read is not None
    assert (read.state["version"], read.inputs, engine.reported()) == ("1.5", declared, [])


def test_an_extension_that_was_dropped_manually_and_made_again_is_as_declared(plain_world):
    """Its functions have the privileges that are the default by now."""
    engine, default = (
        plain_world.engine,
        "alter default privileges in schema extra {} execute on functions {} {{reader}}",
    )
    plain_world.sql(default.format("grant", "to"))
    extension = engine.create("pg:index:Extension", {"name": "citext", "schema": "extra"})
    plain_world.sql(default.format("revoke", "from"))
    snapshot = engine.create("pg:index:SchemaSnapshot", {"name": "schema", "schemas": ["extra"]})
    plain_world.sql("drop extension citext")
    assert _drift(engine, snapshot) == ["extension citext"]
    assert engine.refresh(extension) is None
    engine.create("pg:index:Extension", extension.inputs)
    assert _drift(engine, snapshot) == []


def test_an_extension_that_was_moved_hides_no_change_of_its_members(plain_world):
    """While it lies elsewhere they have other names: what else was changed is named when it would be moved back."""
    engine, declared = plain_world.engine, {"name": "citext", "schema": "extra"}
    extension = engine.create("pg:index:Extension", declared)
    snapshot = engine.create("pg:index:SchemaSnapshot", {"name": "schema", "schemas": ["extra", "public"]})
    plain_world.sql("alter extension citext set schema public")
    moved = engine.refresh(extension)
    assert engine.update(moved, declared).state["version"], "nothing else was changed"
    plain_world.sql("alter extension citext set schema public; alter function public.citextsend(citext) cost 7")
    moved = engine.refresh(extension)
    with pytest.raises(Refusal) as caught:
        engine.update(moved, declared)
    assert "extension citext was moved to another schema manually, and 1 of its members were changed too" in str(
        caught.value
    )
    assert "function extra.citextsend(extra.citext)" in str(caught.value)
    assert plain_world.sql("select extnamespace::regnamespace::text from pg_extension where extname = 'citext'") == [
        ("public",)
    ]
    plain_world.sql("alter function public.citextsend(citext) cost 1")
    engine.update(moved, declared)
    assert _drift(engine, snapshot) == []


def _drift(engine, snapshot):
    found = engine.refresh(snapshot)
    assert found is not None
    return list(found.state["drift"])


def test_an_extension_does_not_bring_others_along(plain_world):
    with pytest.raises(Refusal, match=r'^extension earthdistance: required extension "cube" is not installed'):
        plain_world.engine.create("pg:index:Extension", {"name": "earthdistance", "schema": "extra"})


def test_nobody_gets_a_function_by_default_once_the_list_is_empty(world):
    """Without an entry PostgreSQL lets everybody execute; and deleting the resource doesn't open it again."""
    world.sql("create role {made}; grant {made} to {master}; grant create, usage on schema extra to {made}")
    closed = world.named({"role": "{made}", "objects": "functions", "grants": {}})
    thing = world.engine.create("pg:index:DefaultPrivileges", closed)
    world.engine.delete(thing)
    world.sql("set role {made}; create function extra.f() returns int language sql as 'select 1'; reset role")
    assert world.sql("select has_function_privilege('{reader}', 'extra.f()', 'execute')") == [(False,)]
    world.sql("drop function extra.f()")


def test_default_privileges_for_somebody_else_are_seen_by_name(world):
    inputs = {"role": "app_owner", "objects": "sequences", "schema": "extra", "grants": {}}
    thing = world.engine.create("pg:index:DefaultPrivileges", inputs)
    world.sql("alter default privileges for role app_owner in schema extra grant usage on sequences to {writer}")
    found = world.engine.refresh(thing)
    assert world.engine.reported() == [
        world.named(
            "default privileges of app_owner on sequences in schema extra: manually, [usage to {writer}] was granted"
        )
    ]
    assert world.engine.diff(found, inputs) == [world.named('grants["{writer}"]')]


@pytest.mark.parametrize("id", ["app_owner", "app_owner/views", "/tables", "app_owner/tables/"])
def test_an_id_of_default_privileges_has_two_parts_or_three(plain_world, id):
    with pytest.raises(Refusal, match=r"it has the form role/objects or role/objects/schema$"):
        plain_world.engine.bring_in("pg:index:DefaultPrivileges", id)


# What was written is read back.


def test_a_grant_that_postgresql_only_warns_of_is_no_success(world):
    """The login has no grant option: the statement does nothing, and says so in a warning alone."""
    if world.superuser:
        pytest.skip("a superuser grants everything")
    world.sql("create table extra.foreign_table (id int); grant select on extra.foreign_table to {master}")
    inputs = world.named({"kind": "table", "name": "extra.foreign_table", "grants": {"{reader}": ["select"]}})
    inputs["grants"][world.names["master"]] = ["select"]
    with pytest.raises(Refusal) as caught:
        world.engine.create("pg:index:Grants", inputs)
    assert str(caught.value) == world.named(
        "grants on table extra.foreign_table: grants was written and isn't so: wanted {{reader}: [select]}, found "
        'nothing; the server warned: no privileges were granted for "foreign_table"'
    )


def test_a_row_that_a_trigger_changes_back_is_reported_with_what_was_wanted_and_found(world):
    world.sql(
        "create or replace function public.keeps() returns trigger language plpgsql as "
        "'begin new.public := false; raise warning ''buckets stay private''; return new; end'; "
        "create trigger keeps before update on storage.buckets for each row execute function public.keeps()"
    )
    try:
        with pytest.raises(Refusal) as caught:
            world.engine.create("pg:index:Bucket", {"bucket": "songs", "public": True})
    finally:
        world.sql("drop trigger keeps on storage.buckets")
    assert str(caught.value) == (
        "bucket songs: public was written and isn't so: wanted True, found False; the server warned: "
        "buckets stay private"
    )
    assert world.engine.bring_in("pg:index:Bucket", "songs") is None, "nothing of it was kept"


def test_a_bucket_s_other_columns_can_be_declared(world):
    inputs = {"bucket": "songs", "columns": {"owner_id": "somebody", "avif_autodetection": "true"}}
    thing = world.engine.create("pg:index:Bucket", inputs)
    assert world.engine.diff(world.engine.refresh(thing), inputs) == []
    assert world.sql("select name, owner_id, avif_autodetection from storage.buckets") == [("songs", "somebody", True)]
    updated = world.engine.update(thing, {"bucket": "songs"})
    assert world.engine.diff(world.engine.refresh(updated), {"bucket": "songs"}) == []


@pytest.mark.parametrize(
    ("column", "value"),
    [("name", "songs"), ("avif_autodetection", "false"), ("type", "STANDARD"), ("versioning_status", "DISABLED")],
)
def test_a_bucket_s_other_columns_can_be_declared_as_they_are_anyway(world, column, value):
    plain = {"bucket": "songs"}
    inputs = {**plain, "columns": {column: value}}
    thing = world.engine.create("pg:index:Bucket", inputs)
    assert world.engine.diff(world.engine.refresh(thing), inputs) == []
    assert world.engine.diff(world.engine.refresh(thing), plain) == []
    assert world.engine.create("pg:index:Bucket", inputs).state == thing.state, "adopted"
    world.sql("update storage.buckets set owner_id = 'somebody'")
    assert world.engine.diff(world.engine.refresh(thing), inputs) != []
    assert world.engine.diff(world.engine.refresh(world.engine.update(thing, inputs)), inputs) == []


def test_a_bucket_with_objects_is_kept_and_says_how_many(world):
    thing = world.engine.create("pg:index:Bucket", {"bucket": "songs"})
    world.sql("insert into storage.objects (bucket_id, name) values ('songs', 'a.mp3'), ('songs', 'b.mp3')")
    world.sql("""update storage.objects set metadata = '{"size": 700}' where bucket_id = 'songs'""")
    with pytest.raises(Refusal) as caught:
        world.engine.delete(thing)
    assert str(caught.value) == (
        "bucket songs holds 2 files, 1400 bytes; declare it again, or remove its files for good by `"
        "./vpb storage empty songs --confirm songs`, and run again"
    )


def test_a_limit_below_objects_that_are_there_is_refused_with_the_figures(world):
    thing = world.engine.create("pg:index:Bucket", {"bucket": "songs", "fileSizeLimit": 5000})
    sizes = {"small.mp3": "100", "large.mp3": "4000", "larger.mp3": "4500", "unfinished.mp3": "null", "odd": '"x"'}
    for name, size in sizes.items():
        world.sql(
            "insert into storage.objects (bucket_id, name, metadata) "
            f"""values ('songs', '{name}', '{{"size": {size}}}')"""
        )
    with pytest.raises(Refusal) as caught:
        world.engine.update(thing, {"bucket": "songs", "fileSizeLimit": 3000})
    assert str(caught.value) == (
        "bucket songs: fileSizeLimit 3000 is below 2 of its 5 files, the largest 4500 bytes (larger.mp3); "
        "set it to 4500 or more, or remove these for good by "
        "`./vpb storage empty songs --larger-than 3000 --confirm songs`"
    )
    assert world.engine.refresh(thing).state["fileSizeLimit"] == 5000, "nothing was changed"
    lower = world.engine.update(thing, {"bucket": "songs", "fileSizeLimit": 4500})
    assert world.engine.update(lower, {"bucket": "songs"}).state.get("fileSizeLimit") is None


# The key pair, which is in no catalogue either.


def test_a_key_pair_stays_as_it_is_and_its_keys_belong_together(unconnected):
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import padding

    thing = unconnected.create("pg:index:KeyPair", {})
    assert unconnected.diff(thing) == []
    assert unconnected.refresh(thing) == replace(thing, secrets=thing.secrets)
    private = serialization.load_pem_private_key(thing.state["privateKey"].encode(), None)
    public = serialization.load_pem_public_key(thing.state["publicKey"].encode())
    assert private.key_size == 2048, "CloudFront takes no other"
    public.verify(private.sign(b"url", padding.PKCS1v15(), hashes.SHA1()), b"url", padding.PKCS1v15(), hashes.SHA1())
    assert unconnected.create("pg:index:KeyPair", {}).state["publicKey"] != thing.state["publicKey"]
    unconnected.delete(thing)


@pytest.mark.parametrize("token", ["pg:index:KeyPair", "pg:index:SealingKeyPair"])
def test_the_private_key_is_secret_and_both_are_unknown_in_a_preview(unconnected, token):
    thing = unconnected.create(token, {}, preview=True)
    assert (thing.id, thing.secrets) == ("", {"privateKey"})
    assert {repr(thing.state[name]) for name in ("privateKey", "publicKey")} == {"unknown"}


def test_a_sealing_key_pair_stays_as_it_is(unconnected):
    thing = unconnected.create("pg:index:SealingKeyPair", {})
    assert thing.secrets == {"privateKey"}
    assert unconnected.diff(thing) == []
    assert unconnected.refresh(thing) == replace(thing, secrets=thing.secrets)
    assert unconnected.create("pg:index:SealingKeyPair", {}).state["privateKey"] != thing.state["privateKey"]
    unconnected.delete(thing)


@pytest.mark.parametrize("token", ["pg:index:KeyPair", "pg:index:SealingKeyPair"])
def test_a_key_pair_cannot_be_imported(unconnected, token):
    with pytest.raises(Refusal, match=r"^a key pair can't be imported; it exists in the state only$"):
        unconnected.bring_in(token, "0011")


WRONG = [
    ("Role", {"name": "pg_evil"}, "name: names that begin with pg_"),
    ("Role", {"name": "x", "superuser": True}, "superuser: must be false"),
    ("Role", {"name": "x", "verifier": "abc"}, "verifier: must be a SCRAM-SHA-256 verifier"),
    ("Role", {"name": "x", "settings": {"statement_timeout": 5}}, "settings: .*must be a string, not 5"),
    ("Role", {"name": "x", "limit": 1.5}, "limit: must be an? integer, not 1.5"),
    ("Role", {"name": ""}, "name: is required"),
    ("Role", {"name": "x", "admin": True}, "admin: pg:index:Role has no such property; it has name, login"),
    ("RowSecurity", {"table": "notes", "policies": []}, "table: must be written with its schema"),
    ("RowSecurity", {"table": "public.notes", "policies": [], "enabled": False}, "enabled: must be true"),
    ("RowSecurity", {"table": "public.notes", "policies": [], "left": "found so"}, "enabled: must be false"),
    ("RowSecurity", {"table": "public.notes"}, "policies: is required"),
    ("Policy", {**POLICY, "command": "truncate"}, "command: must be one of select, insert"),
    ("Policy", {**POLICY, "roles": []}, "roles: must name at least one role"),
    ("Policy", {**POLICY, "roles": ["public", "anon"]}, "roles: public is everybody"),
    ("Policy", {**POLICY, "roles": [1]}, "roles: .*must be a string, not 1"),
    ("Policy", {**POLICY, "command": "insert"}, "using: an insert policy has a check only"),
    ("Policy", {**POLICY, "check": "true"}, "check: a select policy has no check"),
    ("Grants", {"kind": "schema", "name": "public", "grants": {"anon": ["select"]}}, "anon: 'select' is no privilege"),
    ("Grants", {"kind": "view", "name": "public.v", "grants": {}}, "kind: must be one of table, sequence"),
    ("Grants", {"kind": "table", "name": "public.t", "grants": {"anon": "select"}}, "grants: .*must be a list"),
    ("Grants", {"kind": "table", "name": "public.t", "grants": {"anon": ["delete(a)"]}}, r"'delete\(a\)' is no priv"),
    (
        "FunctionGrants",
        {"schema": "a", "functions": {"b.f()": {}}},
        r"functions: 'b.f\(\)' must be written as in a\.name",
    ),
    ("FunctionGrants", {"schema": "a", "functions": {"a.f()": {"x": ["select"]}}}, r"a\.f\(\): x: 'select' is no priv"),
    ("Bucket", {"bucket": "a/b"}, "bucket: 'a/b' is no bucket name"),
    ("Bucket", {"bucket": "a", "fileSizeLimit": 0}, "fileSizeLimit: must be at least one byte"),
    ("Bucket", {"bucket": "a", "fileSizeLimit": "50MB"}, "fileSizeLimit: must be an? integer, not '50MB'"),
    ("Bucket", {"bucket": "a", "allowedMimeTypes": ["mp3"]}, "allowedMimeTypes: 'mp3' is no MIME type"),
    ("Publication", {"name": "p", "tables": ["notes"]}, "tables: 'notes' must be written with its schema"),
    ("Publication", {"name": "p", "tables": [], "operations": ["merge"]}, "operations: 'merge' is none of insert"),
    ("Publication", {"name": "p", "tables": ["*"], "schemas": ["s"]}, "schemas: must be empty where every table"),
    (
        "Publication",
        {"name": "p", "tables": ["a.b (c"]},
        "tables: 'a.b \\(c' must be a table, or a table and its columns",
    ),
    (
        "Publication",
        {"name": "p", "tables": ["a.b where (c)"]},
        "tables: .* must be a table, or a table and its columns",
    ),
    ("Bucket", {"bucket": "a", "columns": {"id": "b"}}, "columns: 'id' is no column that can be declared here"),
    (
        "Bucket",
        {"bucket": "a", "columns": {"avif_autodetection": "T"}},
        "columns: avif_autodetection must be true or false, not 'T'",
    ),
    ("Bucket", {"bucket": "a", "columns": {"owner": "A"}}, "columns: owner must be a uuid in lower case"),
    ("Role", {"name": "x", "expires": "soon"}, "expires: 'soon' is no time in ISO 8601"),
    ("Schema", {"name": "pg_mine", "owner": "x"}, "name: 'pg_mine' is PostgreSQL's own"),
    ("Schema", {"name": "mine"}, "owner: is required"),
    ("DefaultPrivileges", {"role": "x", "objects": "views", "grants": {}}, "objects: must be one of tables, sequences"),
    (
        "DefaultPrivileges",
        {"role": "x", "objects": "tables", "grants": {"y": ["insert(a)"]}},
        r"grants: y: 'insert\(a\)' is no privilege on tables",
    ),
    ("DefaultPrivileges", {"role": "x", "objects": "schemas", "schema": "a", "grants": {}}, "schema: must be left out"),
    ("MigrationSet", {"folder": "sql/x", "steps": {"0001_a": 5}}, "steps: .*must be a string, not 5"),
]


@pytest.mark.parametrize(("name", "inputs", "reason"), WRONG)
def test_a_wrong_input_is_refused_with_its_property(unconnected, name, inputs, reason):
    with pytest.raises(CheckRefusal, match=reason):
        unconnected.check(f"pg:index:{name}", inputs)


@pytest.mark.parametrize("id", ["", "public.notes", "/x", "public.notes/"])
def test_an_id_of_another_form_is_refused_with_the_form(plain_world, id):
    with pytest.raises(Refusal, match=f"^'{id}' is no id of a pg:index:Policy: it has the form table/name$"):
        plain_world.engine.bring_in("pg:index:Policy", id)


def test_sealing_keys_are_each_in_order_and_at_least_one(unconnected):
    for order, keys in (([], {}), (["k1"], {"k1": "QUFB", "k2": "QUFB"}), (["k1", "k1"], {"k1": "QUFB"})):
        with pytest.raises(CheckRefusal, match="must name each key of publicKeys once, and at least one"):
            unconnected.check(
                "pg:index:SealingKeys", {"table": "private.sealing_keys", "order": order, "publicKeys": keys}
            )


def test_a_setting_is_a_json_text(unconnected):
    with pytest.raises(CheckRefusal, match="days must be a JSON text, not 'a fortnight'"):
        unconnected.check("pg:index:Settings", {"table": "private.settings", "values": {"days": "a fortnight"}})
    with pytest.raises(CheckRefusal, match="must have a setting"):
        unconnected.check("pg:index:Settings", {"table": "private.settings", "values": {}})


def test_tokens_that_were_there_before_the_first_key_are_reported_of(plain_world):
    subject = SUBJECTS["SealingKeys"]
    plain_world.sql(subject.before.replace("'k1', count(*)", "'', 3 + count(*)"))
    plain_world.engine.create("pg:index:SealingKeys", subject.inputs)
    assert plain_world.engine.reported() == ["3 tokens lie here unsealed; `./vpb rekey` seals them"]
