"""The file of a stack's settings, `Pulumi.<stack>.yaml`, as far as the commands beside Pulumi read it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from declared.exceptions import NAMESPACE as GUARDRAILS
from declared.naming import NAMESPACE
from declared.serversettings import NAMESPACE as SERVER
from run.state import EngineError

# What Pulumi reads of the file; it passes over everything else.
KEYS = ("config", "secretsprovider", "encryptedkey", "encryptionsalt", "environment")
# Other namespaces than ours are providers' or anybody's, so only one that is spelt nearly so is a slip.
TYPO = 2


class _Loader(yaml.SafeLoader):  # type: ignore[misc]
    """YAML whose maps have each key once; PyYAML itself would take the last one."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key in (key for key, _ in node.value if isinstance(key, yaml.ScalarNode)):
            if key.value in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key.value} is there twice", key.start_mark
                )
            seen.add(key.value)
        found: dict[Any, Any] = super().construct_mapping(node, deep)
        return found


def settings(path: Path) -> Mapping[str, object]:
    """The settings in a stack's file, as they are written there; none where there is no file.

    :raises EngineError: with file and line, where it is no such file; with the key, where it is one that nobody reads
    """
    try:
        content = yaml.load(_text(path), _Loader)
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise EngineError(f"{path.name}: {error.strerror}") from None
    except yaml.MarkedYAMLError as error:
        line = f":{error.problem_mark.line + 1}" if error.problem_mark else ""
        raise EngineError(f"{path.name}{line}: is no YAML: {' '.join(str(error.problem).split())}") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise EngineError(f"{path.name}: is no YAML: {' '.join(str(error).split())}") from None
    if not isinstance(content or {}, Mapping):
        raise EngineError(f"{path.name}:1: must be a map with the key config, not a {_kind(content)}")
    for key in map(str, content or ()):
        if key not in KEYS:
            raise EngineError(
                f"{path.name}: {key} is no key of a stack's file{_meant(key)}; there are {', '.join(KEYS)}"
            )
    found = (content or {}).get("config") or {}
    if not isinstance(found, Mapping):
        raise EngineError(f"{path.name}: config must be a map of settings, not a {_kind(found)}")
    for key in map(str, found):
        namespace, colon, name = key.partition(":")
        for ours in (NAMESPACE, SERVER, GUARDRAILS):
            if colon and 0 < _distance(namespace, ours) <= TYPO:
                raise EngineError(f"{path.name}: the setting {key} is read by nobody; {ours}:{name} is perhaps meant")
    return found


def _meant(key: str) -> str:
    near = [known for known in KEYS if _distance(key, known) <= TYPO]
    return f", {near[0]} is perhaps meant" if near else ""


def _distance(one: str, other: str) -> int:
    """How many letters have to be put in, taken out or changed to make the one of the other."""
    above = list(range(len(other) + 1))
    for number, letter in enumerate(one, start=1):
        line = [number]
        for column, wanted in enumerate(other, start=1):
            line.append(min(above[column] + 1, line[-1] + 1, above[column - 1] + (letter != wanted)))
        above = line
    return above[-1]


def _kind(value: object) -> str:
    return "list" if isinstance(value, list) else "text" if isinstance(value, str) else type(value).__name__


def _text(path: Path) -> str:
    content = path.read_bytes()
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise EngineError(f"{path.name}:{line}: is no UTF-8 text; save the file as UTF-8") from None
