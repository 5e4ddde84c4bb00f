"""PostgreSQL's own programs, which know best what a database's structure is."""

import asyncio
import os
import subprocess
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from declared import connectionurl
from declared.clientlogin import NotHidden, client_login
from ops.backups.errors import BackupError
from ops.backups.sealing import BLOCK
from provider.rehearsal import NoCopy, pg_dump
from run import engine

LOCK = "--lock-wait-timeout=60s"


def found(server_version: int) -> Path:
    """The folder with pg_dump and the others, as new as the server: of the search path, or of the embedded server.

    :raises BackupError: where there is none
    """
    local = of_embedded()
    try:
        return Path(asyncio.run(pg_dump(server_version // 10_000, [local / "pg_dump"] if local else []))).parent
    except NoCopy as error:
        raise BackupError(f"{error}; install its client programs") from None


def of_embedded() -> Path | None:
    """The folder with the programs of the embedded server."""
    program = engine.check_target("local").program("pg_dump")
    return program and program.parent


def major(folder: Path, program: str = "postgres") -> int:
    """The version of a program in a folder, by default of the server's."""
    said = b"".join(output([folder / program, "-V"])).decode()
    return int(said.split()[2].partition(".")[0])


def schema(programs: Path, url: str, snapshot: str) -> Iterator[bytes]:
    """The structure of the snapshot, as pg_restore reads it."""
    options = ["-Fc", "-Z0", "--schema-only", "-B", LOCK, f"--snapshot={snapshot}"]
    return output([programs / "pg_dump", *options], url)


def roles(programs: Path, url: str) -> Iterator[bytes]:
    """Roles with their memberships and settings, as psql reads them; no password."""
    return output([programs / "pg_dumpall", "--roles-only", "--no-role-passwords", LOCK], url)


def output(command: Iterable[object], url: str | None = None) -> Iterator[bytes]:
    """What a program writes, of a database or of a file that it is given, block by block.

    :raises BackupError: with what it says, where it fails
    """
    words, variables = login(command, url)
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(words, env=variables, stdout=subprocess.PIPE, stderr=said)
        yield from read(process)
        if process.returncode:
            said.seek(0)
            raise BackupError(f"{Path(words[0]).name}: {line(said.read())}")


def read(process: "subprocess.Popen[bytes]") -> Iterator[bytes]:
    """What a program writes, until it has ended; it is ended where nobody reads on."""
    assert process.stdout
    try:
        while block := process.stdout.read(BLOCK):
            yield block
    finally:
        process.stdout.close()
        if process.poll() is None and not _ends(process):
            process.kill()
        process.wait()


def run(command: Iterable[object], url: str, text: Path | None = None) -> str:
    """What a program says on standard error, where it succeeds.

    :raises BackupError: with what it says, where it fails
    """
    words, variables = login(command, url)
    with text.open("rb") if text else open(os.devnull, "rb") as given:
        done = subprocess.run(words, env=variables, stdin=given, capture_output=True, check=False)
    if done.returncode:
        raise BackupError(f"{Path(words[0]).name}: {line(done.stderr)}")
    return done.stderr.decode(errors="replace")


def login(command: Iterable[object], url: str | None) -> tuple[list[str], dict[str, str]]:
    """The command line and the environment of a program.

    :raises BackupError: for a secret that would show in the list of processes
    """
    words = [str(word) for word in command]
    if url is None:
        return words, {**os.environ}
    try:
        shown, secret = client_login(connectionurl.parse(url))
    except NotHidden as error:
        raise BackupError(f"the login's URL has {error}; use a key without one") from None
    return [*words, "-d", shown], {**os.environ, "PGCONNECT_TIMEOUT": "15", **secret}


def _ends(process: "subprocess.Popen[bytes]") -> bool:
    try:
        process.wait(5)
    except subprocess.TimeoutExpired:
        return False
    return True


def line(said: bytes) -> str:
    """The line of what a program has said that says most."""
    lines = [line for line in said.decode(errors="replace").splitlines() if line.strip()]
    errors = [line for line in lines if "error" in line.lower()]
    return (errors or lines or ["no reason given"])[0].strip()
