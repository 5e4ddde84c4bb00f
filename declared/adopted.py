"""What `./vpb adopt` has found in a live database: its facts, in a folder beside its migrations and row policies.

The facts have the names and the form of those in `declared/`; the file is read, not run.
"""

import ast
import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from declared import sqlfiles
from declared.errors import UserError
from declared.platform import Platform
from declared.schemas import HISTORY_SCHEMA, OPEN_SCHEMAS
from declared.sqlfiles import RowPolicy, StepFolder

FACTS = "facts.py"
# One of our own: a tool that was there before refuses versions in its history that it doesn't know.
HISTORY = f"{HISTORY_SCHEMA}.adopted_migrations"
ENABLED, FORCED, OPEN = "enabled", "forced", "left open"
SWITCHES = (ENABLED, FORCED, OPEN)
# The properties of an entry, where they have names of their own; the provider checks what is in them.
PROPERTIES: Mapping[str, Mapping[str, type]] = {
    "SCHEMAS": {"owner": str, "comment": str},
    "PUBLICATIONS": {"tables": list, "operations": list, "schemas": list, "root": bool},
    "BUCKETS": {"public": bool, "fileSizeLimit": int, "allowedMimeTypes": list, "columns": dict},
}
REQUIRED = {"SCHEMAS": "owner"}
# How the names of a fact are written, where it isn't a schema's, an extension's, a publication's or a bucket's.
RELATION = re.compile(r"[^.]+\..+", re.S), "schema.name"
FORMS = {
    **dict.fromkeys(("ROW_SECURITY", "PARTITIONS", "TABLES", "SEQUENCES"), RELATION),
    "FUNCTIONS": (re.compile(r'[^."()]+\.[^.].*\(.*\)', re.S), "schema.name(argument types)"),
}
# What no text of PostgreSQL may hold, and what UTF-8 can't.
UNHELD = re.compile("[\0\ud800-\udfff]")
ANY = re.compile(".+", re.S), "a name"
WORDS = {str: "a text", bool: "True or False", int: "a whole number", list: "a list", dict: "a map"}
# What Python can't read, too deep or too long included.
UNREAD = (ValueError, TypeError, SyntaxError, MemoryError, RecursionError)


class AdoptedError(UserError):
    """A file of facts can't be used; the text names it, the line and what is wrong."""


@dataclass(frozen=True)
class Facts:
    """Each fact by its name in the file, in lower case."""

    schemas: Mapping[str, Mapping[str, Any]]
    """Schema → its properties, as `pg:index:Schema` has them; without any, it is as the baseline makes it."""
    extensions: Mapping[str, str]
    """Extension → schema."""
    row_security: Mapping[str, str]
    """Table → `enabled`, `forced` or `left open`."""
    partitions: Mapping[str, str]
    """Partition → in what it is left open where its table is closed."""
    schema_grants: Mapping[str, Mapping[str, list[str]]]
    tables: Mapping[str, Mapping[str, list[str]]]
    """Table or view → role → privileges."""
    sequences: Mapping[str, Mapping[str, list[str]]]
    functions: Mapping[str, Mapping[str, list[str]]]
    publications: Mapping[str, Mapping[str, Any]]
    """Publication → its properties, as `pg:index:Publication` has them."""
    buckets: Mapping[str, Mapping[str, Any]]
    """Bucket → its properties, as `pg:index:Bucket` has them."""
    watched: tuple[str, ...]
    """The schemas of a platform in whose tables triggers are this database's own; with one, nothing beside its schemas
    is compared."""


@dataclass(frozen=True)
class Adopted:
    """All that is declared of an adopted database."""

    folder: str
    """Relative to the checkout."""
    facts: Facts
    steps: Mapping[str, str]
    """Migration → checksum."""
    policies: tuple[RowPolicy, ...]

    @property
    def migrations(self) -> StepFolder:
        return migrations(self.folder)

    def needs_standin(self, platform: Platform) -> bool:
        """Whether it lived on Supabase and comes up where there is no such platform."""
        return not platform.name and {*OPEN_SCHEMAS} <= {*self.facts.watched} - self.facts.schemas.keys()

    @property
    def fingerprint(self) -> str:
        """Another text as soon as anything declared is another one."""
        what = [asdict(self.facts), dict(self.steps), [asdict(policy) for policy in self.policies]]
        return hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()[:32]


def migrations(folder: str) -> StepFolder:
    """Where the migrations of an adopted database are, and where they are recorded."""
    return StepFolder(f"{folder}/{sqlfiles.MIGRATIONS.folder}", HISTORY)


def read(folder: str, root: Path) -> Adopted:
    """What lies in a folder that `./vpb adopt` has written.

    :raises AdoptedError: for facts that can't be used
    :raises SqlFileError: for the first rule of `sql/` that is broken
    """
    facts = _facts(root / folder / FACTS, f"{folder}/{FACTS}")
    steps = {step.name: step.checksum for step in sqlfiles.steps(root / migrations(folder).folder)}
    policies = tuple(sqlfiles.row_policies(root / folder / sqlfiles.POLICY_FOLDER))
    return Adopted(folder, facts, steps, policies)


def _facts(path: Path, shown: str) -> Facts:
    try:
        tree = ast.parse(sqlfiles.read_text(path), shown)
    except SyntaxError as error:
        raise AdoptedError(f"{shown}:{error.lineno}: {error.msg}") from None
    except UNREAD as error:
        raise AdoptedError(f"{shown}: can't be read: {error or type(error).__name__}") from None
    names, found, lines = {field.name for field in fields(Facts)}, {}, {}
    for node in tree.body:
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            continue
        name = _name(node)
        if name.lower() not in names or not name.isupper():
            raise AdoptedError(f"{shown}:{node.lineno}: only these facts are read: {', '.join(sorted(names)).upper()}")
        if name.lower() in found:
            raise AdoptedError(f"{shown}:{node.lineno}: {name} is there twice")
        found[name.lower()], lines[name] = _value(node, name, shown), node.lineno
    if missing := sorted(names - found.keys()):
        raise AdoptedError(f"{shown}: has no {missing[0].upper()}; an empty one is {{}}")
    if both := sorted({*found["watched"]} & found["schemas"].keys()):
        raise AdoptedError(
            f"{shown}:{lines['WATCHED']}: WATCHED: {both[0]} is in SCHEMAS too; take it out of one of them"
        )
    return Facts(**found)


def _name(node: ast.stmt) -> str:
    if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
        return node.targets[0].id
    return ""


def _value(node: ast.stmt, name: str, shown: str) -> Any:
    assert isinstance(node, ast.Assign)
    where = f"{shown}:{node.lineno}: {name}"
    try:
        value: Any = ast.literal_eval(node.value)
        _refuse_twice(node.value, shown, name)
    except UNREAD:
        raise AdoptedError(f"{where} must be written out, as maps, lists and texts") from None
    kind, word = (tuple, "tuple") if name == "WATCHED" else (dict, "map")
    if not isinstance(value, kind):
        raise AdoptedError(f"{where} must be a {word}")
    _refuse_unheld(value, where)
    texts = ("EXTENSIONS", "ROW_SECURITY", "PARTITIONS")
    entries: Iterable[tuple[Any, Any]] = value.items() if isinstance(value, dict) else ((key, {}) for key in value)
    for key, entry in entries:
        if not isinstance(key, str):
            raise AdoptedError(f"{where}: {key!r} must be a text")
        if not isinstance(entry, str if name in texts else dict):
            raise AdoptedError(f"{where}: {key} must be a {'text' if name in texts else 'map'}")
        if not isinstance(entry, str):
            _check_entry(f"{where}: {key}", name, entry)
        form, example = FORMS.get(name, ANY)
        if not form.fullmatch(key):
            raise AdoptedError(f"{where}: {key!r} must be {example}")
        if name == "ROW_SECURITY" and entry not in SWITCHES:
            raise AdoptedError(f"{where}: {key} must be one of {', '.join(SWITCHES)}, not {entry!r}")
    return value


def _refuse_unheld(value: Any, where: str) -> None:
    """:raises AdoptedError: for a text with a character that no name and no value of PostgreSQL can have"""
    if isinstance(value, str) and (found := UNHELD.search(value)):
        raise AdoptedError(f"{where}: {value!r} has a character that PostgreSQL can't hold: {found[0]!r}")
    parts = [*value.keys(), *value.values()] if isinstance(value, dict) else value
    for part in parts if isinstance(parts, list | tuple) else ():
        _refuse_unheld(part, where)


def _refuse_twice(value: ast.expr, shown: str, name: str) -> None:
    """:raises AdoptedError: for a map with a key that is there twice, of which Python takes the last"""
    for each in (each for each in ast.walk(value) if isinstance(each, ast.Dict)):
        seen: set[Any] = set()
        for key in (key for key in each.keys if isinstance(key, ast.Constant)):
            if key.value in seen:
                raise AdoptedError(f"{shown}:{key.lineno}: {name}: {key.value!r} is there twice")
            seen.add(key.value)


def _check_entry(where: str, name: str, entry: Mapping[Any, Any]) -> None:
    """:raises AdoptedError: for properties that there aren't, and for privileges that are no list of texts"""
    properties = PROPERTIES.get(name)
    if entry and (required := REQUIRED.get(name)) and required not in entry:
        raise AdoptedError(f"{where} has no {required}")
    for key, value in entry.items():
        if properties is None:
            if not isinstance(key, str) or not key or not _texts(value):
                raise AdoptedError(f"{where}: {key} must be a role with a list of privileges")
        elif key not in properties:
            raise AdoptedError(f"{where} has no property {key!r}; it may have {', '.join(properties)}")
        elif type(value) is not properties[key] or not _plain(value):
            raise AdoptedError(f"{where}: {key} must be {WORDS[properties[key]]}")


def _texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(each, str) for each in value)


def _plain(value: Any) -> bool:
    """Whether a value is one that a resource can hold."""
    if isinstance(value, dict):
        return all(isinstance(key, str) and _plain(each) for key, each in value.items())
    return _texts(value) if isinstance(value, list) else value is None or isinstance(value, str | bool | int)
