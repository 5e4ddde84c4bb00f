"""What it takes to try the access matrix: those who ask, rows for them to reach, and a statement for each cell.

A new table is a line in `sql/access.md` and an entry in `STATEMENTS`; a new role a column there and an entry in `WHO`.
`tests/sql/trials.py` runs them.
"""

import json
import uuid
from typing import Any

import psycopg

from tests.sql.provision import Connection

PEOPLE = ("left", "stranger", "removed", "invitee", "viewer", "editor", "admin", "owner", "super")
# Who asks: the role, and whether a person does.
WHO = {
    "anon": ("anon", False),
    **{person: ("authenticated", True) for person in PEOPLE},
    "service_role": ("service_role", False),
    "authjs": ("authjs", False),
    "monitor": ("monitor", False),
    "migrator": ("migrator", False),
    "backup": ("backup", False),
    "storage_service": ("storage_service", False),
    "cleaner": ("cleaner", False),
}
# In the shared project: role, and whether they have accepted. `another` and `fellow` are there to be reached.
MEMBERS = {
    "viewer": ("viewer", True),
    "editor": ("editor", True),
    "admin": ("admin", True),
    "invitee": ("editor", False),
    "removed": ("editor", True),
    "another": ("viewer", True),
    "fellow": ("admin", True),
}
# Who is invited to another person's projects.
INVITEES = ("invitee", "viewer", "editor", "admin", "owner")


def key(name: str) -> str:
    """The id of something in the world below."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, name))


NAMES = ("left", "hidden", "shared", "public", "archived", "another", "fellow", "owner", "invitee", "unborn")
# Another person's projects, one in each of the eight parts by which row policies ask.
PARTS = [key(f"part {number}") for number in (10, 0, 3, 9, 5, 28, 4, 1)]
VALUES: dict[str, Any] = {name: key(name) for name in NAMES} | {"parts": PARTS}

PEOPLE_ROWS = """
insert into next_auth.users (id, name, email) values (%(id)s, %(name)s, %(name)s || '@example.org');
insert into public.projects (id, owner_id, title) values (%(own)s, %(id)s, 'own');
insert into analytics.user_activity (user_id, action) values (%(id)s, 'project.create');
insert into analytics.api_usage (user_id, provider, model) values (%(id)s, 'x', 'm');
insert into next_auth.accounts ("userId", type, provider, "providerAccountId") values (%(id)s, 'oauth', 'x', %(name)s);
insert into next_auth.sessions ("userId", expires, "sessionToken") values (%(id)s, now() + interval '1 day', %(name)s);
insert into storage.objects (bucket_id, name, version) values
    ('audio', %(own)s || '/a.ogg', 'v'), ('avatars', %(id)s || '/a.png', 'v'), ('exports', %(id)s || '/a.csv', 'v'),
    ('other', %(id)s || '/a.ogg', 'v'), ('avatars', %(id)s || '/new.png', 'v'), ('avatars', %(id)s || '/bad.png', 'v');
update private.object_scans set status = 'infected', found = 'x', scanned_at = now() where name like '%%/bad.png';
update private.object_scans set status = 'clean', scanned_at = now()
    where status = 'pending' and name not like '%%/new.png'"""
ALONE = """
set local storage.allow_delete_query = 'true';
delete from storage.objects where bucket_id = 'audio' and name = %(own)s || '/a.ogg'
    or bucket_id = 'avatars' and name like %(id)s || '/%%'"""
FILE = '\'{"mimetype": "audio/ogg", "size": 1}\''
PROJECTS = f"""
insert into public.projects (id, owner_id, title, visibility, archived_at) values
    (%(shared)s, %(owner)s, 'shared', 'shared', null), (%(public)s, %(owner)s, 'public', 'public', null),
    (%(archived)s, %(owner)s, 'archived', 'public', now());
insert into public.project_components (project_id, kind)
    values (%(shared)s, 'text'), (%(public)s, 'text'), (%(archived)s, 'text');
insert into storage.objects (bucket_id, name, version, metadata) select 'audio', project || '/' || name, 'v', {FILE}
    from unnest(array[%(shared)s, %(public)s]) as project, unnest('{{a.ogg,free.ogg}}'::text[]) as name;
insert into public.audio_recordings (id, project_id, created_by, object_path) values
    (%(shared)s, %(shared)s, %(owner)s, %(shared)s || '/a.ogg'),
    (%(public)s, %(public)s, %(owner)s, %(public)s || '/a.ogg');
insert into public.prompt_generations (id, project_id, created_by, prompt, provider, model) values
    (%(shared)s, %(shared)s, %(owner)s, 'p', 'x', 'm'), (%(public)s, %(public)s, %(owner)s, 'p', 'x', 'm');
insert into public.prompt_generations (project_id, created_by, prompt, provider, model)
    values (%(shared)s, %(owner)s, 'over', 'x', 'm');
update public.prompt_generations set status = 'cancelled' where prompt = 'over'"""
# Another person's projects, in which a fellow works and others have open invitations, and what hangs on them; and an
# admin who has more than few projects, of whom row policies ask otherwise.
MANY = f"""
insert into public.projects (id, owner_id, title) select unnest(%(parts)s::uuid[]), %(another)s, 'part';
insert into public.collaborators (project_id, user_id, role, accepted_at)
    select unnest(%(parts)s::uuid[]), %(fellow)s, 'viewer', now();
insert into public.collaborators (project_id, user_id, role)
    select part, person, 'admin' from unnest(%(parts)s::uuid[]) as part, unnest(%(invited)s::uuid[]) as person;
insert into public.project_components (project_id, kind) select unnest(%(parts)s::uuid[]), 'text';
insert into storage.objects (bucket_id, name, version, metadata) select 'audio', part || '/' || name, 'v', {FILE}
    from unnest(%(parts)s::uuid[]) as part, unnest('{{a.ogg,free.ogg}}'::text[]) as name;
insert into public.audio_recordings (project_id, created_by, object_path)
    select part, %(another)s, part || '/a.ogg' from unnest(%(parts)s::uuid[]) as part;
insert into storage.objects (bucket_id, name, version) values ('other', %(shared)s || '/heard.ogg', 'v');
update private.object_scans set status = 'clean', scanned_at = now()
    where name like '%%/a.ogg' or bucket_id = 'other' and name = %(shared)s || '/heard.ogg';
insert into public.prompt_generations (project_id, created_by, prompt, provider, model)
    select unnest(%(parts)s::uuid[]), %(another)s, 'p', 'x', 'm';
insert into public.projects (owner_id, title) select %(admin)s, 'many' from generate_series(1, 200)"""
# The audit trail refuses the superuser too, by trigger: it steps aside, so that a denial is one of rights.
OTHERS = f"""
update public.users set is_super_admin = true where id = %(super)s;
delete from public.collaborators where user_id = %(removed)s;
insert into public.projects (id, owner_id, title, visibility) values (%(hidden)s, %(left)s, 'hidden', 'public');
insert into public.project_components (project_id, kind) values (%(hidden)s, 'text');
insert into storage.objects (bucket_id, name, metadata) select 'audio', %(hidden)s || '/' || name, {FILE}
    from unnest('{{hidden.ogg,free.ogg}}'::text[]) as name;
insert into public.audio_recordings (id, project_id, created_by, object_path)
    values (%(hidden)s, %(hidden)s, %(left)s, %(hidden)s || '/hidden.ogg');
insert into public.prompt_generations (project_id, created_by, prompt, provider, model)
    values (%(hidden)s, %(left)s, 'p', 'x', 'm');
insert into public.collaborators (project_id, user_id, role) values (%(hidden)s, %(another)s, 'viewer');
insert into public.collaborators (project_id, user_id, role, accepted_at)
    values (%(hidden)s, %(editor)s, 'editor', now()), (%(hidden)s, %(admin)s, 'admin', now());
insert into private.departures (user_id) values (%(left)s);
insert into next_auth.users (id) values (%(unborn)s);
delete from public.users where id = %(unborn)s;
insert into next_auth.verification_tokens (identifier, token, expires)
    values ('a@example.org', 'token', now() + interval '1 day');
insert into analytics.error_logs (level, source, message, fingerprint) values ('error', 'web', 'x', 'matrix');
insert into analytics.api_usage (user_id, provider, model) values (null, 'x', 'm');
insert into analytics.performance_metrics (name, value) values ('matrix', 1);
insert into private.deletion_queue (bucket_id, object_path) values ('audio', 'matrix');
insert into private.file_events (bucket_id, object_path, version, event) values ('audio', 'event', 'x', 'stored');
insert into analytics.storage_days (day, bucket_id, objects, bytes) values ('2020-01-01', 'matrix', 1, 1);
insert into private.unserved_files (bucket_id, object_path, version) values ('audio', 'matrix', 'x');
insert into private.backups (backup, taken_at, kept_until)
values ('20200101T000000Z-00000000', '2020-01-01', '2020-01-02');
insert into private.health_samples (metric, object, sampled_at, value) values ('matrix', '', '2020-01-01', 1);
insert into private.maintenance_runs (task, began_at) values ('matrix', '2020-01-01');
insert into private.structure_changes (login, application, command, kind, object) values ('matrix', '', 'X', 'x', 'x');
delete from private.project_words where project_id = %(public)s;
delete from private.recording_words where recording_id = %(public)s;
delete from private.generation_words where generation_id = %(public)s;
insert into private.sealing_keys (id, position, public_key) values ('matrix', 97, '');
insert into private.audit_keys (subject) values ('matrix');
insert into private.object_scans (bucket_id, name, version) values ('audio', 'matrix', 'x');
insert into private.storage_usage (folder_id, bucket_id, objects, bytes) values (%(unborn)s, 'matrix', 1, 1);
insert into private.proved_addresses (user_id, provider, email) values (%(owner)s, 'matrix', 'm@example.org');
insert into private.invitation_counts (user_id, day, invitations) values (%(owner)s, '2000-01-01', 1);
insert into private.settings (name, value) values ('matrix', '1');
insert into private.storage_quotas (user_id, bytes) values (%(owner)s, 1000);
insert into private.budget_limits (user_id) values (%(owner)s);
delete from private.budget_usage where user_id = %(fellow)s;
insert into private.recorded_calls (key, generation_id, content, outcome)
    values ('matrix', %(unborn)s, '', 'succeeded');
insert into private.stale_summaries (day) values ('2000-01-01');
insert into private.undated_projects (project_id) values (%(shared)s);
insert into analytics.usage_overview (day, provider, model, requests, tokens)
    values ('2026-01-02', 'x', 'overview', 10, 1000);
insert into analytics.project_totals (project_id, components, recordings, duration_ms, generations, tokens, cost)
    values (%(shared)s, 1, 1, 1, 1, 1, 1);
insert into audit.retired (partition, heads) values ('matrix', '{{}}');
create table realtime.messages_matrix partition of realtime.messages default;
insert into realtime.messages (topic, extension)
    values ('project:' || %(shared)s, 'broadcast'), ('project:' || %(shared)s, 'presence'),
    ('project:' || %(public)s, 'broadcast');
alter table audit.log disable trigger _100_append_only;
alter table audit.heads disable trigger _100_append_only;
alter table audit.retired disable trigger _100_append_only"""
BUCKETS = """
insert into storage.buckets (id, name, allowed_mime_types) values
    ('audio', 'audio', '{audio/*}'), ('avatars', 'avatars', '{image/*}'), ('exports', 'exports', null),
    ('other', 'other', null), ('spare', 'spare', null)"""
# Another member's recording in the shared project: scanned, not yet scanned, and found harmful; and everybody's
# own there, not yet scanned, also of those who may store none any more.
HEARD = f"""
insert into storage.objects (bucket_id, name, version, metadata)
    select 'audio', %(shared)s || '/' || name || '.ogg', 'v', {FILE}
    from unnest('{{heard,unheard,unsound}}'::text[]) as name;
insert into public.audio_recordings (project_id, created_by, object_path)
    select %(shared)s, %(another)s, %(shared)s || '/' || name || '.ogg'
    from unnest('{{heard,unheard,unsound}}'::text[]) as name;
update private.object_scans set status = 'clean', scanned_at = now() where name like '%%/heard.ogg';
update private.object_scans set status = 'infected', scanned_at = now() where name like '%%/unsound.ogg';
set session_replication_role = replica;
insert into storage.objects (bucket_id, name, version, owner_id)
    select 'audio', %(shared)s || '/' || person || file, 'v', person
    from unnest(%(people)s::text[]) as person, unnest('{{.ogg,-bad.ogg}}'::text[]) as file;
insert into private.object_scans (bucket_id, name, version, status, scanned_at)
    select bucket_id, name, version, 'infected', now() from storage.objects where name like '%%-bad.ogg';
set session_replication_role = origin"""
MEMBER = """
insert into public.collaborators (id, project_id, user_id, role, accepted_at) values (%s, %s, %s, %s, %s)"""


def populate(connection: Connection) -> None:
    """A row for each line of the matrix, and for each person where it is one's own."""
    run(connection, BUCKETS, {})
    for name in (*PEOPLE, "another", "fellow"):
        run(connection, PEOPLE_ROWS, {"id": key(name), "name": name, "own": key(f"{name}'s own")})
    # A write without a condition is refused for any row: so one has pictures alone to write, and one a project's file.
    run(connection, ALONE, {"own": key("stranger's own"), "id": key("removed")})
    run(connection, PROJECTS, VALUES)
    for name, (role, accepted) in MEMBERS.items():
        member = (key(f"{name}'s membership"), VALUES["shared"], key(name), role, "now" if accepted else None)
        connection.execute(MEMBER.encode(), member)
    run(connection, HEARD, VALUES | {"people": [key(name) for name in PEOPLE]})
    run(connection, MANY, VALUES | {"admin": key("admin"), "invited": [key(name) for name in INVITEES]})
    others = ("removed", "super", "left", "editor", "admin")
    run(connection, OTHERS, VALUES | {name: key(name) for name in others})
    # What the Storage API says before it deletes; without it a trigger would answer in row security's place.
    connection.execute("set local storage.allow_delete_query = 'true'")


def run(connection: Connection, statements: str, values: dict[str, Any]) -> None:
    """Several statements with parameters, which the server would take one by one only."""
    with psycopg.ClientCursor(connection) as cursor:
        cursor.execute(statements.encode(), values)


def _project(table: str, project: str, insert: str, update: str, only: str = "") -> list[str]:
    where = f"where project_id = %({project})s{only}"
    return [
        f"select from public.{table} {where}",
        f"insert into public.{table} {insert.replace('%(project)s', f'%({project})s')}",
        f"update public.{table} set {update} {where}",
        f"delete from public.{table} {where}",
    ]


def _rows(table: str, where: str, insert: str, update: str) -> list[str]:
    return [
        f"select from {table} where {where}",
        f"insert into {table} {insert}",
        f"update {table} set {update} where {where}",
        f"delete from {table} where {where}",
    ]


def _messages(project: str, extension: str) -> list[str]:
    room = f"'project:' || %({project})s"
    return _rows(
        "realtime.messages",
        f"topic = {room} and extension = '{extension}'",
        f"(topic, extension, private) values ({room}, '{extension}', true)",
        "event = 'x'",
    )


WORDS = (("project_words", "project_id"), ("recording_words", "recording_id"), ("generation_words", "generation_id"))
COMPONENT = ("(project_id, kind) values (%(project)s, 'text')", "title = 'x'")
RECORDING = ("(project_id, object_path) values (%(project)s, %(project)s::uuid || '/free.ogg')", "title = 'x'")
GENERATION = (
    "(project_id, prompt, provider, model) values (%(project)s, 'p', 'x', 'm')",
    "status = 'cancelled'",
)
INVITED = "(project_id, email, role, invited_by) values (%(shared)s, 'new@example.org', '{}', %(me)s)"
ACTIVITY = "(user_id, action) values (%({})s, 'project.create')"
USAGE = "(user_id, provider, model) values (%({})s, 'x', 'm')"
UNNESTED = "from unnest(%(parts)s::uuid[]) as part"
IN_PARTS = "project_id = any(%(parts)s::uuid[])"
OBJECT = "(bucket_id, name) values ('{}', %({})s || '/b.ogg')"
PICTURE = OBJECT.format("avatars", "{}").replace("b.ogg", "b.png")
OF_SHARED = "bucket_id = 'audio' and name = %(shared)s || '/{}.ogg'"

# For each line of the matrix what is tried: select, insert, update and delete, each of one row, or of what ROWS says.
STATEMENTS = {
    ("public.users", "one's own profile"): _rows(
        "public.users", "id = %(me)s", "(id) values (%(unborn)s)", "display_name = 'x'"
    ),
    ("public.users", "another person's"): _rows(
        "public.users", "id = %(another)s", "(id) values (%(unborn)s)", "display_name = 'x'"
    ),
    ("next_auth.users", "any"): _rows(
        "next_auth.users", "id = %(owner)s", "(name, email) values ('x', 'x@example.org')", "name = 'x'"
    ),
    ("next_auth.accounts", "any"): _rows(
        "next_auth.accounts",
        '"userId" = %(owner)s',
        """("userId", type, provider, "providerAccountId") values (%(owner)s, 'oauth', 'y', 'x')""",
        "scope = 'x'",
    ),
    ("next_auth.sessions", "any"): _rows(
        "next_auth.sessions",
        '"userId" = %(owner)s',
        """("userId", expires, "sessionToken") values (%(owner)s, now(), 'x')""",
        "expires = now()",
    ),
    ("next_auth.verification_tokens", "any"): _rows(
        "next_auth.verification_tokens",
        "token = 'token'",
        "(identifier, expires, token) values ('x', now(), 'x')",
        "expires = now()",
    ),
    ("public.projects", "one's own"): _rows(
        "public.projects", "id = %(own)s", "(owner_id, title) values (%(me)s, 'x')", "title = 'x'"
    ),
    ("public.projects", "the shared one"): _rows(
        "public.projects", "id = %(shared)s", "(owner_id, title) values (%(owner)s, 'x')", "title = 'x'"
    ),
    ("public.projects", "a public one of its owner"): _rows(
        "public.projects",
        "id = %(public)s",
        "(owner_id, title, visibility) values (%(owner)s, 'x', 'public')",
        "title = 'x'",
    ),
    ("public.projects", "a public one, put away"): _rows(
        "public.projects",
        "id = %(archived)s",
        "(owner_id, title, visibility, archived_at) values (%(owner)s, 'x', 'public', now())",
        "title = 'x'",
    ),
    ("public.projects", "a public one of who has left"): _rows(
        "public.projects",
        "id = %(hidden)s",
        "(owner_id, title, visibility) values (%(left)s, 'x', 'public')",
        "title = 'x'",
    ),
    ("public.projects", "another person's, whatever the part"): _rows(
        "public.projects",
        "id = any(%(parts)s::uuid[])",
        f"(owner_id, title) select %(another)s, 'x' {UNNESTED}",
        "title = 'x'",
    ),
    ("public.collaborators", "one's own"): _rows(
        "public.collaborators",
        "project_id = %(shared)s and user_id = %(me)s",
        "(project_id, user_id, invited_by) values (%(shared)s, %(me)s, %(me)s)",
        "role = 'editor'",
    ),
    ("public.collaborators", "a viewer's"): _rows(
        "public.collaborators",
        "user_id = %(another)s and project_id = %(shared)s",
        INVITED.format("viewer"),
        "role = 'editor'",
    ),
    ("public.collaborators", "another admin's"): _rows(
        "public.collaborators",
        "user_id = %(fellow)s and project_id = %(shared)s",
        INVITED.format("admin"),
        "role = 'viewer'",
    ),
    ("public.collaborators", "in one of who has left"): _rows(
        "public.collaborators",
        "project_id = %(hidden)s and user_id = %(another)s",
        "(project_id, email, role, invited_by) values (%(hidden)s, 'new@example.org', 'viewer', %(me)s)",
        "role = 'editor'",
    ),
    ("public.collaborators", "in another person's, whatever the part"): _rows(
        "public.collaborators",
        f"{IN_PARTS} and user_id = %(fellow)s",
        f"(project_id, email, role, invited_by) select part, 'new@example.org', 'viewer', %(me)s {UNNESTED}",
        "role = 'editor'",
    ),
    ("public.collaborators", "a viewer's, made an admin's"): _rows(
        "public.collaborators",
        "user_id = %(another)s and project_id = %(shared)s",
        INVITED.format("viewer"),
        "role = 'admin'",
    ),
    ("public.collaborators", "a viewer's, in another's name"): _rows(
        "public.collaborators",
        "user_id = %(another)s",
        INVITED.format("viewer").replace("%(me)s", "%(fellow)s"),
        "role = 'editor'",
    ),
    ("public.project_components", "in the shared one"): _project("project_components", "shared", *COMPONENT),
    ("public.project_components", "in the public one"): _project("project_components", "public", *COMPONENT),
    ("public.project_components", "in a public one, put away"): _project("project_components", "archived", *COMPONENT),
    ("public.project_components", "in a public one of who has left"): _project(
        "project_components", "hidden", *COMPONENT
    ),
    ("public.project_components", "in another person's, whatever the part"): _rows(
        "public.project_components",
        IN_PARTS,
        f"(project_id, kind) select part, 'text' {UNNESTED}",
        "title = 'x'",
    ),
    ("public.audio_recordings", "in the shared one"): _project(
        "audio_recordings", "shared", *RECORDING, only=" and object_path = %(shared)s || '/a.ogg'"
    ),
    ("public.audio_recordings", "in the public one"): _project("audio_recordings", "public", *RECORDING),
    ("public.audio_recordings", "in one of who has left"): _project("audio_recordings", "hidden", *RECORDING),
    ("public.audio_recordings", "in another person's, whatever the part"): _rows(
        "public.audio_recordings",
        IN_PARTS,
        f"(project_id, object_path) select part, part || '/free.ogg' {UNNESTED}",
        "title = 'x'",
    ),
    ("public.audio_recordings", "in the shared one, in another's name"): _project(
        "audio_recordings",
        "shared",
        RECORDING[0].replace("(project_id,", "(created_by, project_id,").replace("values (", "values (%(fellow)s, "),
        RECORDING[1],
    ),
    ("public.prompt_generations", "in the shared one"): _project(
        "prompt_generations", "shared", *GENERATION, only=" and prompt = 'p'"
    ),
    ("public.prompt_generations", "in the shared one, over"): _project(
        "prompt_generations", "shared", *GENERATION, only=" and prompt = 'over'"
    ),
    ("public.prompt_generations", "in the shared one, said to run"): _project(
        "prompt_generations",
        "shared",
        GENERATION[0],
        "status = 'running'",
        only=" and prompt = 'p'",
    ),
    ("public.prompt_generations", "in the shared one, in another's name"): _project(
        "prompt_generations",
        "shared",
        GENERATION[0].replace("(project_id,", "(created_by, project_id,").replace("values (", "values (%(fellow)s, "),
        GENERATION[1],
    ),
    ("public.prompt_generations", "in one of who has left"): _project("prompt_generations", "hidden", *GENERATION),
    ("public.prompt_generations", "in another person's, whatever the part"): _rows(
        "public.prompt_generations",
        IN_PARTS,
        f"(project_id, prompt, provider, model) select part, 'p', 'x', 'm' {UNNESTED}",
        GENERATION[1],
    ),
    ("public.prompt_generations", "in the public one"): _project("prompt_generations", "public", *GENERATION),
    ("analytics.user_activity", "one's own"): _rows(
        "analytics.user_activity", "user_id = %(me)s", ACTIVITY.format("me"), "details = '{}'"
    ),
    ("analytics.user_activity", "another person's"): _rows(
        "analytics.user_activity", "user_id = %(another)s", ACTIVITY.format("another"), "details = '{}'"
    ),
    ("analytics.api_usage", "one's own"): _rows(
        "analytics.api_usage", "user_id = %(me)s", USAGE.format("me"), "cost = 0"
    ),
    ("analytics.api_usage", "another person's"): _rows(
        "analytics.api_usage", "user_id = %(another)s", USAGE.format("another"), "cost = 0"
    ),
    ("analytics.api_usage", "without a person"): _rows(
        "analytics.api_usage", "user_id is null", "(user_id, provider, model) values (null, 'x', 'm')", "cost = 0"
    ),
    ("analytics.error_logs", "any"): _rows(
        "analytics.error_logs",
        "fingerprint = 'matrix'",
        "(level, source, message, fingerprint) values ('error', 'web', 'x', 'y')",
        "message = 'x'",
    ),
    ("analytics.storage_days", "any"): _rows(
        "analytics.storage_days", "bucket_id = 'matrix'", "values ('2020-01-01', 'x', 1, 1)", "objects = 2"
    ),
    ("analytics.performance_metrics", "any"): _rows(
        "analytics.performance_metrics", "name = 'matrix'", "(name, value) values ('x', 1)", "value = 2"
    ),
    ("audit.log", "any"): _rows(
        "audit.log",
        "relation = 'next_auth.users' and operation = 'insert' and row_id = %(owner)s",
        "(lane, entry, created_at, transaction, login, role, super_admin, relation, operation, hash) "
        "values (0, 0, now(), 0, 'x', 'x', false, 'x', 'insert', '')",
        "login = 'x'",
    ),
    ("audit.heads", "any"): _rows("audit.heads", "lane = 0", "(lane) values (-1)", "entries = 0"),
    ("audit.retired", "any"): _rows(
        "audit.retired", "partition = 'matrix'", "(partition, heads) values ('x', '{}')", "heads = '{}'"
    ),
    ("realtime.messages", "broadcasts in the shared project's room"): _messages("shared", "broadcast"),
    ("realtime.messages", "presence in the shared project's room"): _messages("shared", "presence"),
    ("realtime.messages", "in another project's room"): _messages("public", "broadcast"),
    ("storage.buckets", "any"): _rows(
        "storage.buckets", "id = 'spare'", "(id, name) values ('x', 'x')", "file_size_limit = 1"
    ),
    ("storage.objects", "in one's own folder of avatars"): _rows(
        "storage.objects",
        "bucket_id = 'avatars' and name = %(me)s || '/a.png'",
        PICTURE.format("me"),
        "metadata = '{}'",
    ),
    ("storage.objects", "in one's own folder of exports"): _rows(
        "storage.objects",
        "bucket_id = 'exports' and name = %(me)s || '/a.csv'",
        OBJECT.format("exports", "me"),
        "metadata = '{}'",
    ),
    ("storage.objects", "one's own, not yet scanned"): _rows(
        "storage.objects",
        "bucket_id = 'avatars' and name = %(me)s || '/new.png'",
        PICTURE.format("me"),
        "metadata = '{}'",
    ),
    ("storage.objects", "one's own, found harmful"): _rows(
        "storage.objects",
        "bucket_id = 'avatars' and name = %(me)s || '/bad.png'",
        PICTURE.format("me"),
        "metadata = '{}'",
    ),
    ("storage.objects", "one's own, of a type that isn't taken"): _rows(
        "storage.objects",
        "bucket_id = 'avatars' and name = %(me)s || '/a.png'",
        "(bucket_id, name) values ('avatars', %(me)s || '/b.exe')",
        "name = %(me)s || '/b.exe'",
    ),
    ("storage.objects", "one's own, moved to another's folder"): _rows(
        "storage.objects",
        "bucket_id = 'avatars' and name = %(me)s || '/a.png'",
        PICTURE.format("another"),
        "name = %(another)s || '/b.png'",
    ),
    ("storage.objects", "one's own, moved to exports"): _rows(
        "storage.objects",
        "bucket_id = 'avatars' and name = %(me)s || '/a.png'",
        OBJECT.format("exports", "me"),
        "bucket_id = 'exports'",
    ),
    ("storage.objects", "in another person's folder"): _rows(
        "storage.objects",
        "bucket_id = 'avatars' and name = %(another)s || '/a.png'",
        PICTURE.format("another"),
        "metadata = '{}'",
    ),
    ("storage.objects", "of one's own project"): _rows(
        "storage.objects",
        "bucket_id = 'audio' and name = %(own)s || '/a.ogg'",
        OBJECT.format("audio", "own"),
        "metadata = '{}'",
    ),
    ("storage.objects", "of one's own project, of a type that isn't taken"): _rows(
        "storage.objects",
        "bucket_id = 'audio' and name = %(own)s || '/a.ogg'",
        "(bucket_id, name) values ('audio', %(own)s || '/b.exe')",
        "name = %(own)s || '/b.exe'",
    ),
    ("storage.objects", "of one's own project, moved to another person's"): _rows(
        "storage.objects",
        "bucket_id = 'audio' and name = %(own)s || '/a.ogg'",
        "(bucket_id, name) values ('audio', (%(parts)s::text[])[1] || '/b.ogg')",
        "name = (%(parts)s::text[])[1] || '/b.ogg'",
    ),
    ("storage.objects", "of one's own project, moved to another bucket"): _rows(
        "storage.objects",
        "bucket_id = 'audio' and name = %(own)s || '/a.ogg'",
        OBJECT.format("other", "own"),
        "bucket_id = 'other'",
    ),
    ("storage.objects", "of the shared project, clean"): _rows(
        "storage.objects", OF_SHARED.format("heard"), OBJECT.format("audio", "shared"), "metadata = '{}'"
    ),
    ("storage.objects", "of the shared project, not yet scanned"): _rows(
        "storage.objects", OF_SHARED.format("unheard"), OBJECT.format("audio", "shared"), "metadata = '{}'"
    ),
    ("storage.objects", "of the shared project, found harmful"): _rows(
        "storage.objects", OF_SHARED.format("unsound"), OBJECT.format("audio", "shared"), "metadata = '{}'"
    ),
    ("storage.objects", "of the shared project, one's own, not yet scanned"): _rows(
        "storage.objects",
        "bucket_id = 'audio' and name = %(shared)s || '/' || %(me)s || '.ogg'",
        OBJECT.format("audio", "shared"),
        "metadata = '{}'",
    ),
    ("storage.objects", "of the shared project, one's own, found harmful"): _rows(
        "storage.objects",
        "bucket_id = 'audio' and name = %(shared)s || '/' || %(me)s || '-bad.ogg'",
        OBJECT.format("audio", "shared"),
        "metadata = '{}'",
    ),
    ("storage.objects", "of the shared project, of a type that isn't taken"): _rows(
        "storage.objects",
        OF_SHARED.format("heard"),
        "(bucket_id, name) values ('audio', %(shared)s || '/b.exe')",
        "name = %(shared)s || '/b.exe'",
    ),
    ("storage.objects", "of the shared project, moved to another person's"): _rows(
        "storage.objects",
        OF_SHARED.format("heard"),
        "(bucket_id, name) values ('audio', (%(parts)s::text[])[1] || '/b.ogg')",
        "name = (%(parts)s::text[])[1] || '/b.ogg'",
    ),
    ("storage.objects", "of a project of another person's, whatever the part"): _rows(
        "storage.objects",
        f"bucket_id = 'audio' and name = any(array(select part || '/a.ogg' {UNNESTED}))",
        f"(bucket_id, name) select 'audio', part || '/b.ogg' {UNNESTED}",
        "metadata = '{}'",
    ),
    ("storage.objects", "in another bucket, named as of the shared project"): _rows(
        "storage.objects",
        "bucket_id = 'other' and name = %(shared)s || '/heard.ogg'",
        OBJECT.format("other", "shared"),
        "metadata = '{}'",
    ),
    ("storage.objects", "in another bucket"): _rows(
        "storage.objects",
        "bucket_id = 'other' and name = %(folder)s || '/a.ogg'",
        OBJECT.format("other", "folder"),
        "metadata = '{}'",
    ),
    ("private.sealing_keys", "any"): _rows(
        "private.sealing_keys", "id = 'matrix'", "(id, position, public_key) values ('x', 99, '')", "position = 98"
    ),
    ("private.audit_keys", "any"): _rows(
        "private.audit_keys", "subject = 'matrix'", "(subject) values ('x')", "key = null"
    ),
    ("private.departures", "any"): _rows(
        "private.departures", "user_id = %(left)s", "(user_id) values (%(owner)s)", "erased_rows = 1"
    ),
    ("private.object_scans", "any"): _rows(
        "private.object_scans",
        "name = 'matrix'",
        "(bucket_id, name, version) values ('audio', 'x', 'x')",
        "attempts = 0",
    ),
    ("private.storage_usage", "any"): _rows(
        "private.storage_usage",
        "bucket_id = 'matrix'",
        "(folder_id, bucket_id, objects, bytes) values (%(unborn)s, 'x', 1, 1)",
        "objects = 2",
    ),
    ("private.settings", "any"): _rows(
        "private.settings", "name = 'matrix'", "(name, value) values ('x', '1')", "value = '2'"
    ),
    ("private.proved_addresses", "any"): _rows(
        "private.proved_addresses",
        "provider = 'matrix'",
        "(user_id, provider, email) values (%(fellow)s, 'other', 'x@example.org')",
        "email = 'x@example.org'",
    ),
    ("private.invitation_counts", "any"): _rows(
        "private.invitation_counts",
        "user_id = %(owner)s",
        "(user_id, day, invitations) values (%(fellow)s, '2000-01-01', 1)",
        "invitations = 0",
    ),
    ("private.storage_quotas", "any"): _rows(
        "private.storage_quotas", "user_id = %(owner)s", "(user_id, bytes) values (%(fellow)s, 1)", "bytes = 2"
    ),
    **{
        (f"private.{table}", "any"): _rows(
            f"private.{table}",
            f"{column} = %(shared)s",
            f"({column}, words) values (%(public)s, '')",
            "words = ''",
        )
        for table, column in WORDS
    },
    ("private.undated_projects", "any"): _rows(
        "private.undated_projects",
        "project_id = %(shared)s",
        "(project_id) values (%(public)s)",
        "project_id = %(public)s",
    ),
    ("private.stale_summaries", "any"): _rows(
        "private.stale_summaries",
        "day = '2000-01-01'",
        "(day) values ('2000-01-02')",
        "day = '2000-01-03'",
    ),
    ("analytics.project_totals", "any"): _rows(
        "analytics.project_totals",
        "project_id = %(shared)s",
        "(project_id, components, recordings, duration_ms, generations, tokens, cost) "
        "values (%(public)s, 1, 1, 1, 1, 1, 1)",
        "components = 2",
    ),
    ("analytics.usage_overview", "any"): _rows(
        "analytics.usage_overview",
        "model = 'overview'",
        "(day, provider, model, requests, tokens) values ('2026-01-01', 'x', 'm', 1, 1)",
        "requests = 2",
    ),
    ("private.budget_limits", "any"): _rows(
        "private.budget_limits", "user_id = %(owner)s", "(user_id) values (%(fellow)s)", "hard_cost = 2"
    ),
    ("private.budget_usage", "any"): _rows(
        "private.budget_usage",
        "user_id = %(owner)s",
        "(user_id, month, tokens, cost) values (%(fellow)s, '2026-01-01', 1, 1)",
        "tokens = 0",
    ),
    ("private.budget_reservations", "any"): _rows(
        "private.budget_reservations",
        "project_id = %(public)s",
        "(generation_id, project_id, provider, model, tokens, cost, expires_at) "
        "values (%(unborn)s, %(unborn)s, 'x', 'm', 1, 1, now())",
        "tokens = 0",
    ),
    ("private.recorded_calls", "any"): _rows(
        "private.recorded_calls",
        "key = 'matrix'",
        "(key, generation_id, content, outcome) values ('x', %(unborn)s, '', 'failed')",
        "outcome = 'failed'",
    ),
    ("private.deletion_queue", "any"): _rows(
        "private.deletion_queue",
        "object_path = 'matrix'",
        "(bucket_id, object_path) values ('audio', 'x')",
        "attempts = 1",
    ),
    ("private.file_events", "any"): _rows(
        "private.file_events",
        "object_path = 'event'",
        "(bucket_id, object_path, version, event) values ('audio', 'x', 'x', 'stored')",
        "attempts = 1",
    ),
    ("private.unserved_files", "any"): _rows(
        "private.unserved_files",
        "object_path = 'matrix'",
        "(bucket_id, object_path, version) values ('audio', 'x', 'x')",
        "ended_at = now()",
    ),
    ("private.backups", "any"): _rows(
        "private.backups",
        "backup = '20200101T000000Z-00000000'",
        "(backup, taken_at, kept_until) values ('20200101T000000Z-00000001', '2020-01-01', '2020-01-02')",
        "kept_until = '2020-01-03'",
    ),
    ("private.health_samples", "any"): _rows(
        "private.health_samples",
        "metric = 'matrix'",
        "(metric, object, sampled_at, value) values ('matrix', 'x', '2020-01-01', 1)",
        "value = 2",
    ),
    ("private.structure_changes", "any"): _rows(
        "private.structure_changes",
        "login = 'matrix'",
        "(login, application, command, kind, object) values ('matrix', '', 'X', 'x', 'x')",
        "command = 'Y'",
    ),
    ("private.maintenance_runs", "any"): _rows(
        "private.maintenance_runs",
        "task = 'matrix'",
        "(task, began_at) values ('matrix', '2020-01-02')",
        "began_at = '2020-01-03'",
    ),
}


# Lines of more rows than one.
ROWS = {line: len(PARTS) for line in STATEMENTS if line[1].endswith("another person's, whatever the part")}
# An upsert of a line's row: its key, and who may write it may do so this way too.
UPSERTS = {
    "public.project_components": (
        "id",
        "insert into public.project_components (id, project_id, kind) values (%(id)s, %(own)s, 'text') "
        "on conflict (id) do update set title = 'x'",
    ),
    "public.collaborators": (
        "project_id, user_id",
        "insert into public.collaborators (project_id, user_id, invited_by) "
        "values (%(project_id)s, %(user_id)s, %(me)s) on conflict (project_id, user_id) do update set role = 'viewer'",
    ),
    "storage.objects": (
        "bucket_id, name",
        "insert into storage.objects (bucket_id, name, version, owner_id) "
        "values (%(bucket_id)s, %(name)s, 'v', %(me)s) on conflict (bucket_id, name) do update set metadata = '{}'",
    ),
}
# What a column grant keeps from everybody, row policies refuse too: who, the columns that are granted, and a statement.
BEHIND = {
    "public.users": [("owner", "update (id)", "update public.users set id = %(unborn)s")],
    "public.projects": [("owner", "update (owner_id)", "update public.projects set owner_id = %(another)s")],
    "public.collaborators": [
        (
            "owner",
            "insert (accepted_at)",
            "insert into public.collaborators (project_id, user_id, accepted_at) "
            "select id, %(another)s, now() from public.projects where id = %(public)s",
        )
    ],
    "public.project_components": [
        ("editor", "update (project_id)", "update public.project_components set project_id = %(public)s")
    ],
    "public.audio_recordings": [
        ("editor", "update (project_id)", "update public.audio_recordings set project_id = %(public)s")
    ],
    "public.prompt_generations": [
        (
            "editor",
            "update (project_id)",
            "update public.prompt_generations set project_id = %(public)s, status = 'cancelled'",
        ),
        (
            "editor",
            "insert (status)",
            "insert into public.prompt_generations (project_id, prompt, provider, model, status) "
            "values (%(shared)s, 'p', 'x', 'm', 'running')",
        ),
    ],
}
# The owner role's functions don't ask everything: what policies keep from them. Whose claims, and what has to come.
OWNERS = {
    "next_auth.users": [
        ("owner", "select from next_auth.users where id <> %(left)s", "allowed"),
        ("owner", "delete from next_auth.users", "allowed"),
    ],
    "next_auth.sessions": [
        ("owner", "select from next_auth.sessions", "allowed"),
        ("owner", "delete from next_auth.sessions", "no row"),
    ],
    "public.users": [
        ("owner", "update public.users set display_name = 'x'", "allowed"),
        ("owner", "delete from public.users", "allowed"),
    ],
    "public.projects": [("owner", "delete from public.projects where id <> %(hidden)s", "allowed")],
    "public.collaborators": [
        (
            "invitee",
            "update public.collaborators set accepted_at = now() where user_id = %(me)s and project_id = %(shared)s",
            "allowed",
        ),
        ("viewer", "update public.collaborators set role = 'admin' where user_id = %(fellow)s", "no row"),
        ("viewer", "update public.collaborators set accepted_at = now() where user_id = %(invitee)s", "refused"),
    ],
}


def values(who: str) -> dict[str, Any]:
    """The parameters of a statement, for the caller; who is nobody has no id, and somebody's folder."""
    person = WHO[who][1]
    own = {"me": key(who) if person else None, "own": key(f"{who}'s own"), "folder": key(who if person else "another")}
    return VALUES | own


def claims(who: str) -> str:
    """The token of the caller; logins have none."""
    role, person = WHO[who]
    if role not in ("anon", "authenticated", "service_role"):
        return ""
    return json.dumps({"role": role} | ({"sub": key(who)} if person else {}))
