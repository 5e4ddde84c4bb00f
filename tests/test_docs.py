"""What is written about the project agrees with it."""

import json
import re
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from declared.paths import CHECKOUT
from declared.version import VERSION
from generate import files as generate
from ops import __main__ as ops

# The one writes of what was, the other of what its recipes make.
MADE = ("CHANGELOG.md", "docs/cookbook.md")
PAGES = sorted([*CHECKOUT.glob("*.md"), *(CHECKOUT / "docs").rglob("*.md"), CHECKOUT / "sql" / "README.md"])


def test_the_generated_files_that_need_no_server_are_up_to_date():
    made = {path: make() for path, make in generate.GENERATED.items()}
    stale = [f"{path.relative_to(CHECKOUT)} is out of date: run make golden" for path in generate.stale(made)]
    if stale:
        pytest.fail("\n".join(stale), pytrace=False)


def test_every_setting_is_on_its_page():
    keys = yaml.safe_load((CHECKOUT / "Pulumi.yaml").read_text())["config"]
    missing = [key for key in keys if f"`database:{key}`" not in (CHECKOUT / "docs" / "settings.md").read_text()]
    assert not missing


def test_the_page_for_the_audio_side_has_the_limits_that_are_declared():
    buckets = yaml.safe_load((CHECKOUT / "Pulumi.yaml").read_text())["config"]["buckets"]["default"]
    (audio,) = (each for each in buckets if each["id"] == "audio")
    page = (CHECKOUT / "docs" / "neighbours" / "audio.md").read_text()
    assert f"`fileSizeLimit`, {audio['fileSizeLimit']:,} bytes" in page
    assert f"access `{audio['access']}`" in page
    assert (audio.get("public", False), audio["cdn"]) == (False, True), "the page says private, and served by the CDN"


def test_every_make_target_that_a_page_names_exists():
    targets = set(re.findall(r"^([a-z-]+):", (CHECKOUT / "Makefile").read_text(), re.MULTILINE))
    named = [
        (str(page.relative_to(CHECKOUT)), one or other)
        for page in PAGES
        for one, other in re.findall(r"`make ([a-z-]+)|^make ([a-z-]+)", page.read_text(), re.MULTILINE)
    ]
    assert len(named) > 20
    assert [(page, target) for page, target in named if target not in targets] == []


def test_every_link_to_a_file_leads_somewhere():
    links = [(page, link) for page in PAGES for link in re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text())]
    assert len(links) > 100
    assert [f"{page}: {link}" for page, link in links if not (page.parent / link).exists()] == []


def test_a_block_of_commands_can_be_pasted_whole_and_writes_secrets_for_their_owner_alone():
    blocks = [
        (page.name, line)
        for page in PAGES
        for text in re.findall(r"```(?:sh|console)\n(.*?)```", page.read_text(), re.DOTALL)
        for line in text.splitlines()
    ]
    assert [each for each in blocks if each[1].startswith("cd ")] == [], "the next line would run elsewhere"
    written = [each for each in blocks if re.search(r"--secrets\b.*>", each[1])]
    assert [each for each in written if "umask 077" not in each[1]] == []
    assert len(written) > 2


def test_the_version_is_the_same_everywhere():
    python = tomllib.loads((CHECKOUT / "clients" / "python" / "pyproject.toml").read_text())["project"]["version"]
    node = json.loads((CHECKOUT / "clients" / "typescript" / "package.json").read_text())["version"]
    assert {python, node} == {VERSION}
    assert f"## {VERSION} - " in (CHECKOUT / "CHANGELOG.md").read_text()


def test_the_readme_is_a_page():
    text = re.sub(r"```mermaid.*?```", "", (CHECKOUT / "README.md").read_text(), flags=re.DOTALL)
    assert len(text.split()) <= 600


def test_the_decisions_are_numbered_without_a_gap():
    numbers = sorted(int(path.name[:4]) for path in (CHECKOUT / "docs" / "decisions").glob("*.md"))
    assert numbers == list(range(1, len(numbers) + 1))


def test_every_folder_of_the_readmes_table_exists():
    rows = re.findall(r"^\| (`[^|]*/`[^|]*) \|", (CHECKOUT / "README.md").read_text(), re.MULTILINE)
    folders = [name for row in rows for name in re.findall(r"`([a-z_]+)/`", row)]
    assert folders, "the table was found"
    assert [name for name in folders if not Path(CHECKOUT, name).is_dir()] == []


def test_every_file_of_ours_that_a_text_names_exists():
    """Also in comments and docstrings; tests write of files that they make."""
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"], cwd=CHECKOUT, capture_output=True, text=True, check=True
    )
    files = listed.stdout.split()
    rooms = "|".join(sorted({re.escape(file.partition("/")[0]) for file in files if "/" in file}))
    named = re.compile(rf"(?<![\w/.<>{{}}*$-])(?:{rooms})/[\w/.-]*\.(?:py|md|sql|toml|ts|mjs|yaml|txt)\b(?![*<{{])")
    texts = [file for file in files if re.search(r"\.(py|md|sql|toml|ts|mjs|yaml)$", file) and file not in MADE]
    found = [
        (file, name)
        for file in texts
        if not file.startswith("tests/")
        for name in named.findall((CHECKOUT / file).read_text())
    ]
    assert len(found) > 100
    assert [f"{file} names {name}" for file, name in found if name not in files] == []


def documented(path: Path) -> list[str]:
    """What stands after `./vpb` in a page's shell blocks and code, or in a source's messages."""
    text = path.read_text()
    if path.suffix == ".yml":
        return re.findall(r"run: \./vpb ([^|>;&)#\n]*)", text)
    if path.suffix != ".md":
        return re.findall(r"\./vpb ([a-z][\w -]*)", text)
    blocks = "\n".join(re.findall(r"```(?:sh|console|text|ini)\n(.*?)```", text, re.DOTALL)).replace("\\\n", " ")
    return re.findall(r"/vpb ([^|>;&)#\n]*)", blocks) + re.findall(r"`\./vpb ([^`]*)`", text)


def unknown(command: Any, words: list[str]) -> str | None:
    """The first word that is no command of its group, or no option of its command."""
    for word in words:
        if hasattr(command, "commands") and not word.startswith("-"):
            if word not in command.commands:
                return None if word == "…" else word
            command = command.commands[word]
        elif word == "--":
            return None
        elif word.startswith("--"):
            known = {name for each in command.params for name in (*each.opts, *each.secondary_opts)}
            if word.partition("=")[0] not in known | {"--help"}:
                return word
    return None


def test_every_command_that_a_page_or_a_message_names_exists():
    rooms = ("ops", "run", "declared", "provider", "components", "targets", "local", "sql")
    sources = [path for room in rooms for path in (CHECKOUT / room).rglob("*.*") if path.suffix in (".py", ".sql")]
    sources += [CHECKOUT / ".github" / "workflows" / f"{name}.yml" for name in ("backup", "restore-drill")]
    commands = [(path, text) for path in [*PAGES, *sources] if path.name != "CHANGELOG.md" for text in documented(path)]
    root = typer.main.get_command(ops.app)
    assert len(commands) > 150
    wrong = [f"{path}: ./vpb {text}: {word}" for path, text in commands if (word := unknown(root, text.split()))]
    assert wrong == []
    assert unknown(root, ["migrate", "upp"]) == "upp"
    assert unknown(root, ["up", "--sack", "dev"]) == "--sack"
