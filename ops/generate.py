"""The generated files: written anew by `make golden`, compared by a test."""

import json
import sys
from collections.abc import Callable
from pathlib import Path

import yaml

from local.paths import CHECKOUT

sys.path.append(str(CHECKOUT / "provider"))

from pgprovider.provider import package_schema

README = CHECKOUT / "README.md"
MARKS = ("<!-- settings -->\n", "<!-- /settings -->")


def provider_schema() -> str:
    """`provider/schema.json`."""
    return json.dumps(package_schema(), indent=2, sort_keys=True) + "\n"


def settings_table() -> str:
    """The README's table of settings, from `Pulumi.yaml`."""
    keys = yaml.safe_load((CHECKOUT / "Pulumi.yaml").read_text())["config"]
    lines = ["| setting | type | default | meaning |", "|---|---|---|---|"]
    for name, entry in keys.items():
        default = entry["default"]
        shown = f"`{default}`" if isinstance(default, str) and default else "" if default == "" else "see `Pulumi.yaml`"
        lines.append(f"| `database:{name}` | {entry['type']} | {shown} | {entry['description']} |")
    return "\n".join(lines) + "\n"


def readme() -> str:
    """`README.md` with its table of settings."""
    text = README.read_text()
    before, rest = text.split(MARKS[0], 1)
    _, after = rest.split(MARKS[1], 1)
    return before + MARKS[0] + settings_table() + MARKS[1] + after


GENERATED: dict[Path, Callable[[], str]] = {
    CHECKOUT / "provider" / "schema.json": provider_schema,
    README: readme,
}


def write() -> list[Path]:
    """Write what differs; the files that were written."""
    stale = [path for path, made in GENERATED.items() if not path.exists() or path.read_text() != made()]
    for path in stale:
        path.write_text(GENERATED[path]())
    return stale
