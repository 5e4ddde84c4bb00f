"""Auth.js' own adapters against our tables: the same contract for both, and sign-ins as Auth.js' core makes them."""

import json

from tests.clients.tokens import signed
from tests.clients.world import Complete, Programs
from tests.sql.provision import ADA, Connection, acting_as, row

ACCOUNT = [
    *("access_token", "expires_at", "id", "id_token", "provider", "providerAccountId", "refresh_token", "scope"),
    *("session_state", "token_type", "type", "userId"),
]
CONTRACT = 16


SIGN_INS = 5
# Who sees an invitation to the address of their sign-up, by the list of providers whose word counts.
SEEN = {
    ("apple", "google"): {"google", "late", "link", "mixed"},
    ("github",): {"github", "victim", "late", "link", "mixed"},
    (): {"link", "mixed"},
}


def failed(results: dict[str, str], expected: int = CONTRACT) -> dict[str, str]:
    """What didn't hold; that something ran at all is part of it."""
    assert len(results) == expected, f"{len(results)} of {expected} tests ran"
    return {name: verdict for name, verdict in results.items() if verdict != "ok"}


def everything_is_sealed(admin: Connection) -> bool:
    """Whether there are tokens, and none of them lies open."""
    return {key for (key,) in admin.execute("select key from private.tokens_by_key()")} == {"k1"}


def heavy(admin: Connection, name: str) -> str:
    """The id of a person with more rows than go in the statement that deletes an account."""
    sign_up = "insert into next_auth.users (name, email) values (%s, %s || '@heavy.example.org') returning id::text"
    (person,) = row(admin, sign_up, (name, name))
    insert = "insert into analytics.user_activity (user_id, action) select %s, 'a.b' from generate_series(1, 3000)"
    admin.execute(insert.encode(), (person,))
    return str(person)


def is_leaving(admin: Connection, person: str) -> bool:
    """Whether somebody has left, and something of theirs is still to be deleted."""
    return row(admin, "select %s::uuid = any(private.leaving())", (person,)) == (True,)


def test_the_postgres_adapter_finds_what_it_expects_through_auth_url(
    programs: Programs, complete: Complete, admin: Connection
) -> None:
    much = heavy(admin, "pg")
    results = programs.run(
        "authjs_adapter.mjs",
        adapter="pg",
        heavy=much,
        url=complete.auth_url,
        accountColumns=ACCOUNT,
        returnsAccounts=True,
        readsTokens=True,
    )
    assert failed(results) == {}
    assert everything_is_sealed(admin)
    assert is_leaving(admin, much)


def test_the_supabase_adapter_finds_what_it_expects_through_postgrest(
    programs: Programs, api: str, jwt_secret: str, admin: Connection
) -> None:
    much = heavy(admin, "supabase")
    results = programs.run(
        "authjs_adapter.mjs",
        adapter="supabase",
        heavy=much,
        url=api,
        key=signed(jwt_secret, role="service_role"),
        accountColumns=sorted([*ACCOUNT, "oauth_token", "oauth_token_secret"]),
    )
    assert failed(results) == {}
    assert everything_is_sealed(admin)
    assert is_leaving(admin, much)


def invitations_are_seen_by_who_proved_the_address(admin: Connection, domain: str) -> None:
    """Each person that signed up is invited by address, and asks under each list of providers."""
    people = dict(
        admin.execute(
            "select split_part(email, '@', 1), id from next_auth.users where email like %s", (f"%@{domain}",)
        ).fetchall()
    )
    assert people.keys() == {"google", "unverified", "github", "link", "victim", "late", "mixed"}
    with admin.transaction(force_rollback=True):
        admin.execute(
            "insert into public.collaborators (project_id, email) "
            "select p.id, u.email from public.projects as p, next_auth.users as u "
            "where p.owner_id = %s and p.title = 'private' and u.email like %s",
            (ADA, f"%@{domain}"),
        )
        for providers, expected in SEEN.items():
            setting = "update private.settings set value = %s where name = 'verifyingProviders'"
            admin.execute(setting.encode(), (json.dumps(providers),))
            seen = set()
            for name, person in people.items():
                with acting_as(admin, "authenticated", {"role": "authenticated", "sub": str(person)}) as session:
                    if row(session, "select count(*) from public.my_invitations()") == (1,):
                        seen.add(name)
            assert seen == expected, providers


def test_invitations_reach_whom_auth_js_signs_in_over_the_postgres_adapter(
    programs: Programs, complete: Complete, admin: Connection, people: None
) -> None:
    results = programs.run("authjs_core.mjs", adapter="pg", url=complete.auth_url)
    assert failed(results, SIGN_INS) == {}
    invitations_are_seen_by_who_proved_the_address(admin, "pg.example.org")


def test_invitations_reach_whom_auth_js_signs_in_over_the_supabase_adapter(
    programs: Programs, api: str, jwt_secret: str, admin: Connection, people: None
) -> None:
    results = programs.run("authjs_core.mjs", adapter="supabase", url=api, key=signed(jwt_secret, role="service_role"))
    assert failed(results, SIGN_INS) == {}
    invitations_are_seen_by_who_proved_the_address(admin, "supabase.example.org")
