"""auth.uid() and its sisters: what the request's claims become, whole, legacy, empty, malformed or missing."""

import json

import psycopg
import pytest

from tests.sql.provision import ADA, BOB, acting_as, refused

ROLES = ("anon", "authenticated", "service_role")


@pytest.mark.parametrize("role", ROLES)
def test_the_claims_answer_who_asks(provisioned, role):
    claims = {"sub": ADA, "role": role, "email": "ada@example.org", "aal": "aal2"}
    with acting_as(provisioned, role, claims) as session:
        found = session.execute("select auth.uid()::text, auth.role(), auth.email(), auth.jwt()").fetchone()
    assert found == (ADA, role, "ada@example.org", claims)


@pytest.mark.parametrize("claims", [None, "", "{}", '{"role": "authenticated"}', '{"sub": null}'])
def test_without_a_subject_there_is_nobody_and_no_error(provisioned, claims):
    with acting_as(provisioned, "authenticated", claims) as session:
        assert session.execute("select auth.uid()").fetchone() == (None,)


def test_a_setting_of_an_earlier_transaction_means_nobody(provisioned):
    with acting_as(provisioned, "authenticated", {"sub": ADA}) as session:
        assert session.execute("select auth.uid()::text").fetchone() == (ADA,)
    left = provisioned.execute("select current_setting('request.jwt.claims', true)").fetchone()
    assert left == ("",), "the case is no longer the one that this test is about"
    with acting_as(provisioned, "authenticated") as session:
        assert session.execute("select auth.uid(), auth.role(), auth.email(), auth.jwt()").fetchone() == (None,) * 4


@pytest.mark.parametrize("subject", ["clerk_2b9", "", "1 or true", ADA + "0"])
def test_a_subject_that_is_no_uuid_is_an_error_and_shows_nothing(people, subject):
    with acting_as(people, "authenticated", {"sub": subject}) as session:
        refused(session, psycopg.errors.InvalidTextRepresentation, "select auth.uid()")
        refused(session, psycopg.errors.InvalidTextRepresentation, "select * from public.users")
    assert people.execute("select count(*) from public.users").fetchone() == (2,)


@pytest.mark.parametrize("claims", ["not json", '{"sub": ', "'"])
def test_claims_that_are_no_json_are_an_error_and_show_nothing(people, claims):
    with acting_as(people, "authenticated", claims) as session:
        refused(session, psycopg.errors.InvalidTextRepresentation, "select * from public.users")
    assert people.execute("select count(*) from public.users").fetchone() == (2,)


def test_the_legacy_setting_comes_first(provisioned):
    with acting_as(provisioned, "authenticated", {"sub": ADA, "role": "authenticated"}) as session:
        session.execute("select set_config('request.jwt.claim.sub', %s, true)", (BOB,))
        session.execute("select set_config('request.jwt.claim.role', 'service_role', true)")
        assert session.execute("select auth.uid()::text, auth.role()").fetchone() == (BOB, "service_role")


def test_an_empty_legacy_setting_is_passed_over(provisioned):
    with acting_as(provisioned, "authenticated", {"sub": ADA}) as session:
        session.execute("select set_config('request.jwt.claim.sub', '', true)")
        assert session.execute("select auth.uid()::text").fetchone() == (ADA,)


def test_the_legacy_whole_claims_come_first_for_auth_jwt(provisioned):
    with acting_as(provisioned, "authenticated", {"sub": ADA}) as session:
        session.execute("select set_config('request.jwt.claim', %s, true)", (json.dumps({"sub": BOB}),))
        assert session.execute("select auth.jwt()").fetchone() == ({"sub": BOB},)


@pytest.mark.parametrize("role", ["authjs", "monitor", "authenticator"])
def test_logins_that_carry_no_claims_may_not_ask(provisioned, role):
    with acting_as(provisioned, role) as session:
        refused(session, psycopg.errors.InsufficientPrivilege, "select auth.uid()")


def test_nobody_but_the_owner_makes_functions_in_schema_auth(provisioned):
    for role in ROLES:
        with acting_as(provisioned, role) as session:
            statement = "create or replace function auth.uid() returns uuid language sql as 'select null::uuid'"
            refused(session, psycopg.errors.InsufficientPrivilege, statement)
