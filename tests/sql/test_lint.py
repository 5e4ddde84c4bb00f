"""sqlfluff and squawk have nothing to say, and would if there were something."""

import json
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.sql.provision import SQL

SCRIPTS = Path(sys.executable).parent
EXAMPLE = SQL.parent / "tests" / "sql" / "follow_up"
# Down scripts drop: that is what they are for.
DROPS = ("ban-drop-table", "ban-drop-function", "ban-drop-view", "ban-drop-constraint")
# What stands in for a platform has its types and keys.
OURS = [path for path in SQL.glob("*/*.sql") if path.parent.name != "standin"]
UP = sorted([*(path for path in OURS if path.name.endswith(".up.sql")), *EXAMPLE.glob("*.up.sql")])
DOWN = sorted([*(path for path in OURS if path.name.endswith(".down.sql")), *EXAMPLE.glob("*.down.sql")])


def run(*command: object, text: str | None = None) -> subprocess.CompletedProcess[str]:
    """A linter of our own environment, run in the checkout."""
    program, *rest = map(str, command)
    return subprocess.run(
        [SCRIPTS / program, *rest], cwd=SQL.parent, input=text, capture_output=True, text=True, check=False
    )


def squawk(*paths: object, excluded: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    """squawk by our settings; an exclusion on the command line takes the place of theirs, so they are repeated."""
    settings = SQL / ".squawk.toml"
    ours = tomllib.loads(settings.read_text())["excluded_rules"]
    return run("squawk", "--config", settings, "--exclude", ",".join([*ours, *excluded]), *paths)


@pytest.mark.linter
def test_sqlfluff_has_nothing_to_say():
    done = run("sqlfluff", "lint", "--processes", "1", "--nocolor", SQL, EXAMPLE)
    assert done.returncode == 0, done.stdout
    assert "PRS" not in done.stdout, "a file could not be parsed"


BAD = {
    "CP01": "SELECT 1 as one;\n",
    "CP02": "select 1 as One;\n",
    "CP05": "select 1::INT as one;\n",
    "RF06": 'select 1 as "one";\n',
    "LT05": f"select '{'x' * 120}' as one;\n",
    "LT12": "select 1 as one;",
    "CV06": "select 1 as one\n",
}


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> dict[str, set[str]]:
    """What sqlfluff says of bad files, in one run: it takes seconds to start."""
    folder = tmp_path_factory.mktemp("sql")
    settings = (SQL.parent / "pyproject.toml", SQL / ".sqlfluff")
    for path in settings:
        (folder / path.name).write_text(path.read_text())
    for rule, text in BAD.items():
        (folder / f"{rule}.sql").write_text(text)
    found = json.loads(run("sqlfluff", "lint", "--format", "json", folder).stdout)
    return {Path(file["filepath"]).stem: {each["code"] for each in file["violations"]} for file in found}


@pytest.mark.parametrize("rule", BAD)
def test_sqlfluff_would_speak_up(said, rule):
    assert rule in said[rule]


def test_squawk_has_nothing_to_say_about_the_way_up():
    done = squawk(*UP)
    assert done.returncode == 0, done.stdout


def test_squawk_has_nothing_to_say_about_the_way_down_but_that_it_drops():
    done = squawk(*DOWN, excluded=DROPS)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    "statement",
    [
        "create index projects_title_idx on public.projects (title);",
        "alter table public.projects add column rank int not null;",
        "alter table public.projects add constraint projects_rank_check check (rank > 0);",
        "create table public.things (id serial primary key);",
    ],
)
def test_squawk_would_speak_up(tmp_path, statement):
    (tmp_path / "bad.sql").write_text(statement + "\n")
    assert squawk(tmp_path / "bad.sql").returncode == 1
