"""`./vpb adopt`: read a live database, and write its declaration into a folder of the checkout."""

import asyncio
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from declared import adopted, connectionurl
from declared.errors import UserError
from declared.paths import CHECKOUT
from declared.settings import ADOPTED
from ops.adopt import reading, unsafe, writing
from ops.errors import CommandError
from ops.new.files import FileChanges
from provider.connection import ConnectionInfo, Connections, rows
from provider.errors import Refused
from provider.rehearsal import NoCopy, dumped, pg_dump
from run import engine


def adopt(url: str | None, folder: str, root: Path | None = None) -> dict[str, Any]:
    """Write what the database has into `folder`; the summary.

    :raises CommandError: for a folder that can't be used, and for a database that can't be read
    """
    root = root or CHECKOUT
    _refuse_bad_folder(folder, root)
    text = connectionurl.given(url, "DATABASE_URL")
    if not text:
        raise CommandError("no database is named; give --url, or set DATABASE_URL")
    try:
        database = Connections(ConnectionInfo.of(text))
    except connectionurl.UrlError as error:
        raise CommandError(f"--url must be {error}") from None
    try:
        made, said = asyncio.run(_read(database))
    except NoCopy as error:
        raise CommandError(f"{error}; nothing was written") from None
    _write(made, folder, root)
    return {"folder": folder, **said}


def _refuse_bad_folder(folder: str, root: Path) -> None:
    if not ADOPTED.fullmatch(folder):
        raise CommandError(f"--into {folder!r}: must be a folder of the checkout such as adopted/shop, of a-z 0-9 _ -")
    path = root / folder
    if file := next((each for each in path.parents if each.exists() and not each.is_dir()), None):
        raise CommandError(f"--into {folder}: {file.relative_to(root)} is a file; name a folder, such as adopted/shop")
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise CommandError(f"--into {folder}: is there already and isn't empty; nothing was written")


async def _read(database: Connections) -> tuple[dict[str, str], dict[str, Any]]:
    session = await database.session()
    try:
        (sees,) = await rows(session, "select pg_catalog.current_schemas(false)::text[] as names", [])
        # Names are spelt as the provider reads them: with their schemas.
        await database.reset_session(session)
        await session.commit()
        # One moment of the database, and nothing that writes.
        await session.execute("begin isolation level repeatable read read only")
        (moment,) = await rows(session, "select pg_catalog.pg_export_snapshot() as name", [])
        found = await reading.read(session)
        found.path = sees["names"]
        bad = await unsafe.found_in(session, found)
        local = engine.check_target("local").program("pg_dump")
        program = await pg_dump(session.info.server_version // 10_000, [local] if local else [])
        schemas = [word for name in found.schemas for word in ("--schema", writing.quoted(name))]
        dump = await dumped(program, database.info.given, [*writing.DUMP, f"--snapshot={moment['name']}", *schemas])
    finally:
        await session.close()
        await database.close()
    if not found.schemas:
        raise Refused("the database has no schema that could be adopted")
    made = writing.files(found, dump)
    return made, writing.summary(found, {**bad, unsafe.KEYS: writing.lines_with_keys(made)})


def _write(made: dict[str, str], folder: str, root: Path) -> None:
    changes = FileChanges(root)
    for path, text in made.items():
        changes.make(f"{folder}/{path}", text)
    changes.format()
    _refuse_unread(changes, folder)
    parents = {(root / path).parent for path in changes.made}
    for parent in parents:
        parent.mkdir(parents=True, exist_ok=True)
    changes.write()


def _refuse_unread(changes: FileChanges, folder: str) -> None:
    """:raises CommandError: for what the program couldn't read again, before a file is written"""
    with TemporaryDirectory() as tried:
        for path, text in changes.made.items():
            there = Path(tried) / path
            there.parent.mkdir(parents=True, exist_ok=True)
            there.write_text(text, encoding="utf-8")
        try:
            adopted.read(folder, Path(tried))
        except UserError as error:
            said = str(error).replace(f"{tried}/", "")
            raise CommandError(f"{said}; nothing was written") from None
