"""What the clients need around them: packages of npm, PostgREST, PgBouncer, a database with passwords."""

import json
import os
import re
import secrets
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.parse import quote
from urllib.request import urlopen

import psycopg

from declared import connectionurl
from local.paths import server_account
from local.ports import HOST, free_port, port_is_free
from ops.pooler import files
from ops.pooler.files import STORED, Listen
from ops.pooler.sizes import Sizes
from toolchain.node import Packages

HERE = Path(__file__).resolve().parent
START_SECONDS = 30
LOGINS = ("authenticator", "authjs", "monitor")


@dataclass(frozen=True)
class Complete:
    """A database with the complete SQL, the passwords of its logins, and the key that opens tokens."""

    database: Any
    passwords: Mapping[str, str]
    private_key: str

    def url(self, login: str, port: int | None = None) -> str:
        """The connection URL of a login without any key; another port is a pooler's."""
        password = quote(self.passwords[login])
        return f"postgresql://{login}:{password}@{self.database.host}:{port or self.database.port}/{self.database.name}"

    @property
    def auth_url(self) -> str:
        """The login of Auth.js, as the stack's output has it."""
        return f"{self.url('authjs')}?options={quote(f'-c vpb.keys=k1:{self.private_key}', safe='')}"


@dataclass(frozen=True)
class Programs:
    """The Node programs of this folder, in a place where they find the installed packages."""

    packages: Packages
    folder: Path

    def run(self, name: str, **values: Any) -> dict[str, str]:
        """Run a program of `node:test`; each of its tests by name, with `ok` or what went wrong."""
        done = subprocess.run(
            [self.packages.node, "--no-warnings", "--test-reporter=tap", self.folder / name],
            env={**self.packages.environment(os.environ), "CLIENT": json.dumps(values)},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert "# pass " in done.stdout, f"{name} ended early: {done.stdout[-2000:]}{done.stderr[-2000:]}"
        return dict(_results(done.stdout))


def _results(tap: str) -> Iterator[tuple[str, str]]:
    """The outer tests of a TAP stream."""
    parts = re.split(r"^(ok|not ok) \d+ - (.*)$", tap, flags=re.MULTILINE)
    for verdict, name, rest in zip(parts[1::3], parts[2::3], parts[3::3], strict=True):
        yield name, "ok" if verdict == "ok" else rest.strip()[:1500]


def programs(packages: Packages, folder: Path) -> Programs:
    """The programs beside the packages: Node looks for these in the folders above a program."""
    for file in HERE.glob("*.mjs"):
        shutil.copy(file, folder)
    (folder / "node_modules").symlink_to(packages.modules)
    return Programs(packages, folder)


@contextmanager
def foreign_program(program: Path, configuration: str, variables: Mapping[str, str]) -> Iterator[subprocess.Popen[str]]:
    """A server that others have packed or that refuses root: run as an account without rights, on loopback.

    It gets its configuration as the file `configuration` in a folder of its own, and nothing of our environment.
    """
    account = server_account()
    identity: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(dir="/var/tmp") as name:
        folder = Path(name)
        shutil.copy(program, folder / "program")
        (folder / "settings").write_text(configuration)
        if account is not None:
            identity = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
            for path in (folder, *folder.iterdir()):
                os.chown(path, account.pw_uid, account.pw_gid)
        (folder / "program").chmod(0o700)
        with (folder / "log").open("w+") as log:
            process = subprocess.Popen(
                [folder / "program", folder / "settings"],
                env=dict(variables),
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                text=True,
                **identity,
            )
            try:
                yield process
            except AssertionError as error:
                error.add_note((folder / "log").read_text()[-1000:])
                raise
            finally:
                process.kill()
                process.wait()


@contextmanager
def postgrest(program: Path, url: str, secret: str) -> Iterator[str]:
    """PostgREST over a connection URL; gives its address."""
    port, admin = free_port(), free_port()
    settings = {
        "db-uri": url,
        "db-schemas": "public, next_auth",
        "db-anon-role": "anon",
        "db-pool": "4",
        "jwt-secret": secret,
        "server-host": HOST,
        "server-port": str(port),
        "admin-server-port": str(admin),
    }
    text = "".join(f'{name} = "{value}"\n' for name, value in settings.items())
    with foreign_program(program, text, {}) as process:
        _wait_for(f"http://{HOST}:{admin}/ready", process)
        yield f"http://{HOST}:{port}"


@contextmanager
def pgbouncer(program: Path, complete: Complete, size: int, dropped: str = "") -> Iterator[int]:
    """PgBouncer as `./vpb pooler` configures it before a database, with `size` connections; its port.

    Args:
        dropped: what it throws away of what a client asks for, beyond that configuration; as poolers of others do.
    """
    server, listen = connectionurl.parse(complete.url("authenticator")), Listen(HOST, free_port())
    with tempfile.TemporaryDirectory(dir="/var/tmp") as name:
        folder = Path(name)
        with psycopg.connect(complete.database.url) as connection:
            found = files.users(connection, {})
            if dropped:
                found |= dict(connection.execute(STORED, (["authjs"],)).fetchall())
        assert all(secret.startswith("SCRAM-SHA-256$") for secret in found.values())
        sizes = Sizes(size, 0, 200, ("as many as the test has",))
        text = files.settings(server, server["dbname"], listen, sizes, folder, monitors="monitor")
        if dropped:
            text = text.replace("ignore_startup_parameters = ", f"ignore_startup_parameters = {dropped},")
        written = files.write(folder, text, found)
        if account := server_account():
            for path in (folder, *written):
                os.chown(path, account.pw_uid, account.pw_gid)
        with foreign_program(program, text, {}) as process:
            deadline = time.monotonic() + START_SECONDS
            while port_is_free(listen.port):
                assert process.poll() is None, f"PgBouncer ended with status {process.returncode}"
                assert time.monotonic() < deadline, "PgBouncer doesn't listen"
                time.sleep(0.05)
            yield listen.port


def _wait_for(address: str, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            urlopen(address, timeout=5).close()
        except (URLError, OSError):
            assert process.poll() is None, f"the server of {address} ended with status {process.returncode}"
            assert time.monotonic() < deadline, f"{address} doesn't answer"
            time.sleep(0.1)
        else:
            return


def new_passwords() -> dict[str, str]:
    return {login: secrets.token_urlsafe(12) for login in LOGINS}
