"""The pages about the schema, `docs/schema/`, are those of the database as it is."""

import re

import pytest

from declared.paths import CHECKOUT
from generate import files as generate
from generate import pages
from generate.pages import diagram
from harness import scratch
from local import postgres
from tests.conftest import FAST

# Our part of Mermaid's grammar; the whole diagram was also read by the parser of Mermaid 11.
ENTITY = r'(?P<entity>[a-z]\w*)\["[a-z_]+\.[a-z_]+"\]'
ATTRIBUTE = r"[A-Za-z]\w*(\[\])? [A-Za-z_]\w*( (PK|FK|UK)(, (PK|FK|UK))*)?"
LINE = r'(?P<one>\w+) (\|\||\|o)(--|\.\.)(o\||o\{) (?P<many>\w+) : "[A-Za-z_, ]+"'


def test_the_pages_are_up_to_date(schema_pages):
    stale = [f"{path.relative_to(CHECKOUT)} is out of date: run make golden" for path in generate.stale(schema_pages)]
    if stale:
        pytest.fail("\n".join(stale), pytrace=False)


def test_a_page_that_was_edited_is_missing_or_left_over_is_named(schema_pages, tmp_path, monkeypatch):
    made = {tmp_path / path.name: text for path, text in schema_pages.items()}
    for path, text in made.items():
        path.write_text(text)
    monkeypatch.setattr(pages, "FOLDER", tmp_path)
    assert generate.stale(made) == []
    (tmp_path / "public.gone.md").write_text("# public.gone")
    (tmp_path / "public.users.md").unlink()
    with (tmp_path / "public.projects.md").open("a") as page:
        page.write("manually")
    assert [path.name for path in generate.stale(made)] == ["public.gone.md", "public.projects.md", "public.users.md"]


def test_the_entity_diagrams_are_valid_and_every_foreign_key_of_the_product_is_a_line(schema_pages):
    text = schema_pages[pages.FOLDER / "README.md"]
    drawn = re.findall(r"```mermaid\n(.*?)```", text, re.DOTALL)
    assert len(drawn) == 1 + len(diagram.GROUPS)
    for each in drawn:
        first, *lines = each.rstrip().split("\n")
        assert first == "erDiagram"
        named, drawn_to, inside = set(), set(), False
        for line in (line.strip() for line in lines if not line.strip().startswith("%%")):
            if inside:
                assert line == "}" or re.fullmatch(ATTRIBUTE, line), line
                inside = line != "}"
            elif entity := re.fullmatch(ENTITY + r"(?P<open> \{)?", line):
                named.add(entity["entity"])
                inside = bool(entity["open"])
            else:
                relation = re.fullmatch(LINE, line)
                assert relation, line
                drawn_to |= {relation["one"], relation["many"]}
        assert not inside
        assert drawn_to <= named
    keys = sum(page.count("_fkey` |") for path, page in schema_pages.items() if path.stem in names_of_the_product())
    assert keys == drawn[0].count("--o") > 10


def names_of_the_product():
    return {name for names in diagram.GROUPS.values() for name in names}


@pytest.fixture(scope="module")
def schema_pages(cluster, tmp_path_factory):
    """The pages as they would be written now, from a server of their own: other tests leave roles on theirs."""
    folder = tmp_path_factory.mktemp("pages")
    server = postgres.ensure(folder, cluster.programs, FAST)
    scratch.complete(server.url())
    yield pages.made(server.url())
    postgres.remove(folder, cluster.programs)
