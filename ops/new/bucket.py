"""A storage bucket more among the settings: in the defaults of `Pulumi.yaml`, or beside them in a stack's file."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from declared import buckets, naming
from declared.naming import NAMESPACE
from ops.errors import CommandError
from ops.new.files import FileChanges
from run import stackfile

PROJECT = "Pulumi.yaml"
SETTINGS = ("buckets", "maxObjectSize")
REACH = {
    "servers": "the app's servers alone: no person reaches it, until its access says people, inbox or projects",
    "people": "each person the folder that has their id as its name: they read, write and delete there",
    "inbox": "each person the folder that has their id as its name: servers write there, they read and delete",
    "projects": "members of a project the folder that has its id as its name: they read, editors write and delete",
}
PUBLIC = "; and everybody reads by its address what is scanned clean, since it is public"


@dataclass(frozen=True)
class NewBucket:
    """What the entry says."""

    id: str
    access: str
    limit: int | None
    types: tuple[str, ...]
    public: bool = False

    @property
    def entry(self) -> dict[str, Any]:
        found: dict[str, Any] = {"id": self.id, "access": self.access, "public": self.public}
        if self.limit is not None:
            found["fileSizeLimit"] = self.limit
        if self.types:
            found["allowedMimeTypes"] = list(self.types)
        return found

    @property
    def reach(self) -> str:
        return REACH[self.access] + (PUBLIC if self.public else "")


def plan(root: Path, bucket: NewBucket, stack: str | None) -> FileChanges:
    """The entry in the defaults, or in the stack's own list, which is laid over them.

    :raises CommandError: where the file has its buckets in another form than a list line by line
    :raises SettingError: for a bucket that there is, or that can't be declared so
    """
    change = FileChanges(root)
    project = _read(PROJECT, change.text(PROJECT))
    declared = {key: _at(PROJECT, project, "config", key, "default") for key in SETTINGS}
    path = PROJECT if stack is None else f"Pulumi.{naming.stack(stack)}.yaml"
    if stack is not None and not (root / path).exists():
        raise CommandError(f"{path}: there is no such file; `./vpb new stack {stack}` makes one")
    own = {} if stack is None else dict(stackfile.settings(root / path))
    defaults = declared["buckets"] if stack else []
    there = own.get(f"{NAMESPACE}:buckets", []) if stack else declared["buckets"]
    largest = _number(path, own.get(f"{NAMESPACE}:maxObjectSize", declared["maxObjectSize"]))
    # One that the defaults have would be changed by it, and not be new.
    buckets.buckets([*defaults, bucket.entry], largest)
    longer: list[Any] = [*there, bucket.entry] if isinstance(there, list) else []
    buckets.buckets(longer or there, largest, defaults)
    text = change.text(path)
    keys = ("config", "buckets", "default") if stack is None else ("config", f"{NAMESPACE}:buckets")
    if stack is not None and f"{NAMESPACE}:buckets" not in own:
        new = _begun(path, text, longer)
    else:
        new = _longer(path, text, keys, bucket.entry)
    _check(path, new, keys, longer)
    change.edit(path, new)
    return change


def _number(path: str, value: Any) -> int:
    # A number is text where Pulumi has written it.
    if not str(value).isdecimal():
        raise CommandError(f"{path}: {NAMESPACE}:maxObjectSize is {value!r}, and must be a whole number of bytes")
    return int(str(value))


def _at(path: str, content: Any, *keys: str) -> Any:
    for key in keys:
        if not isinstance(content, Mapping) or key not in content:
            raise CommandError(f"{path}:1: {'.'.join(keys)} isn't found here; nothing was written")
        content = content[key]
    return content


def _check(path: str, text: str, keys: tuple[str, ...], wanted: list[Any]) -> None:
    """The text must say what is meant: it is put together line by line."""
    if _at(path, _read(path, text), *keys) != wanted:
        raise CommandError(f"{path}: the entry can't be added here; nothing was written, add it yourself")


def _read(path: str, text: str) -> Any:
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise CommandError(f"{path}: is no YAML: {' '.join(str(error).split())}; nothing was written") from None


def _longer(path: str, text: str, keys: tuple[str, ...], entry: Mapping[str, Any]) -> str:
    """The text with an entry more at the end of the list to which the keys lead; all else stays, comments too."""
    # A list that ends with the file would else end within its last line.
    text = text if text.endswith("\n") else f"{text}\n"
    node = yaml.compose(text, yaml.SafeLoader)
    for key in keys:
        found = {each.value: value for each, value in node.value} if isinstance(node, yaml.MappingNode) else {}
        if key not in found:
            raise CommandError(f"{path}:1: {'.'.join(keys)} isn't found here; nothing was written, add it yourself")
        node = found[key]
    line = node.start_mark.line
    if not isinstance(node, yaml.SequenceNode) or node.flow_style or not node.value:
        raise CommandError(
            f"{path}:{line + 1}: the list of buckets has another form than one entry below the other; nothing was "
            "written, add it yourself"
        )
    lines = text.split("\n")
    end = node.value[-1].end_mark.line
    # A block's end is where the next thing begins: behind blank lines and comments.
    while not lines[end - 1].strip() or lines[end - 1].lstrip().startswith("#"):
        end -= 1
    return "\n".join([*lines[:end], *_lines([entry], node.start_mark.column), *lines[end:]])


def _begun(path: str, text: str, entries: list[Mapping[str, Any]]) -> str:
    """The text of a stack's file with a list of its own."""
    lines = text.split("\n")
    if "config:" not in lines:
        raise CommandError(f"{path}:1: the line `config:` isn't found here; nothing was written, add it yourself")
    position = lines.index("config:") + 1
    return "\n".join([*lines[:position], f"  {NAMESPACE}:buckets:", *_lines(entries, 4), *lines[position:]])


def _lines(entries: list[Mapping[str, Any]], indent: int) -> list[str]:
    found = []
    for entry in entries:
        for number, (key, value) in enumerate(entry.items()):
            # In one line, as the others have them; a bucket's id can look like a number or a date.
            shown = yaml.safe_dump(value, default_flow_style=True, width=10**6).removesuffix("\n...\n").strip()
            found.append(f"{' ' * indent}{'  ' if number else '- '}{key}: {shown}")
    return found
