"""The order of the site: that of the table in `docs/README.md`, so that no page is in one and not in the other."""

import os
import re
from collections.abc import Mapping
from typing import Any

from declared.errors import UserError
from generate.site.pages import HOME, title

INDEX = f"docs/{HOME}"
ROW = re.compile(r"^\| ([^|]+) \| (.+) \|$", re.MULTILINE)
LINK = re.compile(r"\]\(([^)#\s]+)")
REFERENCE = "reference/"
SOURCES = "Sources that pages show"


def of(pages: Mapping[str, str]) -> list[Any]:
    """The `nav` of mkdocs: a section for each row of the table, with each folder that a row links.

    :raises UserError: for a page that no section has
    """
    named = {_link(link): label for label, row in _rows(pages[INDEX]) for link in LINK.findall(row)}
    sections: dict[str, list[str]] = {label: [] for label, _ in _rows(pages[INDEX])}
    for page, label in named.items():
        sections[label].append(page)
    left = sorted(pages.keys() - named.keys() - {HOME, INDEX})
    reference = [page for page in left if page.startswith(REFERENCE)]
    below = {page: home for page in left if (home := _home(page, named)) and page not in reference}
    shown = [page for page in left if page not in reference and page not in below]
    if strange := [page for page in shown if page.startswith("docs/")]:
        raise UserError(f"{strange[0]}: no row of {INDEX} leads there; link it")
    nav: list[Any] = [{"Start": [HOME, INDEX]}]
    for label, members in sections.items():
        entries = [
            _with_those_below(page, [each for each, home in below.items() if home == page], pages) for page in members
        ]
        nav.append({label[0].upper() + label[1:]: entries})
    return [*nav, {"Clients": _tree(reference, pages)}, {SOURCES: shown}]


def _rows(index: str) -> list[tuple[str, str]]:
    return [(label.strip(), row) for label, row in ROW.findall(index) if not re.match(r"for$|-+$", label.strip())]


def _link(link: str) -> str:
    return os.path.normpath(os.path.join("docs", link))


def _home(page: str, named: Mapping[str, str]) -> str | None:
    """The page that the table has for the folder of this one."""
    home = f"{os.path.dirname(page)}/{HOME}"
    return home if home in named and home != page else None


def _with_those_below(page: str, below: list[str], pages: Mapping[str, str]) -> Any:
    return {title(pages[page]): [page, *below]} if below else page


def _tree(reference: list[str], pages: Mapping[str, str]) -> list[Any]:
    """The pages of the two packages, each with its folder's index first."""
    found: list[Any] = []
    for language in ("python", "typescript"):
        own = sorted(page for page in reference if page.startswith(f"{REFERENCE}{language}/"))
        index = f"{REFERENCE}{language}/{HOME}"
        found.append({title(pages[index]): [index, *(page for page in own if page != index)]})
    return found
