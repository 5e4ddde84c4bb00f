"""Who leaves: gone at once for everybody, deleted in batches, unreadable in the audit log; and what is exported."""

import re
from typing import Any

import psycopg
import pytest

from tests.sql import matrix
from tests.sql.provision import ADA, BOB, OURS, Connection, acting_as, add_file, add_recording, refused, row
from tests.sql.trail import entries, findings, project_of

ADAS = {"sub": ADA, "role": "authenticated"}
BOBS = {"sub": BOB, "role": "authenticated"}
LEAVE = "delete from next_auth.users where id = %s"
FORGET = "select coalesce(sum(private.forget_addresses(u.batch)), 0) from private.unwanted_addresses(10) as u (batch)"
WAITING = "select people, erased_rows from ops.waiting_departures()"
COLUMNS = "select relation, person_column, fate, exported from private.personal_columns()"
# Where the id of nobody any more may be, what the cleaner takes away with the file, and what is soon forgotten.
STAYING = ("stays", "files", "days")
# What a column of a person's id is called where no foreign key says it.
NAMED = "^(user_id|userId|owner|owner_id|created_by|invited_by|actor|email|identifier|subject)$"
# Columns that hold an id of a person: by foreign key, also of a project; by name; by what their comment says.
FOUND = """
select n.nspname || '.' || c.relname, a.attname::text
from pg_class as c
join pg_namespace as n on n.oid = c.relnamespace
join pg_attribute as a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
where c.relkind in ('r', 'p') and not c.relispartition and n.nspname = any(%s) and (
    exists (
        select from pg_constraint as f
        where f.contype = 'f' and f.conrelid = c.oid and f.conkey[1] = a.attnum
            and f.confrelid = any(array['public.users', 'next_auth.users', 'public.projects']::regclass[])
    )
    or a.attname ~ %s and a.atttypid in ('uuid'::regtype, 'text'::regtype)
    or a.atttypid = 'uuid'::regtype and col_description(c.oid, a.attnum) ~* '\\m(person|whose|whom|who)\\M'
)
"""
# Found by their comment or by their name, and no place of their own: part of a row that is one's own.
PARTS = {
    *(("next_auth.users", "email"), ("private.proved_addresses", "email")),
    *(("storage.buckets", "owner"), ("storage.buckets", "owner_id")),
}
# Not found by any of these, since they are no id of a person alone.
OTHERS = {
    *(("storage.objects", "name"), ("private.object_scans", "name"), ("audit.log", "row_id")),
    *((f"private.{table}", "object_path") for table in ("deletion_queue", "unserved_files", "file_events")),
}


@pytest.fixture
def heavy(alone: Connection) -> Connection:
    """Ada has more than what goes at once: a public project, one that she shares with Bob, and what she did."""
    values = {"ada": ADA, "bob": BOB, "private": project_of(alone, ADA), "public": project_of(alone, ADA, "public")}
    matrix.run(
        alone,
        """
        insert into public.collaborators (project_id, user_id, role, accepted_at)
            values (%(private)s, %(bob)s, 'editor', now());
        insert into public.project_components (project_id, kind)
            select p, 'text' from unnest(array[%(private)s, %(public)s]::uuid[]) as p, generate_series(1, 300);
        insert into public.prompt_generations (project_id, created_by, prompt, provider, model)
            select %(private)s, %(ada)s, 'p', 'x', 'm' from generate_series(1, 5);
        insert into analytics.user_activity (user_id, action) select %(ada)s, 'a.b' from generate_series(1, 1500);
        insert into analytics.api_usage (user_id, provider, model)
            select %(ada)s, 'x', 'm' from generate_series(1, 300);
        insert into next_auth.sessions ("userId", expires, "sessionToken")
            values (%(ada)s, now() + interval '1 day', 'ada');
        """,
        values,
    )
    return alone


def leave(connection: Connection, person: str = ADA) -> None:
    with connection.transaction():
        connection.execute("set local role authjs")
        connection.execute("set local statement_timeout = '8s'")
        assert connection.execute(LEAVE.encode(), (person,)).rowcount == 1


def counts(connection: Connection, fates: tuple[str, ...] = (), person: str = ADA) -> dict[tuple[str, str], int]:
    """Of each place in which the person's id is, how many rows there are; without places of these fates."""
    found = {}
    for table, column, fate, _ in connection.execute(COLUMNS.encode()).fetchall():
        if fate not in (*fates, "project"):
            query = f"""select count(*) from {table} where "{column}"::text = %s"""
            found[table, column] = row(connection, query, (person,))[0]
    return {place: count for place, count in found.items() if count}


def test_a_heavy_account_is_gone_at_once_for_everybody(heavy):
    leave(heavy)
    public = "select count(*) from public.projects where visibility = 'public' and archived_at is null"
    for role, claims, own in (("anon", None, 0), ("authenticated", BOBS, 2)):
        with acting_as(heavy, role, claims) as session:
            assert row(session, public) == (1,)
            assert row(session, "select count(*) from public.project_components") == (0,)
            assert row(session, "select count(*) from public.search_projects('public')") == (1,)
            owners = "select count(*) from public.project_owners(array(select id from public.projects))"
            assert row(session, owners) == (1,)
            if own:
                assert row(session, "select count(*) from public.projects") == (3,)
                assert row(session, "select count(*) from public.prompt_generations") == (0,)
    with acting_as(heavy, "authjs") as session:
        for query in (
            "select count(*) from next_auth.users where id = %s or email = 'ada@example.org'",
            'select count(*) from next_auth.sessions where "userId" = %s',
        ):
            assert row(session, query, (ADA,)) == (0,)
    profile = "select display_name, avatar_url, settings::text, is_super_admin from public.users where id = %s"
    assert row(heavy, profile, (ADA,)) == (None, None, "{}", False)
    with acting_as(heavy, "monitor") as session:
        assert row(session, WAITING) == (1, 1000)


def test_who_has_left_finds_and_writes_nothing_with_a_token_that_is_not_over(heavy):
    reachable = """
        select distinct c.oid::regclass::text from pg_class as c join pg_namespace as n on n.oid = c.relnamespace
        join pg_policy as p on p.polrelid = c.oid and 'authenticated'::regrole = any(p.polroles)
        where n.nspname <> 'storage' and has_table_privilege('authenticated', c.oid, 'select')
    """
    tables = [name for (name,) in heavy.execute(reachable).fetchall()]
    with acting_as(heavy, "authenticated", ADAS) as session:
        assert row(session, "select count(*) from analytics.user_activity") == (1500,)
    leave(heavy)
    with acting_as(heavy, "authenticated", ADAS) as session:
        for table in tables:
            assert row(session, f"select count(*) from {table}") == (0,), table
        for kind in ("projects", "recordings", "generations"):
            assert row(session, f"select count(*) from public.search_{kind}('public p')") == (0,), kind
        insert = "insert into public.projects (title) values ('back again')"
        refused(session, psycopg.errors.InsufficientPrivilege, insert)
    assert len(tables) > 8


def test_what_is_left_goes_in_batches_that_can_be_interrupted_and_asked_again(heavy):
    leave(heavy)
    for batch in (200, 50):
        assert batch <= row(heavy, "select private.erase(%s, %s)", (ADA, batch))[0] <= batch + 100
    assert counts(heavy, STAYING) != {}
    with heavy.transaction():
        heavy.execute("select from private.departures for update")
        with psycopg.connect(heavy.info.dsn, autocommit=True, password=heavy.info.password) as other:
            assert row(other, "call ops.erase_departed(100)") == (0,), "somebody else does it"
    (erased,) = row(heavy, "call ops.erase_departed(100)")
    assert erased > 500
    assert counts(heavy, STAYING) == {}
    assert row(heavy, WAITING) == (0, 0)
    assert row(heavy, "select count(*), count(user_id) from analytics.api_usage") == (300, 0)
    assert row(heavy, "select array_agg(id::text) from public.users") == ([BOB],)
    assert row(heavy, "call ops.erase_departed(100)") == (0,)
    assert findings(heavy) == []


def test_no_batch_reads_a_table_or_holds_more_rows_than_it_was_given(heavy):
    leave(heavy)
    with heavy.transaction(force_rollback=True):
        before = row(heavy, "select count(*) from analytics.user_activity")[0]
        heavy.execute("delete from public.projects where owner_id = %s", (ADA,))
        assert row(heavy, "select private.erase(%s, 300)", (ADA,)) == (300,)
        assert row(heavy, "select count(*) from analytics.user_activity") == (before - 300,)


def test_late_rows_are_swept_from_every_table_without_a_foreign_key(alone):
    leave(alone)
    late = """
        insert into analytics.user_activity (user_id, action) values (%(ada)s, 'a.b');
        insert into analytics.api_usage (user_id, provider, model) values (%(ada)s, 'x', 'm');
        insert into analytics.error_logs (source, message, fingerprint, user_id) values ('s', 'm', 'f', %(ada)s)
    """
    matrix.run(alone, late, {"ada": ADA})
    assert len(counts(alone, STAYING)) == 3
    assert row(alone, "call ops.erase_departed()") == (3,)
    assert counts(alone, STAYING) == {}
    matrix.run(alone, late + "; update private.departures set departed_at = now() - interval '32 days'", {"ada": ADA})
    assert row(alone, "call ops.erase_departed()") == (0,), "nobody looks for ever"


def test_a_small_account_goes_altogether_and_leaves_nobody_waiting(people):
    people.execute(LEAVE.encode(), (ADA,))
    assert counts(people, STAYING) == {}
    assert row(people, "select count(*), count(erased_at) from private.departures") == (1, 1)


def test_open_invitations_to_and_by_the_person_and_sign_in_links_go(people):
    adas, bobs = project_of(people, ADA), project_of(people, BOB)
    invite = "insert into public.collaborators (project_id, user_id, email, invited_by, accepted_at) "
    for project, user, email, by, accepted in (
        (bobs, None, "ada@example.org", BOB, None),
        (bobs, None, "ada@work.example", BOB, None),
        (bobs, None, "old@example.org", BOB, None),
        (bobs, None, "eve@example.org", ADA, None),
        (bobs, None, "stays@example.org", BOB, None),
        (adas, BOB, None, ADA, "now"),
    ):
        people.execute((invite + "values (%s, %s, %s, %s, %s)").encode(), (project, user, email, by, accepted))
    people.execute(
        'insert into next_auth.accounts ("userId", type, provider, "providerAccountId") '
        "values (%s, 'oidc', 'google', 'g')",
        (ADA,),
    )
    people.execute("insert into private.proved_addresses values (%s, 'google', 'g', 'ada@work.example')", (ADA,))
    people.execute("update next_auth.users set email = 'old@example.org' where id = %s", (ADA,))
    people.execute("update next_auth.users set email = 'ada@example.org' where id = %s", (ADA,))
    people.execute('update next_auth.users set "emailVerified" = now() where id = %s', (ADA,))
    for address in ("ada@example.org", "old@example.org", "bob@example.org"):
        link = "insert into next_auth.verification_tokens (identifier, token, expires) values (%s, %s, 'infinity')"
        people.execute(link.encode(), (address, address))
    people.execute(LEAVE.encode(), (ADA,))
    # An address that isn't proved may be another person's.
    stayed = [("old@example.org",), ("stays@example.org",)]
    assert people.execute("select email from public.collaborators order by 1").fetchall() == stayed
    stayed = [("bob@example.org",), ("old@example.org",)]
    assert people.execute("select identifier from next_auth.verification_tokens order by 1").fetchall() == stayed
    values = "select coalesce(old, new) ->> 'email' from audit.entries where relation = 'public.collaborators'"
    read = {email for (email,) in people.execute(values)}
    assert not read & {"ada@example.org", "ada@work.example"}, "unreadable at once, also what their leaving recorded"
    assert "stays@example.org" in read


def test_a_membership_outlives_whoever_invited(people):
    (eve,) = row(people, "insert into next_auth.users (email) values ('eve@example.org') returning id")
    people.execute(
        "insert into public.collaborators (project_id, user_id, role, invited_by, accepted_at) "
        "values (%s, %s, 'viewer', %s, now())",
        (project_of(people, BOB), eve, ADA),
    )
    people.execute(LEAVE.encode(), (ADA,))
    assert row(people, "select invited_by, accepted_at is not null from public.collaborators") == (None, True)


# The audit log.


def named(connection: Connection) -> set[Any]:
    query = "select jsonb_path_query(coalesce(new, old), '$.name') #>> '{}' from audit.entries"
    return {name for (name,) in connection.execute(f"{query} where relation = 'next_auth.users'".encode())}


def open_text(connection: Connection) -> str:
    """All of the audit log but what is sealed: random letters, among which any short word turns up in time."""
    (text,) = row(connection, "select string_agg(l::text, ' ') from audit.log as l")
    found, sealed = re.subn("sealed:[0-9a-f-]{36}:[A-Za-z0-9+/]+=*", "", text)
    assert sealed > 0
    return found


def test_personal_values_are_readable_for_auditors_until_the_person_leaves_and_the_chain_stays_whole(people):
    people.execute("update public.users set is_super_admin = true where id = %s", (BOB,))
    people.execute("update public.projects set title = 'Adas secret' where title = 'private' and owner_id = %s", (ADA,))
    account = 'insert into next_auth.accounts (type, provider, "providerAccountId", "userId") values '
    people.execute(f"{account}('oauth', 'x', 'adas-account', %s)".encode(), (ADA,))
    for word in ("ada@", "Ada", "secret", "adas-account"):
        assert word not in open_text(people), "sealed from the beginning"
    with acting_as(people, "authenticated", BOBS) as session:
        assert named(session) == {"Ada", "Bob"}
        titles = "select new ->> 'title' from audit.entries where operation = 'update' and new ? 'title'"
        assert row(session, titles) == ("Adas secret",)
    before = row(people, "select count(*) from audit.log")
    people.execute(LEAVE.encode(), (ADA,))
    with acting_as(people, "authenticated", BOBS) as session:
        assert named(session) == {None, "Bob"}
        assert row(session, titles) == (None,)
    assert row(people, "select count(*) from audit.log")[0] > before[0]
    assert row(people, "select count(*) from private.audit_keys where subject = %s and key is not null", (ADA,)) == (0,)
    assert findings(people) == []
    assert not re.search("ada@|Ada|secret|adas-account", open_text(people))


def test_keys_and_open_values_are_for_nobody_else(people):
    with acting_as(people, "authenticated", ADAS) as session:
        assert row(session, "select count(*) from audit.entries") == (0,)
    for role in ("anon", "authenticated", "service_role", "authjs", "monitor"):
        with acting_as(people, role) as session:
            refused(session, psycopg.errors.InsufficientPrivilege, "select private.audit_open('{}')")
            refused(session, psycopg.errors.InsufficientPrivilege, "select * from private.audit_keys")
            if role != "authenticated":
                refused(session, psycopg.errors.InsufficientPrivilege, "select * from audit.entries")


def test_what_looks_sealed_is_sealed_all_the_same(people):
    (key,) = row(people, "select id::text from private.audit_keys where subject = %s", (BOB,))
    for name in (f"sealed:{key}:AAAA", "sealed::", "sealed:x:y"):
        people.execute("update public.users set display_name = %s where id = %s", (name, ADA))
        assert entries(people, "public.users", "new ->> 'display_name'")[-1] == (name,)


def test_a_value_that_cant_be_opened_is_shown_as_it_stands_and_no_other_goes_with_it(people):
    (key,) = row(people, "select id::text from private.audit_keys where subject = %s", (BOB,))
    odd = (
        *(f"sealed:{key}:AAAA", f"sealed:{key}:{'A' * 44}", f"sealed:{key}:{'A' * 64}", f"sealed:{key}:A"),
        *("sealed:------------------------------------:AAAA", "sealed"),
    )
    for text in odd:
        assert row(people, "select private.audit_open(jsonb_build_object('a', %s::text, 'b', 1))", (text,)) == (
            {"a": text, "b": 1},
        ), text
    for whole in ("{}", "[]", "1", "null"):
        assert row(people, "select private.audit_open(%s)::text", (whole,)) == (whole,)
    assert row(people, "select private.audit_open(null)") == (None,)
    before = row(people, "select count(*) from audit.entries")
    bucket = (
        "insert into storage.buckets (id, name) select 'b' || n, t from unnest(%s::text[]) with ordinality as b (t, n)"
    )
    short = [text for text in odd if len(text) <= 100]
    people.execute(bucket.encode(), (short,))
    assert row(people, "select count(old), count(new) from audit.entries")[1] >= before[0]
    assert {name for (name,) in entries(people, "storage.buckets", "new ->> 'name'")} >= set(short)


def test_an_address_is_readable_as_long_as_an_invitation_to_it_is_open(people):
    invite = "insert into public.collaborators (project_id, email) values (%s, 'eve@example.org')"
    people.execute(invite.encode(), (project_of(people, ADA),))
    address = "select distinct new ->> 'email' from audit.entries where relation = 'public.collaborators'"
    assert row(people, FORGET) == (0,)
    assert row(people, address) == ("eve@example.org",)
    people.execute("delete from public.collaborators")
    assert row(people, FORGET) == (1,)
    assert row(people, address) == (None,)
    assert findings(people) == []


def test_addresses_are_forgotten_in_batches_of_so_many(alone):
    invite = (
        "insert into public.collaborators (project_id, email) "
        "select %s, n || '@example.org' from generate_series(1, 25) as n"
    )
    alone.execute(invite.encode(), (project_of(alone, ADA),))
    alone.execute("delete from public.collaborators where email <> '7@example.org'")
    batches = [batch for (batch,) in alone.execute("select private.unwanted_addresses(10)")]
    assert [len(batch) for batch in batches] == [10, 10, 4]
    alone.execute("call ops.erase_departed(10)")
    kept = alone.execute("select subject from private.audit_keys where char_length(subject) = 64").fetchall()
    assert kept == [row(alone, "select private.audit_subject('7@example.org')")]


def test_a_projects_files_are_queued_once_when_its_owner_leaves(heavy):
    paths = [add_recording(heavy, project_of(heavy, ADA), name) for name in ("a.ogg", "b.ogg")]
    leave(heavy)
    heavy.execute("call ops.erase_departed(100)")
    queued = "select object_path from private.deletion_queue order by 1"
    assert [path for (path,) in heavy.execute(queued.encode())] == sorted(paths)


def test_a_file_that_comes_after_its_person_has_gone_is_queued_once(alone):
    leave(alone)
    # Written at the same moment, when the person was still there to who wrote it.
    alone.execute("set session_replication_role = replica")
    name = add_file(alone, f"{ADA}/late.png", "avatars")
    alone.execute("reset session_replication_role")
    queued = "select count(*), min(object_path) from private.deletion_queue"
    for _ in range(2):
        alone.execute("call ops.erase_departed()")
        assert row(alone, queued) == (1, name)


# What is recorded and reveals nothing about a person: ids, what they may do, when, and what servers say.
IMPERSONAL = {
    "audit.retired": {"heads"},
    "next_auth.accounts": {"type", "provider", "userId", "scope", "token_type"},
    "next_auth.users": {"emailVerified"},
    "public.audio_recordings": {
        *("project_id", "created_by", "bucket_id", "object_path", "mime_type", "bytes", "scan_status", "scanned_at"),
    },
    "public.collaborators": {"project_id", "user_id", "role", "invited_by", "accepted_at"},
    "public.project_components": {
        *("project_id", "parent_id", "recording_id", "kind", "x", "y", "width", "height", "position"),
    },
    "public.prompt_generations": {"project_id", "created_by", "provider", "model", "status", "cost"},
    "public.projects": {"owner_id", "visibility", "archived_at"},
    "public.users": {"is_super_admin"},
    "storage.buckets": {"name", "owner_id", "public", "file_size_limit", "allowed_mime_types", "type"},
}


@pytest.mark.parametrize("relation", sorted(IMPERSONAL))
def test_each_recorded_value_is_sealed_or_tells_nothing_about_a_person(provisioned, relation):
    function = f"tg_{relation.replace('.', '_')}__audit"
    (source,) = row(provisioned, "select prosrc from pg_proc where proname = %s", (function,))
    plain = set(re.findall(r"""'(\w+)', n\."?\w+"?[,)]""", source))
    assert plain == IMPERSONAL[relation], "say in migration audited_tables whether it is sealed"


# Complete by construction.


def walked(connection: Connection) -> set[tuple[str, str]]:
    return {*connection.execute(FOUND.encode(), ([*OURS, "storage"], NAMED)).fetchall()} - PARTS


def test_every_column_with_an_id_of_a_person_has_its_fate_and_no_other_is_named(provisioned):
    declared = {(table, column) for table, column, *_ in provisioned.execute(COLUMNS.encode())}
    assert walked(provisioned) == declared - OTHERS
    assert declared >= OTHERS


@pytest.mark.parametrize(
    "definition",
    [
        "id uuid, owner uuid references public.users (id) on delete cascade",
        "id uuid, project uuid references public.projects (id) on delete cascade",
        "id uuid, user_id uuid",
        "id uuid, reader uuid",
    ],
)
def test_a_new_table_with_an_id_of_a_person_is_noticed(provisioned, definition):
    known = walked(provisioned)
    provisioned.execute(f"create table public.notes ({definition})".encode())
    provisioned.execute(f"comment on column public.notes.{definition.split()[2]} is 'Who has read it.'".encode())
    assert walked(provisioned) - known == {("public.notes", definition.split()[2])}


@pytest.fixture
def world(provisioned: Connection) -> Connection:
    """A row for each table, and for most of the tables one of the owner's."""
    matrix.populate(provisioned)
    owner = {"owner": matrix.key("owner"), **matrix.VALUES}
    matrix.run(
        provisioned,
        """
        delete from private.sealing_keys;
        insert into analytics.error_logs (source, message, fingerprint, user_id) values ('s', 'm', 'f', %(owner)s);
        insert into public.audio_recordings (project_id, created_by, object_path)
            values (%(shared)s, %(owner)s, %(shared)s || '/free.ogg');
        update next_auth.accounts set access_token = 'SECRET-1', refresh_token = 'SECRET-2' where "userId" = %(owner)s;
        update next_auth.sessions set "sessionToken" = 'SECRET-3' where "userId" = %(owner)s
        """,
        owner,
    )
    return provisioned


def exported(connection: Connection, person: str) -> dict[str, list[dict[str, Any]]]:
    tables = [name for (name,) in connection.execute("select t.name from ops.exported_tables() as t (name)")]
    query = "select r.found from ops.export_rows(%s, %s) as r (found)"
    return {table: [found for (found,) in connection.execute(query, (person, table))] for table in tables}


def test_an_export_has_rows_of_every_table_and_no_secret(world):
    found = exported(world, matrix.key("owner"))
    assert [table for table, rows in found.items() if not rows] == []
    assert found["next_auth.users"][0]["email"] == "owner@example.org"
    assert found["public.users"][0]["id"] == matrix.key("owner")
    assert "SECRET" not in str(found)
    names = {entry["new"].get("name") for entry in found["audit.log"] if entry["relation"] == "next_auth.users"}
    assert "owner" in names, "personal values are open"


def test_an_export_is_of_one_person_and_of_what_is_in_their_projects(world):
    found = exported(world, matrix.key("another"))
    for table in ("next_auth.users", "next_auth.accounts", "next_auth.sessions", "public.users"):
        assert len(found[table]) == 1, table
    assert {each["owner_id"] for each in found["public.projects"]} == {matrix.key("another")}
    own = {each["id"] for each in found["public.projects"]}
    assert {each["project_id"] for each in found["public.project_components"]} <= own
    for each in found["public.audio_recordings"]:
        assert each["project_id"] in own or each["created_by"] == matrix.key("another")
    assert exported(world, matrix.key("nobody at all")).keys() == found.keys()
    assert not any(exported(world, matrix.key("nobody at all")).values())
    assert row(world, "select auth.uid()") == (None,)


def test_an_export_has_open_invitations_to_any_address_that_is_proved_and_to_no_other(people):
    project = project_of(people, ADA)
    for address in ("bob@example.org", "bob@work.example", "old@example.org"):
        invite = "insert into public.collaborators (project_id, email, invited_by) values (%s, %s, %s)"
        people.execute(invite.encode(), (project, address, ADA))
    addresses = "select r.found ->> 'email' from ops.export_rows(%s, 'public.collaborators') as r (found) order by 1"
    assert people.execute(addresses.encode(), (BOB,)).fetchall() == []
    people.execute('update next_auth.users set "emailVerified" = now() where id = %s', (BOB,))
    people.execute(
        'insert into next_auth.accounts ("userId", type, provider, "providerAccountId") '
        "values (%s, 'oidc', 'google', 'g')",
        (BOB,),
    )
    proved = (
        "insert into private.proved_addresses (user_id, provider, provider_account_id, email) values (%s, %s, %s, %s)"
    )
    people.execute(proved.encode(), (BOB, "google", "g", "bob@work.example"))
    people.execute(proved.encode(), (BOB, "google", "unlinked", "old@example.org"))
    found = people.execute(addresses.encode(), (BOB,)).fetchall()
    assert found == [("bob@example.org",), ("bob@work.example",)]


def test_nobody_is_anywhere_any_more_who_has_left(world):
    owner = matrix.key("owner")
    there = {place for place in counts(world, STAYING, owner) if place[0] != "public.collaborators"}
    wanted = {
        (table, column)
        for table, column, fate, _ in world.execute(COLUMNS.encode()).fetchall()
        if fate not in (*STAYING, "project") and table != "public.collaborators" and "tokens" not in table
    }
    assert there == wanted
    world.execute(LEAVE.encode(), (owner,))
    assert counts(world, STAYING, owner) == {}


def test_tables_that_are_not_exported_are_refused(provisioned):
    message = refused(
        provisioned, psycopg.errors.InvalidParameterValue, "select ops.export_rows(%s, 'private.audit_keys')", ADA
    )
    assert "private.audit_keys is no table that is exported" in message


def test_files_are_the_persons_own_and_those_of_their_projects_and_harmful_ones_are_reported(world):
    query = "select bucket_id, name, harmful from ops.export_files(%s)"
    found = world.execute(query, (matrix.key("owner"),)).fetchall()
    own, shared = matrix.key("owner"), matrix.VALUES["shared"]
    assert {(bucket, name) for bucket, name, harmful in found if harmful} >= {
        ("avatars", f"{own}/bad.png"),
        ("audio", f"{shared}/unsound.ogg"),
        ("audio", f"{shared}/{own}-bad.ogg"),
        ("audio", f"{shared}/{matrix.key('editor')}-bad.ogg"),
    }
    assert not any(harmful for _, name, harmful in found if name in {f"{own}/a.png", f"{shared}/heard.ogg"})
    names = {(bucket, name) for bucket, name, _ in found}
    assert {("avatars", f"{own}/a.png"), ("audio", f"{shared}/heard.ogg"), ("audio", f"{shared}/{own}.ogg")} <= names
    assert ("audio", f"{shared}/{matrix.key('editor')}.ogg") in names, "another's, in their project"
    assert not any(bucket == "exports" for bucket, _ in names)


def test_files_in_own_projects_are_exported_whoever_uploaded_them_and_so_are_their_rows(people):
    own, others = project_of(people, ADA), project_of(people, BOB)
    people.execute("insert into storage.buckets (id, name) values ('audio', 'audio') on conflict do nothing")
    store = "insert into storage.objects (bucket_id, name, version, owner_id) values ('audio', %s, 'v', %s)"
    people.cursor().executemany(
        store, [(f"{own}/a.ogg", ADA), (f"{own}/nobodys.ogg", None), (f"{others}/bobs.ogg", BOB)]
    )
    share = "insert into public.collaborators (project_id, user_id, role, accepted_at) values (%s, %s, 'editor', now())"
    people.execute(share.encode(), (own, BOB))
    people.execute(store.encode(), (f"{own}/bobs.ogg", BOB))
    wanted = {f"{own}/{name}.ogg" for name in ("a", "bobs", "nobodys")}
    assert {name for (name,) in people.execute("select name from ops.export_files(%s)", (ADA,))} == wanted
    for table in ("storage.objects", "private.object_scans"):
        assert {each["name"] for each in exported(people, ADA)[table]} == wanted, table


@pytest.mark.parametrize("most", [0, -1, None])
def test_a_batch_of_nothing_is_refused_as_it_would_never_end(alone, most):
    leave(alone)
    for name in ("erase_departed", "forget_generations"):
        told = refused(alone, psycopg.errors.InvalidParameterValue, f"call ops.{name}(%s::bigint)", most)
        assert f"ops.{name} takes batches of 1 row or more, not {'null' if most is None else most}" in told


# After a restore.


def test_who_has_left_leaves_again_after_a_restore(people):
    assert row(people, "select ops.depart(array[%s]::uuid[])", (ADA,)) == (1,)
    assert row(people, "select ops.depart(array[%s]::uuid[])", (ADA,)) == (0,)
    assert counts(people, STAYING) == {}
    assert row(people, "select array_agg(user_id::text) from ops.departures()") == ([ADA],)
    assert row(people, "select count(*) from next_auth.users") == (1,)


def test_who_left_while_it_was_backed_up_goes_to_the_end(heavy):
    leave(heavy)
    assert row(heavy, "select ops.depart(array[%s]::uuid[])", (ADA,)) == (0,)
    assert row(heavy, WAITING)[0] == 1
    heavy.execute("call ops.erase_departed()")
    assert counts(heavy, STAYING) == {}
