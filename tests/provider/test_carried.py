"""What a migration takes along: row policies in its way, privileges and row security of what it makes again."""

import pytest

from harness.engine import Refusal, Thing
from tests.provider.folders import TOKEN, Folder
from tests.provider.folders import one_line as line
from tests.provider.world import World, login_of

POLICY = "pg:index:Policy"
POLICIES = (
    "select policyname::text, permissive::text, cmd::text, roles::text[], qual, with_check, "
    "obj_description(p.oid, 'pg_policy') from pg_policies join pg_policy p on polname = policyname "
    "where schemaname = 'public' order by 1"
)
NAMES = "select policyname::text from pg_policies where schemaname = 'public' order by 1"
ON_NOTES = {
    "by_title": "create policy by_title on public.notes for select to {reader}, {writer} using (title <> '')",
    "by_body": "create policy by_body on public.notes for update using (body <> '') with check (title = body)",
    "by_writer": "create policy by_writer on public.notes using (public.helps(writer))",
    "narrow": "create policy narrow on public.notes as restrictive to {reader} using (title <> 'secret')",
}


def applied(folder: Folder, up: str, down: str = "select 1;", number: int = 2) -> Thing:
    """A migration after a first one, so that it runs in a transaction of its own."""
    world = folder.world
    if number == 2:
        world.sql(
            "alter table public.notes owner to app_owner; alter table public.notes no force row level security;"
            "alter function public.helps(text) owner to app_owner;"
            "alter function public.greet(text) owner to app_owner;"
            "alter table public.other owner to app_owner; alter sequence public.counter owner to app_owner;"
            "alter type public.mood owner to app_owner"
        )
    if number == 2:
        folder.write("0001_first", "select 1;")
    folder.write(f"{number:04}_step", world.named(up), world.named(down))
    return folder.engine.create(TOKEN, folder.declared(role="app_owner"))


def applied_as(folder: Folder, up: str) -> Thing:
    """A first migration."""
    folder.write("0001_step", up)
    return folder.engine.create(TOKEN, folder.declared(role="app_owner"))


def policies(world: World, *names: str) -> None:
    for name in names:
        world.sql(ON_NOTES[name])
        world.sql(f"comment on policy {name} on public.notes is 'It''s {name}'")


# Row policies.


def test_policies_come_back_where_the_login_may_become_the_owner_and_nothing_else(plain_folder):
    """As the migrator: `noinherit`, so that only `set role` makes it the owner."""
    world = plain_folder.world
    applied(plain_folder, "select 1;")
    world.sql(
        "create role {made} login noinherit in role app_owner password 'made-for-a-test'; "
        "grant connect on database {database} to {made}; grant usage, create on schema supabase_migrations to {made}; "
        "grant all on all tables in schema supabase_migrations to {made}; "
        "create policy all_made on supabase_migrations.schema_migrations to {made} using (true) with check (true)"
    )
    for table in ("rolled_back", "progress", "incarnation"):
        world.sql(
            f"create policy all_made on supabase_migrations.schema_migrations_{table} to {{made}} "
            "using (true) with check (true)"
        )
    policies(world, *ON_NOTES)
    before = world.sql(NAMES)
    login = login_of(world.database, world.named("{made}"), "made-for-a-test")
    plain_folder.write("0003_type", "alter table public.notes alter title type varchar(90);")
    engine = world.second_engine(**login)
    try:
        engine.create(TOKEN, plain_folder.declared(role="app_owner"))
    finally:
        engine.close()
        world.sql("drop owned by {made}; drop role {made}")
    assert plain_folder.recorded() == ["0001", "0002", "0003"]
    assert world.sql(NAMES) == before


def test_policies_on_a_column_that_gets_another_type_come_back_as_they_were(folder):
    policies(folder.world, *ON_NOTES)
    before = folder.world.sql(POLICIES)
    applied(folder, "alter table public.notes alter title type varchar(90);")
    after = folder.world.sql(POLICIES)
    assert [row[:4] for row in after] == [row[:4] for row in before]
    assert [row[6] for row in after] == [row[6] for row in before]
    spelled = [(row[0], row[4]) for row in after if row[0] in ("by_writer", "narrow")]
    assert spelled == [("by_writer", "helps(writer)"), ("narrow", "((title)::text <> 'secret'::text)")]
    (reported,) = folder.engine.reported()
    assert reported.startswith("migration 0002_step: row policies in its way were dropped and made again: by_")
    assert "by_writer" not in reported, "only those that stood in the way"


def test_policies_that_ask_a_function_which_is_dropped_and_made_again_come_back(folder):
    policies(folder.world, "by_writer", "narrow")
    before = folder.world.sql(POLICIES)
    again = "create function public.helps(who text) returns boolean language sql return who is not null;"
    applied(folder, "drop function public.helps(text);\n" + again)
    assert folder.world.sql(POLICIES) == before
    assert folder.engine.reported()[0] == (
        "migration 0002_step: row policies in its way were dropped and made again: by_writer on public.notes"
    )


def test_a_policy_that_cannot_come_back_is_reported_and_its_table_is_closed(folder):
    policies(folder.world, "by_title", "by_writer")
    applied(folder, "alter table public.notes drop title;")
    assert folder.world.sql(NAMES) == [("by_writer",)]
    assert folder.engine.reported() == [
        "migration 0002_step: row policy by_title on public.notes was dropped since the migration removes what it "
        "uses; `up` makes what is declared now"
    ]


@pytest.mark.parametrize("direction", ["up", "down"])
def test_a_restrictive_policy_that_cannot_come_back_is_refused_with_what_to_write(folder, direction):
    policies(folder.world, "by_writer")
    if direction == "up":
        policies(folder.world, "narrow")
        with pytest.raises(Refusal) as caught:
            applied(folder, "alter table public.notes drop title;")
    else:
        thing = applied(folder, "alter table public.notes add kind text;", "alter table public.notes drop kind;")
        folder.world.sql("create policy narrow on public.notes as restrictive using (kind = 'a')")
        folder.remove("0002_step")
        with pytest.raises(Refusal) as caught:
            folder.engine.update(thing, folder.declared(role="app_owner"))
    said = line(caught)
    assert said.startswith(
        "migration 0002_step: restrictive row policy narrow on public.notes can't be made again after the"
    )
    assert f", sql/steps/0002_step.{direction}.sql; without it the table would be more open: write `drop policy" in said
    assert 'write `drop policy "narrow" on public.notes;` at the beginning of the file' in said
    assert folder.world.sql(NAMES) == [("by_writer",), ("narrow",)], "nothing was kept"
    if direction == "up":
        instead = 'create policy "narrow" on public.notes as restrictive using (body is null);'
        text = f'drop policy "narrow" on public.notes;\nalter table public.notes drop title;\n{instead}'
        applied(folder, text)
        assert folder.world.sql(NAMES) == [("by_writer",), ("narrow",)]


def test_a_restrictive_policy_on_a_table_that_is_closed_without_it_just_goes(folder):
    policies(folder.world, "narrow")
    applied(folder, "alter table public.notes drop title;")
    assert folder.world.sql(NAMES) == []


def test_on_the_way_back_what_still_works_comes_back_in_the_same_transaction(folder):
    ask = "create function public.ask() returns boolean language sql return true;"
    folder.world.sql("create function public.ask_was() returns boolean language sql return true")
    thing = applied(
        folder,
        ask + "\nalter table public.notes alter body type varchar(90);",
        "drop function public.ask();\nalter table public.notes alter body type text;",
    )
    policies(folder.world, "by_body")
    folder.world.sql("create policy by_ask on public.notes using (public.ask())")
    folder.engine.reported()
    folder.remove("0002_step")
    folder.engine.update(thing, folder.declared(role="app_owner"))
    assert folder.world.sql(NAMES) == [("by_body",)]
    assert folder.engine.reported() == [
        "migration 0002_step: row policy by_ask on public.notes was dropped since the migration removes what it "
        "uses; `up` makes what is declared now",
        "migration 0002_step: row policies in its way were dropped and made again: by_body on public.notes",
    ]


def test_odd_names_of_tables_roles_and_policies_survive(plain_folder):
    world = plain_folder.world
    world.sql(
        'create table public."On table, x" (a text, "b c" text);'
        'alter table public."On table, x" owner to app_owner;'
        'create policy "it\'s ""on table y" on public."On table, x" using ("b c" = \'%s\')'
    )
    before = world.sql(POLICIES)
    applied(plain_folder, 'alter table public."On table, x" alter "b c" type varchar(9), add d int;')
    assert [row[:4] for row in world.sql(POLICIES)] == [row[:4] for row in before]


def test_a_policy_that_the_step_makes_itself_is_left_as_it_is(folder):
    policies(folder.world, "by_title")
    text = "create policy by_title on public.notes using (body is null);"
    applied(folder, f"drop policy by_title on public.notes;\nalter table public.notes drop title;\n{text}")
    assert folder.world.sql("select qual from pg_policies where policyname = 'by_title'") == [("(body IS NULL)",)]


def test_what_fails_for_another_reason_leaves_the_policies_alone(folder):
    policies(folder.world, "by_title")
    before = folder.world.sql(POLICIES)
    with pytest.raises(Refusal, match="division by zero"):
        applied(folder, "alter table public.notes alter title type varchar(9);\nselect 1 / 0;")
    assert folder.world.sql(POLICIES) == before
    assert [line for line in folder.engine.reported() if "polic" in line] == []


def test_a_policy_made_again_is_no_drift_to_its_resource_in_the_same_run(folder):
    world = folder.world
    inputs = {"table": "public.notes", "name": "mine", "command": "select", "roles": ["public"]}
    world.sql("alter table public.notes owner to app_owner")
    policy = world.engine.create(POLICY, {**inputs, "using": "title <> 'x'", "comment": "mine"})
    applied(folder, "alter table public.notes alter title type varchar(90);")
    world.engine.reported()
    found = world.engine.refresh(policy)
    assert found is not None
    assert world.engine.reported() == []
    assert world.engine.diff(found, policy.inputs) == []
    world.sql("alter policy mine on public.notes using (true)")
    world.engine.refresh(policy)
    assert world.engine.reported() == [
        "policy mine on public.notes: using was changed manually from 'title <> 'x'' to 'true'"
    ]


def test_another_policy_of_the_same_name_that_a_step_makes_is_not_taken_for_the_old_one(folder):
    world = folder.world
    inputs = {"table": "public.notes", "name": "mine", "command": "all", "roles": ["public"]}
    world.sql("alter table public.notes owner to app_owner")
    policy = world.engine.create(POLICY, {**inputs, "using": "title <> 'x'"})
    text = "alter table public.notes alter title type varchar(90);\ncreate policy mine on public.notes using (true);"
    applied_as(folder, text)
    world.engine.reported()
    found = world.engine.refresh(policy)
    assert found is not None
    assert world.engine.reported() == [
        "policy mine on public.notes: using was changed by migration 0001_step from 'title <> 'x'' to 'true'"
    ]
    assert world.engine.diff(found, policy.inputs) != []


def test_a_policy_that_a_step_drops_is_reported_as_the_step_s(folder):
    world = folder.world
    inputs = {"table": "public.notes", "name": "mine", "command": "select", "roles": ["public"], "using": "true"}
    world.sql("alter table public.notes owner to app_owner")
    policy = world.engine.create(POLICY, inputs)
    applied(folder, "drop policy mine on public.notes;\ncreate policy other on public.notes using (true);")
    security = {"table": "public.notes", "policies": ["mine"], "forced": False}
    state = {**security, "enabled": True}
    assert world.engine.refresh(policy) is None
    world.sql("create policy stray on public.notes using (true)")
    world.engine.refresh(Thing("pg:index:RowSecurity", "public.notes", state, state))
    assert world.engine.reported() == [
        "policy mine on public.notes was dropped by migration 0002_step",
        "row security of public.notes: by migration 0002_step, [other] was added; manually, [stray] was added",
    ]


SNAPSHOT = {"name": "schema", "schemas": ["public"], "held": ["table public.notes: *"]}


def test_a_run_that_failed_behind_a_migration_leaves_word_of_what_that_changed(plain_folder):
    """A renamed column takes its privileges along; the next run is another process."""
    world = plain_folder.world
    world.sql("grant select (title) on public.notes to {reader}")
    grants = world.engine.create(
        "pg:index:Grants",
        world.named({"kind": "table", "name": "public.notes", "grants": {"{reader}": ["select(title)"]}}),
    )
    snapshot = world.engine.create("pg:index:SchemaSnapshot", SNAPSHOT)
    checkpoint = world.engine.create("pg:index:SchemaCheckpoint", {"snapshot": "schema", "of": "1"})
    plain_folder.write("0003_fails", "select 1 / 0;")
    with pytest.raises(Refusal, match="0003_fails"):
        applied(plain_folder, "alter table public.notes rename title to name;")
    engine = world.second_engine()
    engine.refresh(snapshot)
    engine.refresh(grants)
    said = (
        "grants on table public.notes: by migration 0002_step, [select(name) to {reader}] was granted and "
        "[select(title) to {reader}] was revoked"
    )
    assert engine.reported() == [world.named(said)]
    engine.update(checkpoint, {"snapshot": "schema", "of": "2"})
    engine.close()
    last = world.second_engine()
    last.refresh(snapshot)
    last.refresh(grants)
    assert last.reported() == [world.named(said.replace("by migration 0002_step", "manually"))]
    last.close()


# Privileges.

AGAIN: dict[str, tuple[str, str, str, str]] = {
    # Before; what drops and makes it again; the grants; how to read them.
    "function": (
        "",
        "drop function public.greet(text);\n"
        "create function public.greet(who text) returns text language sql return 'hi';",
        "revoke all on function public.greet(text) from public; grant execute on function public.greet(text) to "
        "{reader} with grant option",
        "select proacl::text from pg_proc where oid = 'public.greet(text)'::regprocedure",
    ),
    "procedure": (
        "alter procedure public.tidy() owner to app_owner",
        "drop procedure public.tidy();\ncreate procedure public.tidy() language sql begin atomic select 1; end;",
        "revoke all on procedure public.tidy() from public; grant execute on procedure public.tidy() to {reader}",
        "select proacl::text from pg_proc where oid = 'public.tidy()'::regprocedure",
    ),
    "view": (
        "create view public.odd with (security_invoker = true) as select 1 as \"A b\", 2 as c;"
        "alter view public.odd owner to app_owner",
        "drop view public.odd;\n"
        "create view public.odd with (security_invoker = true) as select 1 as \"A b\", 2 as c, 3 as d;",
        "grant select (\"A b\"), update (c) on public.odd to {reader}; grant insert on public.odd to {writer}",
        "select relacl::text || (select string_agg(attname || attacl::text, ' ' order by 1) from pg_attribute "
        "where attrelid = c.oid and attacl is not null) from pg_class c where oid = 'public.odd'::regclass",
    ),
    "materialized view": (
        "create materialized view public.sums as select 1 as a; alter materialized view public.sums owner to app_owner",
        "drop materialized view public.sums;\ncreate materialized view public.sums as select 2 as a;",
        "grant select on public.sums to {reader}",
        "select relacl::text from pg_class where oid = 'public.sums'::regclass",
    ),
    "sequence": (
        "",
        "drop sequence public.counter;\ncreate sequence public.counter;",
        "grant usage on sequence public.counter to {reader}",
        "select relacl::text from pg_class where oid = 'public.counter'::regclass",
    ),
    "type": (
        "",
        "drop type public.mood;\ncreate type public.mood as enum ('bad');",
        "revoke all on type public.mood from public; grant usage on type public.mood to {reader}",
        "select typacl::text from pg_type where oid = 'public.mood'::regtype",
    ),
    "schema": (
        "",
        "drop schema extra;\ncreate schema extra;",
        "grant usage on schema extra to {reader}",
        "select nspacl::text from pg_namespace where nspname = 'extra'",
    ),
    "column": (
        "create table public.swap (id int primary key, stars int, half int); "
        "alter table public.swap owner to app_owner",
        "alter table public.swap drop column stars;\nalter table public.swap rename column half to stars;",
        "grant select (stars), insert (stars) on public.swap to {reader}; "
        "grant update (stars) on public.swap to {writer}",
        "select attacl::text from pg_attribute where attrelid = 'public.swap'::regclass and attname = 'stars'",
    ),
    "table": (
        "",
        "drop table public.other;\ncreate table public.other (id bigint primary key);",
        "grant select, delete on public.other to {reader}; alter table public.other enable row level security",
        "select relacl::text || relrowsecurity from pg_class where oid = 'public.other'::regclass",
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", list(AGAIN))
def test_what_is_dropped_and_made_again_has_its_privileges_in_the_same_transaction(folder, kind):
    before, again, grants, query = AGAIN[kind]
    world = folder.world
    if kind == "schema":
        world.sql("grant create on database {database} to app_owner")
    applied(folder, "select 1;")
    world.sql(before or "select 1")
    world.sql(grants)
    was = world.sql(query)
    applied(folder, again, number=3)
    assert sorted(str(world.sql(query)).split(",")) == sorted(str(was).split(","))
    (reported,) = folder.engine.reported()
    assert reported.startswith("migration 0003_step: ")
    assert reported.endswith(" came back in the same transaction")


def test_what_postgresql_gives_everybody_by_default_is_taken_again_where_it_was_taken(plain_folder):
    """Without default privileges that close it; the grantee that is there keeps its grant option."""
    world = plain_folder.world
    _, again, grants, query = AGAIN["function"]
    world.sql("alter function public.greet(text) owner to current_user")
    world.sql(grants)
    everybody = "select has_function_privilege('public', 'public.greet(text)', 'execute')"
    was = world.sql(query)
    world.sql("alter default privileges grant execute on functions to public")
    try:
        plain_folder.write("0001_again", again)
        plain_folder.up()
        assert world.sql(query) == was
        assert world.sql(everybody) == [(False,)]
        plain_folder.write("0002_again", again + "\ngrant execute on function public.greet(text) to public;")
        plain_folder.up()
        assert world.sql(everybody) == [(True,)], "the migration says so itself"
    finally:
        world.sql("alter default privileges revoke execute on functions from public")


def test_the_resource_finds_nothing_changed_afterwards(folder):
    world = folder.world
    applied(folder, "select 1;")
    functions = {"schema": "public", "functions": world.named({"public.greet(text)": {"{reader}": ["execute"]}})}
    grants = world.named({"kind": "table", "name": "public.other", "grants": {"{reader}": ["select"]}})
    things = [world.engine.create("pg:index:FunctionGrants", functions), world.engine.create("pg:index:Grants", grants)]
    applied(folder, AGAIN["function"][1] + "\n" + AGAIN["table"][1], number=3)
    world.engine.reported()
    for thing in things:
        found = world.engine.refresh(thing)
        assert found is not None
        assert world.engine.diff(found, thing.inputs) == []
    assert world.engine.reported() == []


def test_a_table_made_again_is_no_more_open_than_it_was(folder):
    world = folder.world
    applied(folder, "select 1;")
    world.sql("grant select on public.other to {reader}; alter table public.other enable row level security;"
              "alter table public.other force row level security;"
              "create policy few on public.other for select to {reader} using (id < 10)")  # fmt: skip
    before = world.sql(POLICIES)
    applied(folder, "alter table public.other rename to old;\ncreate table public.other (id bigint);", number=3)
    assert set(map(str, world.sql(POLICIES))) == set(map(str, before))
    flags = "select relrowsecurity, relforcerowsecurity from pg_class where oid = 'public.other'::regclass"
    assert world.sql(flags) == [(True, True)]
    assert world.sql("select count(*)::int from pg_policies where tablename = 'other'") == [(1,)]
    assert world.sql("select has_table_privilege('{reader}', 'public.other', 'select')") == [(True,)]


def test_a_column_that_takes_another_s_name_has_that_one_s_privileges_and_no_others(folder):
    world = folder.world
    applied(folder, "select 1;")
    world.sql(
        "create table public.swap (id int primary key, stars int, secret int); "
        "alter table public.swap owner to app_owner; alter table public.swap force row level security; "
        "grant select (stars) on public.swap to {reader}; grant select (secret) on public.swap to {writer}"
    )
    text = "alter table public.swap no force row level security, drop column stars;\n"
    applied(folder, text + "alter table public.swap rename column secret to stars;", number=3)
    assert world.sql("select relforcerowsecurity from pg_class where oid = 'public.swap'::regclass") == [(False,)]
    held = "select has_column_privilege('{reader}', 'public.swap', 'stars', 'select')"
    assert world.sql(held) == [(True,)]
    assert world.sql(held.replace("{reader}", "{writer}")) == [(False,)]
    assert folder.engine.reported() == [
        "migration 0003_step: column stars of table public.swap was dropped and made again; its privileges came back "
        "in the same transaction"
    ]


def test_a_view_that_takes_a_table_s_name_gets_none_of_its_privileges(folder):
    world = folder.world
    applied(folder, "select 1;")
    world.sql("grant select on public.other to {reader}")
    view = "create view public.other with (security_invoker = true) as select * from public.old;"
    applied(folder, f"alter table public.other rename to old;\n{view}", number=3)
    assert world.sql("select has_table_privilege('{reader}', 'public.other', 'select')") == [(False,)]


def test_what_a_step_grants_and_revokes_itself_is_left_to_it(folder):
    world = folder.world
    applied(folder, "select 1;")
    world.sql("grant execute on function public.greet(text) to {reader}, {writer}")
    revoke = "revoke execute on function public.greet(text) from public, {reader};"
    applied(folder, AGAIN["function"][1] + "\n" + revoke, number=3)
    held = [world.sql(f"select has_function_privilege('{name}', 'public.greet(text)', 'execute')")[0][0]
            for name in (world.names["reader"], world.names["writer"])]  # fmt: skip
    assert held == [False, True]


def test_a_role_or_a_column_that_is_gone_too_gets_nothing(plain_folder):
    world = plain_folder.world
    applied(plain_folder, "select 1;")
    world.sql("create role {made}; create view public.odd as select 1 as a, 2 as b;"
              "alter view public.odd owner to app_owner;"
              "grant select (a, b) on public.odd to {reader}; grant select on public.odd to {made}")  # fmt: skip
    text = "drop view public.odd;\ncreate view public.odd as select 1 as a;\nreset role;\ndrop role {made};"
    applied(plain_folder, text, number=3)
    assert world.sql("select has_column_privilege('{reader}', 'public.odd', 'a', 'select')") == [(True,)]


def test_a_step_that_revokes_what_is_declared_is_named_and_a_manual_change_beside_it_too(folder):
    world = folder.world
    applied(folder, "select 1;")
    lists = world.named({"{reader}": ["select", "insert"]})
    table = world.engine.create("pg:index:Grants", {"kind": "table", "name": "public.other", "grants": lists})
    execute = world.named({"public.greet(text)": {"{reader}": ["execute"]}})
    functions = world.engine.create("pg:index:FunctionGrants", {"schema": "public", "functions": execute})
    security = world.engine.create("pg:index:RowSecurity", {"table": "public.other", "policies": [], "forced": True})
    revokes = (
        "revoke insert on public.other from {reader};\nrevoke execute on function public.greet(text) from {reader};\n"
        "alter table public.other no force row level security;"
    )
    applied(folder, revokes, number=3)
    world.sql("grant delete on public.other to {writer}")
    world.engine.reported()
    for thing in (table, functions, security):
        world.engine.refresh(thing)
    assert world.engine.reported() == world.named([
        "grants on table public.other: by migration 0003_step, [insert to {reader}] was revoked; "
        "manually, [delete to {writer}] was granted",
        "grants on functions of schema public: by migration 0003_step, on public.greet(text) "
        "[execute to {reader}] was revoked",
        "row security of public.other: forced was changed by migration 0003_step from True to False",
    ])  # fmt: skip


def test_a_manual_change_before_the_step_stays_one(folder):
    world = folder.world
    applied(folder, "select 1;")
    lists = world.named({"{reader}": ["select"]})
    table = world.engine.create("pg:index:Grants", {"kind": "table", "name": "public.other", "grants": lists})
    world.sql("grant delete on public.other to {writer}; revoke select on public.other from {reader}")
    applied(folder, AGAIN["table"][1], number=3)
    world.engine.reported()
    world.engine.refresh(table)
    assert world.engine.reported() == world.named([
        "grants on table public.other: manually, [delete to {writer}] was granted and [select to {reader}] was revoked"
    ])  # fmt: skip


def test_outside_a_transaction_nothing_can_be_dropped_that_has_privileges(plain_folder):
    """So that there is no time without them."""
    for text in ("drop function public.greet(text);", "drop view public.v;", "revoke all on public.other from public;"):
        plain_folder.write("0001_outside", "-- Run: outside a transaction.\n\n" + text)
        with pytest.raises(Exception, match="only this runs outside") as caught:
            plain_folder.declared()
        assert "0001_outside.up.sql:6" in str(caught.value)


# What a migration names itself, and on which object.

EVERYBODY = "select has_function_privilege('{made}', 'public.greet(text)', 'execute')"
GREET = (
    "drop function public.greet(text);\ncreate function public.greet(who text) returns text language sql return 'hi';\n"
)
ELSEWHERE = {
    "revoked from everybody on another function": (
        "create function public.fresh() returns int language sql return 1;\n"
        "revoke execute on function public.fresh() from public, {reader};"
    ),
    "granted on another function": (
        "create function public.fresh() returns int language sql return 1;\n"
        "grant execute on function public.fresh() to public, {reader};"
    ),
    "another of its name": (
        "create function public.greet(who bigint) returns int language sql return 1;\n"
        "grant execute on function public.greet(bigint) to public;"
    ),
    "revoked on a table": "revoke select on public.other from public, {reader};",
    "granted on all tables": "grant select on all tables in schema public to public;",
    "granted in code": "do $$ begin execute 'gr' || 'ant execute on function public.greet(text) to public'; end $$;",
    "by default privileges": "",
}


@pytest.mark.parametrize("case", list(ELSEWHERE))
def test_what_a_step_says_of_another_object_opens_nothing(plain_folder, case):
    world = plain_folder.world
    applied(plain_folder, "select 1;")
    world.sql("create role {made}; revoke all on function public.greet(text) from public;"
              "grant execute on function public.greet(text) to {reader};"
              "grant select on public.other to {reader}")  # fmt: skip
    was = world.sql(AGAIN["function"][3])
    world.sql("alter default privileges for role app_owner grant execute on functions to public")
    try:
        applied(plain_folder, GREET + ELSEWHERE[case], number=3)
    finally:
        world.sql("alter default privileges for role app_owner revoke execute on functions from public")
        allowed = world.sql(EVERYBODY)
        world.sql("drop role {made}")
    assert allowed == [(False,)]
    assert world.sql(AGAIN["function"][3]) == was
    (reported,) = (each for each in plain_folder.engine.reported() if "greet(text)" in each)
    assert reported.endswith("its privileges came back in the same transaction")


ON_IT = {
    "on it": "grant execute on function public.greet(text) to public;",
    "with another spelling of its arguments": "grant all on routine public.greet(pg_catalog.text) to public;",
    "without its arguments": "grant execute on function public.greet to public;",
    "on all of its schema": "grant execute on all functions in schema public to public;",
}


@pytest.mark.parametrize("case", list(ON_IT))
def test_what_a_step_grants_on_the_object_stays_and_the_line_says_so(plain_folder, case):
    world = plain_folder.world
    applied(plain_folder, "select 1;")
    world.sql("create role {made}; revoke all on function public.greet(text) from public;"
              "grant execute on function public.greet(text) to {reader}")  # fmt: skip
    applied(plain_folder, GREET + ON_IT[case], number=3)
    allowed = world.sql(EVERYBODY)
    world.sql("drop role {made}")
    assert allowed == [(True,)]
    (reported,) = plain_folder.engine.reported()
    assert reported == (
        "migration 0003_step: function public.greet(text) was dropped and made again; "
        "its other privileges came back, but execute to public is new"
    )


def test_what_code_may_have_revoked_is_not_given_back_and_the_line_says_so(folder):
    world = folder.world
    applied(folder, "select 1;")
    world.sql("grant execute on function public.greet(text) to {reader}")
    code = "do $$ begin execute format('revoke execute on function public.greet(text) from %I', '{reader}'); end $$;"
    applied(folder, GREET + code, number=3)
    assert world.sql("select has_function_privilege('{reader}', 'public.greet(text)', 'execute')") == [(False,)]
    (reported,) = folder.engine.reported()
    assert reported.endswith(world.named("but execute to {reader} is gone"))


def test_what_code_drops_and_makes_again_has_its_privileges_too(plain_folder):
    world = plain_folder.world
    applied(plain_folder, "select 1;")
    _, again, grants, query = AGAIN["function"]
    world.sql(grants)
    was = world.sql(query)
    first, second = (part.replace("drop", "dr' || 'op").replace("create", "cr' || 'eate").replace("'hi'", "''hi''")
                     for part in again.split("\n"))  # fmt: skip
    applied(plain_folder, f"do $$ begin execute '{first}'; execute '{second}'; end $$;", number=3)
    assert world.sql(query) == was


def test_another_owner_of_what_is_made_again_is_said(plain_folder):
    world = plain_folder.world
    applied(plain_folder, "select 1;")
    world.sql("create view public.odd as select 1 as a; grant select on public.odd to {reader}")
    (owner,) = world.sql("select current_user::text")[0]
    applied(plain_folder, "reset role;\ndrop view public.odd;\nset role app_owner;\n"
            "create view public.odd as select 1 as a;", number=3)  # fmt: skip
    assert plain_folder.engine.reported() == [
        f"migration 0003_step: table public.odd was dropped and made again; its owner was {owner} and is app_owner",
        "migration 0003_step: table public.odd was dropped and made again; "
        "its privileges came back in the same transaction",
    ]


def test_what_has_the_name_of_another_thing_has_none_of_its_privileges_and_is_named(plain_folder):
    world = plain_folder.world
    applied(plain_folder, "select 1;")
    world.sql("revoke all on function public.greet(text) from public; "
              "grant execute on function public.greet(text) to {reader}")  # fmt: skip
    other = "create function public.greet(who bigint) returns int language sql return 1;"
    world.sql("alter default privileges for role app_owner grant execute on functions to public")
    try:
        applied(plain_folder, "drop function public.greet(text);\n" + other, number=3)
    finally:
        world.sql("alter default privileges for role app_owner revoke execute on functions from public")
    assert plain_folder.engine.reported() == [world.named(
        "migration 0003_step: function public.greet(text) is gone with its privileges, and another has its name: it "
        "had execute to {reader}, public.greet(bigint) has execute to public; write the grants in the migration"
    )]  # fmt: skip


# Restrictive policies that go with something else.

HELPS = "create function public.helps(who text) returns boolean language sql return who is not null;"
OTHER_NOTES = "create policy mine on public.notes using (true);"
VANISH = {
    # What takes it away; whether it can be made again; without, it's refused.
    "a column, cascade": ("alter table public.notes drop writer cascade;", False),
    "a function, cascade": ("drop function public.helps(text) cascade;", False),
    "a function, cascade, made again": (f"drop function public.helps(text) cascade;\n{HELPS}", True),
    "a table made again with a policy": (
        "drop table public.notes cascade;\ncreate table public.notes (writer text);\n" + OTHER_NOTES,
        True,
    ),
    "another table with a policy": (
        "drop table public.notes cascade;\ncreate table public.notes (id bigint);\n" + OTHER_NOTES,
        False,
    ),
    "another table under its name": (
        "create table public.n (writer text);\ncreate policy mine on public.n using (true);\n"
        "alter table public.notes rename to was;\nalter table public.n rename to notes;",
        True,
    ),
    "code": ("do $$ begin execute 'drop fun' || 'ction public.helps(text) cas' || 'cade'; end $$;", False),
    "code that drops policies": (
        "do $$ begin execute format('drop policy %I on public.notes', 'asks'); end $$;",
        True,
    ),
    "named on another table": (
        "alter table public.other enable row level security;\ncreate policy asks on public.other using (true);\n"
        "drop policy asks on public.other;\nalter table public.notes drop writer cascade;",
        False,
    ),
}


@pytest.mark.parametrize("case", list(VANISH))
def test_a_restrictive_policy_never_goes_without_its_name(plain_folder, case):
    world, (text, possible) = plain_folder.world, VANISH[case]
    applied(plain_folder, "select 1;")
    world.sql("create policy open on public.notes using (true);"
              "create policy asks on public.notes as restrictive using (public.helps(writer))")  # fmt: skip
    asks = "select permissive::text, qual from pg_policies where tablename = 'notes' and policyname = 'asks'"
    was = world.sql(asks)
    plain_folder.engine.reported()
    if possible:
        applied(plain_folder, text, number=3)
        assert any("made again: asks on public.notes" in reported for reported in plain_folder.engine.reported())
    else:
        with pytest.raises(Refusal, match=r"restrictive row policy asks on public\.notes can't be made again"):
            applied(plain_folder, text, number=3)
    assert world.sql(asks) == was


@pytest.mark.parametrize("drop", [
    "drop policy asks on public.notes;", "drop policy if exists asks on public.notes;",
    "do $$ begin drop policy asks on public.notes; end $$;",
])  # fmt: skip
def test_a_restrictive_policy_that_the_step_drops_by_name_goes(plain_folder, drop):
    world = plain_folder.world
    applied(plain_folder, "select 1;")
    policies(world, "by_title")
    world.sql("create policy asks on public.notes as restrictive using (public.helps(writer))")
    applied(plain_folder, drop + "\nalter table public.notes drop writer cascade;", number=3)
    assert world.sql(NAMES) == [("by_title",)]


def test_a_restrictive_policy_keeps_the_roles_that_drop_owned_takes_from_it(plain_folder):
    world = plain_folder.world
    applied(plain_folder, "select 1;")
    policies(world, "by_title")
    world.sql("create policy asks on public.notes as restrictive to {reader}, {writer} using (id < 10);"
              "create policy sole on public.notes as restrictive to {reader} using (id < 10)")  # fmt: skip
    applied(plain_folder, "reset role;\ndrop owned by {reader};", number=3)
    found = {row[0]: set(row[3]) for row in world.sql(POLICIES)}
    reader, writer = world.names["reader"], world.names["writer"]
    assert (found["asks"], found["sole"]) == ({reader, writer}, {reader})
    reported = plain_folder.engine.reported()
    assert (
        "migration 0003_step: restrictive row policies hold for the roles again that they lost: asks on public.notes"
        in reported
    )


def test_a_renamed_policy_is_not_made_again(plain_folder):
    world = plain_folder.world
    applied(plain_folder, "select 1;")
    policies(world, "by_title", "narrow")
    applied(plain_folder, "alter policy narrow on public.notes rename to slim;", number=3)
    assert world.sql(NAMES) == [("by_title",), ("slim",)]


def test_a_permissive_policy_that_goes_with_something_else_is_named(plain_folder):
    world = plain_folder.world
    applied(plain_folder, "select 1;")
    policies(world, "by_title", "by_writer")
    plain_folder.engine.reported()
    applied(plain_folder, "drop function public.helps(text) cascade;", number=3)
    assert world.sql(NAMES) == [("by_title",)]
    reported = plain_folder.engine.reported()
    assert (
        "migration 0003_step: row policy by_writer on public.notes went with what the migration takes away; "
        "`up` makes what is declared now"
    ) in reported


def test_steps_in_one_transaction_lose_no_restrictive_policy_either(plain_folder):
    world = plain_folder.world
    policies(world, "by_title")
    world.sql("create policy asks on public.notes as restrictive using (public.helps(writer))")
    for number in range(1, 26):
        plain_folder.write(f"{number:04}_step", "select 1;")
    plain_folder.write("0012_step", "drop function public.helps(text) cascade;")
    with pytest.raises(Refusal, match=r"migration 0012_step: restrictive row policy asks on public\.notes"):
        plain_folder.up()
    assert world.sql(NAMES) == [("asks",), ("by_title",)]


# A policy in the way that the migration names itself.


@pytest.mark.parametrize("later", [
    "drop policy by_title on public.notes;", "alter policy by_title on public.notes using (true);",
    "alter policy by_title on public.notes rename to by;", "comment on policy by_title on public.notes is 'x';",
])  # fmt: skip
def test_a_policy_in_the_way_that_the_step_names_later_is_refused_with_the_line(plain_folder, later):
    applied(plain_folder, "select 1;")
    policies(plain_folder.world, "by_title")
    before = plain_folder.world.sql(POLICIES)
    with pytest.raises(Refusal) as caught:
        applied(plain_folder, "alter table public.notes alter title type varchar(90);\n" + later, number=3)
    assert line(caught).endswith(
        "row policy by_title on public.notes is in its way, and the migration itself names it in line 5: "
        "drop it before line 4 and create it again after that"
    )
    assert plain_folder.world.sql(POLICIES) == before


def test_a_policy_in_the_way_that_the_step_drops_if_it_is_there_goes(plain_folder):
    applied(plain_folder, "select 1;")
    policies(plain_folder.world, "by_title", "by_writer")
    text = "alter table public.notes alter title type varchar(90);\ndrop policy if exists by_title on public.notes;"
    applied(plain_folder, text, number=3)
    assert plain_folder.world.sql(NAMES) == [("by_writer",)]


def test_more_than_a_hundred_policies_are_carried(plain_folder):
    world = plain_folder.world
    applied(plain_folder, "select 1;")
    world.sql(";".join(f"create policy p{n} on public.notes using (public.helps(writer))" for n in range(130)))
    before = world.sql(POLICIES)
    applied(plain_folder, "drop function public.helps(text);\n" + HELPS, number=3)
    assert len(before) == 130
    assert world.sql(POLICIES) == before


def test_policies_with_postgresql_s_own_words_in_their_names_are_carried(plain_folder):
    world = plain_folder.world
    applied(plain_folder, "select 1;")
    world.sql('create table public."a on table b depends on c.d" (t text);'
              'alter table public."a on table b depends on c.d" owner to app_owner;'
              'create policy "x on table y depends on z" on public."a on table b depends on c.d" '
              "using (public.helps(t))")  # fmt: skip
    before = world.sql(POLICIES)
    applied(plain_folder, "drop function public.helps(text);\n" + HELPS, number=3)
    assert len(before) == 1
    assert world.sql(POLICIES) == before
