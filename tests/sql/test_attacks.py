"""Attacks on the complete SQL, as somebody who may run any statement as their role with honest claims.

A claim that the app signed is true: who signs can be anybody. Claims that are malformed are in test_claims.py, who may
do what by relation in test_relations.py, months that are made ahead in test_functions.py, what a login may become in
tests/audit/test_logins.py.

Three things stay open. Who has SQL and not just the API can `lock table` what they may write, as PostgreSQL has it.
Who knows a component's id learns that it exists, since a client may choose it and keys are unique; who knows a
person's id learns so by an invitation. Ids have more than sixty random bits.
"""

import contextlib
from collections.abc import Iterator

import psycopg
import pytest

from tests.sql.provision import ADA, BOB, Connection, acting_as, add_file, add_recording, refused, row

AS_BOB = {"sub": BOB, "role": "authenticated"}
AS_ADA = {"sub": ADA, "role": "authenticated"}
MISSING = "00000000-0000-7000-8000-0000000000ff"
SECRET = "adas secret title"
API = ("anon", "authenticated", "service_role")


@pytest.fixture
def secret(people: Connection) -> Connection:
    """Ada's private project has a title that nobody else may learn, a component and a recording."""
    people.execute(
        "update public.projects set title = %s where owner_id = %s and visibility = 'private'", (SECRET, ADA)
    )
    project = adas(people, "projects")
    people.execute(
        "insert into public.project_components (project_id, kind, title) values (%s, 'group', %s)",
        (project, SECRET),
    )
    add_recording(people, project, "secret.ogg", person=ADA)
    people.execute("update public.audio_recordings set title = %s", (SECRET,))
    return people


def adas(connection: Connection, table: str) -> str:
    """The id of the row with Ada's secret."""
    return str(row(connection, f"select id from public.{table} where title = %s", (SECRET,))[0])


def bobs(connection: Connection) -> str:
    query = "select id from public.projects where owner_id = %s and visibility = 'private'"
    return str(row(connection, query, (BOB,))[0])


def failure(connection: Connection, statement: str, *values: str) -> tuple[str, str, str | None]:
    """Code, message and detail of what must fail, with the values it was given taken out."""
    with pytest.raises(psycopg.Error) as caught, connection.transaction():
        connection.execute(statement.encode(), values)
    texts = [str(caught.value.sqlstate), str(caught.value.diag.message_primary), caught.value.diag.message_detail or ""]
    for value in values:
        texts = [text.replace(value, "…") for text in texts]
    return texts[0], texts[1], texts[2]


# Claims.


@pytest.mark.parametrize("claimed", ["service_role", "app_owner", "postgres", "supabase_admin", "admin", ""])
def test_a_role_in_the_claims_gives_nothing(secret, claimed):
    """The role that counts is the session's; a policy that believed the claim would be open to many."""
    claims = AS_BOB | {"role": claimed, "user_role": claimed, "is_super_admin": True}
    secret.execute("insert into analytics.error_logs (source, message, fingerprint) values ('server', 'hidden', 'x')")
    with acting_as(secret, "authenticated", claims) as session:
        assert row(session, "select count(*) from public.projects where title = %s", (SECRET,)) == (0,)
        assert row(session, "select count(*) from analytics.error_logs") == (0,)
    assert adas(secret, "projects"), "it was there to be hidden"


def test_what_people_write_about_themselves_gives_nothing(secret):
    claims = AS_BOB | {"user_metadata": {"sub": ADA, "role": "service_role"}, "app_metadata": {"role": "service_role"}}
    with acting_as(secret, "authenticated", claims) as session:
        assert row(session, "select count(*) from public.projects where title = %s", (SECRET,)) == (0,)


def test_a_visitor_who_brings_a_subject_stays_a_visitor(secret):
    with acting_as(secret, "anon", {"sub": ADA, "role": "anon"}) as session:
        assert row(session, "select count(*) from public.projects where title = %s", (SECRET,)) == (0,)
        refused(session, psycopg.errors.InsufficientPrivilege, "select * from public.users")


def test_no_function_that_people_may_call_sets_claims_or_runs_text(provisioned):
    """A function over PostgREST that ran set_config would let anybody be anybody for the rest of the request."""
    bodies = provisioned.execute("""
        select p.oid::regprocedure::text, coalesce(p.prosrc, '') || coalesce(pg_get_function_sqlbody(p.oid), '')
        from pg_proc as p join pg_namespace as n on n.oid = p.pronamespace
        where n.nspname in ('public', 'private', 'auth', 'storage', 'analytics', 'ops', 'next_auth', 'authjs')
            and (has_function_privilege('anon', p.oid, 'execute')
                or has_function_privilege('authenticated', p.oid, 'execute'))
    """).fetchall()
    assert len(bodies) > 30, "the query finds them"
    for name, body in bodies:
        # A note to the server's log, under a name that nothing asks.
        words = body.lower().replace("set_config('app.super_administrator', statement, true)", "")
        assert "set_config" not in words, name
        assert "set local" not in words, name
        assert "execute " not in words, name


def test_a_prepared_statement_asks_again_who_it_is(secret):
    """Poolers keep prepared statements from one client to the next: a plan must hold no client's identity."""
    query = f"select count(*) from public.projects where title = '{SECRET}'"
    secret.execute(f"set local plan_cache_mode = force_generic_plan; prepare attack as {query}")
    found = []
    for role, claims in (("authenticated", AS_ADA), ("authenticated", AS_BOB), ("service_role", None), ("anon", {})):
        with acting_as(secret, role, claims) as session:
            found.append(row(session, "execute attack")[0])
    with acting_as(secret, "authenticated", AS_BOB) as session:
        found.append(row(session, "execute attack")[0])
    secret.execute("deallocate attack")
    assert found == [1, 0, 1, 0, 0]


# Policies as such.


def test_no_table_recurses_and_each_refuses_or_answers(people):
    """42P17 is a policy that asks its own table for ever; it shows only when the table is read."""
    tables = [
        name
        for (name,) in people.execute("""
            select c.oid::regclass::text from pg_class as c join pg_namespace as n on n.oid = c.relnamespace
            where c.relkind in ('r', 'p', 'v', 'm') and n.nspname in ('public', 'next_auth', 'authjs', 'analytics',
                'storage', 'private')
        """).fetchall()
    ]
    assert len(tables) > 15
    answered = 0
    for role in (*API, "authjs", "app_owner", "cleaner", "storage_service"):
        for table in tables:
            for statement in ("select count(*) from {}", "delete from {} where false"):
                with acting_as(people, role, AS_BOB) as session:
                    with contextlib.suppress(psycopg.errors.InsufficientPrivilege, psycopg.errors.WrongObjectType):
                        with session.transaction():
                            session.execute(statement.format(table).encode())
                            answered += 1
    assert answered > 50, "most of it was refused before a policy could recurse"


def test_a_new_table_is_closed_and_stays_so_when_only_half_is_done(people):
    people.execute("set local role app_owner; create table public.fresh (id int); insert into public.fresh values (1)")
    people.execute("reset role")
    for role in API:
        with acting_as(people, role, AS_BOB) as session:
            refused(session, psycopg.errors.InsufficientPrivilege, "select * from public.fresh")
    people.execute(
        "alter table public.fresh enable row level security; alter table public.fresh force row level security"
    )
    people.execute("grant select, insert on public.fresh to anon, authenticated")
    for role in ("anon", "authenticated"):
        with acting_as(people, role, AS_BOB) as session:
            assert row(session, "select count(*) from public.fresh") == (0,)
            refused(session, psycopg.errors.InsufficientPrivilege, "insert into public.fresh values (2)")
    assert row(people, "select count(*) from public.fresh") == (1,)


# Functions and operators in a where clause.


@contextlib.contextmanager
def overheard(connection: Connection) -> Iterator[list[str]]:
    """What the server sends the client while the block runs."""
    said: list[str] = []

    def note(diagnostic: psycopg.errors.Diagnostic) -> None:
        said.append(diagnostic.message_primary or "")

    connection.add_notice_handler(note)
    try:
        yield said
    finally:
        connection.remove_notice_handler(note)


LEAK = """
    create function public.leak(value text) returns boolean language plpgsql cost 0.0000001
    as $$ begin raise notice 'seen: %', value; return true; end $$;
    grant execute on function public.leak(text) to anon, authenticated, service_role;
    create function public.leaks(value text, other text) returns boolean language plpgsql cost 0.0000001
    as $$ begin raise notice 'seen: %', value; return true; end $$;
    grant execute on function public.leaks(text, text) to anon, authenticated, service_role;
    create operator public.<<< (leftarg = text, rightarg = text, function = public.leaks);
    create view public.shown with (security_invoker = true) as select title from public.projects;
    grant select on public.shown to anon, authenticated, service_role
"""
LEAKY = (
    "select * from public.projects where public.leak(title)",
    "select * from public.projects where title operator(public.<<<) 'x'",
    "select * from public.shown where public.leak(title)",
    "select * from public.project_components where public.leak(title)",
    "select * from public.audio_recordings where public.leak(title)",
    "select count(*) from public.projects as p join public.project_components as c on public.leak(p.title || c.title)",
    "select * from public.projects order by public.leak(title)",
    "update public.projects set title = title where public.leak(title)",
    "delete from public.projects where public.leak(title) and false",
    "with found as materialized (select title from public.projects) select * from found where public.leak(title)",
)


@pytest.mark.parametrize("statement", LEAKY)
def test_a_cheap_function_in_a_where_clause_sees_no_hidden_row(secret, statement):
    secret.execute(LEAK)
    with overheard(secret) as said:
        with acting_as(secret, "service_role") as session:
            session.execute("set local client_min_messages = notice")
            session.execute(statement.encode())
    if "false" not in statement:
        assert [line for line in said if SECRET in line], "this is how it would be seen"
    with overheard(secret) as said:
        with acting_as(secret, "authenticated", AS_BOB) as session:
            session.execute("set local client_min_messages = notice")
            session.execute(statement.encode())
    assert [line for line in said if SECRET in line] == []


@pytest.mark.parametrize(
    "condition",
    [
        "title::int = 1",
        "1 / (case when title = '{}' then 0 else 1 end) = 1",
        "title::jsonb is null",
        "title ~ repeat('(', 9)",
    ],
)
def test_an_error_in_a_where_clause_tells_nothing_of_a_hidden_row(secret, condition):
    """A cast of a hidden value would quote it, a division by it would answer a question about it."""
    secret.execute("update public.projects set title = 'mine' where owner_id = %s", (BOB,))
    query = f"select * from public.projects where {condition.format(SECRET)}"
    told = ""
    with acting_as(secret, "authenticated", AS_BOB) as session:
        try:
            with session.transaction():
                session.execute(query.encode())
        except psycopg.Error as error:
            told = f"{error} {error.diag.message_detail}"
    assert SECRET not in told
    assert "division by zero" not in told


# Names that mean something else.


def test_nobody_with_an_api_role_makes_temporary_objects_or_objects_in_any_schema(people):
    schemas = [name for (name,) in people.execute("select nspname from pg_namespace where nspname !~ '^pg_'")]
    for role in (*API, "authjs", "monitor", "scanner", "cleaner", "storage_service"):
        with acting_as(people, role, AS_BOB) as session:
            refused(session, psycopg.errors.InsufficientPrivilege, "create temporary table projects (id uuid)")
            for schema in schemas:
                refused(session, psycopg.errors.InsufficientPrivilege, f"create table {schema}.trap (id uuid)")


def test_names_that_an_attacker_puts_first_change_no_answer(secret):
    """Were the doors above open: tables, functions and an operator of the attacker's, first in the search path."""
    ada = adas(secret, "projects")
    asked = (
        "select count(*) from public.projects",
        "select count(*) from public.project_components",
        "select count(*) from public.my_invitations()",
        f"select count(*) from public.project_members('{ada}')",
        "select count(*) from public.search_projects('secret')",
        "select count(*) from public.search_recordings('secret')",
        f"select count(*) from public.project_summaries(array['{ada}'::uuid])",
        f"select private.may_edit('{ada}')",
        f"select private.may_manage('{ada}', 'viewer')",
    )
    secret.execute("grant usage on schema private to authenticated")
    with acting_as(secret, "authenticated", AS_BOB) as session:
        before = [row(session, query)[0] for query in asked]
        assert row(session, "select count(*) from public.projects") == (4,), "his own three and Ada's public one"
    secret.execute("""
        create schema attack;
        grant usage, create on schema attack to authenticated;
        do $$ begin execute format('grant temporary on database %I to authenticated', current_database()); end $$;
    """)
    with acting_as(secret, "authenticated", AS_BOB) as session:
        session.execute("""
            create temporary table collaborators as
                select p.id as project_id, auth.uid() as user_id, 'admin' as role, now() as accepted_at
                from public.projects as p;
            create temporary table projects as
                select auth.uid() as owner_id, 'public' as visibility, id from public.projects;
            create temporary table users as select auth.uid() as id, 'ada@example.org' as email;
            create function attack.uid() returns uuid language sql as 'select null::uuid';
            create function attack.may_edit(p uuid) returns boolean language sql as 'select true';
            create function attack.equal(a uuid, b uuid) returns boolean language sql as 'select true';
            create operator attack.= (leftarg = uuid, rightarg = uuid, function = attack.equal);
            set local search_path = attack, pg_temp, private, auth, public, pg_catalog
        """)
        assert row(session, "select gen_random_uuid() = gen_random_uuid()") == (True,), "the trap is laid"
        assert [row(session, query)[0] for query in asked] == before


# Rows in others' hands.

GIVING = {
    "a project": "update public.projects set owner_id = %(ada)s where owner_id = %(bob)s",
    "a profile": "update public.users set id = %(ada)s where id = %(bob)s",
    "a component": "update public.project_components set project_id = %(project)s",
    "a recording": "update public.audio_recordings set project_id = %(project)s",
    "whose recording it is": "update public.audio_recordings set created_by = %(ada)s",
    "a generation": "update public.prompt_generations set created_by = %(ada)s",
    "a membership": "update public.collaborators set user_id = %(ada)s",
    "an invitation": "update public.collaborators set accepted_at = now()",
}


@pytest.mark.parametrize("what", GIVING)
def test_nobody_puts_a_row_into_anothers_hands(secret, what):
    values = {"ada": ADA, "bob": BOB, "project": adas(secret, "projects")}
    with acting_as(secret, "authenticated", AS_BOB) as session:
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="permission denied for"), session.transaction():
            session.execute(GIVING[what].encode(), values)


def test_nobody_writes_over_anothers_row_by_its_key(secret):
    """`on conflict do update` is an update of the row that is there: its policy has to be asked too."""
    component, mine = adas(secret, "project_components"), bobs(secret)
    statement = (
        "insert into public.project_components (id, project_id, kind, title) "
        "values (%s, %s, 'text', 'mine now') "
        "on conflict (id) do update set title = excluded.title"
    )
    with acting_as(secret, "authenticated", AS_BOB) as session:
        refused(session, psycopg.errors.InsufficientPrivilege, statement, component, mine)
        silent = (
            "insert into public.project_components (id, project_id, kind) values (%s, %s, 'text') "
            "on conflict do nothing"
        )
        session.execute(silent.encode(), (component, mine))
    assert adas(secret, "project_components") == component


# What a refusal reveals.

ORACLES = {
    "a project, by a component": (
        "insert into public.project_components (project_id, kind) values (%s, 'text')",
        "projects",
    ),
    "a project, by a recording": (
        "insert into public.audio_recordings (project_id, object_path) values (%s, 'x/x.ogg')",
        "projects",
    ),
    "a project, by a generation": (
        "insert into public.prompt_generations (project_id, prompt, provider, model) values (%s, 'p', 'x', 'm')",
        "projects",
    ),
    "a project, by an invitation": (
        "insert into public.collaborators (project_id, email) values (%s, 'new@example.org')",
        "projects",
    ),
    "a project, by handing it over": (f"select public.transfer_project(%s, '{BOB}')", "projects"),
    "a project, by a copy": ("select public.duplicate_project(%s, 'copy')", "projects"),
    "a component, by moving it": ("select public.move_component(%s, null)", "project_components"),
    "a component, by taking it out of its group": ("select public.nest_component(%s)", "project_components"),
    "a project, by ordering it": ("select public.reorder_components(%s, '{}')", "projects"),
    "a project, by copying from it": (
        "select public.copy_components(%s, id) from public.projects where owner_id = auth.uid() "
        "and visibility = 'private'",
        "projects",
    ),
    "a project, by copying into it": (
        "select public.copy_components(id, %s) from public.projects where owner_id = auth.uid() "
        "and visibility = 'private'",
        "projects",
    ),
    "a component, as the group of your own": (
        "insert into public.project_components (project_id, kind, parent_id) "
        "select id, 'text', %s from public.projects where owner_id = auth.uid() and visibility = 'private'",
        "project_components",
    ),
    "a recording, in one's own component": (
        "insert into public.project_components (project_id, kind, recording_id) "
        "select id, 'audio', %s from public.projects where owner_id = auth.uid() and visibility = 'private'",
        "audio_recordings",
    ),
}


@pytest.mark.parametrize("what", ORACLES)
def test_what_is_anothers_is_refused_in_the_words_for_what_is_not_there(secret, what):
    """A foreign key's check sees every row: were it asked before the policy, its error would tell."""
    statement, table = ORACLES[what]
    there = adas(secret, table)
    with acting_as(secret, "authenticated", AS_BOB) as session:
        refusal = failure(session, statement, there)
        assert refusal == failure(session, statement, MISSING)
    # Not a missing value or a wrong type, which would be the same for everything. The one foreign key is a pair with
    # the caller's own project.
    assert refusal[0] in ("42501", "23514", "P0002", "PT404", "02000", "23503"), refusal


@pytest.mark.parametrize("bucket", ["audio", "avatars"])
def test_a_file_name_in_anothers_folder_is_refused_whether_it_is_taken_or_not(secret, bucket):
    folder = adas(secret, "projects") if bucket == "audio" else ADA
    add_file(secret, f"{folder}/taken.ogg", bucket)
    add_file(secret, f"{bobs(secret)}/own.ogg")
    statement = "insert into storage.objects (bucket_id, name) values (%s, %s)"
    names = (f"{folder}/taken.ogg", f"{folder}/free.ogg", f"{MISSING}/free.ogg")
    with acting_as(secret, "authenticated", AS_BOB) as session:
        told = [failure(session, statement, bucket, name) for name in names]
    assert told[0] == told[1] == told[2]
    assert told[0][0] == "42501"


def test_whether_a_project_of_anothers_has_a_file_is_reported_by_no_recording(secret):
    project = adas(secret, "projects")
    add_file(secret, f"{project}/taken.ogg")
    statement = "insert into public.audio_recordings (project_id, object_path) values (%s, %s)"
    with acting_as(secret, "authenticated", AS_BOB) as session:
        theirs = [failure(session, statement, project, f"{project}/{name}.ogg") for name in ("taken", "free")]
        mine = [failure(session, statement, bobs(secret), f"{project}/{name}.ogg")[0] for name in ("taken", "free")]
    assert theirs[0] == theirs[1]
    assert theirs[0][0] == "42501"
    assert mine == ["23514", "23514"]


def test_rows_that_cannot_be_seen_are_not_counted_by_any_write(secret):
    """`update … returning` and row counts would tell of rows as well as a select."""
    for statement in (
        "update public.projects set title = title where title = %s returning id",
        "delete from public.projects where title = %s returning id",
        "update public.audio_recordings set title = title where title = %s",
        "delete from public.project_components where title = %s",
    ):
        with acting_as(secret, "authenticated", AS_BOB) as session:
            assert session.execute(statement.encode(), (SECRET,)).rowcount == 0, statement
    assert adas(secret, "audio_recordings")


def test_no_sequence_counts_what_others_make(provisioned):
    """Keys are uuids: a sequence would tell how many rows others made meanwhile."""
    found = provisioned.execute("""
        select c.oid::regclass::text from pg_class as c join pg_namespace as n on n.oid = c.relnamespace
        cross join unnest(
            array['anon', 'authenticated', 'service_role', 'authjs', 'monitor', 'cleaner', 'storage_service']
        ) as r
        where c.relkind = 'S' and n.nspname !~ '^pg_' and has_sequence_privilege(r, c.oid, 'usage, select, update')
    """)
    assert found.fetchall() == []


def test_plans_tell_nobody_how_many_rows_there_are(secret):
    """Statistics hold real values; `explain` shows estimates, which is why PostgREST's is off."""
    with acting_as(secret, "authenticated", AS_BOB) as session:
        seen = session.execute("select * from pg_stats where schemaname = 'public' and tablename = 'projects'")
        assert seen.fetchall() == [], "row security on a table hides its statistics too"
        refused(session, psycopg.errors.InsufficientPrivilege, "select * from pg_statistic")


# Around the table.


@pytest.mark.parametrize("role", API)
def test_partitions_and_summaries_reached_by_their_own_names_are_closed(people, role):
    names = [
        name
        for (name,) in people.execute(
            "select c.oid::regclass::text from pg_class as c where c.relispartition and c.relkind in ('r', 'p') "
            "or c.relkind = 'm' and c.relnamespace = 'analytics'::regnamespace"
        )
    ]
    assert len(names) > 4
    with acting_as(people, role, AS_BOB) as session:
        for name in names:
            refused(session, psycopg.errors.InsufficientPrivilege, f"select * from {name}")
            refused(session, psycopg.errors.InsufficientPrivilege, f"delete from {name}")


# Permission denied, no such function, no such slot.
CLOSED = ("42501", "42883", "42704")


@pytest.fixture
def attacker(shared: Connection) -> Iterator[Connection]:
    """A login like the API's."""
    shared.execute("create role attacker login noinherit password 'of-a-test' in role anon, authenticated")
    shared.execute(f'grant connect on database "{shared.info.dbname}" to attacker')
    url = f"postgresql://attacker:of-a-test@{shared.info.host}:{shared.info.port}/{shared.info.dbname}"
    with psycopg.connect(url, autocommit=True) as session:
        yield session
    shared.execute("drop owned by attacker; drop role attacker")


@pytest.mark.parametrize("role", ["anon", "authenticated"])
@pytest.mark.parametrize(
    "statement",
    [
        "set role service_role",
        "set session authorization app_owner",
        "set row_security = off; select * from public.projects",
        "set session_replication_role = replica",
        "alter table public.projects disable row level security",
        "alter role authenticated bypassrls",
        "truncate public.projects",
        "copy public.projects to program 'true'",
        "copy (select 1) to '/stolen'",
        "select pg_read_file('/etc/passwd')",
        "select lo_import('/etc/passwd')",
        "select * from pg_authid",
        "create extension dblink",
        "create publication p for table public.projects",
        "select pg_logical_slot_get_changes('s', null, null)",
        "comment on table public.projects is 'mine'",
        "create trigger t before insert on public.projects for each row execute function private.tg__updated_at()",
        "create policy mine on public.projects for select using (true)",
        "create rule r as on select to public.projects do instead select 1",
        "select pg_terminate_backend(pid) from pg_stat_activity where usename = 'postgres'",
        "alter system set log_statement = none",
    ],
)
def test_the_ways_around_row_security_are_closed(attacker, role, statement):
    """In a login's own session: a superuser's may go back to what it was."""
    attacker.execute(f"set role {role}")
    with pytest.raises(psycopg.Error) as caught:
        attacker.execute(statement.encode())
    assert caught.value.sqlstate in CLOSED, f"{caught.value.sqlstate}: {caught.value}"
