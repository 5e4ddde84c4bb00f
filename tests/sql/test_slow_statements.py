"""What statements cost, for the monitor and nobody else; and how long each login may take."""

import psycopg
import pytest

from declared.roles import LIMITS, ROLES
from tests.sql.provision import ADA, Connection, acting_as, refused

LOGINS = [name for name, spec in ROLES.items() if spec.login]
SEEN = "select statement, role, calls, share from ops.slow_statements(100000) where statement like %s"


def test_the_monitor_sees_what_others_ask_without_their_values(people: Connection) -> None:
    with acting_as(people, "authenticated", {"sub": ADA}) as session:
        for word in ("first", "second"):
            session.execute("select title as told_apart from public.projects where title = %s", [word])
    with acting_as(people, "monitor") as session:
        (found,) = session.execute(SEEN, ["%told_apart%"]).fetchall()
        (most,) = session.execute("select * from ops.slow_statements(1)").fetchall()
    assert found[0] == "select title as told_apart from public.projects where title = $1"
    assert found[1:3] == ("authenticated", 2)
    assert 0 <= found[3] <= most[6] <= 1, "what costs most comes first"


@pytest.mark.parametrize("role", ["anon", "authenticated", "service_role", "authjs", "cleaner"])
@pytest.mark.parametrize(
    "query",
    [
        "select * from ops.slow_statements()",
        "select * from statistics.pg_stat_statements",
        "select * from statistics.pg_stat_statements(true)",
        "select * from statistics.pg_stat_statements_info",
        "select * from statistics.pg_stat_statements_info()",
    ],
)
def test_nobody_else_sees_who_asks_what_how_often(provisioned: Connection, role: str, query: str) -> None:
    with acting_as(provisioned, role) as session:
        refused(session, psycopg.errors.InsufficientPrivilege, query)


@pytest.mark.parametrize("login", LOGINS)
def test_every_login_says_how_long_it_may_take(provisioned: Connection, login: str) -> None:
    """0 is an answer too; it has its reason beside it."""
    query = "select rolconfig from pg_roles where rolname = %s"
    ((settings,),) = provisioned.execute(query, [login]).fetchall()
    found = dict(setting.split("=", 1) for setting in settings)
    assert found.keys() >= set(LIMITS)
    unlimited = {limit for limit in LIMITS if found[limit] == "0"}
    allowed = {"migrator": {"statement_timeout"}, "backup": set(LIMITS) - {"lock_timeout"}}
    assert unlimited == allowed.get(login, set())
