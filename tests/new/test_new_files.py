"""What `./vpb new` writes, and what it refuses before anything is written."""

import ast
import io
import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from declared import buckets, sqlaccess, sqlfiles
from declared.paths import CHECKOUT
from ops import __main__ as ops
from ops.new import positions, templates

PAGES = [CHECKOUT / page for page in ("README.md", "docs/everyday.md", "docs/changes.md", "sql/README.md")]


def everything(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    status = ops.main(["new", *words])
    said = capsys.readouterr()
    return status, said.out, said.err


def refused(capsys: pytest.CaptureFixture[str], checkout: Path, *words: str) -> str:
    """The one line of a refusal, which leaves every file as it was."""
    before = everything(checkout)
    status, said, error = run(capsys, *words)
    assert (status, said, error.count("\n")) == (1, "", 1)
    assert everything(checkout) == before
    return error


def documented() -> list[str]:
    """The commands of the pages, but for stacks, which `test_new_stack.py` runs."""
    texts = [block for page in PAGES for block in re.findall(r"```sh\n(.*?)```", page.read_text(), re.DOTALL)]
    lines = [line.partition(" #")[0] for text in texts for line in text.splitlines() if line.startswith("./vpb new ")]
    return [line for line in lines if not line.startswith("./vpb new stack")]


def test_each_documented_command_does_what_it_says(checkout, capsys, monkeypatch):
    found = documented()
    assert len(found) > 5
    for number, line in enumerate(found):
        # One is asked whose the rows are, as on a terminal.
        asked = io.StringIO("project\n")
        monkeypatch.setattr(asked, "isatty", lambda: True)
        monkeypatch.setattr(sys, "stdin", asked)
        words = shlex.split(line)[2:]
        if words[:2] == ["table", "notes"]:
            words[1] = f"notes{number}"
        status, said, error = run(capsys, *words)
        assert status == 0, (line, error)
        assert "\nnext: " in said
    sqlfiles.read(checkout)


def test_a_migration_gets_the_next_number_and_both_scripts_with_headers_that_are_read(checkout, capsys):
    last = sqlfiles.steps(checkout / "sql/migrations")[-1]
    status, said, _ = run(capsys, "migration", "add_tags", "--json")
    name = f"{int(last.version) + 1:04}_add_tags"
    written = [f"sql/migrations/{name}.{direction}.sql" for direction in ("up", "down")]
    assert (status, json.loads(said)["wrote"]) == (0, written)
    found = steps(checkout)
    assert [step.name for step in found[-2:]] == [last.name, name]
    assert "loses nothing" not in found[-1].down.split("\n")[1]


def script(number: int, words: str) -> str:
    header = "-- Lock: none. Duration: instant.\n-- Down: loses nothing.\n"
    return f"-- {number:04} {words}: why.\n{header}\nselect '{words}';\n"


def add_migrations(checkout: Path, names: list[str]) -> None:
    """Migrations behind those that are there, such as `+1_tags` under the next number."""
    for name in names:
        offset, _, words = name.partition("_")
        number = len(steps(CHECKOUT)) + int(offset)
        for half in ("up", "down"):
            (checkout / f"sql/migrations/{number:04}_{words}.{half}.sql").write_text(script(number, words))


def added(checkout: Path) -> list[str]:
    """The same of those that are there now."""
    last = len(steps(CHECKOUT))
    return [f"+{int(step.version) - last}_{step.name[5:]}" for step in steps(checkout)[last:]]


def steps(checkout: Path) -> list[sqlfiles.Step]:
    return sqlfiles.steps(checkout / "sql" / "migrations")


@pytest.mark.parametrize(
    ("given", "names", "ended"),
    [
        (["+1_ours", "+1_theirs"], ["ours"], ["+1_theirs", "+2_ours"]),
        (
            ["+1_a", "+2_b", "+1_theirs", "+2_more", "+3_last"],
            ["a", "b"],
            ["+1_theirs", "+2_more", "+3_last", "+4_a", "+5_b"],
        ),
        (["+1_a", "+2_b", "+1_theirs"], ["a", "b"], ["+1_theirs", "+2_a", "+3_b"]),
        (["+1_a", "+2_b"], ["b", "a"], ["+1_b", "+2_a"]),
    ],
)
def test_migrations_get_the_numbers_after_all_others_in_the_order_given(checkout, capsys, given, names, ended):
    add_migrations(checkout, given)
    status, said, _ = run(capsys, "number", *names)
    assert (status, "next: make golden; ./vpb up" in said) == (0, True)
    assert added(checkout) == ended
    last = steps(checkout)[-1]
    assert last.up == script(int(last.version), last.name[5:])


@pytest.mark.parametrize(
    ("names", "reason"),
    [
        (["nope"], "sql/migrations: nope: there is no such migration"),
        (["ours", "+1_ours"], "a migration is named twice; nothing was changed"),
        (["theirs"], "come after all others already"),
        (["../ours"], "there is no such migration"),
        (["+1_ours"], "no other migration has its number, which would be missing before"),
        (["users"], "no other migration has its number, which would be missing before"),
    ],
)
def test_a_number_that_cannot_be_given_is_refused(checkout, capsys, names, reason):
    add_migrations(checkout, ["+1_ours", "+2_theirs"])
    first = len(steps(checkout)) - 1
    assert reason in refused(capsys, checkout, "number", *(name.replace("+1", f"{first:04}") for name in names))


@pytest.mark.parametrize(
    "name", ["", "Tags", "add-tags", "add tags", "../tags", "1st", "_tags", "tags\n", "a" * 61, "ä"]
)
def test_a_bad_name_of_a_migration_is_refused(checkout, capsys, name):
    assert "is no name of a migration; it has a-z" in refused(capsys, checkout, "migration", name)


def test_a_taken_and_a_half_made_migration_are_refused(checkout, capsys):
    said = refused(capsys, checkout, "migration", "projects")
    assert said.startswith("error: sql/migrations/0007_projects.up.sql: has this name already")
    number = len(sqlfiles.steps(checkout / "sql/migrations")) + 1
    (checkout / f"sql/migrations/{number:04}_tags.up.sql").write_text(f"-- {number:04} tags: x.\n")
    said = refused(capsys, checkout, "migration", "tags")
    assert said.startswith(f"error: sql/migrations/{number:04}_tags.down.sql is missing")


@pytest.mark.parametrize("name", ["", "Notes", "my-notes", "../x", "public.notes", "_x", "x_", "a" * 31, "ä", "x;"])
def test_a_bad_name_of_a_table_is_refused(checkout, capsys, name):
    assert "is no name of a table; it has a-z" in refused(capsys, checkout, "table", name, "--owner", "person")


def test_a_word_of_sql_and_a_taken_name_are_refused(checkout, capsys):
    assert "'order' is a word of SQL's own" in refused(capsys, checkout, "table", "order", "--owner", "person")
    said = refused(capsys, checkout, "table", "projects", "--owner", "person")
    assert said.startswith("error: public.projects: there is such a table already, see declared/grants.py")
    (checkout / "sql/policies/public.notes.sql").write_text("")
    said = refused(capsys, checkout, "table", "notes", "--owner", "servers")
    assert said == "error: sql/policies/public.notes.sql: is there already; nothing was written\n"


@pytest.mark.parametrize("about", ["", "a\nb", "a" * 71])
def test_what_a_table_is_about_is_one_line(checkout, capsys, about):
    said = refused(capsys, checkout, "table", "notes", "--owner", "person", "--about", about)
    assert "--about is one line" in said


def test_whose_the_rows_are_is_asked_on_a_terminal_alone(checkout, capsys, monkeypatch):
    for terminal, answer, reason in ((False, "person\n", "nobody is there to be asked"), (True, "me\n", "not 'me'")):
        asked = io.StringIO(answer)
        monkeypatch.setattr(asked, "isatty", lambda found=terminal: found)
        monkeypatch.setattr(sys, "stdin", asked)
        before = everything(checkout)
        status, _, error = run(capsys, "table", "notes")
        assert (status, reason in error, everything(checkout)) == (1, True, before)


@pytest.mark.parametrize("owner", templates.OWNERS)
def test_a_table_has_its_lines_everywhere_and_python_stays_as_it_is_formatted(checkout, capsys, owner):
    name = "a" * 30
    assert run(capsys, "table", name, "--owner", owner, "--about", "what isn't theirs")[0] == 0
    table = f"public.{name}"
    lines = [line for line in sqlaccess.matrix(checkout / "sql/access.md") if line.table == table]
    text = (checkout / "tests/sql/matrix.py").read_text()
    assert len(lines) == len(templates.OWNERS[owner].rows)
    assert {line.cells.keys() == sqlaccess.matrix()[0].cells.keys() for line in lines} == {True}
    statements = next(
        node.value
        for node in ast.parse(text).body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "STATEMENTS"
    )
    assert isinstance(statements, ast.Dict)
    tried = [ast.literal_eval(key) for key in statements.keys if isinstance(key, ast.Tuple) and _literal(key)]
    assert [pair for pair in tried if pair[0] == table] == [(table, line.rows) for line in lines]
    assert table in positions.keys("grants.py", (checkout / "declared/grants.py").read_text(), "TABLES")
    read = sqlfiles.read(checkout)
    assert {policy.name for policy in read.policies if policy.table == table} >= {f"{name}_all_service"}
    assert "What isn''t theirs." in read.steps["sql/migrations"][-1].up
    written = [path for path in checkout.rglob("*.py") if name in path.read_text()]
    for tool in (["format", "--check"], ["check"]):
        done = subprocess.run(
            [sys.executable, "-m", "ruff", *tool, *written], cwd=checkout, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout
    longest = max(len(line) for path in checkout.rglob(f"*{name}*.sql") for line in path.read_text().splitlines())
    assert longest <= 120


def _literal(key: ast.Tuple) -> bool:
    return all(isinstance(each, ast.Constant) for each in key.elts)


MOVED = {
    "declared/grants.py": ("TABLES: Grants = {", "TABLES: Grants = dict(**{", "the dictionary TABLES isn't found"),
    "tests/sql/matrix.py": ("STATEMENTS = {", "TRIED = {", ":1: the name STATEMENTS isn't found"),
    "sql/access.md": ("## People and sign-in", "## People", ":1: the section `## People and sign-in` isn't found"),
}


@pytest.mark.parametrize("path", MOVED)
def test_where_the_place_of_a_line_is_not_found_nothing_is_written(checkout, capsys, path):
    before, after, reason = MOVED[path]
    text = (checkout / path).read_text()
    assert before in text
    closed = "}\n\nAPI_FUNCTIONS"
    text = text.replace(before, after).replace(closed, f"}})\n\n{closed[3:]}" if "dict(" in after else closed)
    (checkout / path).write_text(text)
    said = refused(capsys, checkout, "table", "notes", "--owner", "person")
    assert re.match(rf"error: {re.escape(path)}:\d+: ", said)
    assert reason in said


def test_a_file_that_cannot_be_written_leaves_none_behind(checkout, capsys):
    # A folder of that name is found when the file is written, not before.
    (checkout / "sql/policies").rename(checkout / "sql/kept")
    said = refused(capsys, checkout, "table", "notes", "--owner", "servers")
    assert "nothing was written" in said


@pytest.mark.parametrize(
    ("command", "clauses"),
    [
        ("select", "    using (false)"),
        ("insert", "    with check (false)"),
        ("update", "    using (false)\n    with check (false)"),
        ("delete", "    using (false)"),
    ],
)
def test_a_policy_lets_nobody_do_anything(checkout, capsys, command, clauses):
    status, said, _ = run(capsys, "policy", "audit.heads", "--for", command, "--to", "anon", "--who", "nobody")
    assert (status, f"heads_{command}_nobody lets nobody do anything yet" in said) == (0, True)
    text = (checkout / "sql/policies/audit.heads.sql").read_text()
    assert text.endswith(f"on audit.heads\n    for {command} to anon\n{clauses};\n")
    assert text.startswith((CHECKOUT / "sql/policies/audit.heads.sql").read_text())
    found = [policy for policy in sqlfiles.row_policies(checkout / "sql/policies") if policy.table == "audit.heads"]
    assert {found[-1].using, found[-1].check} <= {"false", None}


def test_a_table_without_a_file_gets_one_with_its_header(checkout, capsys):
    (checkout / "sql/policies/public.users.sql").unlink()
    assert run(capsys, "policy", "users", "--for", "select", "--to", "anon", "--who", "public")[0] == 0
    text = (checkout / "sql/policies/public.users.sql").read_text()
    assert text.startswith("-- public.users: nobody reaches a row but by the policies below.\n\n-- Nobody yet: ")


@pytest.mark.parametrize(
    ("table", "role", "who", "reason"),
    [
        ("nothing", "anon", "own", "there is no table public.nothing in declared/grants.py"),
        ("../x", "anon", "own", "'../x' is no name of a table"),
        ("projects", "anon", "Own", "--who is 'Own'"),
        ("projects", "authenticated", "other", "projects_delete_own is for authenticated and delete already"),
        ("projects", "anon", "own", "there is a policy projects_delete_own already"),
    ],
)
def test_a_bad_or_second_policy_is_refused(checkout, capsys, table, role, who, reason):
    said = refused(capsys, checkout, "policy", table, "--for", "delete", "--to", role, "--who", who)
    assert reason in said


def listed(path: Path, *keys: str) -> list[dict]:
    found = yaml.safe_load(path.read_text())
    for key in keys:
        found = found[key]
    return found


def test_a_bucket_says_who_reaches_it_and_all_else_stays_as_it_is(checkout, capsys):
    before = (checkout / "Pulumi.yaml").read_text()
    status, said, _ = run(capsys, "bucket", "drafts")
    assert (status, "the app's servers alone: no person reaches it" in said) == (0, True)
    status, said, _ = run(
        capsys, "bucket", "2024-01-01", "--access", "projects", "--limit", "5", "--type", "image/*", "--public"
    )
    assert (status, "members of a project" in said, "everybody reads by its address" in said) == (0, True, True)
    found = listed(checkout / "Pulumi.yaml", "config", "buckets", "default")
    assert found[-2:] == [
        {"id": "drafts", "access": "servers", "public": False},
        {"id": "2024-01-01", "access": "projects", "public": True, "fileSizeLimit": 5, "allowedMimeTypes": ["image/*"]},
    ]
    lines = (checkout / "Pulumi.yaml").read_text().splitlines()
    assert [line for line in before.splitlines() if line not in lines] == []
    assert len(buckets.buckets(found, 50_000_000)) == 5


def test_a_stack_s_list_has_its_own_buckets_alone_and_is_laid_over_the_defaults(checkout, capsys):
    path = checkout / "Pulumi.dev.yaml"
    path.write_text("# ours\nconfig:\n  database:target: local # here\n")
    for id in ("drafts", "more"):
        assert run(capsys, "bucket", id, "--stack", "dev")[0] == 0
    assert [each["id"] for each in listed(path, "config", "database:buckets")] == ["drafts", "more"]
    assert path.read_text().startswith("# ours\nconfig:\n")
    assert path.read_text().endswith("  database:target: local # here\n")
    assert "one bucket of each id" in refused(capsys, checkout, "bucket", "audio", "--stack", "dev")


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("Bad",), "allowed is a-z, 0-9"),
        (("audio",), "one bucket of each id"),
        (("x", "--limit", "50000001"), "at most database:maxObjectSize"),
        (("x", "--type", "nonsense"), "type/subtype or type/*"),
        (("x", "--stack", "../x"), "a stack's name has"),
        (("x", "--stack", "nope"), "Pulumi.nope.yaml: there is no such file"),
    ],
)
def test_a_bad_bucket_is_refused(checkout, capsys, words, reason):
    assert reason in refused(capsys, checkout, "bucket", *words)


def test_a_list_in_another_form_is_refused_with_its_line(checkout, capsys):
    (checkout / "Pulumi.dev.yaml").write_text("config:\n  database:buckets: [{id: audio}]\n")
    said = refused(capsys, checkout, "bucket", "x", "--stack", "dev")
    assert said.startswith("error: Pulumi.dev.yaml:2: the list of buckets has another form")


@pytest.mark.parametrize("behind", ["", "\n", "\n  # where it lives\n  database:target: local\n"])
def test_an_entry_stands_right_below_the_last_one(checkout, capsys, behind):
    path, before = checkout / "Pulumi.dev.yaml", "config:\n  database:buckets:\n  - id: audio\n    access: projects\n"
    path.write_text(before + behind)
    assert run(capsys, "bucket", "x", "--stack", "dev")[0] == 0
    assert path.read_text() == f"{before}  - id: x\n    access: servers\n    public: false\n{behind}"


def test_an_entry_comes_after_a_list_that_ends_with_the_file(checkout, capsys):
    path, before = checkout / "Pulumi.dev.yaml", "config:\n  database:buckets:\n  - id: audio\n    cdn: true"
    path.write_text(before)
    assert run(capsys, "bucket", "x", "--stack", "dev")[0] == 0
    assert path.read_text() == f"{before}\n  - id: x\n    access: servers\n    public: false\n"


@pytest.mark.parametrize(
    ("path", "text", "said"),
    [
        ("Pulumi.dev.yaml", "config:\n  database:maxObjectSize: 5GB\n", "maxObjectSize is '5GB', and must be a whole"),
        ("Pulumi.yaml", "name: x\n", "Pulumi.yaml:1: config.buckets.default isn't found here"),
    ],
)
def test_a_file_that_says_something_else_is_one_line(checkout, capsys, path, text, said):
    (checkout / "Pulumi.dev.yaml").write_text("config: {}\n")
    (checkout / path).write_text(text)
    assert said in refused(capsys, checkout, "bucket", "x", "--stack", "dev")


def test_what_a_table_is_about_is_kept_to_the_letter(checkout, capsys):
    assert run(capsys, "table", "labels", "--owner", "servers", "--about", "COMMENT and ABOUT of labels")[0] == 0
    (up,) = (checkout / "sql" / "migrations").glob("*_labels.up.sql")
    assert "COMMENT and ABOUT of labels" in up.read_text().splitlines()[0]


def test_a_migration_of_an_adopted_database_is_in_its_folder(checkout, capsys):
    folder = checkout / "adopted" / "shop" / "sql" / "migrations"
    folder.mkdir(parents=True)
    assert run(capsys, "migration", "add_tags", "--adopted", "adopted/shop")[0] == 0
    assert sorted(path.name for path in folder.iterdir()) == ["0001_add_tags.down.sql", "0001_add_tags.up.sql"]
    assert "must be a folder that ./vpb adopt has written" in refused(
        capsys, checkout, "migration", "add_tags", "--adopted", "../shop"
    )
