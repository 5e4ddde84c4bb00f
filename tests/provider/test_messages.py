"""What PostgreSQL says reaches the user: which object stands in the way, and never a row, a secret or a statement."""

import re
from types import SimpleNamespace

import psycopg
import pytest

from declared import connectionurl
from harness.engine import Refusal
from ops import __main__ as ops
from provider.errors import CUT_OFF, LockRefused, one_line, report
from tests.provider.folders import Folder
from tests.provider.folders import one_line as line

SECRET = "open sesame 41"
BEFORE = """
create view public.titles with (security_invoker = true) as select title from public.notes;
create function public.told(a int) returns int language sql as 'select 1';
create view public.tolds with (security_invoker = true) as select public.told(1);
create table public.a (id int primary key, word text not null, constraint words check (length(word) < 40));
create table public.b (id int references public.a);
create function public.breaks() returns void language plpgsql as $f$
begin
    perform 1;
    perform 1 / (select 0);
end $f$;
create function public.raises() returns void language plpgsql as $f$
begin
    raise exception 'no' using errcode = 'feature_not_supported', detail = 'open sesame 41', hint = 'say please';
end $f$;
"""
SAID = {
    "alter a column of a view": (
        "alter table public.notes alter title type varchar(10);",
        ['rule _RETURN on view public.titles depends on column "title"', "drop what depends on it in this migration"],
    ),
    "drop a function that a view asks": (
        "drop function public.told(int);",
        ["view public.tolds depends on function public.told(integer)", "create it again after it"],
    ),
    "another result": (
        "create or replace function public.told(a int) returns text language sql as 'select 1::text';",
        ["(42P13)", "Use DROP FUNCTION public.told(integer) first"],
    ),
    "a missing extension": ("create extension no_such_thing;", ["no_such_thing", "must first be installed"]),
    "a misspelt column": (
        "select titel from public.notes;",
        ['Perhaps you meant to reference the column "notes.title"'],
    ),
    "a function that fails": ("select public.breaks();", ["division by zero", "in function public.breaks(), line 4"]),
    "a do block that fails": ("do $$\nbegin\n    perform 1 / (select 0);\nend $$;", ["in the do block, line 3"]),
    "a function that isn't one": (
        "create function public.bad() returns int language plpgsql as $$ begin\nselect nothing_at_all from; end $$;",
        ["syntax error"],
    ),
    "an unqualified table to create": (
        "create table tags (id int);",
        ["(3F000)", "the search path is empty here: write the name with its schema, as in public.name"],
    ),
    "an unqualified table to read": ("select * from notes;", ["(42P01)", "write the name with its schema"]),
    "an unqualified function": ("select greet('x');", ["(42883)", "write the name with its schema"]),
    "an unqualified type": ("create table public.t (m mood);", ["(42704)", "write the name with its schema"]),
    "a raise with a detail": ("select public.raises();", ["no (0A000)", "say please"]),
}
ROWS = {
    "a number that is none": ("select 'open sesame 41'::int;", ["invalid input syntax for type integer: … (22P02)"]),
    "a number that is too large": (
        "select '41414141414141'::int;",
        ["value … is out of range for type integer (22003)"],
    ),
    "a day that is none": ("select pg_catalog.make_date(4141, 13, 1);", ["date field value out of range: … (22008)"]),
    "a zone that is none": ("select now() at time zone 'sesame?';", ["time zone … not recognized (22023)"]),
    "a zone with quotes": (
        """select now() at time zone 'a" not: "sesame" b';""",
        ["time zone … not recognized (22023)"],
    ),
    "a long value": (
        f"select ('x' || repeat('4141', 200) || '\" sesame')::int, '{SECRET}';",
        ["invalid input syntax for type integer: … (22P02)"],
    ),
    "bytes of another encoding": (
        "select pg_catalog.convert_from('\\xe92034313431'::bytea, 'UTF8');",
        ['invalid byte sequence for encoding "UTF8": … (22021)'],
    ),
    "a letter that another encoding lacks": (
        "select pg_catalog.convert_to('漢', 'LATIN1');",
        ['character with byte sequence … in encoding "UTF8" has no equivalent in encoding "LATIN1" (22P05)'],
    ),
    "a regular expression": (
        "select 'open sesame 41' ~ '(4141';",
        ["invalid regular expression: parentheses () not balanced (2201B)"],
    ),
    "a mood that is none": (
        "select 'open sesame 41'::public.mood;",
        ["invalid input value for enum public.mood: … (22P02)"],
    ),
    "a quoted value with quotes": (
        "select 'a\" open sesame 41'::jsonb;",
        ["invalid input syntax for type json"],
    ),
    "a text that is too long": (
        "select 'x' into temp l; alter table pg_temp.l add c varchar(2); insert into pg_temp.l values ('y', '4141');",
        ["value too long for type character varying(2) (22001)"],
    ),
    "a value twice": (
        f"insert into public.a values (1, '{SECRET}'), (1, '{SECRET}');",
        ['constraint "a_pkey" (23505)', "table public.a"],
    ),
    "a foreign key": ("insert into public.b values (4141);", ['constraint "b_id_fkey" (23503)', "table public.b"]),
    "a column without a value": (
        "insert into public.a (id) values (4141);",
        ['column "word" of relation "a"', "table public.a"],
    ),
    "a value that is no JSON": ("select 'sesame4141'::json;", ["invalid input syntax for type json (22P02)"]),
    "a check": (
        f"insert into public.a values (4141, repeat('{SECRET}', 9));",
        ['check constraint "words"', "table public.a"],
    ),
}


def refused(folder: Folder, text: str) -> str:
    folder.write("0001_before", BEFORE)
    folder.write("0002_fails", text)
    with pytest.raises(Refusal) as caught:
        folder.up()
    return line(caught)


@pytest.mark.parametrize("case", list(SAID))
def test_detail_and_hint_are_kept_where_they_name_the_object(plain_folder, case):
    text, words = SAID[case]
    said = refused(plain_folder, text)
    assert said.startswith("migration 0002_fails: ")
    assert [word for word in words if word not in said] == [], said
    assert SECRET not in said
    assert "CASCADE" not in said


@pytest.mark.parametrize("case", list(ROWS))
def test_a_row_is_never_printed_and_its_table_and_constraint_are_named(plain_folder, case):
    text, words = ROWS[case]
    said = refused(plain_folder, text)
    assert [word for word in words if word not in said] == [], said
    assert SECRET not in said
    assert "4141" not in said


@pytest.mark.parametrize(
    ("message", "said"),
    [
        (
            f"Wert »{SECRET}« ist außerhalb des gültigen Bereichs für Typ integer",
            "Wert … ist außerhalb des gültigen Bereichs für Typ integer",
        ),
        (f'invalid value for boolean option "check": {SECRET}', 'invalid value for boolean option "check": …'),
        (f'invalid input syntax for type integer: "{SECRET}', "invalid input syntax for type integer: …"),
        (
            f'invalid input value for enum public."My Mood": "{SECRET}"',
            "invalid input value for enum public.…",
        ),
    ],
)
def test_of_a_message_about_a_value_the_value_alone_is_taken_out(message, said):
    """In other words than the servers here have, or that they seldom say."""
    diag = SimpleNamespace(
        sqlstate="22P02", message_primary=message, source_function=None, context=None, message_detail=None,
        message_hint=None,
    )  # fmt: skip
    assert report(diag).said == f"{said} (22P02)"


def test_outside_a_transaction_the_object_is_named_too(plain_folder):
    outside = "-- Run: outside a transaction.\n\ncreate unique index concurrently b_id_idx on public.b (id);"
    twice = "insert into public.a values (4141, ''); insert into public.b values (4141), (4141);"
    plain_folder.write("0001_before", BEFORE + twice)
    plain_folder.write("0002_fails", outside)
    with pytest.raises(Refusal) as caught:
        plain_folder.up()
    said = line(caught)
    assert '"b_id_idx" (23505), sql/steps/0002_fails.up.sql:6; table public.b; ' in said
    assert "index public.b_id_idx stays invalid until the next run builds it again, the statements before it" in said
    assert "4141" not in said


@pytest.mark.parametrize("case", [*SAID, *ROWS])
def test_a_resource_says_the_same_as_a_step(plain_world, case):
    """Both ways to the user ask the one place."""
    text, words = {**SAID, **ROWS}[case]
    with psycopg.connect(plain_world.database.url, autocommit=True) as connection:
        connection.execute("set search_path = ''")
        connection.execute(BEFORE.encode())
        with pytest.raises(psycopg.Error) as caught:
            connection.execute(text.encode())
    said = str(one_line(caught.value, "thing", "file.sql:1"))
    assert said.startswith("thing: ")
    advice = ("drop what depends", "create it again")
    assert [word for word in words if word not in said and not word.startswith(advice)] == [], said
    assert "\n" not in said
    assert SECRET not in said
    assert "4141" not in said


def test_long_lists_of_what_depends_are_cut(plain_folder):
    views = "".join(
        f"create view public.v{n} with (security_invoker = true) as select public.told({n});" for n in range(1, 9)
    )
    said = refused(plain_folder, views + "drop function public.told(int);")
    assert said.count(" depends on function ") == 5
    assert "; and 4 more; " in said


def test_a_statement_in_the_context_is_never_shown(plain_folder):
    """CONTEXT repeats what a function was about to run."""
    said = refused(
        plain_folder,
        f"do $$ begin\nexecute 'select ''PL/pgSQL function x line 1 at {SECRET}'' from public.nowhere';\nend $$;",
    )
    assert "public.nowhere" in said
    assert "in the do block, line 2" in said
    assert SECRET not in said


# What the client refuses.


def test_what_the_client_refuses_is_reported_in_its_words_and_not_as_a_broken_connection(plain_world):
    policy = {"table": "public.notes", "name": "mine", "command": "select", "roles": ["public"], "using": "true"}
    with pytest.raises(Refusal) as caught:
        plain_world.engine.create("pg:index:Policy", {**policy, "comment": "a\0b"})
    said = line(caught)
    assert said == "policy mine on public.notes: PostgreSQL text fields cannot contain NUL (0x00) bytes"


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (psycopg.DataError(f"bad member for enum Mood: '{SECRET}'"), "thing: bad member for enum Mood: …"),
        (psycopg.DataError(f"failed to parse range: '{SECRET}\n{SECRET}'"), "thing: failed to parse range: …"),
        (
            psycopg.ProgrammingError(f"unexpected result COPY_IN from command b'{SECRET}'"),
            "thing: unexpected result COPY_IN from command b…",
        ),
        (psycopg.OperationalError("can't do that now"), "thing: can't do that now"),
    ],
)
def test_what_the_client_quotes_is_left_out(error, said):
    assert str(one_line(error, "thing")) == said


def test_only_a_connection_that_is_gone_is_reported_as_one():
    error = psycopg.OperationalError("consuming input failed: server closed the connection unexpectedly")
    assert str(one_line(error, "thing", closed=True)) == f"thing: {CUT_OFF}"
    assert CUT_OFF not in str(one_line(error, "thing"))
    assert CUT_OFF not in str(one_line(psycopg.DataError("no"), "thing", closed=True))


def test_a_name_with_a_line_break_is_in_one_line(cluster):
    with psycopg.connect(cluster.server.url(), autocommit=True) as connection, pytest.raises(psycopg.Error) as raised:
        connection.execute('drop table "a\nb"')
    said = str(one_line(raised.value, 'table "a\nb"'))
    assert said == r'table "a\nb": table "a b" does not exist (42P01)'


def test_a_lock_that_is_held_is_told_so_that_another_try_can_be_made(plain_world, second_session):
    second_session.execute("begin; lock table public.notes")
    with psycopg.connect(plain_world.database.url) as connection, pytest.raises(psycopg.Error) as caught:
        connection.execute("set lock_timeout = '10ms'; drop table public.notes")
    assert isinstance(one_line(caught.value, "thing"), LockRefused)
    second_session.execute("rollback")


def test_a_lock_timeout_that_the_server_refuses_is_reported_at_once(plain_world):
    engine = plain_world.second_engine(lockTimeout="9999999min")
    with pytest.raises(Refusal) as caught:
        engine.create("pg:index:Grants", {"kind": "table", "name": "public.notes", "grants": {}})
    engine.close()
    assert re.fullmatch(r'provider pg: .*"lock_timeout".*\(22023\).*', line(caught))


# Warnings.


def test_warnings_of_a_step_are_shown_with_its_name_each_once(plain_folder):
    loud = "do $$ begin raise warning 'rows left\nbehind'; raise warning 'twice'; raise notice 'quiet'; end $$;"
    plain_folder.write("0001_quiet", "select 1; drop table if exists public.nothing;")
    plain_folder.write("0002_loud", f"{loud}\n{loud}\ncreate table public.{'x' * 70} (id int);")
    plain_folder.up()
    assert plain_folder.engine.reported() == [
        f'migrations sql/steps: 0002_loud: warning: identifier "{"x" * 70}" will be truncated to "{"x" * 63}"',
        "migrations sql/steps: 0002_loud: warning: rows left behind",
        "migrations sql/steps: 0002_loud: warning: twice",
    ]


def test_the_command_shows_warnings_too(plain_folder, capsys):
    plain_folder.write("0001_loud", "do $$ begin raise warning 'rows left'; end $$;")
    assert ops.main(["migrate", "up", "--url", plain_folder.world.database.url, "--folder", "sql/steps"]) == 0
    assert "migrations sql/steps: 0001_loud: warning: rows left\n" in capsys.readouterr().err


def test_a_grant_that_did_nothing_is_a_warning(folder):
    grant = "grant select on public.plain to {reader};"
    folder.world.sql("create table public.plain (id int); grant all on public.plain to app_owner")
    folder.write("0001_grants", folder.world.named(grant))
    folder.engine.create("pg:index:MigrationSet", folder.declared(role="app_owner"))
    assert folder.engine.reported() == [
        'migrations sql/steps: 0001_grants: warning: no privileges were granted for "plain"'
    ]


def test_a_step_that_warns_without_end_is_cut_off(plain_folder):
    plain_folder.write("0001_loud", "do $$ begin for n in 1..100 loop raise warning 'row %', n; end loop; end $$;")
    plain_folder.up()
    reported = plain_folder.engine.reported()
    assert reported[0] == "migrations sql/steps: 0001_loud: warning: row 1"
    assert len(reported) == 21
    assert reported[-1] == "migrations sql/steps: 0001_loud: more than 20 warnings, the others are left out"


def test_among_many_steps_in_one_message_the_warning_has_its_own_step(plain_folder):
    for number in range(1, 31):
        text = f"select {number}; -- one\n" + ("do $$ begin raise warning 'here'; end $$;" if number == 17 else "")
        plain_folder.write(f"{number:04}_step", text + (f"select 1 as {'x' * 70};" if number == 15 else ""))
    plain_folder.up()
    reported = [line.partition(" will ")[0] for line in plain_folder.engine.reported()]
    assert reported == [
        f'migrations sql/steps: 0015_step: warning: identifier "{"x" * 70}"',
        "migrations sql/steps: 0017_step: warning: here",
    ]


def test_a_failing_step_s_warnings_are_shown_too(plain_folder):
    plain_folder.write("0001_fails", "do $$ begin raise warning 'before'; end $$;\nselect 1 / 0;")
    with pytest.raises(Refusal, match="division by zero"):
        plain_folder.up()
    assert plain_folder.engine.reported() == ["migrations sql/steps: 0001_fails: warning: before"]


def test_a_statement_outside_a_transaction_warns_with_its_step(plain_folder):
    plain_folder.write("0001_outside", "-- Run: outside a transaction.\n\nvacuum pg_catalog.pg_authid, public.notes;")
    plain_folder.write("0002_after", "select 1;")
    plain_folder.world.sql("alter table public.notes owner to app_owner")
    plain_folder.engine.create("pg:index:MigrationSet", plain_folder.declared(role="app_owner"))
    (reported,) = plain_folder.engine.reported()
    assert re.match(r'migrations sql/steps: 0001_outside: warning: .*"pg_authid"', reported)


# Time limits of the login.

LIMITS = {
    "a transaction": "select pg_sleep(0.2);",
    "outside of one": "-- Run: outside a transaction.\n\n"
    "create index concurrently slow on public.notes (public.slow(title));",
}


@pytest.mark.parametrize("way", list(LIMITS))
def test_limits_of_the_login_don_t_end_a_step(folder, way):
    world = folder.world
    world.sql(
        "create function public.slow(text) returns text language plpgsql immutable as "
        "$$ begin perform pg_sleep(0.2); return $1; end $$; grant execute on function public.slow to public;"
        "insert into public.notes (title) values ('a');"
        "alter table public.notes owner to app_owner"
    )
    limits = ["statement_timeout", "idle_in_transaction_session_timeout", "idle_session_timeout", "lock_timeout"]
    if world.manual.info.server_version >= 170000:
        limits.append("transaction_timeout")
    login = connectionurl.parse(world.login["url"])["user"]
    for limit in limits:
        world.sql(f"alter role {login} in database {{database}} set {limit} = '100ms'")
    try:
        engine = world.second_engine()
        folder.write("0001_slow", LIMITS[way], "drop index if exists public.slow;")
        engine.create("pg:index:MigrationSet", folder.declared(role="app_owner"))
        engine.close()
    finally:
        world.sql(f"alter role {login} in database {{database}} reset all")
    assert folder.recorded() == ["0001"]


def test_a_step_sets_limits_of_its_own(plain_folder):
    plain_folder.write("0001_slow", "set local statement_timeout = '50ms';\nselect pg_sleep(5);")
    with pytest.raises(Refusal, match=r"\(57014\).*took longer than its limit"):
        plain_folder.up()
