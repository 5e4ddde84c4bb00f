"""Write the files of something new, in the form that this project's checks want.

Nothing that is there is written over. What is to be done next is said at the end.
"""

import json
import sys
from typing import Annotated, Literal

import typer

from ops.helptext import Commands, joined

app = typer.Typer(cls=Commands, help=joined(__doc__))

Json = Annotated[bool, typer.Option("--json", help="for a script, on standard output")]


@app.command(epilog="Example: ./vpb new table notes --owner person --about 'what people note for themselves'")
def table(
    name: Annotated[str, typer.Argument(help="in schema public: a-z, 0-9 and _, such as notes")],
    owner: Annotated[
        Literal["person", "project", "servers"] | None,
        typer.Option(help="whose the rows are, and so who reaches them; asked for on a terminal"),
    ] = None,
    about: Annotated[str | None, typer.Option(help="what the rows are, in a few words")] = None,
    as_json: Json = False,
) -> None:
    """A table with id, owner, title and times: migration, row policies, grants, access matrix, test.

    person: each reads and writes their own rows. project: members read, its owner, admins and editors write. servers:
    nobody else reaches any. Further columns go into the up script, the grants and the tests; all of it is green before.
    """
    from declared.paths import CHECKOUT
    from ops.new import table as tables
    from ops.new.templates import OWNERS

    whose = owner or _asked("Whose are the rows: person, project or servers? ", tuple(OWNERS), "--owner")
    change = tables.plan(CHECKOUT, name, whose, about)
    change.write()
    steps = ["make golden", f"./vpb up, and make test TESTS=tests/sql/test_public_{name}.py"]
    _tell(as_json, [*change.made], [*change.edited], steps, f"who reaches public.{name}: {OWNERS[whose].reach}")


@app.command(epilog="Example: ./vpb new migration add_tags")
def migration(
    name: Annotated[str, typer.Argument(help="a-z, 0-9 and _, such as add_tags; the number is the next one")],
    as_json: Json = False,
) -> None:
    """An empty migration under the next number: up and down script, with the three header lines to fill in."""
    from declared.paths import CHECKOUT
    from ops.new import migration as migrations
    from ops.new.files import Change

    change = Change(CHECKOUT)
    migrations.plan(change, name)
    change.write()
    steps = ["write both scripts and their headers (sql/README.md)", "./vpb migrate check", "make golden", "./vpb up"]
    _tell(as_json, [*change.made], [], steps)


def _asked(question: str, answers: tuple[str, ...], option: str) -> str:
    """An answer from the terminal; without one, the option is needed.

    :raises BadParameter: where nobody is there to be asked, or the answer is another one
    """
    needed = f"{option} is one of {', '.join(answers)}"
    if not sys.stdin.isatty():
        raise typer.BadParameter(f"{needed}, and nobody is there to be asked; nothing was written.")
    print(question, end="", file=sys.stderr, flush=True)
    answer = sys.stdin.readline().strip()
    if answer not in answers:
        raise typer.BadParameter(f"{needed}, not {answer!r}; nothing was written.")
    return answer


def _tell(as_json: bool, wrote: list[str], changed: list[str], steps: list[str], *said: str) -> None:
    if as_json:
        print(json.dumps({"wrote": wrote, "changed": changed, "said": said, "next": steps}, indent=2))
        return
    for word, paths in (("wrote", wrote), ("changed", changed)):
        for path in paths:
            print(f"{word:7} {path}")
    for line in said:
        print(line)
    print("next: " + "; ".join(steps))
