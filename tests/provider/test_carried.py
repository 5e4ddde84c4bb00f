"""What a step takes along: row policies in its way, privileges and row security of what it makes again."""

import pytest

from tests.provider.engine import Refusal, Thing, World, login_of
from tests.provider.folders import TOKEN, Folder
from tests.provider.folders import one_line as line

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
    """A step after a first one, so that it runs in a transaction of its own."""
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
    """A first step."""
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
    (told,) = folder.engine.told()
    assert told.startswith("step 0002_step: row policies in its way were dropped and made again: by_")
    assert "by_writer" not in told, "only those that stood in the way"


def test_policies_that_ask_a_function_which_is_dropped_and_made_again_come_back(folder):
    policies(folder.world, "by_writer", "narrow")
    before = folder.world.sql(POLICIES)
    again = "create function public.helps(who text) returns boolean language sql return who is not null;"
    applied(folder, "drop function public.helps(text);\n" + again)
    assert folder.world.sql(POLICIES) == before
    assert folder.engine.told()[0] == (
        "step 0002_step: row policies in its way were dropped and made again: by_writer on public.notes"
    )


def test_a_policy_that_cannot_come_back_is_told_and_its_table_is_closed(folder):
    policies(folder.world, "by_title", "by_writer")
    applied(folder, "alter table public.notes drop title;")
    assert folder.world.sql(NAMES) == [("by_writer",)]
    assert folder.engine.told() == [
        "step 0002_step: row policy by_title on public.notes was dropped since the migration removes what it uses; "
        "`up` makes what is declared now"
    ]


@pytest.mark.parametrize("half", ["up", "down"])
def test_a_restrictive_policy_that_cannot_come_back_is_refused_with_what_to_write(folder, half):
    policies(folder.world, "by_writer")
    if half == "up":
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
        "step 0002_step: restrictive row policy narrow on public.notes can't be made again after the"
    )
    assert f", sql/steps/0002_step.{half}.sql; without it the table would be more open: write `drop policy" in said
    assert 'write `drop policy "narrow" on public.notes;` at the beginning of the file' in said
    assert folder.world.sql(NAMES) == [("by_writer",), ("narrow",)], "nothing was kept"
    if half == "up":
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
    folder.engine.told()
    folder.remove("0002_step")
    folder.engine.update(thing, folder.declared(role="app_owner"))
    assert folder.world.sql(NAMES) == [("by_body",)]
    assert folder.engine.told() == [
        "step 0002_step: row policy by_ask on public.notes was dropped since the migration removes what it uses; "
        "`up` makes what is declared now",
        "step 0002_step: row policies in its way were dropped and made again: by_body on public.notes",
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
    assert folder.engine.told() == []


def test_a_policy_made_again_is_no_drift_to_its_resource_in_the_same_run(folder):
    world = folder.world
    inputs = {"table": "public.notes", "name": "mine", "command": "select", "roles": ["public"]}
    world.sql("alter table public.notes owner to app_owner")
    policy = world.engine.create(POLICY, {**inputs, "using": "title <> 'x'", "comment": "mine"})
    applied(folder, "alter table public.notes alter title type varchar(90);")
    world.engine.told()
    found = world.engine.refresh(policy)
    assert found is not None
    assert world.engine.told() == []
    assert world.engine.diff(found, policy.inputs) == []
    world.sql("alter policy mine on public.notes using (true)")
    world.engine.refresh(policy)
    assert world.engine.told() == [
        "policy mine on public.notes: using was changed by hand from 'title <> 'x'' to 'true'"
    ]


def test_another_policy_of_the_same_name_that_a_step_makes_is_not_taken_for_the_old_one(folder):
    world = folder.world
    inputs = {"table": "public.notes", "name": "mine", "command": "all", "roles": ["public"]}
    world.sql("alter table public.notes owner to app_owner")
    policy = world.engine.create(POLICY, {**inputs, "using": "title <> 'x'"})
    text = "alter table public.notes alter title type varchar(90);\ncreate policy mine on public.notes using (true);"
    applied_as(folder, text)
    world.engine.told()
    found = world.engine.refresh(policy)
    assert found is not None
    assert world.engine.told() == [
        "policy mine on public.notes: using was changed by migration 0001_step from 'title <> 'x'' to 'true'"
    ]
    assert world.engine.diff(found, policy.inputs) != []


def test_a_policy_that_a_step_drops_is_told_as_the_step_s(folder):
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
    assert world.engine.told() == [
        "policy mine on public.notes was dropped by migration 0002_step",
        "row security of public.notes: by migration 0002_step, [other] was added; by hand, [stray] was added",
    ]


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
    (told,) = folder.engine.told()
    assert told.startswith("step 0003_step: ")
    assert told.endswith(" came back in the same transaction")


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
        assert world.sql(everybody) == [(True,)], "the step says so itself"
    finally:
        world.sql("alter default privileges revoke execute on functions from public")


def test_the_resource_finds_nothing_changed_afterwards(folder):
    world = folder.world
    applied(folder, "select 1;")
    functions = {"schema": "public", "functions": world.named({"public.greet(text)": {"{reader}": ["execute"]}})}
    grants = world.named({"kind": "table", "name": "public.other", "grants": {"{reader}": ["select"]}})
    things = [world.engine.create("pg:index:FunctionGrants", functions), world.engine.create("pg:index:Grants", grants)]
    applied(folder, AGAIN["function"][1] + "\n" + AGAIN["table"][1], number=3)
    world.engine.told()
    for thing in things:
        found = world.engine.refresh(thing)
        assert found is not None
        assert world.engine.diff(found, thing.inputs) == []
    assert world.engine.told() == []


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
    world.engine.told()
    for thing in (table, functions, security):
        world.engine.refresh(thing)
    assert world.engine.told() == world.named([
        "grants on table public.other: by migration 0003_step, [insert to {reader}] was revoked; "
        "by hand, [delete to {writer}] was granted",
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
    world.engine.told()
    world.engine.refresh(table)
    assert world.engine.told() == world.named([
        "grants on table public.other: by hand, [delete to {writer}] was granted and [select to {reader}] was revoked"
    ])  # fmt: skip


def test_outside_a_transaction_nothing_can_be_dropped_that_has_privileges(plain_folder):
    """So that there is no time without them."""
    for text in ("drop function public.greet(text);", "drop view public.v;", "revoke all on public.other from public;"):
        plain_folder.write("0001_outside", "-- Run: outside a transaction.\n\n" + text)
        with pytest.raises(Exception, match="only this runs outside") as caught:
            plain_folder.declared()
        assert "0001_outside.up.sql:6" in str(caught.value)
