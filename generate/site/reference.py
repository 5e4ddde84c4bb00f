"""The API of the two client packages, from their own comments: Python's by mkdocstrings, TypeScript's by TypeDoc."""

import json
import shutil
import subprocess
from pathlib import Path

from declared.errors import UserError
from declared.paths import CHECKOUT
from generate.site.pages import HOME
from toolchain import versions
from toolchain.node import Packages

PYTHON = CHECKOUT / "clients" / "python" / "visual_prompt_builder"
FOLDER = "reference"
NAME = "visual-prompt-builder"


def python() -> dict[str, str]:
    """A page for each module of the Python package, which mkdocstrings fills."""
    modules = sorted(path.stem for path in PYTHON.glob("*.py") if path.stem != "__init__")
    listed = "".join(f"- [`visual_prompt_builder.{module}`]({module}.md)\n" for module in modules)
    text = f"# Python\n\nThe package `{NAME}` ([how to install it](../../clients/python/README.md)).\n\n{listed}"
    pages = {f"{FOLDER}/python/{HOME}": text}
    for module in modules:
        name = f"visual_prompt_builder.{module}"
        pages[f"{FOLDER}/python/{module}.md"] = (
            f"# {name}\n\n::: {name}\n    options:\n      show_root_heading: false\n"
        )
    return pages


def typescript(folder: Path, own: Packages, package: Packages) -> dict[str, str]:
    """A page for each module of the TypeScript package.

    Args:
        folder: an empty one, for what TypeDoc reads and writes.
        own: TypeDoc and its plugin.
        package: what the package pins.

    :raises UserError: where TypeDoc finds something wrong
    """
    sources = folder / "package"
    shutil.copytree(versions.TYPESCRIPT, sources, ignore=shutil.ignore_patterns("node_modules", "dist", "README.md"))
    (sources / "node_modules").symlink_to(package.modules)
    exported = json.loads((sources / "package.json").read_text())["exports"].values()
    modules = [Path(each["default"]).stem for each in exported]
    entries = [word for name in modules for word in ("--entryPoints", f"src/{name}.ts")]
    options = {
        "--plugin": own.modules / "typedoc-plugin-markdown" / "dist" / "index.js",
        "--out": folder / "pages",
        "--readme": "none",
        "--router": "module",
        "--entryFileName": HOME.removesuffix(".md"),
        "--hideBreadcrumbs": "true",
        "--hidePageHeader": "true",
        "--disableSources": "true",
        "--excludeExternals": "true",
        "--parametersFormat": "table",
        "--typeDeclarationFormat": "table",
        "--name": "TypeScript",
        "--logLevel": "Warn",
    }
    words = [str(word) for pair in options.items() for word in pair]
    command = [str(own.node), str(own.modules / "typedoc" / "bin" / "typedoc"), *words, *entries]
    done = subprocess.run(command, cwd=sources, capture_output=True, text=True, check=False)
    if done.returncode:
        raise UserError(f"clients/typescript: {' '.join((done.stderr or done.stdout).split())[:500]}")
    made = folder / "pages"
    return {
        f"{FOLDER}/typescript/{path.relative_to(made).as_posix()}": path.read_text()
        for path in sorted(made.rglob("*.md"))
    }
