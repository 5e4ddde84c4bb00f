"""A folder of migrations in a checkout of its own, and the database that it is applied to."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from declared import sqlfiles
from harness.engine import Engine, Refusal, Thing
from ops.migrations import run
from tests.provider.world import World

TOKEN = "pg:index:MigrationSet"
HISTORY = "supabase_migrations.schema_migrations"
HEADER = "-- {number} {words}: why.\n-- Lock: none. Duration: instant.\n-- Down: loses it.\n"


@dataclass
class Folder:
    """A folder of migrations in a checkout of its own, and the world it is applied to."""

    path: Path
    world: World

    @property
    def engine(self) -> Engine:
        return self.world.engine

    def write(self, name: str, up: str, down: str = "select 1;", loses: str = "loses it.") -> None:
        """Both scripts; one that begins with a comment brings its own fourth header line."""
        number, _, words = name.partition("_")
        for direction, text in (("up", up), ("down", down)):
            header = HEADER.format(number=number, words=words).replace("loses it.", loses)
            (self.path / f"{name}.{direction}.sql").write_text(header + text + "\n")

    def table(self, name: str) -> None:
        """A migration that makes a table named after it."""
        words = name.partition("_")[2]
        self.write(name, f"create table public.{words} (id int primary key);", f"drop table public.{words};")

    def remove(self, name: str) -> None:
        for direction in ("up", "down"):
            (self.path / f"{name}.{direction}.sql").unlink()

    def declared(self, **more: Any) -> dict[str, Any]:
        steps = {step.name: step.checksum for step in sqlfiles.steps(self.path)}
        return {"folder": "sql/steps", "steps": steps, **more}

    def up(self) -> Thing:
        return self.engine.create(TOKEN, self.declared())

    def refreshed(self, thing: Thing) -> Thing:
        found = self.engine.refresh(thing)
        assert found is not None
        return found

    def tables(self) -> list[str]:
        """The tables that migrations made, oldest first."""
        found = self.world.sql(
            "select relname::text from pg_class where relnamespace = 'public'::regnamespace and relkind = 'r' "
            "and relname not in ('notes', 'other') order by oid"
        )
        return [name for (name,) in found]

    def recorded(self) -> list[str]:
        return [version for (version,) in self.world.sql(f"select version from {HISTORY} order by version")]


def make_folder(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Folder:
    world.engine.plugin.read_from(tmp_path)
    monkeypatch.setattr(run, "CHECKOUT", tmp_path)
    path = tmp_path / "sql" / "steps"
    path.mkdir(parents=True)
    return Folder(path, world)


def one_line(caught: pytest.ExceptionInfo[Refusal]) -> str:
    text = str(caught.value)
    assert "\n" not in text
    return text
