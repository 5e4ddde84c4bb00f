"""What a preview would do to the database, done on a copy of its structure: so that a preview fails where `up` would.

The copy is a scratch database of the same server: all definitions, and no rows but those that say what was applied. It
is made when the first change is previewed, and gone with the plugin. Each type's own code runs on it, in the order in
which the engine would run it (`docs/decisions/0033-previews-on-a-copy.md`).
"""

import asyncio
import os
import re
import shutil
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Set
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

import psycopg
from psycopg import sql

from declared import connectionurl, sqltext
from declared.clientlogin import NotHidden, client_login
from declared.schemas import HISTORY_SCHEMA, HISTORY_SUFFIXES
from plugin.errors import PluginError
from plugin.server import Context, Kind
from provider import scratchdatabase
from provider.connection import Connection, Connections, rows
from provider.errors import few, in_its_own_words, one_line, report

# A subscription would begin to receive.
# Shorter than a deadlock takes to be seen: nobody waits for us.
DUMP = ("--schema-only", "--no-subscriptions", "--no-security-labels", "--lock-wait-timeout=500ms", "--encoding=UTF8")
TABLES = """select n.nspname::text as schema, c.relname::text as name
              from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
             where (n.nspname = %s or n.nspname || '.' || c.relname = any(%s)) and c.relkind = 'r' order by 2"""
# Against smuggled psql commands, and a setting that PostgreSQL 17 has first; not every server knows them.
RESTRICT = re.compile(r"\\(un)?restrict \w+|SET transaction_timeout = 0;")
# pg_dump begins each object with such lines. So many are one transaction: each object is locked until it ends, and the
# server's table of locks is everybody's.
ENTRY, TOGETHER = "\n--\n-- Name: ", 200
# What belongs to a role that we can't act as is ours in the copy.
OWNED = re.compile(r'ALTER .* OWNER TO (?P<owner>"(?:[^"]|"")+"|\w+);')
DEFAULTS = re.compile(r'ALTER DEFAULT PRIVILEGES FOR ROLE (?P<owner>"(?:[^"]|"")+"|\w+) .*')
# A superuser's, which watch: nothing stands on them.
EVENT_TRIGGER = re.compile(r"\s*(CREATE|ALTER|COMMENT ON) EVENT TRIGGER ", re.IGNORECASE)
OTHERS = """select pg_catalog.quote_ident(rolname) as name from pg_catalog.pg_roles
             where not pg_catalog.pg_has_role(oid, 'member')"""
Failure = tuple[str, psycopg.Error]
"""A statement, and why it can't be run."""
K = TypeVar("K", bound=Kind)
Attempt = Callable[[K, Context], Awaitable[Any]]
# What no missing object causes.
SYNTAX = "(42601)"
NOTHING_CHANGED = "tried on a copy of the structure, nothing was changed"
ENDED = "the run was ended while this was tried on a copy of the structure; nothing was changed"


class NoCopy(Exception):
    """Why there is no copy."""


@dataclass
class Rehearsal(Generic[K]):
    """The copy of one run, and what can't be tried on it."""

    real: Connections
    kinds_on: Callable[[Connections], Mapping[str, K]]
    """The types on a database, by token."""
    copy: Connections | None = None
    kinds: Mapping[str, K] = field(default_factory=dict)
    """The types on the copy."""
    unmade_roles: set[str] = field(default_factory=set)
    """The roles that this run would make: all databases of a server have the same ones, so they aren't made here."""
    given_up: str = ""
    """Why the rest can't be tried."""
    missing: str = ""
    """What the login couldn't copy. Whatever fails then may fail for the lack of it."""
    histories: set[str] = field(default_factory=set)
    """The history tables whose rows are copied, beside those of this project's own schema."""
    _making: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def attempt(self, context: Context, token: str, change: Attempt[K]) -> bool:
        """Make a change on the copy; whether that could be tried.

        :raises PluginError: what `up` would say of it
        """
        if not await self._ensure_copy(context):
            return False
        copy = self.copy
        try:
            await change(self.kinds[token], Context(context.urn, _unheard))
        except PluginError as error:
            if self.copy is not copy:
                raise type(error)(ENDED) from None
            waits_for = sorted(role for role in self.unmade_roles if f'"{role}"' in str(error))
            if waits_for:
                await self.give_up(context, f"this run makes role {few(waits_for)} first")
            elif self.missing and SYNTAX not in str(error):
                await context.info(f"failed on a copy that isn't whole ({self.missing}): {error}")
            else:
                raise type(error)(f"{error} ({NOTHING_CHANGED})") from None
            return False
        return True

    async def give_up(self, context: Context, why: str) -> None:
        """Try nothing more in this run: what comes would stand on what wasn't tried."""
        if not self.given_up:
            self.given_up = why
            await context.info(f"nothing more is tried before `up`: {why}")

    def migrated(self, token: str) -> K | None:
        """A type on the copy, once migrations have run there."""
        return self.kinds[token] if self.copy is not None and self.copy.migrated and not self.given_up else None

    async def close(self) -> None:
        """Drop the copy; the next preview makes another one."""
        self.given_up = self.missing = ""
        self.unmade_roles.clear()
        if self.copy is not None:
            copy, self.copy = self.copy, None
            await scratchdatabase.drop(self.real, copy)

    async def _ensure_copy(self, context: Context) -> bool:
        async with self._making:
            if self.copy is None and not self.given_up:
                await context.status("copying the structure")
                try:
                    self.copy = await self._made()
                except (NoCopy, PluginError) as error:
                    await self.give_up(context, f"the structure can't be copied: {error}")
            return not self.given_up

    async def _made(self) -> Connections:
        """
        :raises NoCopy: where there is nothing to copy, or nothing to copy it with
        """
        copy, self.missing = await structure_of(self.real, self.histories)
        copy.looked = self.real.looked
        self.kinds = self.kinds_on(copy)
        return copy


async def structure_of(
    real: Connections, histories: Iterable[str], more: Iterable[Path] = ()
) -> tuple[Connections, str]:
    """A copy of the structure, which the caller drops, and what the login couldn't copy of it.

    Args:
        histories: the history tables whose rows are copied, beside those of this project's own schema.
        more: programs that may be a pg_dump, beside those of the search path.

    :raises NoCopy: where there is nothing to copy, or nothing to copy it with
    """
    tables: list[Any] = [
        HISTORY_SCHEMA,
        [f"{name}{suffix}" for name in sorted(histories) for suffix in HISTORY_SUFFIXES],
    ]
    session = await real.session()
    try:
        if not (noted := await rows(session, TABLES, tables)):
            raise NoCopy("there is nothing of this project in the database yet")
        program = await pg_dump(session.info.server_version // 10_000, more)
        others = {found["name"] for found in await rows(session, OTHERS, [])}
        text = _copied(await dumped(program, real.info.given), others)
        copy = await scratchdatabase.make(real)
        try:
            return copy, await _fill(session, noted, copy, text)
        except BaseException:
            await scratchdatabase.drop(real, copy)
            raise
    except psycopg.Error as error:
        raise one_line(error, "scratch database") from None
    finally:
        await session.close()


async def _fill(real: Connection, noted: Iterable[Mapping[str, Any]], copy: Connections, text: str) -> str:
    """Run a dump, and copy the rows of some tables; what couldn't be run."""
    session = await copy.session()
    try:
        # Nobody needs it after a crash.
        await session.execute("set synchronous_commit to off; set client_min_messages to error")
        failed = [each for part in _parts(text) for each in await _run_part(session, part)]
        # A new owner needs privileges on the schema, which a dump grants at its end.
        failed = await _one_by_one(session, [statement for statement, _ in failed])
        failed = [each for each in failed if not EVENT_TRIGGER.match(each[0])]
        await session.execute("reset all")
        for table in noted:
            name = sql.Identifier(table["schema"], table["name"])
            async with (
                real.cursor().copy(sql.SQL("copy {} to stdout (format binary)").format(name)) as read,
                session.cursor().copy(sql.SQL("copy {} from stdin (format binary)").format(name)) as written,
            ):
                async for block in read:
                    await written.write(block)
    finally:
        await session.close()
    return f"{len(failed)} statements of it failed, the first: {report(failed[0][1].diag).said}" if failed else ""


def _parts(text: str) -> Iterator[str]:
    """A dump in parts, each for one message."""
    first, *entries = text.split(ENTRY)
    yield first
    for start in range(0, len(entries), TOGETHER):
        yield ENTRY + ENTRY.join(entries[start : start + TOGETHER])


async def _run_part(session: Connection, part: str) -> list[Failure]:
    """Run a part of a dump, statement by statement where the login may not run all of it; what failed."""
    try:
        # One message is one transaction.
        await session.execute(part.encode())
        return []
    except psycopg.Error:
        if session.closed:
            raise
    return await _one_by_one(session, [statement.text for statement in sqltext.statements(part)])


async def _one_by_one(session: Connection, statements: Iterable[str]) -> list[Failure]:
    failed: list[Failure] = []
    for statement in statements:
        try:
            await session.execute(statement.encode())
        except psycopg.Error as error:
            if session.closed:
                raise
            failed.append((statement, error))
    return failed


async def _unheard(urn: str, message: str, passing: bool) -> None:
    """What a rehearsal reports, `up` reports again."""


async def pg_dump(server: int, more: Iterable[Path] = ()) -> str:
    """The first pg_dump of the search path, or of `more`, that is as new as the server.

    :raises NoCopy: where there is none
    """
    found = dict.fromkeys([*(Path(folder) / "pg_dump" for folder in os.get_exec_path() if folder), *more])
    for program in (str(path) for path in found if shutil.which(path)):
        if await _major(program) >= server:
            return program
    raise NoCopy(f"the search path has no pg_dump of PostgreSQL {server} or newer")


async def _major(program: str) -> int:
    said, _ = await _run([program, "--version"], {})
    number = said.rpartition(") ")[2].partition(".")[0].partition(" ")[0].strip()
    return int(number) if number.isdecimal() else 0


async def dumped(program: str, login: connectionurl.Parameters, options: Iterable[str] = DUMP) -> str:
    """What pg_dump writes.

    :raises NoCopy: for what pg_dump can't read
    """
    try:
        shown, secret = client_login(login)
    except NotHidden:
        raise NoCopy("pg_dump can't be given the password of the login's TLS key") from None
    said, failed = await _run([program, *options, "-d", shown], secret)
    if failed:
        raise NoCopy(f"pg_dump can't read the structure: {in_its_own_words(failed)}")
    return said


def _copied(dump: str, others: Set[str]) -> str:
    """What is run of a dump, where we can't act as some roles."""
    return "\n".join(line for line in dump.split("\n") if not _left_out(line, others))


def _left_out(line: str, others: Set[str]) -> bool:
    match = OWNED.fullmatch(line) or DEFAULTS.fullmatch(line)
    return match["owner"] in others if match else bool(RESTRICT.fullmatch(line))


async def _run(command: Iterable[str], variables: Mapping[str, str]) -> tuple[str, str]:
    """What a program writes, and why it failed: empty where it didn't."""
    process = await asyncio.create_subprocess_exec(
        *command,
        env={**os.environ, **variables},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        said, wrong = await process.communicate()
    finally:
        # Its locks end with it.
        if process.returncode is None:
            process.kill()
    return said.decode(errors="replace"), (
        wrong.decode(errors="replace") or "no reason given"
    ) if process.returncode else ""
