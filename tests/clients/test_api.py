"""supabase-js through PostgREST: what row policies and grants come to for the app's client, claims of every kind."""

import secrets
import time

from tests.clients.tokens import signed
from tests.clients.world import Programs
from tests.sql.provision import ADA, BOB


def tokens(secret: str) -> dict[str, str]:
    """Tokens by the name that api.mjs has for their bearers."""
    person = {"role": "authenticated"}
    unsigned = signed(secret, sub=ADA, **person).rpartition(".")[0]
    return {
        "anon": signed(secret, role="anon"),
        "ada": signed(secret, sub=ADA, **person),
        "bob": signed(secret, sub=BOB, **person),
        "service": signed(secret, role="service_role"),
        "nobody": signed(secret, **person),
        "text": signed(secret, sub="clerk_2b9", **person),
        "injection": signed(secret, sub="' or true --", **person),
        "forged": signed(secrets.token_urlsafe(32), sub=ADA, **person),
        "unsigned": f"{unsigned}.",
        "expired": signed(secret, sub=ADA, exp=int(time.time()) - 3600, **person),
        "owner": signed(secret, sub=ADA, role="app_owner"),
        "superuser": signed(secret, sub=ADA, role="postgres"),
        "authjs": signed(secret, sub=ADA, role="authjs"),
    }


def test_the_app_reaches_what_the_policies_say_and_nothing_else(
    programs: Programs, api: str, jwt_secret: str, people: None
) -> None:
    results = programs.run("api.mjs", url=api, tokens=tokens(jwt_secret), ada=ADA, bob=BOB)
    assert len(results) == 21
    assert {name: verdict for name, verdict in results.items() if verdict != "ok"} == {}
