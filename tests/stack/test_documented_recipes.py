"""The cookbook from top to bottom: its commands, files and output, each recipe on what the ones before it have left."""

import json
import shutil
import threading
import time

import psycopg
import pytest

from declared.paths import CHECKOUT
from harness.checkout import Scratch
from tests.sql.test_lint import DROPS, run, squawk
from tests.stack import pages
from tests.stack.pages import Block

pytestmark = [pytest.mark.stack, pytest.mark.xdist_group("documented")]

PERSON = "01a21adc-f792-7f0e-b567-e6088ae0c2d1"
CLAIMS = json.dumps({"sub": PERSON, "role": "authenticated"})
# Rows that are there before the app begins: more than one batch.
ROWS = f"""
insert into public.notes (owner_id, title, stars, created_at)
select '{PERSON}', 'old ' || i, i % 6, now() - interval '1 year' from generate_series(1, 2500) i"""
# Recipes that the test of their subject follows.
ELSEWHERE = {
    "Rotate passwords and keys": "tests/stack/test_dev_rotation.py",
    "A second environment": "tests/stack/test_promoted_stacks.py",
    "A server of your own": "tests/stack/test_own_database.py",
}
ROUNDS = 10
TYPE = "Change a type on a large table without a long lock"
MANUAL = "Somebody changed something manually"
STARS = "select stars from public.notes limit 1"


class App:
    """An app that asks for what the page says, all the time, as a person; what it got is in `errors` and `rounds`."""

    def __init__(self, url: str, block: Block) -> None:
        self.statements = [each for each in block.text.split(";") if each.strip()]
        self.rounds = 0
        self.errors: list[str] = []
        self._ended = threading.Event()
        self._url = url
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        while not self._ended.is_set():
            try:
                self._ask()
            except psycopg.Error as error:
                self.errors.append(str(error))
            time.sleep(0.02)

    def _ask(self) -> None:
        """Over one connection as long as it works, in the form of a pool that prepares nothing."""
        with psycopg.connect(self._url, prepare_threshold=None) as connection:
            while not self._ended.is_set():
                with connection.transaction():
                    connection.execute("set local role authenticated")
                    connection.execute("select set_config('request.jwt.claims', %s, true)", [CLAIMS])
                    for statement in self.statements:
                        connection.execute(statement.encode())
                self.rounds += 1
                time.sleep(0.03)

    def goes_on(self) -> None:
        """It asks some more times."""
        until, deadline = self.rounds + ROUNDS, time.monotonic() + 30
        while self.rounds < until:
            assert time.monotonic() < deadline, f"the app hangs: {self.errors}"
            time.sleep(0.01)

    def end(self) -> None:
        self._ended.set()
        self._thread.join()
        assert self.errors == [], f"{self.statements}: {self.errors}"
        assert self.rounds >= ROUNDS


class Cook:
    """Does what a recipe says, block by block."""

    def __init__(self, copy: Scratch) -> None:
        self.copy = copy
        self.apps: list[App] = []
        self.said = ""
        self.prepared: psycopg.Connection | None = None

    def do(self, recipe: str) -> None:
        try:
            for block in pages.blocks(recipe):
                try:
                    self._block(block)
                except AssertionError as error:
                    raise AssertionError(f"{pages.COOKBOOK}:{block.line}: {error}") from error
        finally:
            apps, self.apps = self.apps, []
            for app in apps:
                app.end()

    def _block(self, block: Block) -> None:
        if block.kind == "sh":
            self.said = "".join(pages.run(self.copy, command) for command in block.commands)
            for app in self.apps:
                app.goes_on()
        elif block.kind == "text":
            assert pages.missing(block.text, self.said) == [], self.said
        elif block.file:
            pages.write(self.copy.folder, block)
        else:
            assert block.text.startswith("-- the app"), f"a block of {block.kind} that nobody runs"
            self._deploy(block)

    def _deploy(self, block: Block) -> None:
        """The new app runs beside the old one for a while, then alone."""
        said = json.loads(pages.run(self.copy, "./vpb env --secrets --format json"))
        app = App(said["DATABASE_URL"], block)
        app.goes_on()
        for old in self.apps:
            old.end()
        self.apps = [app]


@pytest.fixture(scope="module")
def cook(documented: Scratch) -> Cook:
    documented.sql(f"insert into next_auth.users (id, name) values ('{PERSON}', 'Ada') on conflict do nothing")
    return Cook(documented)


def _branch(cook: Cook) -> None:
    """The checkout is a repository, with a branch for the table that comes."""
    for command in ("init --quiet --initial-branch main", "config user.name Ada", "config user.email ada@example.org"):
        pages.run(cook.copy, f"git {command}")
    _commit(cook, "All")
    pages.run(cook.copy, "git switch --quiet --create notes")


def _commit(cook: Cook, message: str) -> None:
    pages.run(cook.copy, f"git add --all && git commit --quiet --message '{message}'")


def _rows(cook: Cook) -> None:
    cook.copy.sql(ROWS)


def _two_branches(cook: Cook) -> None:
    """Main gets a migration, another branch one of the same number, which the database has."""
    pages.run(cook.copy, "git switch --quiet main")
    _column(cook, "starred")
    pages.run(cook.copy, "git switch --quiet --create pinned main~")
    _column(cook, "pinned")
    # Its preview would cost as much again.
    made = cook.copy.pulumi("up", "--yes", "--skip-preview")
    assert made.status == 0, made.output


def _column(cook: Cook, word: str) -> None:
    pages.run(cook.copy, f"./vpb new migration projects_{word}")
    for half, change in (("up", f"add column {word}_at timestamptz"), ("down", f"drop column {word}_at")):
        (path,) = (cook.copy.folder / "sql" / "migrations").glob(f"*_projects_{word}.{half}.sql")
        path.write_text(f"{path.read_text()}\nalter table public.projects {change};\n")
    _commit(cook, word)


def _prepared(cook: Cook) -> None:
    cook.prepared = psycopg.connect(cook.copy.url, autocommit=True, prepare_threshold=0)
    cook.prepared.execute(STARS)


def _not_prepared_any_more(cook: Cook) -> None:
    with cook.prepared, pytest.raises(psycopg.errors.FeatureNotSupported, match="must not change result type"):
        cook.prepared.execute(STARS)


def _as_declared(cook: Cook) -> None:
    """What was declared is back, and what was accepted is no change any more."""
    assert cook.copy.sql("select 1 from pg_policies where policyname = 'projects_delete_own'") == [(1,)]
    assert cook.copy.drift().status == 0


AFTER = {TYPE: _not_prepared_any_more, MANUAL: _as_declared}
BEFORE = {
    TYPE: _prepared,
    "A new table": _branch,
    "Rename a column without downtime": _rows,
    "Take a table back, with its policies and grants": lambda cook: _commit(cook, "Notes"),
    "Two branches with the same number": _two_branches,
}


@pytest.mark.parametrize("name", [name for name in pages.recipes() if name not in ELSEWHERE])
def test_a_recipe_does_what_it_says(cook, name):
    if name in BEFORE:
        BEFORE[name](cook)
    cook.do(pages.recipes()[name])
    if name in AFTER:
        AFTER[name](cook)


def test_what_is_not_followed_here_is_in_the_cookbook_and_its_tests_name_it():
    assert ELSEWHERE.keys() <= pages.recipes().keys()
    assert [name for name, test in ELSEWHERE.items() if name not in (CHECKOUT / test).read_text()] == []


def test_linters_have_nothing_to_say_of_the_recipes_migrations(tmp_path):
    """As `make check` asks them; a change of a file that is there already isn't looked at."""
    shutil.copytree(CHECKOUT / "sql", tmp_path / "sql", ignore=shutil.ignore_patterns("*.sql", "schema"))
    shutil.copy2(CHECKOUT / "pyproject.toml", tmp_path)
    for block in pages.blocks((CHECKOUT / pages.COOKBOOK).read_text()):
        if block.kind == "sql" and block.file:
            path = tmp_path / block.file.replace("NNNN", "0001")
            path.parent.mkdir(exist_ok=True)
            path.write_text(block.text.replace("NNNN", "0001"))
    up, down = (sorted(tmp_path.rglob(f"*.{half}.sql")) for half in ("up", "down"))
    assert len(up) == len(down) > 8
    for done in (squawk(*up), squawk(*down, excluded=DROPS), run("sqlfluff", "lint", "--nocolor", tmp_path / "sql")):
        assert done.returncode == 0, done.stdout
