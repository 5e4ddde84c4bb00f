"""Each rule of the catalogue sees what it is about, and has nothing to say on what `make up` makes."""

from dataclasses import replace

import psycopg
import pytest

from ops.audit.declared import AuditedDeclaration
from ops.audit.model import Audited, NotSeen, Severity, apply
from ops.audit.registry import RULES
from ops.audit.run import look
from tests.audit.cases import CASES, Case
from tests.audit.test_audit_beside import BESIDE
from tests.sql import provision
from tests.sql.trail import NEWEST, unguarded

BY_ID = {rule.id: rule for rule in RULES}
# These look at what is beside the database: S3, the state, files.
OF_THE_DATABASE = [rule for rule in RULES if rule.id not in BESIDE]
# Rules whose breaking takes a server of its own, or statistics that a transaction doesn't write.
ELSEWHERE = {"audit-trail-broken", "setting-weak", "login-method", "listens-everywhere", "index-unused", "table-bloat"}


def objects(audited: Audited, rule: str) -> dict[str, Severity]:
    return {finding.object: finding.severity for finding in apply(BY_ID[rule], audited)}


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.rule}: {case.statement[:50]}")
def test_a_rule_sees_what_it_is_about(audited, case: Case):
    before = objects(audited, case.rule)
    if case.statement:
        audited.connection.execute(case.statement.encode())
        assert before.get(case.object) is None, "the case proves nothing"
    # Who is exposed is asked once for each audit, so this is another one.
    found = objects(replace(audited), case.rule)
    assert found.get(case.object) is Severity[case.severity or BY_ID[case.rule].severity.name], found


def test_nothing_is_said_above_info_on_what_up_makes(audited):
    findings, skipped = look(audited, OF_THE_DATABASE)
    assert [finding for finding in findings if finding.severity > Severity.info] == []
    assert skipped == ()
    assert findings, "what is for information is said, or nothing was looked at"


def test_an_edited_entry_of_the_trail_is_named_by_its_place(audited):
    audited.connection.execute("insert into next_auth.users (email) values ('edited@example.org')")
    ((lane, entry),) = audited.connection.execute(NEWEST).fetchall()
    with unguarded(audited.connection):
        audited.connection.execute("update audit.log set login = 'x' where lane = %s and entry = %s", (lane, entry))
    assert f"audit.log lane {lane}, entry {entry}" in objects(audited, "audit-trail-broken")


@pytest.mark.parametrize(
    ("statement", "object", "said"),
    [
        ("grant service_role to authenticator with inherit true", "role authenticator",
         "it is a member of service_role and has its privileges without becoming it"),
        ("grant anon to authenticator with set false", "role authenticator",
         "it is a member of anon and can't become it"),
        ("grant pg_monitor to monitor with inherit false", "role monitor",
         "it is a member of pg_monitor and has none of its privileges before it becomes it"),
    ],
)  # fmt: skip
def test_an_option_of_a_declared_membership_is_reported_and_the_repair_puts_it_back(audited, statement, object, said):
    if audited.connection.info.server_version < 160000:
        pytest.skip("a membership has no such option before PostgreSQL 16")
    rule = BY_ID["membership-option"]
    assert apply(rule, audited) == []
    audited.connection.execute(statement.encode())
    (finding,) = apply(rule, audited)
    assert (finding.object, finding.reason) == (object, said)
    audited.connection.execute(finding.repair.encode())
    assert apply(rule, audited) == []


def test_every_rule_has_a_case():
    covered = {case.rule for case in CASES} | ELSEWHERE | BESIDE
    assert covered == set(BY_ID)


def test_rules_have_one_name_each():
    assert len(BY_ID) == len(RULES)


def test_an_empty_database_is_not_clean(server):
    with psycopg.connect(server.url("template1"), autocommit=True) as connection:
        connection.execute("set search_path = ''")
        findings, _ = look(Audited(connection, AuditedDeclaration()), [BY_ID["declared-missing"]])
    assert {finding.object for finding in findings} >= {"table public.projects", "schema next_auth"}


def test_a_login_that_may_not_look_is_told_so_and_not_that_all_is_well(audited):
    audited.connection.execute("set local role monitor")
    with pytest.raises(NotSeen, match=r"permission denied for .*pg_authid; audit as the login that provisions"):
        apply(BY_ID["password-not-scram"], audited)


def test_each_repair_of_a_grant_repairs_it(audited):
    """The sentence is run as it stands: one that doesn't help is worse than none."""
    for case in CASES:
        if case.rule not in ("grant-undeclared", "schema-create", "role-attribute", "default-privileges-given"):
            continue
        with audited.connection.transaction(force_rollback=True):
            audited.connection.execute(case.statement.encode())
            broken = [finding for finding in apply(BY_ID[case.rule], audited) if finding.object == case.object]
            for finding in broken:
                # What hangs on a membership is repaired there.
                if case.statement != "grant app_owner to anon":
                    audited.connection.execute(finding.repair.encode())
            still = objects(audited, case.rule)
            assert broken
            assert case.object not in still or case.statement == "grant app_owner to anon", case


def test_an_index_that_nobody_asks_and_a_table_full_of_dead_rows_are_reported(url):
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            "set search_path = ''; create table private.worn (id int, other int) with (autovacuum_enabled = off); "
            "create index worn_other on private.worn (other); "
            "insert into private.worn select n, n from generate_series(1, 110000) n; delete from private.worn"
        )
        try:
            for _ in range(1000):
                connection.execute("select 1 from private.worn limit 1")
            connection.execute("select pg_stat_force_next_flush()")
            audited = Audited(connection, AuditedDeclaration())
            assert objects(audited, "index-unused") == {"index private.worn_other": Severity.info}
            assert objects(audited, "table-bloat") == {"table private.worn": Severity.info}
        finally:
            connection.execute("drop table private.worn")


def test_a_weak_server_is_reported_setting_by_setting(weak):
    weak.execute("set search_path = ''")
    audited = Audited(weak, AuditedDeclaration())
    assert objects(audited, "setting-weak") == {
        "setting password_encryption": Severity.high,
        "setting fsync": Severity.critical,
        "setting full_page_writes": Severity.high,
        "setting log_connections": Severity.low,
        "setting log_statement": Severity.low,
        "setting log_line_prefix": Severity.low,
        "setting log_timezone": Severity.low,
        "setting log_min_duration_statement": Severity.low,
        "setting log_lock_waits": Severity.low,
        "setting track_io_timing": Severity.info,
    }
    assert objects(audited, "listens-everywhere") == {"setting listen_addresses": Severity.medium}
    assert objects(audited, "tls") == {
        "setting ssl": Severity.high,
        "setting ssl_min_protocol_version": Severity.medium,
    }
    (known,) = provision.row(weak, "show shared_preload_libraries")
    assert known.endswith("pg_prewarm")
    found = [finding.reason for finding in apply(BY_ID["library-loaded"], audited)]
    assert found[0] == "pg_prewarm runs inside the server, and isn't one that is known"
    assert len(found) == 3
    assert found[2].startswith("pg_stat_statements isn't loaded")


def test_each_line_that_lets_in_without_a_password_or_in_clear_text_is_reported(weak):
    weak.execute("set search_path = ''")
    found = apply(BY_ID["login-method"], Audited(weak, AuditedDeclaration()))
    lines = {finding.object.split("(")[1].rstrip(")"): finding.severity for finding in found}
    assert lines == {
        "host all all 0.0.0.0": Severity.critical,
        "host all all 10.0.0.0": Severity.medium,
        "host all all 192.168.0.0": Severity.medium,
        # This server has no TLS at all, so that the line lets nobody in.
        "hostssl all all 172.16.0.0": Severity.medium,
    }
