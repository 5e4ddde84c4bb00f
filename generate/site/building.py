"""Building the site by mkdocs, as strictly as it can: a link or an anchor that leads nowhere is an error."""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

import toolchain
from declared.errors import UserError
from declared.paths import CHECKOUT
from generate.site import navigation, pages, reference
from toolchain import node, pythonpackages, versions

HERE = Path(__file__).parent
OUTPUT = CHECKOUT / "build" / "site"
MERMAID = "@mermaid-js/tiny/dist/mermaid.tiny.js"


@dataclass(frozen=True)
class Tools:
    """What builds it, each in the cache."""

    python: Path
    """A folder for `PYTHONPATH`, with mkdocs."""
    own: node.Packages
    """Mermaid and TypeDoc."""
    package: node.Packages
    """What the TypeScript package is compiled with."""


def tools() -> Tools:
    """What builds it, installed where it isn't there.

    :raises ToolchainError: where something can't be had
    """
    context = toolchain.context_of()
    python = pythonpackages.ensure(context, versions.SITE_REQUIREMENTS)
    return Tools(python, node.ensure(context, HERE), node.ensure(context, versions.TYPESCRIPT))


def build(output: Path = OUTPUT) -> int:
    """Make the site in a folder, in the place of what is there; how many pages it has.

    :raises UserError: for a page that can't be used, a link that leads nowhere, a folder that holds something else
    :raises ToolchainError: where a program can't be had
    """
    _refuse_other(output)
    by = tools()
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        found = pages.assembled(CHECKOUT) | reference.python()
        found |= reference.typescript(folder / "typescript", by.own, by.package)
        _write(folder / "pages", found, by.own)
        _configure(folder, found)
        _mkdocs(folder, by.python)
        shutil.rmtree(output, ignore_errors=True)
        output.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(folder / "site", output)
    return len(found)


def _refuse_other(output: Path) -> None:
    """What was not made here isn't replaced."""
    if output.exists() and not (output / "search" / "search_index.json").exists() and any(output.iterdir()):
        raise UserError(f"{output}: holds something else than a site of the docs; name another folder")


def _write(folder: Path, found: Mapping[str, str], own: node.Packages) -> None:
    for name, text in found.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    assets = folder / "assets"
    assets.mkdir()
    shutil.copy(own.modules / MERMAID, assets / "mermaid.js")
    shutil.copy(HERE / "site.css", assets / "site.css")


def _configure(folder: Path, found: Mapping[str, str]) -> None:
    own = {
        "docs_dir": str(folder / "pages"),
        "site_dir": str(folder / "site"),
        "nav": navigation.of(found),
    }
    config = (HERE / "mkdocs.yml").read_text() + yaml.safe_dump(own, sort_keys=False)
    (folder / "mkdocs.yml").write_text(
        config.replace("[clients/python]", json.dumps([str(CHECKOUT / "clients/python")]))
    )


def _mkdocs(folder: Path, packages: Path) -> None:
    """
    :raises UserError: with what mkdocs warns of
    """
    config = str(folder / "mkdocs.yml")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--config-file", config]
    environ = {**os.environ, "PYTHONPATH": str(packages), "NO_COLOR": "1", "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=environ, check=False)
    if done.returncode:
        said = [re.sub(r"^(WARNING|ERROR) +-? *", "", line) for line in done.stderr.splitlines() if line.strip()]
        raise UserError("; ".join(said).replace(f"{folder}/pages/", "")[:2000] or "mkdocs: failed")
