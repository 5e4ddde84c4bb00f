"""A stack's whole life on a server like Amazon RDS: no superuser, no BYPASSRLS, TLS alone."""

import gzip
import io
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, replace
from typing import IO, Any, ClassVar

import psycopg
import pyrage
import pytest
from psycopg import sql

from declared import connectionurl, sqlfiles
from declared.masking import COPIED
from declared.paths import CHECKOUT
from declared.roles import BACKUP, OWNER, SECOND
from harness import scratch, stack
from harness.schemadump import portable
from harness.stack import Stack, with_inputs
from local import postgres
from ops import rotation
from ops.archive import job, restoring
from ops.archive.copies import Copies, Manifest
from ops.audit import run
from ops.audit.model import Severity
from ops.backups import checking, making, places
from ops.backups.errors import BackupError
from ops.branches import copying, structure
from ops.environment import Environment
from provider.resources.role import BOUND
from run import engine
from tests.doubles import rdslike
from tests.doubles.rdslike import MASTER, RdsLike
from tests.sql import matrix, provision
from tests.sql.provision import refused

# One server, whose tests go on from each other.
pytestmark = pytest.mark.xdist_group("rdslike")
BOUND_ROLES = {f"roles-{role}: role {role}: {BOUND}" for role in ("service_role", BACKUP)}
# What destroy must leave as it found it: everything that isn't in one database, and what is in ours.
THEIRS = {
    "roles": "select to_jsonb(r) - 'rolpassword' from pg_roles as r order by rolname",
    "memberships": "select to_jsonb(m) from pg_auth_members as m order by oid",
    "databases": """select datname, datdba,
        array(select unnest(coalesce(datacl, acldefault('d', datdba)))::text order by 1)
        from pg_database order by 1""",
    "schemas": """select nspname, nspowner, nspacl::text from pg_namespace
        where nspname !~ '^pg_(toast_)?temp' order by 1""",
    "extensions": "select extname, extowner from pg_extension order by 1",
    "settings": "select to_jsonb(s) from pg_db_role_setting as s",
    "default privileges": "select to_jsonb(d) from pg_default_acl as d",
    "parameters": "select parname, paracl::text from pg_parameter_acl order by 1",
    "functions": "select oid::regprocedure::text, proacl::text from pg_proc where proacl is not null order by 1",
    "publications": "select pubname from pg_publication",
    "relations": "select oid::regclass::text from pg_class where oid >= 16384 order by 1",
}
REFUSALS = (psycopg.errors.InsufficientPrivilege, psycopg.errors.FeatureNotSupported)
REFUSED = (
    "alter system set work_mem = '1GB'",
    "select pg_read_file('PG_VERSION')",
    "copy (select 1) to program 'id'",
    "create function public.f() returns int language c as 'libc', 'getpid'",
    "create extension adminpack",
    "create extension pageinspect schema public",
    "create role stray bypassrls",
    "create role stray superuser",
    "create role stray replication",
    "alter role rdsadmin password 'x'",
    "grant rdsadmin to master",
    "set role rdsadmin",
    "select rolpassword from pg_authid",
)
GUARDED = """
    select c.oid::regclass::text from pg_class as c
    where c.relkind in ('r', 'p') and c.relrowsecurity order by 1
"""
NUMBER = f"{len(sqlfiles.steps(CHECKOUT / sqlfiles.MIGRATIONS.folder)) + 1:04}"
UP = f"-- {NUMBER} passing: goes again.\n-- Lock: new table only, none. Duration: instant.\n-- Down: loses nothing.\n\n"


@dataclass
class World:
    """The double, with a stack in it."""

    double: RdsLike
    stack: Stack
    before: dict[str, list[Any]]
    """What was there before the stack."""

    def everything(self) -> dict[str, list[Any]]:
        with psycopg.connect(self.double.platform()) as connection:
            return {name: connection.execute(query.encode()).fetchall() for name, query in THEIRS.items()}

    def manually(self, *statements: str, as_platform: bool = False) -> None:
        url = self.double.platform() if as_platform else self.double.url()
        with psycopg.connect(url, autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement.encode())

    def login(self, name: str) -> psycopg.Connection[Any]:
        password = self.stack.state[f"roles-{name}-password"].state["password"]
        return psycopg.connect(self.double.url(user=name, password=password), autocommit=True)


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    """A first preview, `up`, and a second preview that has nothing to say."""
    with rdslike.server() as double:
        world = World(double, Stack(double.url(), stack.declaration(rdslike.DATABASE)), {})
        world.before = world.everything()
        first = world.stack.preview()
        assert first.errors == {}
        assert set(first.messages) >= BOUND_ROLES, "it says what it won't get before anything is made"
        made = world.stack.up()
        assert made.errors == {}
        assert set(made.messages) == BOUND_ROLES
        assert world.stack.preview().text == []
        yield world


def test_the_double_refuses_what_rds_refuses(world):
    with psycopg.connect(world.double.url(), autocommit=True) as connection:
        done = []
        for statement in REFUSED:
            with suppress(*REFUSALS):
                connection.execute(statement.encode())
                done.append(statement)
        assert done == []
        # Who makes a role may pass it on, and is nobody in it.
        connection.execute("create role stray")
        refused(connection, psycopg.errors.InsufficientPrivilege, "set role stray")
        connection.execute("drop role stray")
    plain = connectionurl.compose({**connectionurl.parse(world.double.url()), "sslmode": "disable"})
    with pytest.raises(psycopg.OperationalError, match="no encryption"):
        psycopg.connect(plain)
    other = connectionurl.compose({**connectionurl.parse(world.double.url()), "sslrootcert": "/dev/null"})
    with pytest.raises(psycopg.OperationalError, match="certificate"):
        psycopg.connect(other)


def test_the_state_says_whom_row_security_binds(world):
    for role in ("service_role", BACKUP):
        thing = world.stack.state[f"roles-{role}"]
        assert thing.state["bypasses"] is False
        assert thing.inputs["bypassrls"] is True, "it is declared all the same"


def test_a_login_that_may_give_it_later_is_seen_and_gives_it(world):
    world.manually(f"alter role {MASTER} bypassrls", as_platform=True)
    try:
        seen = world.stack.preview()
        assert seen.changes == {f"roles-{role}": ["bypassrls"] for role in ("service_role", BACKUP)}
        said = "the login may give it bypassrls now"
        assert {*seen.messages} == {f"roles-{role}: role {role}: {said}" for role in ("service_role", BACKUP)}
        assert world.stack.up().errors == {}
        assert world.stack.preview().text == []
    finally:
        world.manually(f"alter role {MASTER} nobypassrls", as_platform=True)
    # What the login can't give any more isn't taken away by it either.
    assert world.stack.preview().text == []
    world.manually("alter role service_role nobypassrls", f"alter role {BACKUP} nobypassrls", as_platform=True)
    assert world.stack.preview().text == []


def test_manual_changes_are_named_and_repaired(world):
    world.manually(
        "alter policy projects_select_public on public.projects using (true)",
        "grant select on public.users to anon",
        "alter role backup connection limit 7",
    )
    seen = world.stack.preview()
    assert seen.errors == {}
    assert not any("isn't whole" in line or "can't be copied" in line for line in seen.messages), seen.messages
    assert set(seen.changes) == {"access-projects_select_public", "access-table-public.users", "roles-backup"}
    assert all(any(line.startswith(name) for line in seen.messages) for name in seen.changes)
    assert world.stack.up().errors == {}
    assert world.stack.preview().text == []


def test_a_login_that_no_longer_acts_as_the_owner_is_told_so_before_anything_is_changed(world):
    world.manually(f"revoke {OWNER} from {MASTER}")
    for stopped in (world.stack.preview(), world.stack.up()):
        (said,) = stopped.errors.values()
        assert "permission denied for schema private (42501); the login lacks the privilege; run as the owner" in said
    # Who made the role passes it on, to itself too.
    world.manually(f"grant {OWNER} to {MASTER}")
    assert world.stack.preview().text == []


def test_a_change_with_no_right_way_back_stops_up(world):
    world.manually("alter table public.projects add column extra text")
    stopped = world.stack.up()
    assert "column extra" in next(iter(stopped.errors.values()))
    world.manually("alter table public.projects drop column extra")
    assert world.stack.preview().text == []


def test_a_migration_is_applied_and_rolled_back(world, tmp_path):
    shutil.copytree(CHECKOUT / "sql", tmp_path / "sql")
    folder = tmp_path / "sql" / "migrations"
    (folder / f"{NUMBER}_passing.up.sql").write_text(f"{UP}create table private.passing (id int primary key);\n")
    (folder / f"{NUMBER}_passing.down.sql").write_text(
        f"{UP}drop table private.passing;\n".replace("nothing", "all of it")
    )
    steps = {step.name: step.checksum for step in sqlfiles.steps(folder)}
    more = with_inputs(world.stack.declared, {"structure-migrations": {"steps": steps}})
    other = replace(world.stack, checkout=tmp_path, declared=more)
    assert other.preview().errors == {}, "it was tried on a copy"
    assert other.up().errors == {}
    assert "private.passing" in {name for (name,) in world.everything()["relations"]}
    for step in folder.glob(f"{NUMBER}_*"):
        step.unlink()
    other = replace(other, declared=world.stack.declared)
    assert other.up().errors == {}
    assert "private.passing" not in {name for (name,) in world.everything()["relations"]}
    assert replace(world.stack, state=other.state).preview().text == []
    world.stack.state = other.state


def test_passwords_are_rotated_and_sessions_of_old_logins_ended(world, monkeypatch):
    with closing(world.login(BACKUP)) as old:
        world.stack.declared = stack.declaration(rdslike.DATABASE, (2, 1))
        assert world.stack.up().errors == {}
        assert world.stack.preview().text == []
        for role in ("authenticator", BACKUP, "migrator"):
            with world.login(SECOND[role]) as connection:
                assert connection.execute("select session_user::text, current_user::text").fetchone() == (
                    SECOND[role],
                    role,
                )
        world.stack.declared = stack.declaration(rdslike.DATABASE, (2,))
        assert world.stack.up().errors == {}
        monkeypatch.setattr(engine, "own_parameters", lambda name: connectionurl.parse(world.double.url()))
        monkeypatch.setattr(engine, "passwords", lambda name: (2,))
        assert rotation.close("own", lambda said: None) == []
        with pytest.raises(psycopg.OperationalError):
            old.execute("select 1")
    world.stack.declared = stack.declaration(rdslike.DATABASE, (3,))
    assert world.stack.up().errors == {}


def test_the_audit_has_nothing_to_say_above_info_but_of_what_the_server_is(world):
    report = run.audit(None, world.double.url())
    found = {(each.rule, each.object): each.reason for each in report.findings if each.severity > Severity.info}
    # Without a stack it doesn't know which buckets are declared.
    assert {each: why for each, why in found.items() if each[0] not in ("setting-weak", "bucket-public")} == {}


@pytest.fixture
def filled(world) -> Iterator[RdsLike]:
    """A copy of the database on the double, with rows in the tables of the access matrix."""
    with psycopg.connect(world.double.platform("postgres"), autocommit=True) as connection:
        connection.execute("drop database if exists filled")
        connection.execute(f"create database filled template {rdslike.DATABASE}".encode())
        with psycopg.connect(world.double.platform("filled")) as there:
            there.execute("set local storage.allow_delete_query = 'true'; delete from storage.buckets")
            matrix.populate(there)
        yield world.double
        connection.execute("drop database filled")


def dumped(world: World, *words: str) -> subprocess.CompletedProcess[str]:
    password = world.stack.state[f"roles-{BACKUP}-password"].state["password"]
    return subprocess.run(
        [postgres.wheel_binaries() / "pg_dump", "-B", *words, "-d", world.double.url("filled", BACKUP, password)],
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_backup_has_every_row_whether_its_role_bypasses_row_security_or_not(world, filled):
    bare = dumped(world)
    assert bare.returncode == 1, "pg_dump says what it can't read rather than leave it out"
    assert "query would be affected by row-level security policy" in bare.stderr
    bound = dumped(world, "--enable-row-security")
    assert (bound.returncode, bound.stderr) == (0, "")
    world.manually(f"alter role {BACKUP} bypassrls", as_platform=True)
    try:
        bypassing = dumped(world)
    finally:
        world.manually(f"alter role {BACKUP} nobypassrls", as_platform=True)
    assert (bypassing.returncode, bypassing.stderr) == (0, "")
    assert bypassing.stdout.count("\nCOPY ") > 60
    # pg_dump names a policy's roles in no order.
    text, same = (
        portable(re.sub(r"\\(un)?restrict \w+|SET row_security = \w+;", "", each.stdout)) for each in (bound, bypassing)
    )
    assert text == same


def test_backups_see_what_the_superuser_sees_of_every_table_and_write_none(world, filled):
    with psycopg.connect(filled.platform("filled"), autocommit=True) as connection:
        tables = [name for (name,) in connection.execute(GUARDED)]
        assert len(tables) > 70
        assert {"supabase_migrations.managed_objects", "audit.log_default"} < {*tables}
        rows = 0
        for table in tables:
            count = f"select count(*) from {table}"
            (expected,) = provision.row(connection, count)
            rows += expected > 0
            with provision.acting_as(connection, BACKUP) as session:
                assert provision.row(session, count) == (expected,), table
                refused(session, psycopg.errors.InsufficientPrivilege, f"delete from {table}")
        assert rows > 40, "there is something to be hidden"


def test_a_backup_that_a_drill_can_prove_is_made_too(world, filled, tmp_path):
    key, place = pyrage.x25519.Identity.generate(), places.Folder(tmp_path)
    password = world.stack.state[f"roles-{BACKUP}-password"].state["password"]
    url = filled.url("filled", BACKUP, password)
    made = making.Making("prod", url, place, [key.to_public()]).run()
    with psycopg.connect(filled.platform("filled")) as connection:
        tables = checking.named(place, made.id).manifest([key]).tables
        counts = {(each.schema, each.name): each.rows for each in tables}
        for schema, name in counts:
            counted = sql.SQL("select count(*) from only {}").format(sql.Identifier(schema, name))
            assert connection.execute(counted).fetchone() == (counts[schema, name],), (schema, name)
    assert sum(map(bool, counts.values())) > 40
    with psycopg.connect(filled.platform("filled"), autocommit=True) as connection:
        connection.execute("create policy fewer on public.projects as restrictive to backup using (id is not null)")
    with pytest.raises(BackupError, match=r"table public\.projects: row policies hide rows from backup"):
        making.Making("prod", url, place, [key.to_public()]).run()


def test_masked_rows_are_read_by_the_login_of_backups(world, filled):
    password = world.stack.state[f"roles-{BACKUP}-password"].state["password"]
    with scratch.server() as server, copying.opened(filled.url("filled", BACKUP, password)) as (source, at):
        structure.build(server.url(), structure.applied(source))
        copied = copying.copy(source, at, server.url(), lambda table: None)
        with psycopg.connect(server.url()) as copy, psycopg.connect(filled.platform("filled")) as connection:
            for table in COPIED:
                count = f"select count(*) from {table}"
                assert provision.row(copy, count) == provision.row(connection, count) == (copied.rows[table],), table
            assert provision.row(copy, "select count(*) from next_auth.users where email !~ '^person-'") == (0,)
    assert sum(map(bool, copied.rows.values())) > 12


class InMemory(Copies):
    """Archives without an object store."""

    rows_of: ClassVar[dict[str, bytes]] = {}
    manifests: ClassVar[dict[str, Manifest]] = {}

    def manifest(self, name: str) -> Manifest | None:
        return self.manifests.get(name)

    def put_rows(self, name: str, rows: IO[bytes]) -> None:
        self.rows_of[name] = rows.read()

    def put_manifest(self, manifest: Manifest) -> None:
        self.manifests[manifest.name] = manifest

    @contextmanager
    def rows(self, manifest: Manifest) -> Iterator[gzip.GzipFile]:
        with gzip.open(io.BytesIO(self.rows_of[manifest.name])) as rows:
            yield rows


def test_months_are_archived_and_restored_where_no_login_bypasses_row_security(world, monkeypatch):
    table, old = "analytics.performance_metrics", "date_trunc('month', now()) - interval '20 months'"
    world.manually(
        f"select ops.make_partitions(0, ({old})::date)",
        f"insert into {table} (created_at, name, value) select {old} + interval '1 day', 'a.b', v / 3.0 "
        "from generate_series(1, 7) as v",
        f"update private.settings set value = '[\"{table}\"]' where name = 'archivedTables'",
        as_platform=True,
    )
    outputs = {
        "admin_url": world.double.url(),
        "backup_url": world.double.url(
            user=BACKUP, password=world.stack.state[f"roles-{BACKUP}-password"].state["password"]
        ),
        "retention_months": {"analytics": 13, "audit": 24},
        "archived_tables": [table],
    }
    monkeypatch.setattr(Environment, "store", None)
    for module in (job, restoring):
        monkeypatch.setattr(module, "Copies", InMemory)
    environment = Environment("prod", outputs)
    (done, *_) = job.run(environment, dry_run=False, say=lambda text: None)
    assert (done.rows, done.result) == (7, "archived and dropped")
    restored, manifest = restoring.restore(environment, done.name)
    assert (restored, manifest.rows) == (f"archived.{done.name.partition('.')[2]}", 7)
    world.manually("update private.settings set value = '[]' where name = 'archivedTables'", as_platform=True)
    assert world.stack.preview().text == [], "what was restored to be read stands beside what is declared"
    world.manually("drop schema archived cascade")


def test_destroy_leaves_nothing_of_ours_and_everything_of_theirs(world):
    gone = world.stack.down()
    assert gone.errors == {}
    assert world.stack.state == {}
    assert world.everything() == world.before
