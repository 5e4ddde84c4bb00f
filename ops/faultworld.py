"""What a round of faults stands on: rows and objects that must survive, steps that must run once, and the checks."""

import json
import re
import textwrap
import time
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import psycopg

from ops.scratch import Finished, Scratch

SLOW_SECONDS = 1.5
HISTORIES = {
    "sql/platform": "supabase_migrations.platform_migrations",
    "sql/migrations": "supabase_migrations.schema_migrations",
}
UGLY = ("Traceback (most recent call last)", "panic:", "goroutine ", "internal error", "Unexpected <class")
LONGEST_LINE = 500
# One of each kind that drift knows: an attribute, row security, a policy, a stray policy, a grant, a bucket.
BY_HAND = """
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

    # What a round begins with.

    def begin(self) -> None:
        """Have the ledger in which every generated step writes."""
        self.steps.clear()
        self.forget()
        for path in (self.scratch.folder / "sql" / "migrations").glob("*_fault_*.sql"):
            path.unlink()
        self.write_step("ledger", ["create table ops.fault_ledger (step text)"], ["drop table ops.fault_ledger"])

    def forget(self, *, objects: bool = True) -> None:
        """Rows that are rightly gone, and objects too."""
        self.people.clear()
        if objects:
            self.objects.clear()

    def provision(self) -> None:
        """Bring the copy to the declared state where it isn't there yet."""
        _must(self.scratch.up(), "up")
        shown = self.scratch.pulumi("stack", "output", "--json", "--show-secrets")
        urls = [value for value in json.loads(shown.output).values() if "postgresql://" in str(value)]
        self.secrets |= {url.split(":")[2].split("@")[0] for url in urls}
        self._learn_secrets()

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
        """One more pending step of several statements, one of them slow; `broken`: its third can't run."""
        name = self._next("step")
        record = f"insert into ops.fault_ledger (step) values ('{name}')"
        middle = "select 1 / 0" if broken else f"select pg_catalog.pg_sleep({seconds})"
        return self.write_step("step", [record, "select 1", middle, record], [_forgotten(name)])

    def write_step(self, words: str, up: list[str], down: list[str]) -> str:
        """The two halves of the next step."""
        name = self._next(words)
        header = f"-- {name[:4]} faults: to be interrupted.\n-- Lock: none. Duration: short.\n-- Down: its own rows.\n"
        for half, statements in (("up", up), ("down", down)):
            path = self.scratch.folder / "sql" / "migrations" / f"{name}.{half}.sql"
            path.write_text(header + "".join(f"{statement};\n" for statement in statements))
        self.steps.append(name)
        return name

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

    def change_by_hand(self) -> None:
        """Drift of several kinds."""
        self.scratch.sql(BY_HAND)

    # What a round ends with.

    def problems(self) -> list[str]:
        """What isn't as it must be after the recovery, one line each."""
        found = []
        preview = self.scratch.preview()
        if preview.status:
            found.append(f"preview is not empty: {textwrap.shorten(preview.output, 300)}")
        try:
            found += [*self._histories(), *self._effects(), *self._rows(), *self._stored()]
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
        return found

    def _effects(self) -> list[str]:
        counted = dict(self.scratch.sql("select step, count(*) from ops.fault_ledger group by step"))
        wanted = {name: 2 for name in self.steps if name.endswith("_step")}
        return [] if counted == wanted else [f"effects of steps are there {counted} times, wanted {wanted}"]

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
        return f"visual-prompt-builder-{self.scratch.stack}-objects"

    def ugliness(self, run: Finished) -> list[str]:
        """What the user should not have seen of a run that failed, and the clear last line that is missing."""
        found = [f"the user saw {text!r}" for text in UGLY if text in run.output]
        found += ["the user saw a password"] * any(secret in run.output for secret in self.secrets)
        if run.status and not re.match(r"error: \S", run.last_line):
            found.append(f"the last line is no clear one: {run.last_line[:120]!r}")
        if len(run.last_line) > LONGEST_LINE:
            found.append(f"the last line has {len(run.last_line)} characters")
        return found


def _forgotten(name: str) -> str:
    return f"delete from ops.fault_ledger where step = '{name}'"


def _must(run: Finished, what: str) -> None:
    if run.status:
        raise AssertionError(f"{what}, before any fault, ended with {run.status}: {run.last_line}")
