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

    --owner person: each reads and writes their own rows.

    --owner project: members of the project read, its owner, admins and editors write.

    --owner servers: the app's servers alone.
    """
    from declared.paths import CHECKOUT
    from ops.new import table as tables
    from ops.new.templates import OWNERS

    whose = owner or _asked("Whose are the rows: person, project or servers? ", tuple(OWNERS), "--owner")
    change = tables.plan(CHECKOUT, name, whose, about)
    change.write()
    steps = ["make golden", f"./vpb up, and make test TESTS=tests/sql/test_public_{name}.py"]
    _report(as_json, [*change.made], [*change.edited], steps, f"who reaches public.{name}: {OWNERS[whose].reach}")


@app.command(epilog="Example: ./vpb new migration add_tags")
def migration(
    name: Annotated[str, typer.Argument(help="a-z, 0-9 and _, such as add_tags; the number is the next one")],
    adopted: Annotated[
        str | None, typer.Option(help="the folder of an adopted database, such as adopted/shop; the app's without it")
    ] = None,
    as_json: Json = False,
) -> None:
    """An empty migration under the next number: up and down script, with the three header lines to fill in."""
    from declared.paths import CHECKOUT
    from ops.new import migration as migrations
    from ops.new.files import FileChanges

    change = FileChanges(CHECKOUT)
    folder = migrations.of_adopted(adopted) if adopted is not None else migrations.FOLDER
    migrations.plan(change, name, folder=folder)
    change.write()
    checks = [] if adopted else ["./vpb migrate check", "make golden"]
    steps = ["write both scripts and their headers (sql/README.md)", *checks, "./vpb up"]
    _report(as_json, [*change.made], [], steps)


@app.command(
    epilog="Example: ./vpb new number add_tags, after a merge that has brought another migration of its number"
)
def number(
    names: Annotated[
        list[str], typer.Argument(metavar="NAME...", help="such as add_tags or 0037_add_tags, in the order to run in")
    ],
    as_json: Json = False,
) -> None:
    """The numbers after all others, for migrations that aren't on main yet; a stack that has applied one knows it."""
    from declared.paths import CHECKOUT
    from ops.new import number as numbers

    change = numbers.plan(CHECKOUT, names)
    change.write()
    _report(as_json, [*change.made], [], ["make golden", "./vpb up"], f"gone    {', '.join(change.gone)}")


@app.command(epilog="Example: ./vpb new policy public.projects --for delete --to anon --who nobody")
def policy(
    table: Annotated[str, typer.Argument(help="schema.table, or a table of schema public")],
    command: Annotated[
        Literal["select", "insert", "update", "delete"], typer.Option("--for", help="what it is to allow")
    ],
    role: Annotated[Literal["anon", "authenticated", "app_owner"], typer.Option("--to", help="whom")],
    who: Annotated[str, typer.Option(help="the last word of its name: own, member, public …")],
    as_json: Json = False,
) -> None:
    """A row policy in its table's file; it says `false`: nobody reaches a row by it until you write the condition."""
    from declared.paths import CHECKOUT
    from ops.new import policy as policies

    change, name = policies.plan(CHECKOUT, table, command, role, who)
    change.write()
    steps = [
        f"write its sentence and its condition in {next(iter({**change.made, **change.edited}))}",
        "its privilege in declared/grants.py, its lines in sql/access.md and tests/sql/matrix.py",
        "make mutants and make golden",
        "./vpb up",
    ]
    _report(as_json, [*change.made], [*change.edited], steps, f"{name} lets nobody do anything yet")


@app.command(epilog="Example: ./vpb new bucket notes --access people --limit 5000000 --type text/plain")
def bucket(
    id: Annotated[str, typer.Argument(help="a-z, 0-9, _ . and -, such as notes")],
    access: Annotated[
        Literal["servers", "people", "inbox", "projects"], typer.Option(help="whose its folders are")
    ] = "servers",
    limit: Annotated[int | None, typer.Option(min=1, help="the largest file, in bytes")] = None,
    types: Annotated[
        list[str] | None, typer.Option("--type", help="a MIME type that it takes, such as image/*; may be repeated")
    ] = None,
    public: Annotated[bool, typer.Option("--public", help="everybody reads what is scanned clean")] = False,
    stack: Annotated[
        str | None, typer.Option("--stack", "-s", help="in this stack's own list, and not in the defaults of all")
    ] = None,
    as_json: Json = False,
) -> None:
    """A storage bucket among the settings: nobody but servers reaches it, unless --access says who does.

    --access people: a folder for each person, where they read and write.

    --access inbox: a folder for each person, where servers write, and they read and delete.

    --access projects: a folder for each project, where members read, its owner, admins and editors write.
    """
    from declared.paths import CHECKOUT
    from ops.new import bucket as buckets

    made = buckets.NewBucket(id, access, limit, tuple(types or ()), public)
    change = buckets.plan(CHECKOUT, made, stack)
    change.write()
    steps = [*([] if stack else ["make golden"]), f"./vpb up --stack {stack or 'dev'}"]
    _report(as_json, [], [*change.edited], steps, f"who reaches bucket {id}: {made.reach}")


@app.command(
    epilog="Example: ./vpb new stack own --url postgresql://admin@db.example.org/app; with a password: "
    "./vpb new stack own --url - < url.txt; at AWS: ./vpb new stack prod --target aws"
)
def stack(
    name: Annotated[str, typer.Argument(help="a-z, 0-9 and -, a letter first, such as own or pr-12")],
    url: Annotated[
        str | None,
        typer.Option(
            help="an existing server, without a password; - reads it from standard input; also from STACK_URL"
        ),
    ] = None,
    embedded: Annotated[bool, typer.Option("--embedded", help="the server that this project starts itself")] = False,
    target: Annotated[
        str | None,
        typer.Option(help="where all else lives, see database:target; without it local, or as --like has it"),
    ] = None,
    like: Annotated[
        str | None,
        typer.Option(
            metavar="STACK", help="begin with the settings of another one's file, without its URL, accounts and secrets"
        ),
    ] = None,
    offline: Annotated[
        bool, typer.Option("--offline", help="with --target aws: moto of this machine, for ever")
    ] = False,
    as_json: Json = False,
) -> None:
    """A stack on a server that is there already: its file of settings, with the URL encrypted.

    Without --url it asks for one, on a terminal; not at AWS, where `up` makes the server.

    It looks whether the server answers and has what is needed; nothing is started or changed, which `./vpb up` does.
    """
    from ops.new import stack as stacks

    if url is not None and embedded:
        raise typer.BadParameter("--url and --embedded exclude each other")
    stacks.refuse_taken(name)
    settings = stacks.settings_of(like) if like else None
    target = target or stacks.target_of(like)
    server = stacks.server(url, embedded, target, offline)
    path = stacks.make(name, target, server, offline, settings)
    _report(as_json, [path], [], [f"./vpb up --stack {name}"], f"stack {name} lives on {stacks.where(server, target)}")


@app.command(epilog="Example: ./vpb new backend --region eu-central-1")
def backend(
    region: Annotated[str, typer.Option(help="the AWS region that all states are kept in")],
    as_json: Json = False,
) -> None:
    """A bucket at S3 for the states of lasting stacks, and the key of their secrets, in the credentials' account.

    It is versioned, encrypted, private and reached by TLS alone. Run again, it gets the same settings.
    """
    from ops.new import backend as backends

    made = backends.make(region)
    said = [f"made    {each}" for each in made.made] or [f"there   bucket {made.bucket} and its key"]
    steps = [
        f"export PULUMI_BACKEND_URL='{made.url}'",
        f"./pulumiw stack init STACK --secrets-provider '{made.secrets_provider}'",
    ]
    _report(as_json, [], [], steps, *said)


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


def _report(as_json: bool, wrote: list[str], changed: list[str], steps: list[str], *said: str) -> None:
    if as_json:
        print(json.dumps({"wrote": wrote, "changed": changed, "said": said, "next": steps}, indent=2))
        return
    for word, paths in (("wrote", wrote), ("changed", changed)):
        for path in paths:
            print(f"{word:7} {path}")
    for line in said:
        print(line)
    print("next: " + "; ".join(steps))
