"""Memberships: every option of a row of the catalogue, who granted it, and who else is a member."""

import psycopg
import pytest

from harness.engine import CheckRefusal, Refusal, Thing
from tests.provider.world import World

TOKEN = "pg:index:Memberships"
OPTIONS_SINCE = 16


@pytest.fixture
def joined(world: World) -> World:
    """The roles made_… and reader_…, as the login of the run makes them."""
    world.sql("set role {master}; create role {made} noinherit login; reset role")
    return world


def declare(world: World, *groups: str, members: tuple[str, ...] = ()) -> dict:
    # Who makes a role is a member of it since PostgreSQL 16.
    master = ["{master}"] if world.superuser and has_options(world) else []
    lists = {"groups": list(groups), "members": sorted([*members, *master])}
    return {**world.named({"role": "{made}", **lists}), "acts": False}


def has_options(world: World) -> bool:
    return world.database.server_version >= OPTIONS_SINCE


def needs_options(world: World) -> None:
    if not has_options(world):
        pytest.skip("a membership has no such option before PostgreSQL 16")


def refreshed(world: World, thing: Thing) -> Thing:
    found = world.engine.refresh(thing)
    assert found is not None
    return found


def granted_as(world: World, statement: str) -> str:
    """The statement by a role that may undo it again: the login of the run."""
    return statement if world.superuser else f"set role {{master}}; {statement}; reset role"


CHANGES = {
    "inherit true": "inherit true",
    "set false": "set false",
    "admin true": "admin option",
    "inherit true, set false, admin true": "admin option, inherit true, set false",
}


@pytest.mark.parametrize("options", list(CHANGES))
def test_an_option_that_somebody_changed_is_seen_and_put_back(joined, options):
    needs_options(joined)
    inputs = declare(joined, "{reader}")
    thing = joined.engine.create(TOKEN, inputs)
    joined.sql(granted_as(joined, f"grant {{reader}} to {{made}} with {options}"))
    found = refreshed(joined, thing)
    (reported,) = joined.engine.reported()
    assert reported == joined.named(
        f"memberships of role {{made}}: manually, [{{reader}} with {CHANGES[options]}] was granted and "
        "[{reader}] was revoked"
    )
    assert joined.engine.diff(found, inputs) == ["groups"]
    repaired = joined.engine.update(found, inputs)
    assert joined.engine.diff(refreshed(joined, repaired), inputs) == []
    assert joined.sql(
        "select inherit_option, set_option, admin_option from pg_auth_members where member = '{made}'::regrole"
    ) == [(False, True, False)]


def test_the_rights_of_a_group_are_not_its_members_by_an_option_of_somebody(plain_world):
    """The case that mattered: the API's login read credentials without becoming service_role."""
    needs_options(plain_world)
    plain_world.sql("create role {made} noinherit login; grant usage on schema public to {reader}")
    plain_world.sql("grant select on public.other to {reader}")
    thing = plain_world.engine.create(TOKEN, plain_world.named({"role": "{made}", "groups": ["{reader}"]}))
    plain_world.sql("grant {reader} to {made} with inherit true")
    reads = "select has_table_privilege('{made}', 'public.other', 'select')"
    assert plain_world.sql(reads) == [(True,)], "the hole is there"
    plain_world.engine.update(refreshed(plain_world, thing), thing.inputs)
    assert plain_world.sql(reads) == [(False,)]


@pytest.mark.parametrize(
    "entry", ["{reader} with inherit true", "{reader} with set false", "{reader} with admin option, inherit true"]
)
def test_declared_options_are_made_read_back_and_changed(joined, entry):
    needs_options(joined)
    inputs = declare(joined, entry)
    thing = joined.engine.create(TOKEN, inputs)
    assert refreshed(joined, thing).inputs == inputs
    plain = declare(joined, "{reader}")
    assert joined.engine.diff(thing, plain) == ["groups"]
    updated = joined.engine.update(thing, plain)
    assert joined.engine.diff(refreshed(joined, updated), plain) == []
    assert joined.engine.reported() == []


def test_an_option_in_words_that_is_the_usual_one_is_no_difference(joined):
    needs_options(joined)
    for entry in ("{reader}", "{reader} with inherit false", "{reader} with set true", "{reader} with set true"):
        inputs = declare(joined, entry)
        thing = joined.engine.create(TOKEN, inputs)
        assert refreshed(joined, thing).inputs == inputs
        assert joined.engine.reported() == []


def test_the_admin_option_is_seen_on_every_version(joined):
    inputs = declare(joined, "{reader}")
    thing = joined.engine.create(TOKEN, inputs)
    joined.sql(granted_as(joined, "grant {reader} to {made} with admin option"))
    found = refreshed(joined, thing)
    assert joined.named("[{reader} with admin option] was granted") in joined.engine.reported()[0]
    joined.engine.update(found, inputs)
    assert joined.sql("select admin_option from pg_auth_members where member = '{made}'::regrole") == [(False,)]


def test_a_second_grant_of_the_same_membership_is_seen_with_who_gave_it(plain_world):
    needs_options(plain_world)
    plain_world.sql("create role {made} noinherit")
    inputs = plain_world.named({"role": "{made}", "groups": ["{reader}"]})
    thing = plain_world.engine.create(TOKEN, inputs)
    plain_world.sql("grant {reader} to {made} with inherit true granted by {master}")
    found = refreshed(plain_world, thing)
    assert (
        plain_world.named("[{reader} with inherit true granted by {master}] was granted")
        in (plain_world.engine.reported()[0])
    )
    repaired = plain_world.engine.update(found, inputs)
    assert plain_world.engine.diff(refreshed(plain_world, repaired), inputs) == []
    assert plain_world.sql("select count(*) from pg_auth_members where member = '{made}'::regrole") == [(1,)]


def test_somebody_else_who_becomes_a_member_is_seen_by_name_and_taken_out(joined):
    inputs = declare(joined, members=("{reader}",))
    thing = joined.engine.create(TOKEN, inputs)
    joined.sql(granted_as(joined, "grant {made} to {reader}") + ";" + granted_as(joined, "grant {made} to {writer}"))
    found = refreshed(joined, thing)
    assert joined.engine.reported() == [
        joined.named("memberships of role {made}: manually, [{writer}] became a member of it"),
    ]
    assert joined.engine.diff(found, inputs) == ["members"]
    repaired = joined.engine.update(found, inputs)
    assert joined.engine.diff(refreshed(joined, repaired), inputs) == []
    assert joined.sql("select pg_has_role('{writer}', '{made}', 'member')") == [(False,)]
    assert joined.sql("select pg_has_role('{reader}', '{made}', 'member')") == [(True,)], "that one is declared"


def test_a_declared_member_that_is_missing_is_the_affair_of_its_own_resource(joined):
    inputs = declare(joined, members=("{writer}",))
    thing = joined.engine.create(TOKEN, inputs)
    assert joined.engine.diff(refreshed(joined, thing), inputs) == []
    assert joined.engine.reported() == []


def test_an_option_that_this_version_does_not_have_is_refused_in_one_line(joined):
    if has_options(joined):
        pytest.skip("PostgreSQL 16 and newer have it")
    with pytest.raises(Refusal) as caught:
        joined.engine.create(TOKEN, declare(joined, "{reader} with set false"))
    assert str(caught.value) == joined.named(
        "memberships of role {made}: '{reader} with set false' needs PostgreSQL 16; before it a membership has the "
        "option admin alone, and inherits as its role does"
    )


@pytest.mark.parametrize(
    "entry", ["anon with inherit", "anon with set maybe", "anon granted by postgres", "anon with admin option, x"]
)
def test_a_membership_that_cannot_be_read_is_refused(unconnected, entry):
    with pytest.raises(CheckRefusal, match=f"groups: '{entry}' is no membership: write a role, or one `with admin"):
        unconnected.check(TOKEN, {"role": "x", "groups": [entry]})


def test_a_group_stands_in_the_list_once(unconnected):
    with pytest.raises(CheckRefusal, match="groups: 'anon' stands in it twice"):
        unconnected.check(TOKEN, {"role": "x", "groups": ["anon", "anon with set false"]})


def test_a_role_that_was_made_by_the_login_has_no_member_that_nobody_declared(world):
    """The membership that PostgreSQL 16 gives to who makes a role is not somebody's change."""
    world.engine.create("pg:index:Role", {"name": world.names["made"]})
    inputs = {"role": world.names["made"], "groups": []}
    thing = world.engine.create(TOKEN, inputs)
    assert world.engine.diff(refreshed(world, thing), inputs) == []
    with psycopg.connect(world.database.url, autocommit=True) as connection:
        connection.execute(f"alter role {world.names['made']} createdb".encode())
    assert world.engine.diff(refreshed(world, thing), inputs) == []
    assert world.engine.reported() == []


ACTING = "select pg_has_role('{master}', '{made}', 'usage'), pg_has_role('{master}', '{made}', 'member')"


@pytest.fixture
def owned(world: World) -> World:
    """The same roles, where the login of the run isn't superuser; it acts as nobody that it makes."""
    if world.superuser:
        pytest.skip("a superuser acts as everybody")
    world.sql("set role {master}; create role {made} noinherit; reset role")
    return world


def test_the_login_joins_a_role_that_it_is_to_act_as_and_leaves_it_again(owned):
    inputs = {**declare(owned), "acts": True}
    thing = owned.engine.create(TOKEN, inputs)
    assert owned.sql(ACTING) == [(True, True)]
    assert owned.engine.diff(refreshed(owned, thing), inputs) == []
    assert owned.engine.reported() == []
    owned.sql("set role {master}; revoke {made} from {master}; reset role")
    found = refreshed(owned, thing)
    assert owned.engine.reported() == [
        owned.named("memberships of role {made}: manually, the login that provisions was kept from acting as it")
    ]
    assert owned.engine.diff(found, inputs) == ["acts"]
    thing = owned.engine.update(found, inputs)
    assert owned.sql(ACTING) == [(True, True)]
    owned.engine.delete(thing)
    assert owned.sql(ACTING)[0][0] is False


def test_a_membership_that_the_login_had_before_stays_when_the_resource_goes(owned):
    owned.sql("set role {master}; grant {made} to {master}; reset role")
    owned.engine.delete(owned.engine.create(TOKEN, {**declare(owned), "acts": True}))
    assert owned.sql(ACTING) == [(True, True)]
    assert owned.engine.reported() == []


def test_a_role_that_the_login_may_not_join_is_refused_with_the_reason(owned):
    owned.sql("drop role {made}; create role {made}")
    if has_options(owned):
        with pytest.raises(
            Refusal, match=r'Only roles with the ADMIN option on role "made_[0-9]+" may grant this role$'
        ):
            owned.engine.create(TOKEN, {**declare(owned), "acts": True})
