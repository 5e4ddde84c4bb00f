"""Invitations: by id and by address, whose address counts, when they end, how many a person makes."""

import base64
import json
import threading

import psycopg
import pytest

from tests.sql.provision import ADA, BOB, Connection, acting_as, code, refused, row

CARL = "00000000-0000-7000-8000-00000000000c"
INVITE = "insert into public.collaborators (project_id, {}, role, invited_by) values (%s, %s, %s, %s) returning id"
# 50,000 lists in each other, which no parser of JSON takes.
NESTED = "a." + base64.b64encode(b"[" * 50_000).decode() + ".c"
ACCEPT = "select public.accept_invitation(%s)"
DECLINE = "select public.decline_invitation(%s)"
LISTED = "select id, role from public.my_invitations()"
SET = (
    "insert into private.settings (name, value) values (%s, %s) on conflict (name) do update set value = excluded.value"
)


@pytest.fixture
def guests(people: Connection) -> Connection:
    """Ada and Bob, and Bob's address is proved by a link."""
    people.execute('update next_auth.users set "emailVerified" = now() where id = %s', (BOB,))
    return people


def asking(connection: Connection, person: str):
    return acting_as(connection, "authenticated", {"role": "authenticated", "sub": person})


def become(session: Connection, person: str) -> None:
    """Go on as somebody else within the same transaction."""
    claims = json.dumps({"role": "authenticated", "sub": person})
    session.execute("select set_config('request.jwt.claims', %s, true)", (claims,))


def shared(connection: Connection) -> str:
    return str(row(connection, "select id from public.projects where owner_id = %s and title = 'private'", (ADA,))[0])


def invite(session: Connection, project: str, to: str, role: str = "viewer") -> str:
    """An invitation of Ada's, to a person or to an address; its id."""
    column = "email" if "@" in to else "user_id"
    return str(row(session, INVITE.format(column), (project, to, role, ADA))[0])


def rows(connection: Connection, project: str) -> list[tuple[str, str | None, bool]]:
    """Who is in a project or invited: role, address, whether accepted."""
    query = "select role, email, accepted_at is not null from public.collaborators where project_id = %s order by id"
    return connection.execute(query.encode(), (project,)).fetchall()


def link(connection: Connection, person: str, kind: str, provider: str, token: str | None = None) -> None:
    """What Auth.js' login writes when it links an account."""
    connection.execute("set local role authjs")
    connection.execute(
        'insert into next_auth.accounts ("userId", type, provider, "providerAccountId", id_token) '
        "values (%s, %s, %s, %s, %s)",
        (person, kind, provider, f"{provider} {person}", token),
    )
    connection.execute("reset role")


def sign_up(connection: Connection, person: str, address: str) -> None:
    connection.execute("insert into next_auth.users (id, email) values (%s, %s)", (person, address))


def listed(connection: Connection, person: str) -> int:
    with asking(connection, person) as session:
        return len(session.execute(LISTED.encode()).fetchall())


# Whose address it is.


def test_the_word_of_a_provider_counts_while_it_is_in_the_list_and_linked(guests):
    guests.execute(SET.encode(), ("verifyingProviders", '["github"]'))
    sign_up(guests, CARL, "carl@example.org")
    invite(guests, shared(guests), "carl@example.org")
    assert listed(guests, CARL) == 0, "an address alone is anybody's to give"
    link(guests, CARL, "oauth", "github")
    assert listed(guests, CARL) == 1
    guests.execute(SET.encode(), ("verifyingProviders", '["google"]'))
    assert listed(guests, CARL) == 0
    guests.execute(SET.encode(), ("verifyingProviders", '["github"]'))
    guests.execute('delete from next_auth.accounts where "userId" = %s', (CARL,))
    assert listed(guests, CARL) == 0


@pytest.mark.parametrize("first", ["discord", None])
def test_an_account_linked_later_proves_no_address_that_was_there_before(guests, first):
    """Signed up with the victim's address where nobody verifies it, then linked to a GitHub account of one's own."""
    guests.execute(SET.encode(), ("verifyingProviders", '["github"]'))
    sign_up(guests, CARL, "victim@example.org")
    if first:
        link(guests, CARL, "oauth", first)
        guests.execute('delete from next_auth.accounts where "userId" = %s', (CARL,))
    else:
        guests.execute("update private.proved_addresses set proved_at = now() - interval '2 minutes'")
    invite(guests, shared(guests), "victim@example.org")
    link(guests, CARL, "oauth", "github")
    assert listed(guests, CARL) == 0


@pytest.mark.parametrize(
    "token",
    [
        None,
        "",
        "x",
        "a.b.c",
        "a.!!.c",
        "a.eyJ9.c",
        "a.gA.c",
        "a." + "e" * 20_000,
        "a.eyJlbWFpbCI6Ilx1MDAwMCJ9.c",
        NESTED,
    ],
)
def test_a_token_that_is_none_proves_nothing_and_stops_no_sign_in(guests, token):
    sign_up(guests, CARL, "carl@example.org")
    invite(guests, shared(guests), "carl@example.org")
    link(guests, CARL, "oidc", "google", token)
    assert listed(guests, CARL) == 0


def google(connection: Connection, account: str, address: str, verified: bool = True) -> None:
    """Carl links an account at Google, which says whose address it is."""
    claims = base64.urlsafe_b64encode(json.dumps({"email": address, "email_verified": verified}).encode()).decode()
    connection.execute(
        'insert into next_auth.accounts ("userId", type, provider, "providerAccountId", id_token) '
        "values (%s, 'oidc', 'google', %s, %s)",
        (CARL, account, f"h.{claims}.s"),
    )


def test_each_account_at_a_provider_proves_its_own_address_while_it_is_linked(guests):
    unlink = 'delete from next_auth.accounts where "providerAccountId" = %s'
    sign_up(guests, CARL, "carl@example.org")
    invite(guests, shared(guests), "carl@example.org")
    google(guests, "a", "carl@example.org")
    assert listed(guests, CARL) == 1
    google(guests, "b", "carl@work.example")
    assert listed(guests, CARL) == 1, "a second account takes nothing away"
    guests.execute(unlink.encode(), ("b",))
    assert listed(guests, CARL) == 1
    google(guests, "c", "carl@example.org", verified=False)
    guests.execute(unlink.encode(), ("a",))
    assert listed(guests, CARL) == 0, "another account of the provider says nothing for the one that is unlinked"
    google(guests, "a", "carl@example.org", verified=False)
    assert listed(guests, CARL) == 0, "nor does what the same account said before"


@pytest.mark.parametrize("role", ["authjs", "service_role"])
def test_another_address_is_not_proved_by_what_proved_the_one_before(guests, role):
    guests.execute(SET.encode(), ("verifyingProviders", '["github"]'))
    sign_up(guests, CARL, "carl@example.org")
    link(guests, CARL, "oauth", "github")
    invite(guests, shared(guests), "victim@example.org")
    for person in (BOB, CARL):
        guests.execute(f"set local role {role}".encode())
        # As @auth/pg-adapter does: every column, with what was there.
        guests.execute(
            'update next_auth.users set name = name, email = %s, "emailVerified" = "emailVerified" where id = %s',
            ("victim@example.org", person),
        )
        guests.execute("reset role")
        assert listed(guests, person) == 0
        guests.execute("update next_auth.users set email = %s where id = %s", (f"{person}@example.org", person))


def test_addresses_are_equal_without_regard_to_case(guests):
    for role in ("authjs", "service_role"):
        with acting_as(guests, role) as session:
            insert = "insert into next_auth.users (email) values (%s)"
            assert "users_email_key" in refused(session, psycopg.errors.UniqueViolation, insert, "Bob@Example.ORG")
            change = "update next_auth.users set email = 'ADA@example.org' where email = %s"
            refused(session, psycopg.errors.UniqueViolation, change, "bob@example.org")
    project = shared(guests)
    invite(guests, project, " BOB@example.org ")
    assert rows(guests, project) == [("viewer", "bob@example.org", False)]
    assert listed(guests, BOB) == 1
    refused(guests, psycopg.errors.UniqueViolation, INVITE.format("email"), project, "bOB@example.org", "viewer", ADA)


@pytest.mark.parametrize(
    ("typed", "address"),
    [
        ("ÄB@Müller.example", "äb@müller.example"),
        ("ŁUKASZ@example.org", "łukasz@example.org"),
        ("ΝΊΚΗ@example.org", "νίκη@example.org"),
        ("ЮРИЙ@example.org", "юрий@example.org"),
    ],
)
def test_letters_beyond_ascii_are_folded_as_auth_js_does(guests, typed, address):
    assert typed.lower() == address
    sign_up(guests, CARL, typed)
    assert row(guests, "select email from next_auth.users where id = %s", (CARL,)) == (address,)
    guests.execute('update next_auth.users set "emailVerified" = now() where id = %s', (CARL,))
    invite(guests, shared(guests), typed)
    assert listed(guests, CARL) == 1


# Accepting and declining.


@pytest.mark.parametrize("taken", [0, 1])
def test_by_id_and_by_address_is_one_invitation_with_the_stronger_role(guests, taken):
    project = shared(guests)
    with asking(guests, ADA) as session:
        both = [invite(session, project, BOB, "viewer"), invite(session, project, "bob@example.org", "editor")]
        become(session, BOB)
        assert [role for _, role in session.execute(LISTED.encode())] == ["editor"], "one, with what it gives"
        session.execute(ACCEPT.encode(), (both[taken],))
        assert session.execute(LISTED.encode()).fetchall() == []
        assert code(session, ACCEPT, both[1 - taken]) == "PT404"
        become(session, ADA)
        assert rows(session, project) == [("editor", None, True)]


def test_an_invitation_by_address_to_a_member_ends_in_the_membership(guests):
    project = shared(guests)
    with asking(guests, ADA) as session:
        first = invite(session, project, BOB, "editor")
        become(session, BOB)
        session.execute(ACCEPT.encode(), (first,))
        become(session, ADA)
        second = invite(session, project, "bob@example.org", "viewer")
        become(session, BOB)
        session.execute(ACCEPT.encode(), (second,))
        become(session, ADA)
        assert rows(session, project) == [("editor", None, True)]


def test_who_owns_the_project_is_shown_no_invitation_to_it_and_accepts_none(guests):
    project = shared(guests)
    with asking(guests, ADA) as session:
        kept = invite(session, project, "bob@example.org")
        guests.execute("reset role")
        guests.execute("update public.projects set owner_id = %s where id = %s", (BOB, project))
        guests.execute("set local role authenticated")
        become(session, BOB)
        assert session.execute(LISTED).fetchall() == []
        assert code(session, ACCEPT, kept) == "PT404"


@pytest.mark.parametrize(
    "address",
    [
        "%@%",
        "a b@example.org",
        "a\tb@example.org",
        "a@b@example.org",
        "@example.org",
        "a@",
        "a\u00a0@example.org",
        "a\u200b@example.org",
    ],
)
def test_an_address_that_nobody_can_have_is_refused(guests, address):
    with asking(guests, ADA) as session:
        refused(session, psycopg.errors.CheckViolation, INVITE.format("email"), shared(guests), address, "viewer", ADA)


@pytest.mark.parametrize(
    "address", ["o'neil+tag@example.org", "müller@münchen.example", "a%b@example.org", "x@localhost"]
)
def test_an_unusual_address_is_taken(guests, address):
    with asking(guests, ADA) as session:
        invite(session, shared(guests), address)


@pytest.mark.parametrize("to", [BOB, "bob@example.org"])
def test_who_was_invited_declines_and_nobody_else_does(guests, to):
    project = shared(guests)
    with asking(guests, ADA) as session:
        invitation = invite(session, project, to)
        invite(session, project, "bob@example.org" if to == BOB else BOB)
        assert code(session, DECLINE, invitation) == "PT404"
        become(session, BOB)
        session.execute(DECLINE.encode(), (invitation,))
        assert code(session, DECLINE, invitation) == "PT404"
        assert session.execute(LISTED.encode()).fetchall() == []
        become(session, ADA)
        assert rows(session, project) == []


def test_declining_never_ends_a_membership(guests):
    project = shared(guests)
    with asking(guests, ADA) as session:
        first = invite(session, project, BOB)
        become(session, BOB)
        session.execute(ACCEPT.encode(), (first,))
        assert code(session, DECLINE, first) == "PT404"
        become(session, ADA)
        second = invite(session, project, "bob@example.org")
        become(session, BOB)
        session.execute(DECLINE.encode(), (second,))
        become(session, ADA)
        assert rows(session, project) == [("viewer", None, True)]


def test_whoever_invites_learns_of_no_persons_address(guests):
    """Invited by id first: an address that is that person's is answered as any other is."""
    project = shared(guests)
    with asking(guests, ADA) as session:
        invite(session, project, BOB)
        for address in ("bob@example.org", "nobody@example.org"):
            invite(session, project, address)
        query = "select user_id, email, role from public.collaborators where project_id = %s and email is not null"
        assert sorted(session.execute(query.encode(), (project,)).fetchall()) == [
            (None, "bob@example.org", "viewer"),
            (None, "nobody@example.org", "viewer"),
        ]


# When it ends.


def expire(connection: Connection, project: str) -> None:
    connection.execute(
        "update public.collaborators set expires_at = now() where project_id = %s and accepted_at is null", (project,)
    )


def test_an_invitation_lasts_as_long_as_the_setting_says(guests):
    project = shared(guests)
    for days in (14, 3):
        guests.execute(SET.encode(), ("invitationDays", str(days)))
        guests.execute("delete from public.collaborators")
        with asking(guests, ADA) as session:
            invite(session, project, BOB)
            become(session, BOB)
            lasts = "select expires_at - invited_at = make_interval(days => %s) from public.my_invitations()"
            assert row(session, lasts, (days,)) == (True,)


@pytest.mark.parametrize("to", [BOB, "bob@example.org"])
def test_an_expired_invitation_is_over_for_everybody(guests, to):
    project = shared(guests)
    invitation = invite(guests, project, to, "admin")
    expire(guests, project)
    assert listed(guests, BOB) == 0
    with asking(guests, BOB) as session:
        for statement in (ACCEPT, DECLINE):
            assert code(session, statement, invitation) == "PT404"
    with asking(guests, ADA) as session:
        hide = "update public.projects set visibility = 'private' where id = %s"
        assert session.execute(hide.encode(), (project,)).rowcount == 1
    with asking(guests, ADA) as session:
        # It is in no new one's way, and its role doesn't come back with one by another key.
        again = invite(session, project, to)
        become(session, BOB)
        session.execute(ACCEPT.encode(), (again,))
        become(session, ADA)
        assert rows(session, project) == [("viewer", None, True)]
    with asking(guests, ADA) as session:
        other = invite(session, project, "bob@example.org" if to == BOB else BOB)
        become(session, BOB)
        session.execute(ACCEPT.encode(), (other,))
        become(session, ADA)
        assert [(role, accepted) for role, _, accepted in rows(session, project) if accepted] == [("viewer", True)]


def test_housekeeping_deletes_what_is_over_and_nothing_else(guests):
    project = shared(guests)
    for to in (BOB, "old@example.org"):
        invite(guests, project, to)
    expire(guests, project)
    invite(guests, project, "new@example.org")
    guests.execute("insert into private.invitation_counts values (%s, '2000-01-01', 5)", (ADA,))
    with acting_as(guests, "app_owner") as session:
        assert row(session, "select ops.forget_invitations()") == (2,)
        session.execute("reset role")
        assert [address for _, address, _ in rows(guests, project)] == ["new@example.org"]
        assert row(guests, "select count(*) from private.invitation_counts") == (0,)


# How many.


def test_a_person_invites_so_many_in_a_day_whatever_becomes_of_them(guests):
    project = shared(guests)
    guests.execute(SET.encode(), ("invitationsPerDay", "3"))
    with asking(guests, ADA) as session:
        for number in range(3):
            invite(session, project, f"{number}@example.org")
            session.execute("delete from public.collaborators where project_id = %s", (project,))
        statement = INVITE.format("email")
        told = refused(session, psycopg.errors.InsufficientPrivilege, statement, project, "x@e.org", "viewer", ADA)
        assert "these would be 4 invitations today, and a person may make 3 in a day" in told
        session.execute("reset role")
        session.execute("update private.invitation_counts set day = day - 1")
        session.execute("set local role authenticated")
        many = (
            "insert into public.collaborators (project_id, email, invited_by) "
            "select %s, n || '@example.org', %s from generate_series(1, {}) as n"
        )
        refused(session, psycopg.errors.InsufficientPrivilege, many.format(4), project, ADA)
        assert session.execute(many.format(3).encode(), (project, ADA)).rowcount == 3


def test_far_too_many_at_once_are_refused_at_the_first_that_is_too_many(guests):
    project = shared(guests)
    many = (
        "insert into public.collaborators (project_id, email, invited_by) "
        "select %s, n || '@example.org', %s from generate_series(1, 200000) as n"
    )
    with asking(guests, ADA) as session:
        session.execute("set local statement_timeout = '2s'")
        told = refused(session, psycopg.errors.InsufficientPrivilege, many, project, ADA)
        assert "these would be 101 invitations today, and a person may make 100 in a day" in told
        invite(session, project, "1@example.org")


def test_servers_and_memberships_that_nobody_was_invited_to_are_not_counted(guests):
    project = shared(guests)
    guests.execute(SET.encode(), ("invitationsPerDay", "1"))
    with acting_as(guests, "service_role", {"role": "service_role"}) as session:
        for number in range(3):
            invite(session, project, f"{number}@example.org")
    first = invite(guests, project, BOB)
    with asking(guests, BOB) as session:
        session.execute(ACCEPT.encode(), (first,))
        become(session, ADA)
        invite(session, project, "one@example.org")
        session.execute("select public.transfer_project(%s, %s)", (project, BOB))


# Two at once.


def at_once(alone: Connection, first: tuple[str, tuple[str, ...]], second: tuple[str, tuple[str, ...]]) -> str:
    """Both as Ada: the second begins before the first has committed. What the second ended with."""
    outcome = []
    with psycopg.connect(alone.info.dsn, password=alone.info.password, autocommit=True) as other:

        def later() -> None:
            try:
                with other.transaction():
                    other.execute("set local role authenticated")
                    become(other, ADA)
                    other.execute(second[0].encode(), second[1])
                outcome.append("done")
            except psycopg.Error as error:
                outcome.append(error.sqlstate)

        with alone.transaction():
            alone.execute("set local role authenticated")
            become(alone, ADA)
            alone.execute(first[0].encode(), first[1])
            waiting = threading.Thread(target=later)
            waiting.start()
            waiting.join(0.5)
            assert waiting.is_alive(), "the second waits for the first"
        waiting.join()
    return outcome[0]


@pytest.mark.parametrize("inviting_first", [True, False])
def test_inviting_while_the_project_becomes_private_has_one_outcome(alone, inviting_first):
    project = shared(alone)
    alone.execute("update public.projects set visibility = 'shared' where id = %s", (project,))
    inviting = (INVITE.format("user_id"), (project, BOB, "viewer", ADA))
    hiding = ("update public.projects set visibility = 'private' where id = %s", (project,))
    if inviting_first:
        assert at_once(alone, inviting, hiding) == "23514"
    else:
        assert at_once(alone, hiding, inviting) == "done"
    assert row(alone, "select visibility from public.projects where id = %s", (project,)) == ("shared",)
    assert rows(alone, project) == [("viewer", None, False)]


def test_a_transaction_that_sees_no_invitation_made_meanwhile_makes_no_project_private(alone):
    project = shared(alone)
    alone.execute("update public.projects set visibility = 'shared' where id = %s", (project,))
    with psycopg.connect(alone.info.dsn, password=alone.info.password, autocommit=True) as strict:
        strict.execute("begin isolation level repeatable read")
        strict.execute("select from public.projects")
        invite(alone, project, BOB)
        hide = "update public.projects set visibility = 'private' where id = %s"
        refused(strict, psycopg.errors.SerializationFailure, hide, project)


@pytest.mark.parametrize(
    "change",
    [
        "update public.collaborators set role = 'editor' where project_id = %s",
        "delete from public.collaborators where project_id = %s",
    ],
)
def test_who_changes_several_collaborators_holds_the_project_before_any_of_them(alone, change):
    """Else a person who accepts holds the project and waits for a row, and the one who has it for another row."""
    project = shared(alone)
    for to in (BOB, "bob@example.org"):
        invite(alone, project, to)
    with psycopg.connect(alone.info.dsn, password=alone.info.password, autocommit=True) as owner:
        with alone.transaction():
            alone.execute("select from public.projects where id = %s for no key update", (project,))
            with asking(owner, ADA):
                owner.execute("set local lock_timeout = '20ms'")
                with pytest.raises(psycopg.errors.LockNotAvailable, match="projects"), owner.transaction():
                    owner.execute(change.encode(), (project,))
        with asking(owner, ADA):
            assert owner.execute(change.encode(), (project,)).rowcount == 2
