"""The commands of every day; see docs/everyday.md."""

import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

app = typer.Typer()

Stack = Annotated[str, typer.Option("--stack", "-s", help="the environment")]
Json = Annotated[bool, typer.Option("--json", help="for a script, on standard output")]


@app.command(epilog='Example: ./vpb env --secrets > .env; in a shell: eval "$(./vpb env --format shell --secrets)"')
def env(
    stack: Stack = "dev",
    form: Annotated[Literal["dotenv", "json", "shell"], typer.Option("--format", help="how it is written")] = "dotenv",
    secrets: Annotated[bool, typer.Option("--secrets", help="also what holds a password or a key")] = False,
    every_login: Annotated[bool, typer.Option("--all", help="also the URLs of operations: admin, backup …")] = False,
) -> None:
    """The variables that an app needs: URLs, S3, CDN; those with a secret are left out, unless --secrets is there."""
    from ops.everyday import env as environment

    found = environment.variables(stack, every_login)
    shown = {name: variable.value for name, variable in found.items() if secrets or not variable.secret}
    print(environment.written(shown, form))
    if left_out := [name for name in found if name not in shown]:
        print(f"left out, since secret: {', '.join(left_out)}; --secrets shows them", file=sys.stderr)


@app.command(epilog="Example: ./vpb psql api --as USER_ID -c 'select * from public.projects' -- --csv")
def psql(
    role: Annotated[str | None, typer.Argument(metavar="[ROLE]", help="a login: admin, api, auth, monitor …")] = None,
    more: Annotated[list[str] | None, typer.Argument(metavar="[-- OPTION…]", help="psql's own options")] = None,
    person: Annotated[
        str | None, typer.Option("--as", help="a person's id, or anon: what they see and may, as in a request")
    ] = None,
    statement: Annotated[list[str] | None, typer.Option("-c", help="SQL to run; may be repeated")] = None,
    stack: Stack = "dev",
) -> None:
    """psql as a login of the stack: who provisions, unless another one is named; with --as, the API's."""
    from ops.everyday import psql as session

    # After `--` alone, an option of psql's stands where the role would.
    own = [*([role] if role and role.startswith("-") else []), *(more or [])]
    login = None if role and role.startswith("-") else role
    statements = [word for each in statement or [] for word in ("-c", each)]
    raise typer.Exit(session.run(stack, login, person, [*statements, *own]))


@app.command(epilog="Example: ./vpb token --as ada@example.org --expires 8h")
def token(
    person: Annotated[str | None, typer.Option("--as", help="a person's id or address")] = None,
    role: Annotated[
        Literal["anon", "service_role"] | None, typer.Option("--role", help="of no person: the rights of a role")
    ] = None,
    expires: Annotated[str, typer.Option("--expires", help="how long it is good for: 90s, 15m, 1h, 30d")] = "1h",
    secret: Annotated[
        Path | None,
        typer.Option(
            "--jwt-secret-file", help="the secret of a project elsewhere; also from the variable SUPABASE_JWT_SECRET"
        ),
    ] = None,
    stack: Stack = "dev",
) -> None:
    """Print a token for the API: a person's, with the claims that row security reads, or one with the rights of a role.

    On local it is signed with the secret of the stack's API.
    """
    from ops.everyday import token as tokens

    if (person is None) is (role is None):
        raise typer.BadParameter("name a person by --as or a role by --role")
    lasting = tokens.seconds(expires)
    if person is not None:
        print(tokens.of_person(stack, person, lasting, secret))
    else:
        print(tokens.of_role(stack, str(role), lasting, secret))


@app.command(epilog="Example: ./vpb status --stack pr-12 --json")
def status(stack: Stack = "dev", as_json: Json = False) -> None:
    """Show what runs, where, which migrations are pending, and the last `up`; the status is 2 where any are pending.

    Nothing is started by it. Where the server or its migrations can't be read, it says why, and the status is 1.
    """
    from ops.everyday import overview

    found = overview.of(stack)
    print(overview.as_json(found) if as_json else overview.as_text(found))
    raise typer.Exit(overview.status(found))


@app.command(epilog="Example: ./vpb watch; where two migrations are in work: ./vpb watch --from 0037")
def watch(
    stack: Stack = "dev",
    first: Annotated[
        str | None, typer.Option("--from", metavar="NUMBER", help="the first migration in work; the newest without it")
    ] = None,
) -> None:
    """Bring an embedded database to the files each time one is saved, until Ctrl-C.

    A migration in work that was edited is rolled back and applied again: the rows of its tables go.
    """
    from ops.everyday import watch as loop

    loop.run(stack, first)


@app.command(epilog="Example: ./vpb logs --lines 200; as it is written: ./vpb logs --follow")
def logs(
    stack: Stack = "dev",
    lines: Annotated[int, typer.Option("--lines", "-n", min=0, help="how many, from the end")] = 50,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="go on until Ctrl-C")] = False,
    api: Annotated[bool, typer.Option("--api", help="the log of the local API instead")] = False,
) -> None:
    """The log of the embedded server: who connects, what changes the structure, errors, what is slow."""
    from ops.everyday import logs as log

    path = log.of_api(stack) if api else log.of(stack)
    text, position = log.last(path, lines)
    print(text, end="", flush=True)
    try:
        for more in log.follow(path, position) if follow else ():
            print(more, end="", flush=True)
    except KeyboardInterrupt:
        return


@app.command(epilog="Example: ./vpb seed --size medium; other rows of the same kind: ./vpb seed --seed 2")
def seed(
    size: Annotated[
        Literal["small", "medium", "large"],
        typer.Option(help="about 4,000, 100,000 or 1,000,000 components, with people, projects and all else"),
    ] = "small",
    number: Annotated[int, typer.Option("--seed", min=1, help="the same number gives the same rows")] = 1,
    stack: Stack = "dev",
    as_json: Json = False,
) -> None:
    """Fill an empty environment with realistic rows and files; never where data is kept.

    Triggers are off meanwhile, so that it is quick: what they would have noted is made too.
    """
    import json
    import time
    from dataclasses import asdict

    from ops import seed as seeding

    began = time.monotonic()

    def say(table: str) -> None:
        print(f"{time.monotonic() - began:6.1f} s  {table}", file=sys.stderr, flush=True)

    found = seeding.fill(stack, seeding.SIZES[size], number, say)
    if as_json:
        print(json.dumps(asdict(found), indent=2))
        return
    print(
        f"stack {stack}: {found.people:,} people, {found.projects:,} projects, {found.components:,} components, "
        f"{found.files:,} files\nAs one with many projects:  ./vpb psql --as {found.person} --stack {stack}\n"
        f"Its files wait for a scan:   ./vpb scan --stack {stack}"
    )
