"""What the target `supabase` takes as the way to a project, and what it refuses in one line."""

import pulumi
import pytest

import targets
from declared import connectionurl
from declared.errors import UserError

DIRECT = "postgresql://postgres:geheim@db.abcdefghijklmnop.supabase.co/postgres"
REFUSED = {
    "postgresql://postgres.abcdefghijklmnop:geheim@aws-0-eu-central-1.pooler.supabase.com:5432/postgres": (
        "login 'postgres.abcdefghijklmnop', which is the pooler's name for a login of project abcdefghijklmnop: .* use "
        "the direct connection, postgres@db.abcdefghijklmnop.supabase.co:5432"
    ),
    "postgresql://postgres:geheim@db.abcdefghijklmnop.supabase.co:6543/postgres": "which is a pooler: in transaction",
    DIRECT.replace(".co/", ".co,db.example.org/"): "database:url names several hosts",
    "postgresql://postgres:geheim@AWS-0-EU.POOLER.supabase.com/postgres": "which is a pooler: in transaction",
    f"{DIRECT}?host=db.abcdefghijklmnop.supabase.co,127.0.0.1": "database:url names several hosts",
    f"{DIRECT}?hostaddr=192.0.2.1,192.0.2.2&host=a,b": "database:url names several hosts",
    f"{DIRECT}?sslmode=disable": "database:url has sslmode=disable, which may send everything unencrypted",
    f"{DIRECT}?sslmode=prefer": "database:url has sslmode=prefer",
}


@pytest.mark.parametrize("url", REFUSED)
def test_what_leads_past_the_project_is_refused(url):
    with pytest.raises(UserError, match=REFUSED[url]) as refused:
        targets.of("supabase").reach(connectionurl.parse(url))
    assert "geheim" not in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("given", "mode"),
    [
        ("", "require"),
        ("?sslrootcert=/ca.crt", "verify-full"),
        ("?sslmode=verify-ca&sslrootcert=/ca.crt", "verify-ca"),
    ],
)
def test_connections_are_encrypted_and_checked_where_there_is_a_certificate(given, mode):
    found = targets.of("supabase").reach(connectionurl.parse(DIRECT + given))
    assert found["sslmode"] == mode


def test_without_a_url_it_says_which_one_is_needed():
    with pytest.raises(UserError, match="set database:url to the direct connection"):
        targets.of("supabase").server("staging", None, pulumi.ResourceOptions())
