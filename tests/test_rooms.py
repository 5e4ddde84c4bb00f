"""Which room may import which; a new capability belongs where this table lets it stand."""

import ast
import re
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from declared.paths import CHECKOUT

CLIENTS = "visual_prompt_builder"
# Room → what it may import of ours. What has no line imports nothing of ours.
ROOMS = {
    "toolchain": set(),
    CLIENTS: set(),
    "pg": set(),
    # Runs at AWS, with nothing of ours.
    "probe": set(),
    "declared": set(),
    "plugin": {"declared.errors"},
    "provider": {"plugin", "declared"},
    "local": {"plugin", "declared"},
    # The program's resources of a server that the target makes.
    "targets": {"declared", "local", "components.rds"},
    "components": {"declared", "pg", "targets"},
    # What sort of environment it is, a target knows.
    "guardrails": {"declared", "targets"},
    "__main__": {"components", "declared", "pg"},
    "run": {"declared", "targets", "toolchain"},
    "ops": {"declared", "guardrails", "harness", "run", "provider", CLIENTS},
    "harness": {"declared", "plugin", "provider", "local", "targets", "toolchain"},
    "generate": {"declared", "guardrails", "harness", "local", "provider", "ops", "toolchain"},
    "bench": {"declared", "harness", "local", "ops", "provider", "plugin"},
    # A test of a room may use whatever the room is used with; nothing but tests uses tests.
    "tests": {
        *(
            "bench",
            "components",
            "declared",
            "generate",
            "guardrails",
            "harness",
            "local",
            "ops",
            "pg",
            "plugin",
            "provider",
            "run",
        ),
        *("targets", "toolchain", CLIENTS),
    },
}
# The rooms that no stack is provisioned by.
AUTHORS = {"harness", "generate", "bench", "tests"}
FILES = {
    path.relative_to(CHECKOUT): room
    for room in ROOMS
    for path in sorted(
        [CHECKOUT / "__main__.py"]
        if room == "__main__"
        else (CHECKOUT / ("clients/python" if room == CLIENTS else ".") / room).rglob("*.py")
    )
}
TARGETS = {"local", "supabase", "aws"}


def imported(tree: ast.Module) -> Iterator[str]:
    """The modules that a file imports anywhere, by their full names; under TYPE_CHECKING and within functions too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{name.name}" for name in node.names)


@cache
def parsed() -> dict[Path, ast.Module]:
    return {path: ast.parse((CHECKOUT / path).read_text(), str(path)) for path in FILES}


def test_every_room_imports_only_what_it_may():
    wrong = [
        f"{path} imports {name}"
        for path, tree in parsed().items()
        for name in imported(tree)
        if name.partition(".")[0] in ROOMS.keys() - {FILES[path]}
        and not any(name == allowed or name.startswith(f"{allowed}.") for allowed in ROOMS[FILES[path]])
    ]
    assert len(FILES) > 150
    assert wrong == []


def test_of_all_that_serves_a_target_only_the_target_local_needs_local():
    found = {path for path, tree in parsed().items() for name in imported(tree) if name.startswith("local.")}
    assert {path for path in found if FILES[path] not in {"local", *AUTHORS}} == {Path("targets/local.py")}
    # Another target doesn't even load it.
    assert [name for name in _at_import(parsed()[Path("targets/__init__.py")]) if "local" in name] == []


def test_every_package_has_its_line_in_the_table():
    ours = {path.parent.name for path in CHECKOUT.glob("*/__init__.py")}
    assert ours | {"tests"} == ROOMS.keys() - {"__main__", CLIENTS}


def test_the_table_allows_nothing_that_is_not_used():
    used = {
        (FILES[path], allowed)
        for path, tree in parsed().items()
        for name in imported(tree)
        for allowed in ROOMS[FILES[path]]
        if name == allowed or name.startswith(f"{allowed}.")
    }
    allowed = {(room, other) for room, others in ROOMS.items() for other in others}
    assert allowed - used == set()


def test_no_file_imports_itself_by_way_of_others():
    """Not within a function and not under TYPE_CHECKING either, where a circle is hidden."""
    modules = {
        ".".join(path.with_suffix("").parts).removeprefix("clients.python.").removesuffix(".__init__"): path
        for path in FILES
    }
    trees = parsed()
    graph = {
        module: {found for name in imported(trees[path]) if (found := _module(name, modules)) and found != module}
        for module, path in modules.items()
    }
    circles = [module for module in graph if module in _reached(graph, module)]
    assert circles == []


def _at_import(tree: ast.Module) -> Iterator[str]:
    """What a file imports when it is imported itself."""
    yield from imported(ast.Module([node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)], []))


def _module(name: str, modules: dict[str, Path]) -> str | None:
    return name if name in modules else name.rpartition(".")[0] if name.rpartition(".")[0] in modules else None


def _reached(graph: dict[str, set[str]], start: str) -> set[str]:
    seen: set[str] = set()
    todo = list(graph[start])
    while todo:
        module = todo.pop()
        if module not in seen:
            seen.add(module)
            todo += graph[module]
    return seen


def test_commands_for_operators_have_one_parser():
    found = {FILES[path] for path, tree in parsed().items() if "argparse" in imported(tree)}
    assert found - AUTHORS == {"toolchain", "local"}


def test_nothing_edits_the_search_path_of_modules():
    edits = [str(path) for path in FILES if re.search(r"sys\.path\b(?!\w)", (CHECKOUT / path).read_text())]
    assert edits == []


def test_only_targets_ask_which_target_it_is():
    wrong = [
        f"{path}:{node.lineno}"
        for path, tree in parsed().items()
        if FILES[path] not in ("targets", "toolchain", "local", "tests")
        for node in ast.walk(tree)
        if _asks(node) and any(isinstance(each, ast.Constant) and each.value in TARGETS for each in ast.walk(node))
    ]
    assert wrong == []


def _asks(node: ast.AST) -> bool:
    """Whether it compares: by an operator, a container, a pattern, a key, or a method of a text."""
    asked = isinstance(node, ast.Call) and getattr(node.func, "attr", "") in ("startswith", "endswith", "get", "__eq__")
    return asked or isinstance(node, ast.Compare | ast.match_case | ast.Subscript)


def test_no_two_test_files_have_one_name():
    """pytest imports them by it: of two it would run the first, and report an error among thousands of lines."""
    names = Counter(path.name for path in (CHECKOUT / "tests").rglob("test_*.py"))
    assert [name for name, number in names.items() if number > 1] == []
