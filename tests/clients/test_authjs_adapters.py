"""Auth.js' own adapters against our tables: the same contract for both."""

from tests.clients.tokens import signed
from tests.clients.world import Complete, Programs
from tests.sql.provision import Connection

ACCOUNT = [
    *("access_token", "expires_at", "id", "id_token", "provider", "providerAccountId", "refresh_token", "scope"),
    *("session_state", "token_type", "type", "userId"),
]
CONTRACT = 15


def failed(results: dict[str, str]) -> dict[str, str]:
    """What didn't hold; that something ran at all is part of it."""
    assert len(results) == CONTRACT, f"{len(results)} of {CONTRACT} tests ran"
    return {name: verdict for name, verdict in results.items() if verdict != "ok"}


def everything_is_sealed(admin: Connection) -> bool:
    """Whether there are tokens, and none of them lies open."""
    return {key for (key,) in admin.execute("select key from private.tokens_by_key()")} == {"k1"}


def test_the_postgres_adapter_finds_what_it_expects_through_auth_url(
    programs: Programs, complete: Complete, admin: Connection
) -> None:
    results = programs.run(
        "authjs_adapter.mjs",
        adapter="pg",
        url=complete.auth_url,
        accountColumns=ACCOUNT,
        returnsAccounts=True,
        readsTokens=True,
    )
    assert failed(results) == {}
    assert everything_is_sealed(admin)


def test_the_supabase_adapter_finds_what_it_expects_through_postgrest(
    programs: Programs, api: str, jwt_secret: str, admin: Connection
) -> None:
    results = programs.run(
        "authjs_adapter.mjs",
        adapter="supabase",
        url=api,
        key=signed(jwt_secret, role="service_role"),
        accountColumns=sorted([*ACCOUNT, "oauth_token", "oauth_token_secret"]),
    )
    assert failed(results) == {}
    assert everything_is_sealed(admin)
