"""Grants: authoritative lists on every kind of object, columns, grant options, defaults, and many at once."""

import threading
from typing import Any

import pytest

from harness.engine import Refusal, Thing
from tests.provider.world import World

TOKEN = "pg:index:Grants"
OBJECTS = {
    "table": ("public.notes", ["select", "truncate", "insert(title)"], "grant delete on public.notes to {reader}"),
    "sequence": ("public.counter", ["usage", "select"], "grant update on sequence public.counter to {reader}"),
    "schema": ("extra", ["usage"], "grant create on schema extra to {reader}"),
    "function": ("public.greet(text)", ["execute"], "grant execute on function public.greet(text) to public"),
    "database": ("{database}", ["connect"], "grant temporary on database {database} to {reader}"),
    "type": ("public.mood", ["usage"], "grant usage on type public.mood to public"),
}


def grants(world: World, kind: str, name: str, **lists: list[str]) -> dict[str, Any]:
    named: dict[str, Any] = world.named({"kind": kind, "name": name, "grants": _braced(lists)})
    return named


def _braced(lists: dict[str, list[str]]) -> dict[str, list[str]]:
    return {f"{{{role}}}": entries for role, entries in lists.items()}


def declared(world: World, lists: dict[str, list[str]], kind: str = "table", name: str = "public.notes") -> Thing:
    return world.engine.create(TOKEN, world.named({"kind": kind, "name": name, "grants": lists}))


def refreshed(world: World, thing: Thing) -> Thing:
    found = world.engine.refresh(thing)
    assert found is not None
    return found


def allowed(world: World, role: str, privilege: str, column: str | None = None) -> bool:
    query = f"select has_table_privilege('{role}', 'public.notes', '{privilege}')"
    if column:
        query = f"select has_column_privilege('{role}', 'public.notes', '{column}', '{privilege}')"
    return bool(world.sql(query)[0][0])


@pytest.mark.parametrize("kind", list(OBJECTS))
def test_a_list_on_every_kind_of_object_is_made_seen_drifting_and_repaired(world, kind):
    name, entries, manual = OBJECTS[kind]
    inputs = grants(world, kind, name, reader=entries)
    before = world.engine.bring_in(TOKEN, f"{kind}/{world.named(name)}")
    assert before is not None
    thing = world.engine.create(TOKEN, inputs)
    assert world.engine.diff(refreshed(world, thing), inputs) == []
    world.sql(manual)
    found = refreshed(world, thing)
    assert world.named(f"grants on {kind} {name}: manually, [") in world.engine.reported()[0]
    assert len(world.engine.diff(found, inputs)) == 1
    repaired = world.engine.update(found, inputs)
    assert world.engine.diff(refreshed(world, repaired), inputs) == []
    world.engine.delete(repaired)
    left = world.engine.bring_in(TOKEN, thing.id)
    assert left is not None
    was = {role: held for role, held in before.inputs.get("grants", {}).items() if role != "public"}
    assert left.inputs.get("grants", {}) == was, "what was there before comes back, except for what everybody had"


def test_a_function_that_was_never_granted_is_open_to_everybody_and_that_is_a_difference(world):
    """An empty access list means PostgreSQL's defaults: execute to public."""
    world.sql("update pg_proc set proacl = null where oid = 'public.greet(text)'::regprocedure")
    found = world.engine.bring_in(TOKEN, "function/public.greet(text)")
    assert found is not None
    assert found.inputs["grants"] == {"public": ["execute"]}
    nobody = grants(world, "function", "public.greet(text)")
    assert world.engine.diff(found, nobody) == ['grants["public"]']
    world.engine.update(found, nobody)
    assert world.sql("select has_function_privilege('{reader}', 'public.greet(text)', 'execute')") == [(False,)]


def test_a_procedure_is_granted_as_a_function_is(world):
    declared(world, {"{reader}": ["execute"]}, "function", "public.tidy()")
    assert world.sql("select has_function_privilege('{reader}', 'public.tidy()', 'execute')") == [(True,)]
    assert world.sql("select has_function_privilege('{writer}', 'public.tidy()', 'execute')") == [(False,)]


def test_everybody_is_the_role_public(world):
    thing = declared(world, {"public": ["select"]})
    assert allowed(world, world.names["reader"], "select")
    assert world.engine.diff(refreshed(world, thing)) == []


def test_a_column_in_mixed_case_keeps_its_case(world):
    thing = declared(world, {"{reader}": ["select", "update(title, emailVerified)"]})
    assert allowed(world, world.names["reader"], "update", "emailVerified")
    assert world.engine.diff(refreshed(world, thing)) == []


def test_truncate_is_a_privilege_like_the_others(world):
    thing = declared(world, {"{reader}": ["truncate"]})
    assert allowed(world, world.names["reader"], "truncate")
    world.sql("revoke truncate on public.notes from {reader}")
    refreshed(world, thing)
    assert world.engine.reported() == [
        f"grants on table public.notes: manually, [truncate to {world.names['reader']}] was revoked"
    ]


def test_another_spelling_of_the_same_list_is_no_difference(world):
    thing = declared(world, {"{reader}": ["update(title, body)", "select"], "{writer}": []})
    found = refreshed(world, thing)
    assert found.inputs == thing.inputs
    assert world.engine.diff(found) == []
    other = grants(world, "table", "public.notes", reader=["select", "update(body)", "update(title)"])
    assert world.engine.diff(found, other) == []


def test_columns_stay_granted_when_the_whole_table_is_revoked(world):
    """PostgreSQL revokes a column's privilege along with the table's."""
    thing = declared(world, {"{reader}": ["update", "update(title)"]})
    only = grants(world, "table", "public.notes", reader=["update(title)"])
    world.engine.update(thing, only)
    assert allowed(world, world.names["reader"], "update", "title")
    assert not allowed(world, world.names["reader"], "update", "body")


def test_a_grant_option_is_given_read_back_imported_and_taken_away(world):
    lists = {"{reader}": ["select with grant option", "update(title) with grant option"]}
    thing = declared(world, lists)
    assert world.engine.diff(refreshed(world, thing)) == []
    imported = world.engine.bring_in(TOKEN, thing.id)
    assert imported is not None
    assert world.engine.diff(imported, thing.inputs) == []
    plain = grants(world, "table", "public.notes", reader=["select", "update(title)"])
    assert len(world.engine.diff(thing, plain)) == 1
    updated = world.engine.update(thing, plain)
    assert world.engine.diff(refreshed(world, updated), plain) == []
    assert not allowed(world, world.names["reader"], "select with grant option")


def test_what_was_granted_on_by_a_grant_option_goes_with_it(world):
    thing = declared(world, {"{reader}": ["select"]})
    world.sql("grant select on public.notes to {reader} with grant option")
    world.sql("grant usage on schema public to {reader}; set role {reader}")
    world.sql("grant select on public.notes to {writer}; reset role")
    found = refreshed(world, thing)
    world.engine.update(found, thing.inputs)
    assert not allowed(world, world.names["writer"], "select")
    assert allowed(world, world.names["reader"], "select")


def test_a_grant_of_somebody_who_keeps_the_option_is_reported_and_not_passed_over(world):
    thing = declared(world, {"{reader}": ["select with grant option"]})
    world.sql("grant usage on schema public to {reader}; set role {reader}")
    world.sql("grant select on public.notes to {writer}; reset role")
    found = refreshed(world, thing)
    with pytest.raises(Refusal) as caught:
        world.engine.update(found, thing.inputs)
    assert str(caught.value) == (
        world.named(
            "grants on table public.notes: [select to {writer} granted by {reader}] stays; revoke it as that role"
        )
    )


def test_a_grant_is_told_apart_by_who_gave_it(world):
    """The same privilege by another role outlives the owner's revoke."""
    lists = {"{reader}": ["select with grant option"], "{writer}": ["select", "update(title)"]}
    thing = declared(world, lists)
    world.sql("grant usage on schema public to {reader}; set role {reader}")
    world.sql("grant select on public.notes to {writer}; reset role")
    found = refreshed(world, thing)
    assert world.engine.reported() == [
        world.named("grants on table public.notes: manually, [select to {writer} granted by {reader}] was granted")
    ]
    assert world.engine.diff(found, thing.inputs) == [world.named('grants["{writer}"]')]
    without = grants(world, "table", "public.notes", writer=["select", "update(title)"])
    world.engine.update(found, without)
    assert world.engine.diff(refreshed(world, found), without) == []
    assert allowed(world, world.names["writer"], "select"), "the owner's grant stays"


def test_maintain_is_a_privilege_from_postgresql_17_on(world):
    if world.database.server_version < 17:
        pytest.skip("there is no such privilege before PostgreSQL 17")
    thing = declared(world, {"{reader}": ["maintain"]})
    assert world.engine.diff(refreshed(world, thing)) == []
    world.sql("grant maintain on public.notes to {writer}")
    refreshed(world, thing)
    assert world.engine.reported() == [
        world.named("grants on table public.notes: manually, [maintain to {writer}] was granted")
    ]


def test_the_owner_s_own_rights_are_left_out(world):
    declared(world, {})
    assert allowed(world, "app_owner", "insert")


def test_an_object_or_a_role_that_is_missing_is_one_line(world):
    with pytest.raises(Refusal, match=r"^grants on table public.nothing: there is no such table$"):
        declared(world, {}, name="public.nothing")
    with pytest.raises(Refusal, match=r'^grants on table public.notes: role "nobody_here" does not exist \(42704\)$'):
        declared(world, {"nobody_here": ["select"]})


def test_many_grants_on_one_schema_at_once_from_two_plugins_all_succeed(plain_world):
    """Trap 13: without a lock, some of them fail with `tuple concurrently updated`.

    On a schema, since the minor releases of late 2024 made PostgreSQL itself wait for grants on tables.
    """
    world = plain_world
    lists = [{"{reader}": ["usage"] if number % 2 else ["usage", "create"]} for number in range(48)]
    inputs = [world.named({"kind": "schema", "name": "public", "grants": entry}) for entry in lists]
    second = world.second_engine()
    found: list[object] = []

    def run(engine, mine) -> None:
        found.extend(engine.together(*[engine.creating(TOKEN, entry) for entry in mine]))

    threads = [
        threading.Thread(target=run, args=(engine, mine))
        for engine, mine in ((world.engine, inputs[:24]), (second, inputs[24:]))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    second.close()
    assert [entry for entry in found if isinstance(entry, BaseException)] == []
    assert len(found) == 48
