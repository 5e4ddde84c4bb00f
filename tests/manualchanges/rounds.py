"""Rounds of manual changes on a database that has work pending, and the judgement of each.

A round is right where every change is named by `preview`, and `up` either refuses before it has written anything, or
leaves exactly what it leaves on a database that nobody has changed. After a refusal the changes are undone or accepted,
and the same holds for the next `up`.
"""

import re
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import psycopg

from harness import scratch
from harness import stack as stacks
from harness.stack import Killed, Run, Stack
from local import postgres
from tests.manualchanges import work as works
from tests.manualchanges.changes import Change, Connection, Subjects
from tests.manualchanges.oracle import Dump, dump, stored, unlike
from tests.manualchanges.work import NONE, Work

NAME, TEMPLATE = "vpb", "vpb_template"
MOST = 12
SNAPSHOT = "snapshot-schema"
SHADOWS = re.compile("renamed|dropped|moved")
LOST = re.compile("snapshot (empty|gone)")
FAST = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "jit": "off", "max_connections": "30"}
# Roles belong to the whole server: after a round they are as before it, row by row.
SHARED = ("pg_authid", "pg_auth_members", "pg_shdescription", "pg_parameter_acl")


@dataclass
class Tally:
    """What all rounds have come to."""

    rounds: int = 0
    pairs: Counter[str] = field(default_factory=Counter)
    """Changes by the kind of pending work, and whether it was on the changed object."""
    templates: Counter[str] = field(default_factory=Counter)
    results: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)

    @property
    def lines(self) -> list[str]:
        pairs = ", ".join(f"{name} {count}" for name, count in sorted(self.pairs.items()))
        results = ", ".join(f"{name} {count}" for name, count in sorted(self.results.items()))
        return [
            f"{self.rounds} rounds, {self.pairs.total()} pairs of a change and pending work: {pairs}",
            f"{len(self.templates)} templates used; {results}",
            f"{len(self.wrong)} wrong",
            *self.wrong,
        ]


class World:
    """A server of its own with the provisioned database, and what each pending work leaves on an unchanged clone."""

    verbose = False

    def __init__(self, folder: Path, declared: stacks.Declaration | None = None) -> None:
        self.folder = folder
        self.server = postgres.ensure(folder / "server", postgres.wheel_binaries(), FAST)
        self.program = declared or stacks.declaration(NAME)
        self._checkouts: dict[str, tuple[Path, stacks.Declaration]] = {}
        self._references: dict[str, Dump] = {}
        self.works = (NONE, *works.MIGRATIONS, *works.grants(self.program), *works.policies(self.program))
        self._provision()

    @contextmanager
    def connected(self, database: str = NAME) -> Iterator[Connection]:
        with psycopg.connect(self.server.url(database), autocommit=True) as connection:
            yield connection

    def _admin(self, *statements: str) -> None:
        with self.connected("postgres") as connection:
            for statement in statements:
                connection.execute(statement.encode())

    def _provision(self) -> None:
        self._admin(f"create database {NAME} template template0")
        folder, declared = self.declared(NONE)
        self.template = Stack(self.server.url(NAME), declared, folder)
        run = self.template.up()
        assert not run.errors, run.errors
        with self.connected() as connection:
            self.identity = scratch.identity(self.server.url(NAME))
            self.subjects = Subjects(connection)
        self.schemas = declared[SNAPSHOT].inputs["schemas"]
        self.pristine = self.dump()
        self._admin(f"alter database {NAME} rename to {TEMPLATE}")
        self._admin(*(f"create table saved_{name} as select * from pg_catalog.{name}" for name in SHARED))
        self._admin("create table saved_settings as select * from pg_catalog.pg_db_role_setting where setdatabase = 0")

    def declared(self, work: Work) -> tuple[Path, stacks.Declaration]:
        """The checkout and the declaration with the pending work."""
        if work.name not in self._checkouts:
            folder = works.checkout(self.folder / f"checkout_{len(self._checkouts)}", work)
            self._checkouts[work.name] = (folder, works.declare(self.program, folder, work))
        return self._checkouts[work.name]

    def clone(self, work: Work) -> Stack:
        """The provisioned database once more, with the state that belongs to it and the work pending."""
        with self.connected("postgres") as connection:
            self._drop(connection)
            connection.execute(f"create database {NAME} template {TEMPLATE}".encode())
            # A clone doesn't have the privileges on the database itself.
            acl = f"(select datacl from pg_catalog.pg_database where datname = '{TEMPLATE}')"
            connection.execute(f"update pg_catalog.pg_database set datacl = {acl} where datname = '{NAME}'".encode())
        now = scratch.identity(self.server.url(NAME))
        folder, declared = self.declared(work)
        stack = self.template.moved(self.server.url(NAME), self.identity, now)
        stack.checkout, stack.declared = folder, declared
        return stack

    def _drop(self, connection: Connection) -> None:
        query = "select s.subname from pg_catalog.pg_subscription s join pg_catalog.pg_database d on d.oid = s.subdbid"
        for (name,) in connection.execute(query.encode()).fetchall():
            with self.connected() as inside:
                inside.execute(f"drop subscription {name}".encode())
        connection.execute(f"drop database if exists {NAME} with (force)".encode())
        for name in SHARED:
            # Never all rows at once: without its own the login is nobody.
            for statement in (
                "delete from pg_catalog.{0} c where to_jsonb(c) not in (select to_jsonb(s) from saved_{0} s)",
                "insert into pg_catalog.{0} select s.* from saved_{0} s "
                "where to_jsonb(s) not in (select to_jsonb(c) from pg_catalog.{0} c)",
            ):
                connection.execute(statement.format(name).encode())
        with connection.transaction():
            connection.execute("delete from pg_catalog.pg_db_role_setting where setdatabase = 0")
            connection.execute("insert into pg_catalog.pg_db_role_setting table saved_settings")

    def reference(self, work: Work) -> Dump:
        """What an `up` with this work leaves on a clone that nobody has changed."""
        if work.name not in self._references:
            run = self.clone(work).up()
            assert not run.errors, f"{work.name}: {run.errors}"
            self._references[work.name] = self.dump()
        return self._references[work.name]

    def dump(self) -> Dump:
        with self.connected() as connection:
            return dump(connection, self.schemas)


@dataclass
class Round:
    """One clone, its changes, and what became of them."""

    world: World
    seed: str
    tally: Tally
    work: Work = NONE
    changes: list[Change] = field(default_factory=list)
    accidents: list[str] = field(default_factory=list)
    delta: dict[tuple[str, str], Any] = field(default_factory=dict)
    """What the changes have changed, by object and facet."""
    accepted: bool = False

    def __post_init__(self) -> None:
        self.random = Random(self.seed)

    def play(self, changes: Sequence[Change] | None = None) -> bool:
        """The whole round; whether all was right."""
        random, world, tally = self.random, self.world, self.tally
        self.work = self.pending()
        reference = world.reference(self.work)
        stack = world.clone(self.work)
        clean = world.pristine
        if changes is None and random.random() < 0.2:
            self._kill(stack)
            clean = world.dump()
        self._change(changes)
        if not self.changes:
            return True
        dirty = world.dump()
        delta = self.delta = unlike(clean, dirty)
        texts = [f"{key} {both}" for key, both in delta.items()]
        effective = [each for each in self.changes if each.template.hidden or _told(each.words[:1], texts)]
        tally.results["no difference"] += len(self.changes) - len(effective)
        for change in effective:
            tally.templates[change.template.name] += 1
            tally.pairs[self._pair(change)] += 1
        preview = stack.preview()
        before = len(tally.wrong)
        self._see(effective, preview)
        if changes is None and random.random() < 0.1:
            self._kill(stack)
            dirty = world.dump()
        run = stack.up()
        refused = SNAPSHOT in run.errors
        if refused:
            tally.results["refused"] += 1
            self._untouched(dirty, run, effective)
            if not self.accidents and random.random() < 0.2:
                self._see(effective, stack.preview())
            run = self._go_on(stack, run, effective)
        tally.results["up"] += 1
        if run.errors:
            self._stopped(run, effective)
        else:
            self._same(reference, run)
            if random.random() < 0.3 and (rest := stack.preview()).changes:
                self._wrong(
                    f"after the last up, preview still has {dict(list(rest.changes.items())[:3])} {rest.messages[:3]}"
                )
        return len(tally.wrong) == before

    def pending(self) -> Work:
        """The pending work of this seed."""
        random = Random(f"{self.seed} work")
        kind = random.choice(("none", "migration", "migration", "grant", "policy"))
        return random.choice([work for work in self.world.works if work.kind == kind])

    def _pair(self, change: Change) -> str:
        if self.work.kind != "migration":
            return self.work.kind
        return "migration on the same object" if change.object in self.work.objects else "migration on another"

    def _kill(self, stack: Stack) -> None:
        """A run that ended without a word somewhere, whose state the engine may have lost too."""
        before = dict(stack.state)
        names = list(stack.declared)
        at = self.random.randrange(len(names))
        try:
            stack.up(at)
        except Killed:
            lost = self.random.random() < 0.5
            if lost:
                stack.state = before
            self.accidents.append(f"up killed before {names[at]}" + (", its state lost" if lost else ""))
            self.tally.results["killed"] += 1

    def _change(self, changes: Sequence[Change] | None) -> None:
        """Somebody with psql; what PostgreSQL refuses was no change."""
        count = self.random.randint(1, MOST)
        with self.world.connected() as connection:
            for number in range(count if changes is None else len(changes)):
                if changes is None:
                    near = self.work.objects if self.random.random() < 0.5 else ()
                    change = self.world.subjects.choose(self.random, near)
                else:
                    change = changes[number]
                try:
                    with connection.transaction():
                        connection.execute(change.apply.encode())
                except psycopg.Error as error:
                    self.tally.results["not possible"] += 1
                    if self.world.verbose:
                        print(f"  {change.template.name}: {change.apply}: {error}")
                    continue
                self.changes.append(change)

    def _see(self, effective: Sequence[Change], preview: Run) -> None:
        if any(LOST.search(change.template.name) for change in self.changes) and _told(("snapshot",), preview.text):
            return  # what was there before isn't known any more
        if "structure-migrations" in preview.errors:
            return  # the history says so, and what waits for it isn't looked at
        for change in effective:
            if not any(_told(words, preview.text) for words in self._names(change)):
                self._wrong(f"preview doesn't name {change.template.name}: {change.apply}")

    def _names(self, change: Change) -> list[tuple[str, ...]]:
        """What a line has to say. With another name, or gone, an object is named as that, with all that is of it."""
        above = [
            other.words[:1]
            for other in self.changes
            if other is not change and SHADOWS.search(other.template.name) and other.words[0] in change.apply
        ]
        return [change.words, change.words[:1], *above] if above else [change.words]

    def _untouched(self, dirty: Dump, run: Run, effective: Sequence[Change]) -> None:
        """A refusal comes before the first write, in one line that names a change."""
        message = run.errors[SNAPSHOT]
        if "\n" in message or set(run.errors) != {SNAPSHOT}:
            self._wrong(f"more than one line: {run.errors}")
        if effective and not any(_told(change.words[:1], [message]) for change in effective):
            self._wrong(f"the refusal names no change: {message}")
        if touched := unlike(dirty, self.world.dump()):
            self._wrong(f"refused, and yet written: {touched}")

    def _go_on(self, stack: Stack, run: Run, effective: Sequence[Change]) -> Run:
        """Undo what is refused where there is a way, or accept it as it is; then the next `up`."""
        lines = [line for line in run.text if line.startswith(SNAPSHOT)]
        held = [change for change in self.changes if change in effective and _told(change.words, lines)]
        if self.random.random() < 0.6 and all(change.template.undo for change in held):
            self._undo(held)
            self.tally.results["undone"] += 1
            run = stack.up()
        for _ in range(2):
            found = re.search(r"acceptDrift ([0-9a-f]{12})", run.errors.get(SNAPSHOT, ""))
            if found is None:
                break
            # Something that can't be undone alone, as the parts of one change that another has moved.
            self.tally.results["accepted"] += 1
            self.accepted = True
            self.delta |= unlike(self.world.pristine, self.world.dump())
            stack.declared = stacks.with_inputs(stack.declared, {SNAPSHOT: {"accept": found[1]}})
            run = stack.up()
        return run

    def _undo(self, changes: Sequence[Change]) -> None:
        with self.world.connected() as connection:
            for change in reversed(changes):
                assert change.undo
                try:
                    with connection.transaction():
                        connection.execute(change.undo.encode())
                except psycopg.Error:
                    self.tally.results["undo not possible"] += 1

    def _stopped(self, run: Run, effective: Sequence[Change]) -> None:
        """An error names something that is gone, or that stands in the way."""
        self.tally.results["stopped by an error that names it"] += 1
        if self.world.verbose:
            print(f"  {self.seed}, {self.work.name}: {run.errors} <- {[change.apply for change in self.changes]}")
        for message in run.errors.values():
            words = {word for change in effective for word in change.words[:2]}
            if "internal error" in message or "\n" in message.strip():
                self._wrong(f"not one line: {message}")
            elif not any(word in message for word in words):
                self._wrong(f"an error that names none of the changes: {run.errors}")
                break

    def _same(self, reference: Dump, run: Run) -> None:
        """Nothing is other than on a clone that nobody has changed, except for what was accepted."""
        left = unlike(reference, self.world.dump())
        if self.accepted:
            left = {
                key: both
                for key, both in left.items()
                if key not in self.delta or (self.delta[key][1] != both[1] and self.work.kind != "migration")
            }
        if left:
            self._wrong(f"SWALLOWED {'(with an acceptance) ' * self.accepted}{left}; {run.messages[-3:]}")
        with self.world.connected() as connection:
            untrue = unlike(stored(connection), dump(connection, self.world.schemas, beside=False))
        if untrue:
            self._wrong(f"the stored snapshot isn't what is there: {untrue}")

    def _wrong(self, what: str) -> None:
        changes = "; ".join(f"[{change.template.name}] {change.apply}" for change in self.changes)
        accidents = f" after {'; '.join(self.accidents)}" if self.accidents else ""
        text = f"seed {self.seed}, work {self.work.name}{accidents}: {what[:1500]} <- {changes}"
        self.tally.wrong.append(text)
        if self.world.verbose:
            print(text)


def _told(words: Sequence[str], lines: Sequence[str]) -> bool:
    return any(all(word in line for word in words) for line in lines)


@contextmanager
def world(declared: stacks.Declaration | None = None) -> Iterator[World]:
    """A world in a folder of its own, which goes with it."""
    folder = Path(tempfile.mkdtemp(prefix="manual-changes-"))
    folder.chmod(0o755)
    try:
        yield World(folder, declared)
    finally:
        postgres.remove(folder / "server", postgres.wheel_binaries())
        shutil.rmtree(folder)
