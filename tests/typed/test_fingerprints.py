"""The generated files of the clients are of the SQL that there is: seen without a server, and without Node."""

import json

import pytest

from declared import schemas
from generate.clients import database, fingerprint, pages, python, typescript
from harness.queries import QUERIES
from toolchain import versions

FILES = {
    database.FILE: fingerprint.of_types,
    typescript.FILE: fingerprint.of_queries,
    python.FILE: fingerprint.of_queries,
}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_the_file_is_of_what_there_is(path):
    if f"Made of: {FILES[path]()}\n" not in path.read_text():
        pytest.fail(f"{path} is out of date: run make types", pytrace=False)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_the_file_is_as_it_was_made(path):
    text = path.read_text()
    if fingerprint.edited(text):
        pytest.fail(f"{path} was edited: run make types", pytrace=False)
    assert fingerprint.edited(text.replace("return", "returns", 1) if "return" in text else text + " ")
    assert fingerprint.edited(text.replace("Text: ", "Texts: ", 1))


def test_the_cost_of_every_pattern_is_measured():
    measured = json.loads(pages.COSTS.read_text())
    assert measured["components"] > 900_000
    if missing := sorted({query.name for query in QUERIES} ^ measured["patterns"].keys()):
        pytest.fail(f"{', '.join(missing)}: run python -m bench.patterns --write, then make types", pytrace=False)


def test_a_migration_a_pattern_and_another_generator_change_it(tmp_path, monkeypatch):
    before = fingerprint.of_types(), fingerprint.of_queries()
    with monkeypatch.context() as patched:
        patched.setattr(schemas, "EXPOSED", ("public",))
        assert fingerprint.of_types() != before[0]
    (tmp_path / "package-lock.json").write_text("{}")
    with monkeypatch.context() as patched:
        patched.setattr(versions, "POSTGRES_META", tmp_path)
        assert fingerprint.of_types() != before[0]
        assert fingerprint.of_queries() == before[1]
    for folder, name, changed in (("migrations", "0099_more.up.sql", (0, 1)), ("queries", "list_more.sql", (1,))):
        checkout = tmp_path / folder
        for each in ("sql/platform", "sql/migrations", "sql/queries"):
            (checkout / each).mkdir(parents=True)
            for path in (fingerprint.CHECKOUT / each).iterdir():
                (checkout / each / path.name).write_text(path.read_text())
        with monkeypatch.context() as patched:
            patched.setattr(fingerprint, "CHECKOUT", checkout)
            assert (fingerprint.of_types(), fingerprint.of_queries()) == before
            (checkout / "sql" / folder / name).write_text("select 1;")
            after = fingerprint.of_types(), fingerprint.of_queries()
            assert [index for index in (0, 1) if after[index] != before[index]] == [*changed]
