"""public.users and next_auth.users: who may do what with a person, and how a profile begins and ends."""

import json

import psycopg
import pytest

from tests.sql.provision import ADA, BOB, acting_as, refused, row

SIGNED_IN = {"sub": ADA, "role": "authenticated"}
PROFILE = "select display_name, avatar_url from public.users where id = %s"


def test_a_person_reads_their_own_profile_only(people):
    with acting_as(people, "authenticated", SIGNED_IN) as session:
        assert session.execute("select id::text, display_name from public.users").fetchall() == [(ADA, "Ada")]
    assert people.execute(PROFILE.encode(), (BOB,)).fetchone() == ("Bob", None)


def test_a_person_changes_their_own_profile_only(people):
    with acting_as(people, "authenticated", SIGNED_IN) as session:
        changed = session.execute("update public.users set display_name = 'Ada L.', settings = '{\"dark\": true}'")
        assert changed.rowcount == 1
        assert session.execute("update public.users set locale = 'fr' where id = %s", (BOB,)).rowcount == 0
    assert people.execute("select count(*) from public.users where id = %s", (BOB,)).fetchone() == (1,)


def test_a_person_cannot_become_somebody_else(people):
    change = "update public.users set id = %s"
    with acting_as(people, "authenticated", SIGNED_IN) as session:
        refused(session, psycopg.errors.InsufficientPrivilege, change, BOB)
    people.execute("grant update (id) on public.users to authenticated")
    with acting_as(people, "authenticated", SIGNED_IN) as session:
        assert "row-level security" in refused(session, psycopg.errors.InsufficientPrivilege, change, BOB)


@pytest.mark.parametrize("statement", [f"insert into public.users (id) values ('{ADA}')", "delete from public.users"])
def test_people_neither_make_nor_delete_profiles(people, statement):
    with acting_as(people, "authenticated", SIGNED_IN) as session:
        refused(session, psycopg.errors.InsufficientPrivilege, statement)
    assert people.execute("select count(*) from public.users").fetchone() == (2,)


@pytest.mark.parametrize("role", ["anon", "authjs", "monitor", "authenticator", "supabase_storage_admin"])
def test_profiles_are_closed_to_visitors_and_to_other_logins(people, role):
    with acting_as(people, role, SIGNED_IN) as session:
        refused(session, psycopg.errors.InsufficientPrivilege, "select * from public.users")
    assert people.execute("select count(*) from public.users").fetchone() == (2,)


@pytest.mark.parametrize("role", ["anon", "authenticated", "monitor", "authenticator"])
def test_addresses_and_sign_ins_are_closed_to_the_api_roles(people, role):
    with acting_as(people, role, SIGNED_IN) as session:
        refused(session, psycopg.errors.InsufficientPrivilege, "select email from next_auth.users")
    assert people.execute("select count(email) from next_auth.users").fetchone() == (2,)


def test_the_owner_role_sees_no_address_and_deletes_nobody(people):
    with acting_as(people, "app_owner") as session:
        assert session.execute("select count(*) from next_auth.users").fetchone() == (0,)
        for table in ("public.users", "next_auth.users"):
            assert session.execute(f"delete from {table}".encode()).rowcount == 0
    assert people.execute("select count(*) from public.users").fetchone() == (2,)


@pytest.mark.parametrize("role", ["authjs", "service_role"])
def test_auth_js_signs_up_finds_changes_and_deletes_a_person(people, role):
    with acting_as(people, role) as session:
        insert = (
            'insert into next_auth.users (name, email, "emailVerified", image) values (%s, %s, now(), %s) returning *'
        )
        person = row(session, insert, ("Eve", "eve@example.org", "https://example.org/e.png"))
        assert person[1:3] == ("Eve", "eve@example.org")
        found = session.execute("select id from next_auth.users where email = 'eve@example.org'").fetchone()
        assert found == person[:1]
        assert session.execute("update next_auth.users set name = 'E' where id = %s", found).rowcount == 1
        session.execute("reset role")
        assert session.execute(PROFILE.encode(), found).fetchone() == ("Eve", "https://example.org/e.png")
        session.execute(f"set local role {role}".encode())
        assert session.execute("delete from next_auth.users where id = %s", found).rowcount == 1
        session.execute("reset role")
        assert session.execute(PROFILE.encode(), found).fetchone() is None


def test_everything_of_a_person_goes_with_them(people):
    with acting_as(people, "authjs") as session:
        session.execute("delete from next_auth.users where id = %s", (ADA,))
        session.execute("reset role")
        assert session.execute("select owner_id::text from public.projects group by 1").fetchall() == [(BOB,)]
        assert session.execute("select id::text from public.users").fetchall() == [(BOB,)]


def test_one_address_is_one_person(people):
    insert = "insert into next_auth.users (email) values ('ada@example.org')"
    assert "users_email_key" in refused(people, psycopg.errors.UniqueViolation, insert)


@pytest.mark.parametrize(
    ("name", "image", "profile"),
    [
        (None, None, (None, None)),
        ("", "", (None, None)),
        ("   ", "http://example.org/a.png", (None, None)),
        ("  Ada  ", "javascript:alert(1)", ("Ada", None)),
        ("x" * 300, "https://example.org/" + "a" * 3000, ("x" * 100, None)),
        ("a" * 99 + " b", "https://example.org/a.png", ("a" * 99, "https://example.org/a.png")),
        ("\u200b\u3164", "https://", (None, None)),
        ("Ada\nL.\u202e", "https://example.org/a\n.png", ("Ada L.", None)),
        ("\u0622\u200c\u0628", "https://example.org/\u202e.png", ("\u0622\u200c\u0628", None)),
    ],
)
def test_no_odd_name_or_picture_stops_a_sign_up(people, name, image, profile):
    insert = "insert into next_auth.users (name, image) values (%s, %s) returning id"
    found = people.execute(insert.encode(), (name, image)).fetchone()
    assert people.execute(PROFILE.encode(), found).fetchone() == profile


@pytest.mark.parametrize(
    ("column", "value", "constraint"),
    [
        ("display_name", "", "users_display_name_check"),
        ("display_name", " ", "users_display_name_check"),
        ("display_name", "x" * 101, "users_display_name_check"),
        ("display_name", "\u200b", "users_display_name_check"),
        ("display_name", "\u3164\u00a0", "users_display_name_check"),
        ("display_name", "a\nb", "users_display_name_check"),
        ("display_name", "a\u202eb", "users_display_name_check"),
        ("avatar_url", "https://", "users_avatar_url_check"),
        ("avatar_url", "https://example.org/a\nb", "users_avatar_url_check"),
        ("avatar_url", "https://example.org/<script>", "users_avatar_url_check"),
        ("avatar_url", "javascript:alert(1)", "users_avatar_url_check"),
        ("avatar_url", "http://example.org/a.png", "users_avatar_url_check"),
        ("locale", "english", "users_locale_check"),
        ("locale", "de_DE", "users_locale_check"),
        ("settings", "[]", "users_settings_check"),
        ("settings", json.dumps({"x": "y" * 65_536}), "users_settings_check"),
    ],
)
def test_values_out_of_range_are_refused_by_the_named_check(people, column, value, constraint):
    message = refused(people, psycopg.errors.CheckViolation, f"update public.users set {column} = %s", value)
    assert constraint in message


@pytest.mark.parametrize("locale", ["en", "de-CH", "zh-Hant-TW", "es-419"])
def test_language_tags_are_taken(people, locale):
    assert people.execute("update public.users set locale = %s", (locale,)).rowcount == 2


def test_a_change_is_dated(people):
    people.execute("update public.users set updated_at = '2001-01-01'")
    assert people.execute("select bool_and(updated_at >= created_at) from public.users").fetchone() == (True,)
