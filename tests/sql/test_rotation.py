"""A rotation of passwords on a real server: two logins for each role in turn, and nobody is ever refused in between."""

import secrets
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import psycopg
import pytest

from declared import connectionurl
from declared.roles import LIMITS, ROLES, SECOND, login_name
from harness import scratch, stack
from harness.engine import Thing
from harness.stack import Killed, Stack
from local import postgres
from ops import rotation
from ops.audit.declared import AuditedDeclaration
from ops.audit.model import Audited, Finding, apply
from ops.audit.roles import RULES
from ops.errors import CommandError
from run import engine
from tests.sql import provision

# One environment, whose tests go on from each other.
pytestmark = pytest.mark.xdist_group("rotation")
OPENS = ("authenticator", "authjs", "backup")
OF_ROLES = ("pg:index:Role", "pg:index:Memberships", "pg:index:Password")
WHO = "select session_user::text, current_user::text"


@dataclass
class World:
    """A server with an environment."""

    server: postgres.RunningServer
    stack: Stack
    state: dict[str, Thing]
    """Of what a rotation has nothing to do with."""

    @classmethod
    def of(cls, server: postgres.RunningServer) -> "World":
        made = scratch.complete(server.url())
        roles = {name: thing for name, thing in made.state.items() if thing.token in OF_ROLES}
        return cls(
            server, Stack(made.url, {}, state=roles), {name: made.state[name] for name in made.state.keys() - roles}
        )

    def declare(self, *passwords: int) -> None:
        """The settings' list of open passwords; the rest of the environment stays as it is."""
        self.stack.declared = scratch.only(stack.declaration("postgres", passwords), *OF_ROLES)

    def up(self, *passwords: int) -> None:
        self.declare(*passwords)
        assert self.stack.up().errors == {}
        assert self.stack.preview().text == []

    def everything(self, *passwords: int) -> Stack:
        """The whole environment."""
        declared = scratch.without(stack.declaration("postgres", passwords), *scratch.ROWS)
        return Stack(self.stack.url, declared, state={**self.state, **self.stack.state})

    def url(self, name: str, **more: str) -> str:
        """The URL of a login, with the password that it has now."""
        password = self.stack.state[f"roles-{name}-password"].state["password"]
        return connectionurl.compose({**self.server.parameters(), "user": name, "password": password, **more})

    @contextmanager
    def session(self, name: str, **more: str) -> Iterator[psycopg.Connection[Any]]:
        with psycopg.connect(self.url(name, **more), autocommit=True) as connection:
            yield connection

    def admin(self) -> psycopg.Connection[Any]:
        return psycopg.connect(self.server.url(), autocommit=True)


@dataclass
class Client:
    """Opens a new connection all the time, with the URL that it has."""

    url: str
    opened: int = 0
    failures: list[str] = field(default_factory=list)
    _ended: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> "Client":
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._ended.is_set():
            try:
                with psycopg.connect(self.url, connect_timeout=5) as connection:
                    connection.execute("select 1")
                self.opened += 1
            except psycopg.Error as error:
                self.failures.append(str(error))


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    """An environment in which a rotation is under way; the clients of before never failed."""
    with scratch.server() as server:
        world = World.of(server)
        with world.admin() as connection:
            provision.add_people(connection)
        with world.session("authjs") as open_before:
            clients = [Client(world.url(name)) for name in OPENS]
            with clients[0], clients[1], clients[2]:
                world.up(2, 1)
                time.sleep(0.2)
            assert [client.failures for client in clients] == [[], [], []]
            assert min(client.opened for client in clients) > 20, "it was tried all the time"
            assert open_before.execute("select current_user").fetchone() == ("authjs",)
        yield world


def test_old_and_new_logins_are_the_same_role_with_the_same_limits(world):
    wanted = {name: dict(ROLES[name].settings) for name in SECOND}
    for role in SECOND:
        for name in (role, SECOND[role]):
            with world.session(name) as connection:
                assert connection.execute(WHO).fetchone() == (name, role)
                shown = {each: connection.execute(f"show {each}".encode()).fetchone() for each in wanted[role]}
                assert shown == {each: (value,) for each, value in wanted[role].items()}
                assert set(LIMITS) <= wanted[role].keys()


def test_nothing_else_of_the_environment_differs(world):
    assert world.everything(2, 1).preview().text == []


@pytest.mark.parametrize("statement", ["reset role", "reset all", "set role anon; reset role", "discard all"])
def test_a_pool_that_cleans_a_session_leaves_it_the_role(world, statement):
    with world.session(SECOND["authenticator"]) as connection:
        for each in statement.split("; "):
            connection.execute(each.encode())
        assert connection.execute(WHO).fetchone() == (SECOND["authenticator"], "authenticator")


def test_a_session_of_a_second_login_does_what_its_role_does(world):
    with world.session(SECOND["authenticator"]) as connection:
        for role in ("anon", "authenticated", "service_role"):
            with provision.acting_as(connection, role):
                assert connection.execute("select current_user").fetchone() == (role,)
        provision.refused(connection, psycopg.errors.InsufficientPrivilege, "select * from public.projects")
        provision.refused(connection, psycopg.errors.InsufficientPrivilege, "set role app_owner")
    with world.session(SECOND["authenticator"], options="-c role=anon") as connection:
        assert connection.execute("select current_user").fetchone() == ("anon",)
    with world.session(SECOND["authjs"]) as connection:
        assert connection.execute("select count(*) > 0 from users").fetchone() == (True,)
        provision.refused(connection, psycopg.errors.InsufficientPrivilege, "select * from public.projects")
    with world.session(SECOND["backup"]) as connection, world.admin() as admin:
        count = "select count(*) from public.projects"
        assert connection.execute(count).fetchone() == admin.execute(count).fetchone(), "behind row security too"
    with world.session(SECOND["migrator"]) as connection, connection.transaction(force_rollback=True):
        connection.execute("set role app_owner; create table public.scratch ()")
    with world.session(SECOND["supabase_storage_admin"]) as connection, connection.transaction(force_rollback=True):
        connection.execute("create table storage.scratch ()")
        owner = "select pg_get_userbyid(relowner)::text from pg_class where oid = 'storage.scratch'::regclass"
        assert connection.execute(owner).fetchone() == ("supabase_storage_admin",)


def test_a_second_login_takes_a_backup(world):
    dumped = subprocess.run(
        [postgres.wheel_binaries() / "pg_dump", "-a", "-t", "public.projects", "-d", world.url(SECOND["backup"])],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (dumped.returncode, dumped.stderr) == (0, "")
    with world.admin() as admin:
        for (id,) in admin.execute("select id::text from public.projects").fetchall():
            assert id in dumped.stdout


def test_by_itself_a_second_login_is_a_member_of_its_role_and_nothing_else(world):
    query = """
        select r.rolname::text, r.rolbypassrls or r.rolcreaterole or r.rolcreatedb or r.rolreplication or r.rolsuper,
            array(select roleid::regrole::text from pg_auth_members where member = r.oid),
            exists (select from pg_shdepend where refobjid = r.oid and deptype in ('a', 'o', 'r'))
        from pg_roles as r where r.rolname = any (%s)"""
    with world.admin() as connection:
        found = connection.execute(query, [list(SECOND.values())]).fetchall()
    assert sorted(found) == sorted((second, False, [role], False) for role, second in SECOND.items())


def test_files_that_the_cleaner_s_second_login_removes_are_not_kept(world):
    kept = "select coalesce(sum(kept_bytes), 0) from private.storage_usage"
    with world.admin() as admin:
        admin.execute("insert into storage.buckets (id, name) values ('scratch', 'scratch')")
        with provision.acting_as(admin, "cleaner", keep=True):
            note = "select ops.note_kept(array[]::text[], array[]::text[], array[]::bigint[])"
            admin.execute(note.encode())
        admin.execute(
            """insert into storage.objects (bucket_id, name, version, metadata)
               values ('scratch', 'a/b', '1', '{"size": 700}'), ('scratch', 'a/c', '1', '{"size": 30}')"""
        )
        with world.session(SECOND["cleaner"]) as connection:
            connection.execute("set storage.allow_delete_query = 'true'")
            assert connection.execute("delete from storage.objects where name = 'a/b'").rowcount == 1
        assert admin.execute(kept.encode()).fetchone() == (0,)
        admin.execute("set storage.allow_delete_query = 'true'; delete from storage.objects where name = 'a/c'")
        assert admin.execute(kept.encode()).fetchone() == (30,), "somebody else's are"


def findings(world: World, *passwords: int, **more: Any) -> list[Finding]:
    with world.admin() as connection:
        connection.execute("set search_path = ''")
        audited = Audited(
            connection, AuditedDeclaration({}, passwords) if passwords else AuditedDeclaration(), stack="dev", **more
        )
        found = [finding for rule in RULES for finding in apply(rule, audited)]
    return [finding for finding in found if finding.severity]


def test_the_audit_knows_both_logins_and_looks_at_them(world):
    state: Any = {"deployment": {"resources": []}}
    assert findings(world, 2, 1, state=state) == []
    # One that should be closed, or isn't there, is what nobody declared.
    assert {finding.rule for finding in findings(world, 2, state=state)} == {"role-attribute"}
    assert {finding.rule for finding in findings(world, 1, state=state)} >= {"role-undeclared"}
    with world.admin() as connection:
        connection.execute("alter role authjs_2 createdb; grant app_owner to authjs_2; alter role authjs_2 set jit = 1")
        found = {(finding.rule, finding.object) for finding in findings(world, 2, 1, state=state)}
        connection.execute("alter role authjs_2 nocreatedb; revoke app_owner from authjs_2")
        connection.execute("alter role authjs_2 reset jit")
    assert found == {(rule, "role authjs_2") for rule in ("role-attribute", "membership-undeclared", "role-setting")}


CHANGES = {
    "alter role authjs_2 reset role": "role authjs_2: settings was changed manually",
    "alter role authjs_2 set statement_timeout = '1h'": "role authjs_2: settings was changed manually",
    "alter role backup_2 bypassrls": "role backup_2: bypassrls was changed manually",
    "alter role authjs_2 password 'guessed'": "role authjs_2: verifier was changed manually",
    "grant service_role to authjs_2": "memberships of role authjs_2: manually, [service_role] was granted",
    "revoke authjs from authjs_2": "memberships of role authjs_2: manually, [authjs] was revoked",
}


def test_drift_names_what_was_changed_of_a_second_login_and_up_puts_it_back(world):
    for statement, said in CHANGES.items():
        with world.admin() as connection:
            connection.execute(statement.encode())
        assert [line for line in world.stack.preview().messages if said in line], statement
        world.up(2, 1)


@pytest.fixture
def settings(world, monkeypatch) -> list[tuple[int, ...]]:
    """The stack's setting, in the place of its file; what was written there."""
    written = [(2, 1)]
    monkeypatch.setattr(engine, "passwords", lambda name: written[-1])
    monkeypatch.setattr(engine, "own_parameters", lambda name: world.server.parameters())
    monkeypatch.setattr(rotation, "_write", lambda name, numbers: written.append(numbers))
    urls = {output: f"postgresql://{login_name(role, 2)}@127.0.0.1/postgres" for output, role in rotation.URLS.items()}
    monkeypatch.setattr(rotation.outputs, "read", lambda name: urls)
    return written


def test_who_still_uses_the_old_urls_is_named_and_the_rotation_not_finished(world, settings):
    with world.session("authjs", application_name="site"), pytest.raises(CommandError) as caught:
        rotation.finish("dev", force=False)
    assert "the old logins have sessions: authjs 1 (site); give their clients the new URLs first" in str(caught.value)
    assert settings == [(2, 1)]


def test_a_client_whose_sessions_last_a_moment_is_seen(world, settings):
    old, stop = world.url("authjs"), threading.Event()

    def reconnects() -> None:
        while not stop.wait(0.02):
            psycopg.connect(old, application_name="pages").close()

    client = threading.Thread(target=reconnects)
    client.start()
    try:
        with pytest.raises(CommandError, match=r"the old logins have sessions: authjs \d \(pages\)"):
            rotation.finish("dev", force=False)
    finally:
        stop.set()
        client.join()
    assert settings == [(2, 1)]


def test_a_rotation_whose_new_urls_are_not_out_yet_is_not_finished(world, settings, monkeypatch):
    monkeypatch.setattr(
        rotation.outputs, "read", lambda name: {each: "postgresql://authenticator@a/b" for each in rotation.URLS}
    )
    with pytest.raises(CommandError, match="hasn't the new login yet"):
        rotation.finish("dev", force=True)
    assert settings == [(2, 1)]


@contextmanager
def provisioner(world: World) -> Iterator[connectionurl.Parameters]:
    """A login that isn't superuser."""
    password = secrets.token_hex(8)
    with world.admin() as admin:
        admin.execute(f"create role provisioner login createrole password '{password}'".encode())
        admin.execute("grant connect on database postgres to provisioner")
        try:
            yield {**world.server.parameters(), "user": "provisioner", "password": password}
        finally:
            admin.execute("drop owned by provisioner; drop role provisioner")


def test_finished_the_old_urls_are_refused_and_their_sessions_end_when_idle(world, settings, monkeypatch):
    old, told = world.url("authjs"), list[str]()
    idle = psycopg.connect(old, application_name="", autocommit=True)
    busy = psycopg.connect(old, application_name="report", autocommit=False)
    busy.execute("select 1")
    with Client(world.url("authjs_2")) as client:
        assert rotation.finish("dev", force=True)
        world.up(*settings[-1])
        left = rotation.close("dev", told.append, patience=3)
    assert (settings[-1], client.failures) == ((2,), [])
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(old)
    with pytest.raises(psycopg.OperationalError):
        idle.execute("select 1")
    assert [str(each) for each in left] == ["authjs 1 (report)"], "it is in the middle of its work"
    assert told == ["ending sessions of the old logins when they are idle: authjs 1 (no name), authjs 1 (report)"]
    with provisioner(world) as where, world.admin() as admin:
        monkeypatch.setattr(engine, "own_parameters", lambda name: where)
        assert [str(each) for each in rotation.using(where, 1)] == ["authjs 1 (report)"], "they see that much"
        with pytest.raises(CommandError, match="must be a member of pg_signal_backend and pg_read_all_stats: authjs 1"):
            rotation.close("dev", told.append)
        admin.execute("grant pg_signal_backend, pg_read_all_stats to provisioner")
        assert rotation.close("dev", told.append, force=True) == []
    assert told[-1] == "ending sessions of the old logins: authjs 1 (report)"
    with pytest.raises(psycopg.OperationalError):
        busy.execute("select 1")
    assert findings(world, 2, state={"deployment": {"resources": []}}) == []


@pytest.mark.parametrize("kill_at", [1, 20, 40])
def test_a_rotation_that_is_killed_goes_on_and_nobody_is_refused(world, kill_at):
    with Client(world.url("authjs_2")) as client:
        world.declare(3, 2)
        with pytest.raises(Killed):
            world.stack.up(kill_at)
        world.up(3, 2)
        with world.session("authjs") as connection:
            assert connection.execute(WHO).fetchone() == ("authjs", "authjs")
        # Taken back before anybody has the new one.
        world.up(2)
    assert client.failures == []
    assert client.opened > 0


def test_the_next_rotation_gives_the_role_s_own_login_back(world):
    world.up(3, 2)
    with Client(world.url("authjs")) as client:
        world.up(3)
    assert client.failures == []
    with world.admin() as connection:
        closed = "select bool_or(rolcanlogin), count(rolpassword) from pg_authid where rolname = any (%s)"
        assert connection.execute(closed, [list(SECOND.values())]).fetchone() == (False, 0)
    assert findings(world, 3, state={"deployment": {"resources": []}}) == []
