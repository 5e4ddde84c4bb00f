"""`python3 -m toolchain [ensure|where|plugins|clean] [--json]`, and `python3 -m toolchain run ARGS…`."""

import argparse
import json
import os
import sys
from collections.abc import Mapping
from typing import NoReturn

import toolchain
from toolchain.clean import clean
from toolchain.errors import one_line_errors
from toolchain.progress import size

COMMANDS = {
    "ensure": "make what is missing; silent where nothing is",
    "where": "show what is there; make nothing",
    "run": "python ARGS… in the environment, which is made first if need be",
    "plugins": "install the official plugins, which every target but local needs",
    "clean": "remove from the cache what the present version doesn't use",
}


def main(arguments: list[str] | None = None) -> int:
    """Runs one command and gives its exit status; a failure is one line on standard error."""
    words = sys.argv[1:] if arguments is None else arguments
    parser = argparse.ArgumentParser(prog="python3 -m toolchain", description=toolchain.__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    commands = "; ".join(f"{name}: {what}" for name, what in COMMANDS.items())
    parser.add_argument("command", nargs="?", default="ensure", choices=COMMANDS, help=commands)
    parser.add_argument("--json", action="store_true", help="the result as JSON on standard output")
    # What stands behind `run` is the other program's, its options included.
    options = parser.parse_args(words[:1] if words[:1] == ["run"] else words)
    try:
        if options.command == "run":
            _run(words[1:])
        if options.command == "plugins":
            toolchain.ensure_plugins()
            return 0
        return _clean(options.json) if options.command == "clean" else _ensure(options)
    except toolchain.ToolchainError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted; what was half made is gone", file=sys.stderr)
        return 130


def _run(arguments: list[str]) -> NoReturn:
    ready = toolchain.ensure()
    python = str(ready.venv / "bin" / "python")
    environment = ready.environment(os.environ)
    # For this program alone: those that it starts find their modules beside them.
    safe = ["-P"] if environment.pop("PYTHONSAFEPATH", "") else []
    os.execve(python, [python, *safe, *arguments], environment)


def _ensure(options: argparse.Namespace) -> int:
    make = options.command == "ensure"
    ready = toolchain.ensure(make=make)
    if options.json:
        print(json.dumps(ready.as_json()))
    elif options.command == "where":
        _table(ready.as_json())
    return 0


def _clean(as_json: bool) -> int:
    context = toolchain.context_of()
    with one_line_errors(context.cache.root):
        removed = clean(context)
    if as_json:
        print(json.dumps(removed))
    else:
        total = f"{len(removed)} folders, {size(sum(removed.values()))}"
        _table({**{name: size(number) for name, number in removed.items()}, "removed": total})
    return 0


def _table(rows: Mapping[str, object]) -> None:
    for name, value in rows.items():
        print(f"{name}: {str(value).lower() if isinstance(value, bool) else value}")


if __name__ == "__main__":
    sys.exit(main())
