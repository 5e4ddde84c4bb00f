"""What the generated files of the clients are made of, as a checksum that needs no server and no Node."""

import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from declared import schemas, sqlfiles
from declared.paths import CHECKOUT
from declared.settings import defaults
from toolchain import versions

HERE = Path(__file__).resolve().parent
TEXT = re.compile(r"^\W*Text: ([0-9a-f]{32})$", re.MULTILINE)


def of_types() -> str:
    """Another text as soon as `database.ts` may be another one."""
    versions_file = (versions.POSTGRES_META / "package-lock.json").read_text()
    buckets = sorted(bucket["id"] for bucket in defaults()["buckets"])
    return _digest(buckets, schemas.EXPOSED, versions_file, *_steps(), *_texts(HERE, "*.py"))


def of_queries() -> str:
    """Another text as soon as the functions of the query patterns may be others."""
    return _digest(*_steps(), *_texts(CHECKOUT / "sql" / "queries", "*.sql"), *_texts(HERE, "*.py"))


def sealed(text: str) -> str:
    """A generated text with a checksum of itself in the place of `{text}`, so that an edit is seen."""
    return text.replace("{text}", _of_text(text), 1)


def edited(text: str) -> bool:
    """Whether a generated text isn't as it was made."""
    found = TEXT.search(text)
    return found is None or found[1] != _of_text(text.replace(found[1], "{text}", 1))


def _of_text(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _steps() -> Iterator[str]:
    """The migrations, each with what it makes; what takes them back makes nothing."""
    for folder in sqlfiles.STEP_FOLDERS:
        yield from _texts(CHECKOUT / folder.folder, "*.up.sql")


def _texts(folder: Path, pattern: str) -> Iterator[str]:
    for path in sorted(folder.glob(pattern)):
        yield path.name
        yield path.read_text(encoding="utf-8")


def _digest(*parts: Any) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]
