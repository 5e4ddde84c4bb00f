"""What is written about the project agrees with it."""

import re
from pathlib import Path

import pytest
import yaml

from local.paths import CHECKOUT
from ops import generate

PAGES = sorted([*CHECKOUT.glob("*.md"), *(CHECKOUT / "docs").rglob("*.md"), CHECKOUT / "sql" / "README.md"])


@pytest.mark.parametrize("path", list(generate.GENERATED), ids=lambda path: path.name)
def test_a_generated_file_is_in_date(path):
    assert path.read_text() == generate.GENERATED[path](), "run `make golden`"


def test_every_setting_is_in_the_readme():
    keys = yaml.safe_load((CHECKOUT / "Pulumi.yaml").read_text())["config"]
    missing = [key for key in keys if f"`database:{key}`" not in (CHECKOUT / "README.md").read_text()]
    assert not missing


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(CHECKOUT)))
def test_every_make_target_that_a_page_names_exists(page):
    targets = set(re.findall(r"^([a-z-]+):", (CHECKOUT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"`make ([a-z-]+)|^make ([a-z-]+)", page.read_text(), re.MULTILINE))
    assert {a or b for a, b in named} <= targets


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(CHECKOUT)))
def test_every_link_to_a_file_leads_somewhere(page):
    links = re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text())
    assert [link for link in links if not (page.parent / link).exists()] == []


def test_the_decisions_are_numbered_without_a_gap():
    numbers = sorted(int(path.name[:4]) for path in (CHECKOUT / "docs" / "decisions").glob("*.md"))
    assert numbers == list(range(1, len(numbers) + 1))


def test_every_folder_of_the_readmes_table_exists():
    rows = re.findall(r"^\| (`[^|]*/`[^|]*) \|", (CHECKOUT / "README.md").read_text(), re.MULTILINE)
    folders = [name for row in rows for name in re.findall(r"`([a-z_]+)/`", row)]
    assert folders, "the table was found"
    assert [name for name in folders if not Path(CHECKOUT, name).is_dir()] == []
