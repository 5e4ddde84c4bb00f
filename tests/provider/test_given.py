"""What a platform has made: looked at, missing things named, nothing written."""

from collections.abc import Iterator

import pytest

from harness.engine import CheckRefusal, Refusal
from tests.provider.world import World

TOKEN = "pg:index:Given"
PLATFORM = """
drop schema if exists {schema} cascade; create schema {schema}; create table {schema}.things (id uuid, name text);
alter table {schema}.things enable row level security;
create function {schema}.who() returns uuid language sql as 'select null::uuid'
"""
THERE = (
    "role {made}",
    "function {schema}.who() returns uuid",
    "column {schema}.things.name text",
    "row security {schema}.things",
)


@pytest.fixture
def brought(world: World) -> Iterator[World]:
    """What a platform has made."""
    world.sql("drop role if exists {made}; create role {made}")
    world.sql(PLATFORM.replace("{schema}", "brought"))
    yield world
    # The next test has the same database.
    world.sql("drop schema brought cascade")


def declare(world: World, *more: str) -> dict:
    objects = [each.replace("{schema}", "brought") for each in (*THERE, *more)]
    return world.named({"by": "supabase", "objects": objects, "limits": ["nothing is as it seems"]})


def test_what_is_there_is_looked_at_and_its_limits_are_said_once(brought):
    thing = brought.engine.create(TOKEN, declare(brought))
    assert brought.engine.reported() == ["supabase: nothing is as it seems"]
    assert brought.engine.diff(brought.engine.refresh(thing)) == []
    assert brought.engine.reported() == []
    brought.engine.delete(thing)
    assert brought.engine.create(TOKEN, declare(brought)), "nothing was dropped"


@pytest.mark.parametrize(
    "missing",
    [
        "role {made} of nobody",
        "extension pgcrypto in nowhere",
        "function brought.who() returns text",
        "column brought.things.name jsonb",
        "row security brought.others",
    ],
)
@pytest.mark.parametrize("preview", [True, False])
def test_what_is_missing_is_named_in_a_preview_too(brought, missing, preview):
    with pytest.raises(Refusal) as refused:
        brought.engine.create(TOKEN, declare(brought, missing), preview=preview)
    named = brought.named({"text": missing})["text"]
    assert str(refused.value).startswith(f"what supabase brings: {named} isn't there as this project needs it; ")


def test_what_goes_later_is_named_and_not_made(brought):
    thing = brought.engine.create(TOKEN, declare(brought))
    brought.sql("alter table brought.things disable row level security")
    brought.engine.reported()
    found = brought.engine.refresh(thing)
    assert brought.engine.diff(found) == ["objects"]
    assert brought.engine.reported() == ["what supabase brings: row security brought.things isn't there any more"]
    with pytest.raises(Refusal, match=r"row security brought\.things isn't there"):
        brought.engine.update(found, declare(brought))


def test_another_kind_of_object_is_refused(brought):
    with pytest.raises(CheckRefusal, match=r"'view public\.v' must begin with one of role, extension, function"):
        brought.engine.create(TOKEN, declare(brought, "view public.v"))
