"""The report of a loaded database: one page, the same numbers as its JSON, names as text, and what can't be read."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import psycopg
import pytest

import toolchain
from ops import __main__ as ops
from ops.report import page, parts, stored, words
from ops.report.model import StatusReport
from ops.report.run import of
from tests.conftest import absent
from tests.report.conftest import EVIL, SECRET, World, fill, surround, world
from toolchain import node

HERE = Path(__file__).resolve().parent
# Series that stand in charts, of which tables have some; how the JSON is written.
DRAWN = re.compile(r"\.forecast\.(days|ahead)\.|\.forecast\.needed$|\.passed\.|^format$")
VOID = {"meta", "link", "br", "hr"}


class Read(HTMLParser):
    """A page as a browser has it: its elements, what each number says and where it is from, and its text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.numbers: dict[str, Any] = {}
        self.open: list[str] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag not in VOID:
            self.open.append(tag)
        given = {name: value or "" for name, value in attrs}
        self.attributes += given.items()
        if "data-at" in given:
            self.numbers[given["data-at"]] = json.loads(given["value"])

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, f"</{tag}> closes another element"

    def handle_data(self, data: str) -> None:
        self.text += data


def numbers(value: Any, path: str = "") -> Iterator[tuple[str, float]]:
    """Every number of the JSON by its path."""
    if isinstance(value, dict | list):
        for name, each in value.items() if isinstance(value, dict) else enumerate(value):
            yield from numbers(each, f"{path}.{name}" if path else str(name))
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield path, value


def test_page_and_json_say_the_same_numbers(made: StatusReport) -> None:
    found, values = Read(page.of(made)), json.loads(made.as_json())
    assert found.open == []
    assert len(found.numbers) > 100
    assert {path: page.at(values, path) for path in found.numbers} == found.numbers
    # Nothing is in the JSON alone. Prices by use belong to no stack.
    left = {path for path, _ in numbers(values) if not DRAWN.search(path)} - found.numbers.keys()
    assert {path for path in left if not path.startswith("parts.cost.found.uses.")} == set()


def test_every_part_is_there_and_every_metric_leads_to_its_runbook(made: StatusReport) -> None:
    assert {name: part.missing for name, part in made.parts.items() if part.missing} == {}
    assert made.parts.keys() == parts.READERS.keys() == words.GLANCES.keys()
    found = Read(page.of(made))
    ids = [value for name, value in found.attributes if name == "id"]
    led = {value[1:] for name, value in found.attributes if name == "href" and value.startswith("#")}
    assert len(ids) == len(set(ids))
    assert led - {*ids} == set()
    assert {f"runbook-{each['metric']}" for each in made.parts["health"].found["metrics"]} <= led


def test_names_from_the_database_are_text_and_nothing_is_asked_for(made: StatusReport) -> None:
    text = page.of(made)
    found = Read(text)
    assert text.count("<script") == 0
    assert found.text.count(EVIL) >= 5, "a table, a bucket in its table and its bar, a manual change, a charge"
    policy = next(value for name, value in found.attributes if value.startswith("default-src"))
    assert re.fullmatch(r"default-src 'none'; style-src 'sha256-\S+'; img-src data:; .+", policy)
    assert [value for name, value in found.attributes if name == "style" or name.startswith("on")] == []
    sources = [value for name, value in found.attributes if name in ("src", "href", "action", "xlink:href")]
    assert [value for value in sources if not value.startswith(("#", "data:,"))] == []
    assert SECRET not in text + made.as_json()


def test_the_slowest_patterns_have_purpose_and_plan_and_no_value(made: StatusReport) -> None:
    found = {each.pattern: each for each in made.parts["slow"].found}
    assert {"open_project", "list_components"} <= found.keys()
    assert "Index Scan using projects_pkey" in found["open_project"].plan
    assert found["list_components"].purpose == "A project's components in order."
    other = [each for each in made.parts["slow"].found if not each.pattern]
    assert all(each.no_plan and not each.plan for each in other)
    assert EVIL not in "".join(each.statement for each in made.parts["slow"].found)


def test_stored_files_are_counted_by_bucket_and_class_and_name_nobody(made: StatusReport) -> None:
    found = made.parts["storage"].found
    assert [(each.bucket, each.bytes, each.kept_bytes) for each in found.buckets] == [
        (EVIL, 3 << 30, 11),
        ("exports", 5 << 20, 11),
    ]
    classes = {each.name: (each.people, each.bytes) for each in found.classes if each.bytes}
    assert classes == {"up to 100 MiB": (1, (5 << 20) + 11), stored.APP: (0, (3 << 30) + 11)}
    assert sum(each.share for each in found.classes) == pytest.approx(1)
    assert "00000000-0000-7000" not in page.of(made)


def test_the_first_screen_says_what_is_wrong_in_plain_words(made: StatusReport) -> None:
    said = {each.text for each in made.summary.attention}
    assert made.summary.level == "warning"
    assert f'Foreign key without an index (public."{EVIL}"): 1.' in said
    assert "The security audit found 1 weak spot of severity high." in said
    assert {"There is no backup.", "1 object was changed manually."} <= said
    assert made.summary.backups == "There is no backup."
    assert made.summary.drill == "None was restored to prove it yet."
    assert made.summary.cost == "About at least 12 $ a month, before use."
    assert made.summary.forecast.startswith("No end in sight for disk and connections until ")
    growing = {each["name"]: each for each in made.values["parts"]["growth"]["found"]}
    assert growing["budget"]["said"].startswith("Models, this month: too few samples to say, 1 day of 5")
    assert growing["disk"]["forecast"]["per_month"] == pytest.approx(3e7, rel=0.1)


def test_what_cannot_be_read_is_said_in_its_place_and_the_rest_goes_on(
    provisioned_database: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    fill(provisioned_database.url)
    surround(monkeypatch, world(provisioned_database.url), tmp_path / "gone")
    with psycopg.connect(provisioned_database.url, autocommit=True) as connection:
        connection.execute("revoke execute on function ops.storage_report() from monitor")
        connection.execute("drop extension pg_stat_statements cascade")
    monkeypatch.setattr(parts.driftnotes, "last", lambda stack: None)
    monkeypatch.setattr(parts.options, "place", _unreachable)
    made = of("dev")
    missing = {name: part.missing or "" for name, part in made.parts.items() if part.missing}
    assert missing.keys() == {"storage", "slow", "drift", "backups"}
    assert "permission denied" in missing["storage"]
    assert "pg_stat_statements" in missing["slow"]
    assert missing["backups"] == "s3://backups: doesn't answer"
    text = Read(page.of(made)).text
    assert [why for why in missing.values() if why not in text] == []
    assert made.summary.backups == "The backups could not be listed."
    assert {each.part: each.level for each in made.summary.glance}["storage"] == "unknown"


def _unreachable(*_: Any) -> None:
    raise parts.NotRead("s3://backups: doesn't answer")


def test_the_command_writes_both_files_and_says_what_is_wrong_in_one_line(
    stack: World, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "status.html"
    assert ops.main(["report", "--output", str(path)]) == 0
    assert capsys.readouterr().out.splitlines()[1:] == [f"wrote {path}", f"wrote {path.with_suffix('.json')}"]
    assert json.loads(path.with_suffix(".json").read_text())["stack"] == "dev"
    for given, why in (
        (tmp_path, "is a folder"),
        (tmp_path / "no" / "a.html", "there is no folder"),
        (tmp_path / "a.json", "names the page"),
    ):
        assert ops.main(["report", "--output", str(given)]) == 1
        error = capsys.readouterr().err
        assert (error.startswith(f"error: --output {given}: {why}"), error.count("\n")) == (True, 1)
    # To standard output alone.
    monkeypatch.setattr(page, "of", None)
    assert ops.main(["report", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["parts"].keys() == parts.READERS.keys()


@pytest.fixture(scope="session")
def packages() -> node.Packages:
    """Playwright and axe-core, in the cache."""
    try:
        return node.ensure(toolchain.context_of(), HERE)
    except toolchain.ToolchainError as error:
        absent(f"no playwright here: {error}")


def test_a_browser_shows_it_to_everybody(made: StatusReport, packages: node.Packages, tmp_path: Path) -> None:
    """Light and dark, desktop and phone: nothing is asked for, nothing is wrong, nothing is out of the picture."""
    program = shutil.which("chromium")
    if program is None:
        absent("no chromium on PATH (Debian: apt install chromium)")
    path = tmp_path / "report.html"
    path.write_text(page.of(made))
    command = [packages.node, HERE / "browser.mjs", program, path, packages.modules]
    done = subprocess.run(command, capture_output=True, text=True, timeout=180)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert [(each["width"], each["colorScheme"]) for each in found] == [
        (1280, "light"),
        (1280, "dark"),
        (360, "light"),
        (360, "dark"),
    ]
    for each in found:
        assert (each["said"], each["asked"], each["violations"], each["opened"]) == ([], [], [], True)
        assert each["wide"] <= each["width"]
        assert each["checked"] > 20
    assert found[0]["back"] != found[1]["back"]
