"""Who made an object and who holds it: what was adopted is never dropped, a renamed resource takes nothing along."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from harness.engine import Engine
from tests.provider.world import World

Namesake = Callable[[str], Engine]
POLICY = {
    "table": "public.notes",
    "name": "notes_all",
    "command": "select",
    "roles": ["public"],
    "using": "true",
    "comment": "All.",
}
# Type → its inputs, what makes the same manually, whether it is there.
OBJECTS: dict[str, tuple[dict[str, Any], str, str]] = {
    "pg:index:Role": (
        {"name": "{made}", "comment": "Made."},
        "create role {made}",
        "select 1 from pg_roles where rolname = '{made}'",
    ),
    "pg:index:Schema": (
        {"name": "lent", "owner": "app_owner"},
        "create schema lent authorization app_owner",
        "select 1 from pg_namespace where nspname = 'lent'",
    ),
    "pg:index:Extension": (
        {"name": "pg_trgm", "schema": "extra"},
        "create extension pg_trgm schema extra",
        "select 1 from pg_extension where extname = 'pg_trgm'",
    ),
    "pg:index:Policy": (
        POLICY,
        "create policy notes_all on public.notes for select to public using (true); "
        "comment on policy notes_all on public.notes is 'All.'",
        "select 1 from pg_policy where polname = 'notes_all'",
    ),
    "pg:index:Bucket": (
        {"bucket": "lent"},
        "insert into storage.buckets (id, name) values ('lent', 'lent')",
        "select 1 from storage.buckets where id = 'lent'",
    ),
    "pg:index:Publication": (
        {"name": "lent", "tables": ["public.notes"]},
        "create publication lent for table public.notes",
        "select 1 from pg_publication where pubname = 'lent'",
    ),
}


@pytest.fixture
def namesake(plain_world: World) -> Iterator[Namesake]:
    """Plugin processes for resources of other names."""
    made: list[Engine] = []

    def make(name: str) -> Engine:
        engine = plain_world.second_engine()
        engine.name = name
        made.append(engine)
        return engine

    yield make
    for engine in made:
        engine.close()


@pytest.mark.parametrize("token", OBJECTS)
def test_what_was_there_before_stays_when_its_resource_is_deleted(plain_world, namesake, token):
    inputs, made, there = OBJECTS[token]
    for statement in made.split("; "):
        plain_world.sql(statement)
    thing = plain_world.engine.create(token, plain_world.named(inputs))
    plain_world.engine.reported()
    plain_world.engine.delete(thing)
    assert plain_world.sql(there) == [(1,)]
    (said,) = plain_world.engine.reported()
    assert said.endswith(" stays: it was there before this stack adopted it")
    # With the state lost, or after a kill, it is found again, and is no more ours than it was.
    again = plain_world.engine.create(token, plain_world.named(inputs))
    plain_world.engine.create(token, plain_world.named(inputs))
    plain_world.engine.delete(again)
    assert plain_world.sql(there) == [(1,)]


@pytest.mark.parametrize("token", OBJECTS)
def test_what_a_lost_state_finds_again_is_ours_to_drop(plain_world, namesake, token):
    inputs, _, there = OBJECTS[token]
    plain_world.engine.create(token, plain_world.named(inputs))
    thing = plain_world.engine.create(token, plain_world.named(inputs))
    plain_world.engine.delete(thing)
    assert plain_world.sql(there) == []
    assert plain_world.sql("select object from supabase_migrations.managed_objects") == []


@pytest.mark.parametrize("token", OBJECTS)
def test_another_name_of_the_resource_drops_nothing(plain_world, namesake, token):
    inputs, _, there = OBJECTS[token]
    old = plain_world.engine.create(token, plain_world.named(inputs))
    other = namesake("renamed")
    new = other.create(token, plain_world.named(inputs))
    plain_world.engine.delete(old)
    assert plain_world.sql(there) == [(1,)]
    assert plain_world.engine.reported()[-1].endswith("::renamed holds it too")
    other.delete(new)
    assert plain_world.sql(there) == [], "the new resource alone held it"


def test_an_object_that_was_dropped_manually_and_made_again_is_ours(plain_world, namesake):
    inputs, made, there = OBJECTS["pg:index:Publication"]
    plain_world.sql(made)
    thing = plain_world.engine.create("pg:index:Publication", inputs)
    plain_world.sql("drop publication lent")
    thing = plain_world.engine.update(thing, inputs)
    plain_world.engine.delete(thing)
    assert plain_world.sql(there) == []


# Type → inputs, what was there before, what to look at.
LISTS: dict[str, tuple[dict[str, Any], str, str]] = {
    "pg:index:Grants": (
        {"kind": "table", "name": "public.notes", "grants": {"{writer}": ["insert"]}},
        "grant select on public.notes to {reader}",
        "select relacl::text from pg_class where oid = 'public.notes'::regclass",
    ),
    "pg:index:FunctionGrants": (
        {"schema": "public", "functions": {"public.greet(text)": {"{writer}": ["execute"]}}},
        "grant execute on function public.greet(text) to {reader}",
        "select array_agg(e::text order by e::text) from pg_proc p, aclexplode(proacl) e "
        "where p.oid = 'public.greet(text)'::regprocedure",
    ),
    "pg:index:Memberships": (
        {"role": "{reader}", "groups": ["pg_monitor"], "members": ["{master}"]},
        "grant {writer} to {reader}",
        "select g.rolname from pg_auth_members m join pg_roles g on g.oid = m.roleid "
        "where m.member = '{reader}'::regrole order by 1",
    ),
    "pg:index:DefaultPrivileges": (
        {"role": "app_owner", "objects": "tables", "grants": {"{writer}": ["insert"]}},
        "alter default privileges for role app_owner grant select on tables to {reader}",
        "select defaclacl::text from pg_default_acl where defaclobjtype = 'r' and defaclnamespace = 0",
    ),
}


@pytest.mark.parametrize("token", LISTS)
def test_a_list_on_an_object_of_somebody_else_is_given_back_as_it_was(plain_world, token):
    inputs, before, look = LISTS[token]
    plain_world.sql(before)
    was = plain_world.sql(look)
    thing = plain_world.engine.create(token, plain_world.named(inputs))
    assert plain_world.sql(look) != was
    plain_world.engine.delete(thing)
    try:
        assert plain_world.sql(look) == was
    finally:
        plain_world.sql("revoke {writer} from {reader}")
        plain_world.sql("alter default privileges for role app_owner revoke select on tables from {reader}")


@pytest.mark.parametrize("lost", ["imported", "note"])
@pytest.mark.parametrize("token", OBJECTS)
def test_what_nothing_says_we_made_stays(plain_world, namesake, token, lost):
    inputs, made, there = OBJECTS[token]
    if lost == "imported":
        for statement in made.split("; "):
            plain_world.sql(statement)
        created = plain_world.engine.create(token, plain_world.named(inputs))
        plain_world.sql("delete from supabase_migrations.managed_objects")
        thing = plain_world.engine.bring_in(token, created.id)
        assert thing is not None
    else:
        thing = plain_world.engine.create(token, plain_world.named(inputs))
        plain_world.sql("drop table supabase_migrations.managed_objects")
    plain_world.engine.reported()
    plain_world.engine.delete(thing)
    assert plain_world.sql(there) == [(1,)]
    assert plain_world.engine.reported()[-1].endswith(" stays: nothing says that this stack has made it")
