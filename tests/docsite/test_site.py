"""The site of the docs: built as strictly as its tool can, read as GitHub reads the pages, looked at in a browser."""

import functools
import http.server
import json
import os
import re
import shutil
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

import toolchain
from declared.errors import UserError
from declared.paths import CHECKOUT
from generate.site import building, navigation, pages
from tests.conftest import absent
from toolchain import node

pytestmark = pytest.mark.xdist_group("site")
BROWSER = CHECKOUT / "tests" / "report"
ELEMENTS = {"li", "ul", "ol", "tr", "pre", "h1", "h2", "h3", "h4", "blockquote", "strong", "em"}
# A long page, wide tables, each sort of diagram, code, a reference.
LOOKED_AT = (
    "index.html",
    "docs/data-flow.html",
    "docs/schema/index.html",
    "docs/queries/open_project.html",
    "reference/typescript/files.html",
)
# No host answers, whatever the machine has.
NO_NETWORK = {name: "http://127.0.0.1:9" for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY")}


class Elements(HTMLParser):
    """How many elements of each kind the text of a page has."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.counted: Counter[str] = Counter()
        self.within = "<article" not in text
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.within |= tag == "article"
        if self.within and tag in ELEMENTS:
            self.counted[tag] += 1

    def handle_endtag(self, tag: str) -> None:
        self.within &= tag != "article"


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, as `make site` builds it; what it needs is in the cache, or is installed before the network ends."""
    folder = tmp_path_factory.mktemp("site") / "site"
    command = [sys.executable, "-m", "generate.site", "--output", folder]
    try:
        building.tools()
    except toolchain.ToolchainError as error:
        absent(f"no site here: {error}")
    environ = {**os.environ, **NO_NETWORK}
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, env=environ, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert re.fullmatch(rf"\d+ pages in {folder}; open {folder}/index\.html\n", done.stdout)
    return folder


@pytest.fixture(scope="session")
def address(site: Path) -> Iterator[str]:
    """Where a server has the site."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            """Nothing."""

    handler = functools.partial(Quiet, directory=site)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/"
        server.shutdown()


def html(site: Path, name: str) -> str:
    """The page that was made of one in Markdown."""
    own = re.sub(r"(README)?\.md$", lambda match: "index.html" if match[1] else ".html", name)
    return (site / own).read_text()


def test_each_page_is_read_as_github_reads_it(site: Path) -> None:
    """Lists above all: Markdown's dialects differ in how far an entry is indented, and where a list begins."""
    reader = MarkdownIt("commonmark").enable("table")
    found = pages.assembled(CHECKOUT)
    differing = {
        name: (expected - actual, actual - expected)
        for name, text in found.items()
        if (expected := Elements(reader.render(text)).counted) != (actual := Elements(html(site, name)).counted)
    }
    assert differing == {}
    assert {path.relative_to(CHECKOUT).as_posix() for path in (CHECKOUT / "docs").rglob("*.md")} < found.keys()
    assert {"README.md", "CONTRIBUTING.md", "SECURITY.md", "sql/README.md", "clients/python/README.md"} < found.keys()


def test_the_clients_are_described_by_their_own_comments(site: Path) -> None:
    python, typescript = html(site, "reference/python/uploads.md"), html(site, "reference/typescript/files.md")
    assert "Make what was sent by the form with this version that version of the object." in python
    assert "finish_upload" in python
    assert "finishUpload" in typescript
    assert "sessionWithToken" in html(site, "reference/typescript/auth.md")
    assert "_shown" not in python


def test_a_browser_shows_it_on_a_desktop_and_on_a_phone_and_finds_in_it(address: str) -> None:
    """Nothing is asked of another host, nothing is wrong, diagrams are drawn, nothing is out of the picture."""
    program = shutil.which("chromium")
    if program is None:
        absent("no chromium on PATH (Debian: apt install chromium)")
    packages = node.ensure(toolchain.context_of(), BROWSER)
    here = Path(__file__).parent
    command = [packages.node, here / "browser.mjs", program, address, packages.modules, *LOOKED_AT]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    wrong = [each for each in answer["found"] if each["said"] or each["violations"] or each["wide"] > each["width"]]
    assert wrong == []
    assert {each["undrawn"] for each in answer["found"]} == {0}
    drawn = {each["name"]: each["drawn"] for each in answer["found"]}
    assert (drawn["docs/data-flow.html"], drawn["docs/schema/index.html"]) == (3, 4)
    assert "restore-drill" in answer["searched"]["text"]
    assert answer["searched"]["url"].startswith(address)


def test_a_link_that_leads_nowhere_is_named_with_its_page(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "README.md").write_text("[a](docs/b.md)\n\n```md\n[kept](as-it-is.md)\n```\n[out](../../etc/passwd)\n")
    (tmp_path / "docs" / "b.md").write_text("# B\n")
    with pytest.raises(UserError, match=r"^README\.md: the link \.\./\.\./etc/passwd leads nowhere$"):
        pages.assembled(tmp_path)
    (tmp_path / "README.md").write_text("[a](docs/c.md)\n")
    with pytest.raises(UserError, match=r"^README\.md: the link docs/c\.md leads nowhere$"):
        pages.assembled(tmp_path)


def test_code_and_folders_that_a_page_links_have_pages_of_their_own(tmp_path: Path) -> None:
    for name, text in {"docs/x/one.md": "# One `f`\n", "a/b.py": "x = '```'\n", "a/c/d.sql": "select 1\n"}.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    (tmp_path / "README.md").write_text("[x](docs/x/) [b](a/b.py#L1) [c](a/c)\n\n```md\n[kept](as-it-is.md)\n```\n")
    found = pages.assembled(tmp_path)
    assert found["README.md"].startswith("[x](docs/x/README.md) [b](a/b.py.md#L1) [c](a/c/README.md)\n")
    assert "[kept](as-it-is.md)" in found["README.md"]
    assert found["docs/x/README.md"] == "# X\n\n- [One f](one.md)\n"
    assert found["a/b.py.md"] == "# a/b.py\n\n````python\nx = '```'\n````\n"
    assert found["a/c/README.md"] == "# a/c\n\n## d.sql\n\n```sql\nselect 1\n```\n"


def test_a_page_that_the_table_does_not_lead_to_is_named() -> None:
    given = {"README.md": "# A", "docs/README.md": "| for | pages |\n|---|---|\n| x | [b](b.md) |", "docs/b.md": "# B"}
    given |= {f"reference/{language}/README.md": f"# {language}" for language in ("python", "typescript")}
    assert navigation.of(given)[1] == {"X": ["docs/b.md"]}
    with pytest.raises(UserError, match=r"^docs/c\.md: no row of docs/README\.md leads there; link it$"):
        navigation.of({**given, "docs/c.md": "# C"})


def test_what_is_no_site_is_not_replaced(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(UserError, match="holds something else than a site of the docs; name another folder"):
        building.build(tmp_path)
    assert (tmp_path / "thesis.txt").read_text() == "mine"
