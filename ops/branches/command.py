"""The commands for preview environments; see docs/preview-environments.md. What loads slowly, each loads itself."""

import json
import sys
from collections.abc import Callable
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from declared.masking import EMPTY
from ops.helptext import Commands
from ops.status import FAILED, FOUND

if TYPE_CHECKING:
    from ops.branches.copying import Copied, Progress
    from ops.branches.sweeping import Leftover

app = typer.Typer(
    cls=Commands, help="Preview environments: clones of a template of masked rows; see docs/preview-environments.md."
)

Name = Annotated[str, typer.Argument(metavar="NAME", help="the stack, such as pr-12")]
Source = Annotated[str, typer.Option("--from", help="the stack whose rows it has, masked")]
Json = Annotated[bool, typer.Option("--json", help="for a script, on standard output")]


@app.command(epilog="Example: ./vpb branch template --from staging")
def template(
    source: Source = "dev",
    remove: Annotated[bool, typer.Option("--remove", help="take the template that is there away instead")] = False,
    as_json: Json = False,
) -> None:
    """Make or renew the template of a stack: a server of this machine with its structure and its rows, masked.

    The stack is only read, in one snapshot. What no rule of declared/masking.py names is masked by its type.

    Stored files aren't copied. The template that is there stays until the new one is whole.
    """
    from ops.branches import making

    if remove:
        making.remove_template(source)
        print(f"template of {source}: removed; stacks that were cloned from it stay", file=sys.stderr)
        return
    _show(_watched(lambda progress: making.template(source, progress)), f"template of {source}", as_json)


@app.command(epilog="Example: ./vpb branch copy review --from staging")
def copy(name: Name, source: Source = "dev", as_json: Json = False) -> None:
    """The same into the empty database of a server elsewhere, which database:url of a stack names.

    `up` of that stack does the rest.
    """
    from ops.branches import making

    _show(_watched(lambda progress: making.copy(name, source, progress)), f"stack {name}", as_json)
    print(f"Provision it:  ./vpb up --stack {name}", file=sys.stderr)


@app.command(epilog="Example: ./vpb branch new pr-12 --from staging && ./vpb up --stack pr-12")
def new(
    name: Name,
    source: Source = "dev",
    replace: Annotated[bool, typer.Option("--replace", help="in the place of a clone that is there")] = False,
    as_json: Json = False,
) -> None:
    """Make a stack whose database is a clone of a template, in a second or two; `up` adopts what is there."""
    from ops.branches import making

    made = making.new(name, source, replace)
    if as_json:
        print(json.dumps(asdict(made)))
        return
    print(f"stack {name}: cloned from the template of {made.source}, rows of {made.taken_at}")
    print(f"Provision it:   ./vpb up --stack {name}\nTake it away:   ./vpb branch drop {name}", file=sys.stderr)


@app.command("list", epilog="Example: ./vpb branch list --json")
def listed(as_json: Json = False) -> None:
    """Show the templates, and the stacks that were cloned from one."""
    from harness import branches

    found: dict[str, list[dict[str, Any]]] = {
        "templates": [
            {**asdict(each), "folder": str(each.folder), "bytes": branches.size(each.folder)}
            for each in branches.templates()
        ],
        "branches": [asdict(each) for each in branches.branches()],
    }
    if as_json:
        print(json.dumps(found, indent=2))
        return
    for each in found["templates"]:
        print(f"template of {each['source']}: {each['rows']} rows of {each['taken_at']}, {each['bytes'] >> 20} MiB")
    for each in found["branches"]:
        state = "" if each["complete"] else ", not finished"
        print(f"stack {each['stack']}: of {each['source']}, rows of {each['taken_at']}, made {each['made_at']}{state}")
    if not any(found.values()):
        print("there is no template and no clone; ./vpb branch template makes a template")


@app.command(epilog="Example: ./vpb branch check pr-12")
def check(name: Name, as_json: Json = False) -> None:
    """Try who reaches what in a provisioned stack, and a sign-in, and undo it; the status is 2 where one fails."""
    from ops.branches import trials

    found = trials.tried(name)
    if as_json:
        print(json.dumps([asdict(each) for each in found], indent=2))
    else:
        for each in found:
            print(f"{each.name}: {each.result}, {each.detail}")
    raise typer.Exit(FOUND if trials.failed(found) else 0)


@app.command("test", epilog="Example: ./vpb branch test pr-12 --from staging > page.md")
def tried(name: Name, source: Source = "dev", as_json: Json = False) -> None:
    """Make a clone, in the place of one that is there, provision it, try it: `new`, `up`, `check`, `audit`, `health`.

    The report is Markdown for a pull request; the status is 2 where something was found, 1 where a step failed.
    """
    from ops.branches import testing

    found = testing.tested(name, source)
    print(testing.as_json(found) if as_json else testing.as_markdown(found))
    raise typer.Exit(found.status)


@app.command(epilog="Example: ./vpb branch drop pr-12")
def drop(name: Name) -> None:
    """Take a cloned stack away, with its services, rows and files; another stack is refused."""
    from ops.branches import making

    making.drop(name)
    print(f"stack {name}: services stopped, data deleted", file=sys.stderr)


@app.command(epilog="Example: ./vpb branch sweep --older 12h --keep pr-12 --keep pr-14 --remove")
def sweep(
    older: Annotated[str, typer.Option(help="clones that are at least so old, in days or hours")] = "7d",
    keep: Annotated[list[str] | None, typer.Option(help="a clone that stays, however old it is")] = None,
    remove: Annotated[bool, typer.Option("--remove", help="remove what is found")] = False,
    as_json: Json = False,
) -> None:
    """Find what is left over: old clones, and what killed runs have begun; the status is 2 where there is something.

    With --remove it is 0 where all of it is gone, and 1 where something stays.
    """
    from ops.branches import sweeping

    found = sweeping.leftovers(keep or (), sweeping.age(older))
    stay = {each: why for each in found if (why := sweeping.remove(each))} if remove else {}
    if as_json:
        print(json.dumps([_as_json(each, stay, remove) for each in found], indent=2))
    else:
        for each in found:
            done = f"stays: {stay[each]}" if each in stay else "removed" if remove else "left over"
            print(f"{each.kind} {each.name}: {each.why}; {done}")
        if not found:
            print("nothing is left over")
    raise typer.Exit(FAILED if stay else FOUND if found and not remove else 0)


def _as_json(each: "Leftover", stay: dict["Leftover", str], remove: bool) -> dict[str, Any]:
    return {**each.as_dict(), "removed": remove and each not in stay, "stays": stay.get(each, "")}


def _watched(task: Callable[["Progress"], "Copied"]) -> "Copied":
    from rich.console import Console

    with Console(stderr=True).status("copying", spinner="line") as status:
        return task(status.update)


def _show(copied: "Copied", what: str, as_json: bool) -> None:
    if as_json:
        found = {"rows": copied.rows, "empty": copied.empty, "masked_by_default": copied.by_default}
        print(json.dumps({**found, "taken_at": copied.taken_at.isoformat()}, indent=2))
        return
    print(
        f"{what}: {copied.total} rows of {len(copied.rows)} tables, masked, "
        f"as of {copied.taken_at:%Y-%m-%d %H:%M:%S} UTC"
    )
    print(f"  without rows: {len(copied.empty)} tables, and all stored files")
    for table, columns in copied.by_default.items():
        print(f"  masked by type, without a rule: {table}: {', '.join(columns)}")
    if undeclared := sorted(copied.empty.keys() - EMPTY.keys()):
        print(f"  without rows, no table of declared/masking.py: {', '.join(undeclared)}")
