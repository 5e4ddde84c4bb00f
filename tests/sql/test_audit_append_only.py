"""The audit trail only grows: nobody changes it, and nobody but its owner role sees it."""

import psycopg
import pytest

from tests.sql import provision
from tests.sql.provision import acting_as, refused, row
from tests.sql.trail import SIGNED_IN, findings

AS_OWNER = "set local role app_owner"
WRITES = [
    "insert into {} select * from {}",
    "update {} set transaction = 1",
    "delete from {}",
    "truncate {}",
]


@pytest.mark.parametrize("who", ["reset role", AS_OWNER, "set local session_replication_role = replica"])
@pytest.mark.parametrize(
    "table", ["audit.log", "audit.log_default", "audit.log_2999_12", "audit.heads", "audit.retired"]
)
def test_nobody_changes_the_trail(people, who, table):
    assert row(people, "select count(*) from audit.log")[0] > 0
    if table == "audit.log_2999_12":
        # A month of the future, made as the scheduler makes it.
        made = row(people, "select ops.make_partitions(6)")[0]
        table = f"audit.{next(name for name in made if name.startswith('log_'))}"
    people.execute(who.encode())
    for write in WRITES:
        statement = write.format(table, table)
        if table == "audit.retired":
            if write.startswith("insert"):
                continue
            statement = statement.replace("transaction = 1", "heads = '{}'")
        said = refused(people, psycopg.errors.InsufficientPrivilege, statement)
        assert "only grows" in said, said
    people.execute("reset role")
    assert findings(people) == []


@pytest.mark.parametrize("role", ["anon", "authenticated", "service_role", "authjs", "monitor", "authenticator"])
def test_nobody_else_reads_writes_or_verifies_the_trail(people, role):
    (month,) = row(people, "select tableoid::regclass::text from audit.log limit 1")
    with acting_as(people, role, SIGNED_IN) as session:
        for table in ("audit.log", "audit.heads", "audit.retired", month):
            if (role, table) == ("authenticated", "audit.log"):
                # Super administrators are among them; a person who is none has the right, and no row.
                assert session.execute("select * from audit.log").fetchall() == []
            else:
                refused(session, psycopg.errors.InsufficientPrivilege, f"select 1 from {table}")
            refused(session, psycopg.errors.InsufficientPrivilege, f"delete from {table}")
        for call in ("audit.verify()", "audit.anchor()", "private.audit_write('a', 'b', '{}', '{}', '{}', '{}')"):
            refused(session, psycopg.errors.InsufficientPrivilege, f"select {call}")


def test_the_policies_that_come_with_the_migration_are_those_of_the_files(connection):
    provision.migrate_up(connection)
    policies = """
        select p.polname, p.polrelid::regclass::text, p.polcmd, p.polpermissive, p.polroles::regrole[]::text,
            pg_get_expr(p.polqual, p.polrelid), pg_get_expr(p.polwithcheck, p.polrelid),
            obj_description(p.oid, 'pg_policy')
        from pg_policy as p where p.polrelid::regclass::text ~ '^(audit|public)[.]' order by 1
    """
    brought = {*connection.execute(policies).fetchall()}
    assert {policy[1] for policy in brought} > {"audit.log", "public.projects", "public.project_components"}
    provision.apply_policies(connection)
    assert brought < {*connection.execute(policies).fetchall()}
