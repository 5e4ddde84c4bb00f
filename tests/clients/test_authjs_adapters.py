"""Auth.js' own adapters against our tables: the same contract for both."""

from tests.clients.tokens import signed
from tests.clients.world import Complete, Programs

ACCOUNT = [
    *("access_token", "expires_at", "id", "id_token", "provider", "providerAccountId", "refresh_token", "scope"),
    *("session_state", "token_type", "type", "userId"),
]
CONTRACT = 15


def failed(results: dict[str, str]) -> dict[str, str]:
    """What didn't hold; that something ran at all is part of it."""
    assert len(results) == CONTRACT, f"{len(results)} of {CONTRACT} tests ran"
    return {name: verdict for name, verdict in results.items() if verdict != "ok"}


def test_the_postgres_adapter_finds_what_it_expects_through_auth_url(programs: Programs, complete: Complete) -> None:
    results = programs.run(
        "authjs_adapter.mjs",
        adapter="pg",
        url=complete.url("authjs"),
        accountColumns=ACCOUNT,
        returnsAccounts=True,
        readsTokens=True,
    )
    assert failed(results) == {}


def test_the_supabase_adapter_finds_what_it_expects_through_postgrest(
    programs: Programs, api: str, jwt_secret: str
) -> None:
    results = programs.run(
        "authjs_adapter.mjs",
        adapter="supabase",
        url=api,
        key=signed(jwt_secret, role="service_role"),
        accountColumns=sorted([*ACCOUNT, "oauth_token", "oauth_token_secret"]),
    )
    assert failed(results) == {}
