"""What a round of faults stands on: rows and objects that must survive, migrations that must run once; checks."""

import json
import re
import textwrap
import time
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import boto3
import psycopg

from harness.checkout import Finished, Scratch
from tests.faults.definitions import differences

SLOW_SECONDS = 1.5
ROWS = 2000
OUTSIDE = "-- Run: outside a transaction."
BATCHES = "-- Run: in batches of 100, pause 1ms."
HISTORIES = {
    "sql/platform": "supabase_migrations.platform_migrations",
    "sql/migrations": "supabase_migrations.schema_migrations",
}
UGLY = ("Traceback (most recent call last)", "panic:", "goroutine ", "internal error", "Unexpected <class")
LONGEST_LINE = 500
# One of each kind that drift knows: an attribute, row security, a policy, a stray policy, a grant, a bucket.
MANUAL = """
alter role anon createdb;
alter table public.projects disable row level security;
drop policy projects_select_public on public.projects;
create policy stray on public.users for select to anon using (true);
grant delete on public.projects to anon;
update storage.buckets set file_size_limit = 1 where id = 'audio';
"""


@dataclass
class World:
    """A scratch copy, and what is known to be in it."""

    scratch: Scratch
    steps: list[str] = field(default_factory=list)
    people: set[str] = field(default_factory=set)
    objects: set[str] = field(default_factory=set)
    secrets: set[str] = field(default_factory=set)
    doing: str = ""
    """What the run says when it is at the migration in whose middle a fault may come."""
    aside: dict[Path, str] = field(default_factory=dict)
    """The files of migrations that were taken back."""
    managed: list[tuple[Any, ...]] = field(default_factory=list)
    """The notes of who holds what of the first run."""

    # What a round begins with.

    def begin(self) -> None:
        """Have the ledger in which every generated migration writes."""
        self.steps.clear()
        self.aside.clear()
        self.forget()
        for path in (self.scratch.folder / "sql" / "migrations").glob("*_fault_*.sql"):
            path.unlink()
        self.write_step(
            "ledger",
            [
                "create table ops.fault_ledger (step text)",
                "create table ops.fault_rows (id int primary key, filled int not null default 0, visits int not null)",
                f"insert into ops.fault_rows select n, 0, 0 from pg_catalog.generate_series(1, {ROWS}) n",
                "create type ops.fault_mood as enum ('good')",
                "create table ops.fault_months (number int) partition by list (number)",
            ],
            ["drop table ops.fault_ledger, ops.fault_rows, ops.fault_months", "drop type ops.fault_mood"],
        )

    def forget(self, *, objects: bool = True) -> None:
        """Rows that are rightly gone, and objects too."""
        self.people.clear()
        if objects:
            self.objects.clear()

    def provision(self) -> None:
        """Bring the copy to the declared state where it isn't there yet."""
        must(self.scratch.up(), "up")
        shown = self.scratch.pulumi("stack", "output", "--json", "--show-secrets")
        urls = [value for value in json.loads(shown.output).values() if "postgresql://" in str(value)]
        self.secrets |= {url.split(":")[2].split("@")[0] for url in urls}
        self._learn_secrets()
        self.managed = self._managed()

    def _learn_secrets(self) -> None:
        services = self.scratch.services
        self.secrets |= {services["postgres"]["password"], services["aws"]["secret_key"]}

    def insert(self) -> None:
        """A person, a project and an object, as the app would leave them."""
        self._learn_secrets()
        person = str(uuid.uuid4())
        self.scratch.sql(
            f"insert into next_auth.users (id, name) values ('{person}', 'Fault');"
            f"insert into public.projects (owner_id, title) values ('{person}', 'Fault')"
        )
        self.people.add(person)
        self._s3().put_object(Bucket=self._bucket, Key=person, Body=person.encode())
        self.objects.add(person)
        # moto writes its memory down a moment after a change.
        time.sleep(1.2)

    def add_step(self, seconds: float = SLOW_SECONDS, broken: bool = False) -> str:
        """One more pending migration of several statements, one of them slow; `broken`: its third can't run."""
        name = self._next("step")
        record = f"insert into ops.fault_ledger (step) values ('{name}')"
        middle = "select 1 / 0" if broken else f"select pg_catalog.pg_sleep({seconds})"
        self.doing = f"applying {name}"
        return self.write_step("step", [record, "select 1", middle, record], [_forgotten(name)])

    def add_work(self, random: Random) -> None:
        """Pending migrations of every kind: in a transaction, outside of one, in batches; one is to be interrupted."""
        number = int(self._next("")[:4])
        month = f"ops.fault_month_{number}"
        self.write_step(
            "month",
            [f"create table {month} partition of ops.fault_months for values in ({number})"],
            [f"drop table if exists {month}"],
        )
        self.add_step()
        indexes = [f"fault_rows_{number}_{part}_idx" for part in "ab"]
        self.write_step(
            "parts",
            [
                OUTSIDE,
                f"create index concurrently {indexes[0]} on ops.fault_rows (visits)",
                f"alter type ops.fault_mood add value if not exists 'of {number}'",
                f"alter table ops.fault_months detach partition {month} concurrently",
                f"create index concurrently {indexes[1]} on ops.fault_rows (filled, id)",
            ],
            [OUTSIDE, *(f"drop index concurrently ops.{index}" for index in indexes)],
        )
        fill = "update ops.fault_rows set visits = visits + 1, filled = {} where id in (select id from ops.fault_rows"
        fill += " where filled <> {} order by id limit 100)"
        number, before = int(self._next("")[:4]), max(self._fills)
        self.write_step("fill", [BATCHES, fill.format(number, number)], [BATCHES, fill.format(before, before)])
        self.doing = f"applying {random.choice(self.steps[-4:])}"

    def take_back(self, random: Random) -> None:
        """Take the files of the newest migrations out of the folder, so that a run rolls them back."""
        self.aside.clear()
        gone = self.steps[-4:]
        for name in gone:
            for direction in ("up", "down"):
                path = self._path(name, direction)
                self.aside[path] = path.read_text()
                path.unlink()
            self.steps.remove(name)
        self.doing = f"rolling back {random.choice(gone)}"

    def put_back(self) -> None:
        """Put the files back, whatever was rolled back of them."""
        for path, text in self.aside.items():
            path.write_text(text)
        self.steps += sorted({path.name.partition(".")[0] for path in self.aside})
        self.aside.clear()

    def write_step(self, words: str, up: list[str], down: list[str]) -> str:
        """The two scripts of the next migration; one that begins with a comment brings its own header line."""
        name = self._next(words)
        header = f"-- {name[:4]} faults: to be interrupted.\n-- Lock: none. Duration: short.\n-- Down: its own rows.\n"
        for direction, statements in (("up", up), ("down", down)):
            lines = (each if each.startswith("--") else f"{each};" for each in statements)
            self._path(name, direction).write_text(header + "\n".join(lines) + "\n")
        self.steps.append(name)
        return name

    def _path(self, name: str, direction: str) -> Path:
        return self.scratch.folder / "sql" / "migrations" / f"{name}.{direction}.sql"

    def _next(self, words: str) -> str:
        numbers = [int(path.name[:4]) for path in self._files("sql/migrations")]
        return f"{max(numbers) + 1:04}_fault_{words}"

    def _files(self, folder: str) -> list[Path]:
        return sorted((self.scratch.folder / folder).glob("*.up.sql"))

    def empty(self) -> None:
        """Take the objects away, since a bucket with objects can't be destroyed."""
        s3, bucket = self._s3(), self._bucket
        for entry in s3.list_object_versions(Bucket=bucket).get("Versions", []):
            s3.delete_object(Bucket=bucket, Key=entry["Key"], VersionId=entry["VersionId"])
        self.objects.clear()
        time.sleep(1.2)

    def change_manually(self) -> None:
        """Drift of several kinds."""
        self.scratch.sql(MANUAL)

    def problems_with_a_manual_change(self) -> list[str]:
        """What somebody changes between a fault and the next run, and nobody declares: it is named and refused."""
        # Any command has the services running.
        must(self.scratch.pulumi("stack"), "stack")
        known = "select 1 from supabase_migrations.schema_snapshot where object = 'table public.projects'"
        there = "select pg_catalog.to_regclass('supabase_migrations.schema_snapshot') is not null"
        if not self.scratch.sql(there)[0][0] or not self.scratch.sql(known):
            return []
        self.scratch.sql("alter table public.projects alter column title set default 'manual'")
        refused = self.scratch.up()
        self.scratch.sql("alter table public.projects alter column title drop default")
        named = refused.status and "table public.projects: column title" in refused.output
        return self.ugliness(refused) + ["a manual change was neither named nor refused"] * (not named)

    # What a round ends with.

    def problems(self) -> list[str]:
        """What isn't as it must be after the recovery, one line each."""
        found = []
        preview = self.scratch.preview()
        if preview.status:
            found.append(f"preview is not empty: {textwrap.shorten(preview.output, 300)}")
        try:
            found += [*self._histories(), *self._effects(), *self._rows(), *self._stored()]
            found += [*differences(self.scratch.url), *self._notes()]
        except psycopg.Error as error:
            found.append(f"the database can't be asked: {error.diag.message_primary or type(error).__name__}")
        return found + self._strays()

    def _histories(self) -> list[str]:
        found = []
        for folder, table in HISTORIES.items():
            recorded = [row[0] for row in self.scratch.sql(f"select version || '_' || name from {table} order by 1")]
            wanted = [path.name.removesuffix(".up.sql") for path in self._files(folder)]
            if recorded != wanted:
                found.append(f"{table} has {recorded}, the files are {wanted}")
            if shared := self.scratch.sql(f"select version, owners from {table} where cardinality(owners) <> 1"):
                found.append(f"{table} has other owners: {shared}")
            if left := self.scratch.sql(f"select version, half from {table}_progress"):
                found.append(f"{table} has notes of statements that are done: {left}")
        return found

    def _notes(self) -> list[str]:
        """Who holds what, and which course of events the state knows."""
        found = [] if self._managed() == self.managed else ["the notes of who holds what aren't those of the first run"]
        resources = json.loads(self.scratch.checkpoint.read_text())["checkpoint"]["latest"]["resources"]
        sets = [each["outputs"] for each in resources if each["type"] == "pg:index:MigrationSet"]
        known = {each["history"]: each["incarnation"] for each in sets}
        for table in HISTORIES.values():
            if self.scratch.sql(f"select id from {table}_incarnation") != [(known.get(table),)]:
                found.append(f"the state knows another incarnation of {table}")
        return found

    def _managed(self) -> list[tuple[Any, ...]]:
        return self.scratch.sql("select object, owners from supabase_migrations.managed_objects order by 1")

    def _effects(self) -> list[str]:
        counted = dict(self.scratch.sql("select step, count(*) from ops.fault_ledger group by step"))
        wanted = {name: 2 for name in self.steps if name.endswith("_step")}
        found = [] if counted == wanted else [f"effects of migrations are there {counted} times, wanted {wanted}"]
        rows = self.scratch.sql("select filled, count(distinct visits), count(*) from ops.fault_rows group by 1")
        if rows != [(max(self._fills), 1, ROWS)]:
            found.append(f"rows were filled with {rows} (what, numbers of visits, rows), wanted {max(self._fills)}")
        # An index has the number of the first of the four migrations.
        numbers = [int(name[:4]) - 2 for name in self.steps if name.endswith("_parts")]
        indexes = {f"fault_rows_{number}_{part}_idx" for number in numbers for part in "ab"}
        there = self.scratch.sql(
            "select c.relname::text from pg_index i join pg_class c on c.oid = i.indexrelid "
            "where i.indrelid = 'ops.fault_rows'::regclass and i.indisvalid and not i.indisprimary"
        )
        if {name for (name,) in there} != indexes:
            found.append(f"valid indexes are {there}, wanted {indexes}")
        if attached := self.scratch.sql("select 1 from pg_inherits where inhparent = 'ops.fault_months'::regclass"):
            found.append(f"{len(attached)} partitions are still attached")
        return found

    @property
    def _fills(self) -> list[int]:
        """With what the migrations in batches fill the rows, beginning with what is there before."""
        return [0] + [int(name[:4]) for name in self.steps if name.endswith("_fill")]

    def _rows(self) -> list[str]:
        there = {row[0] for row in self.scratch.sql("select owner_id::text from public.projects")}
        profiles = {row[0] for row in self.scratch.sql("select id::text from public.users")}
        lost = self.people - (there & profiles)
        return [f"{len(lost)} of {len(self.people)} people or their projects are lost"] if lost else []

    def _stored(self) -> list[str]:
        listed = self._s3().list_objects_v2(Bucket=self._bucket).get("Contents", [])
        lost = self.objects - {entry["Key"] for entry in listed}
        return [f"{len(lost)} of {len(self.objects)} objects are lost"] if lost else []

    def _strays(self) -> list[str]:
        deadline = time.monotonic() + 5
        while (strays := self.scratch.strays()) and time.monotonic() < deadline:
            time.sleep(0.1)
        return [f"left running: {' '.join(process.command)[:100]}" for process in strays]

    def _s3(self) -> Any:
        aws = self.scratch.services["aws"]
        keys = {"aws_access_key_id": aws["access_key"], "aws_secret_access_key": aws["secret_key"]}
        return boto3.client("s3", endpoint_url=aws["endpoint"], region_name="us-east-1", **keys)

    @property
    def _bucket(self) -> str:
        return f"vpb-{self.scratch.stack}-123456789012-objects"

    def ugliness(self, run: Finished) -> list[str]:
        """What the user should not have seen of a run that failed, and the clear last line that is missing."""
        found = [f"the user saw {text!r}" for text in UGLY if text in run.output]
        found += ["the user saw a password"] * any(secret in run.output for secret in self.secrets)
        if run.status and not re.match(r"error: \S|interrupted; ", run.last_line):
            found.append(f"the last line is no clear one: {run.last_line[:120]!r}")
        if len(run.last_line) > LONGEST_LINE:
            found.append(f"the last line has {len(run.last_line)} characters")
        return found


def _forgotten(name: str) -> str:
    return f"delete from ops.fault_ledger where step = '{name}'"


def must(run: Finished, what: str) -> None:
    if run.status:
        raise AssertionError(f"{what}, before any fault, ended with {run.status}: {run.last_line}")
