"""The commands for stored files. AWS' library takes half a second to load, so each loads it when it runs."""

import getpass
import json
import sys
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any

import typer
from visual_prompt_builder.names import DOWNLOAD_SECONDS, UPLOAD_SECONDS

from ops.helptext import Commands

app = typer.Typer(
    cls=Commands, help="Stored files: what they come to, and what nobody needs any more; see docs/storage-cleanup.md."
)
sign = typer.Typer(
    cls=Commands, help="Sign URLs, with the limits that the environment declares: for support, tests and scripts."
)

Stack = Annotated[str, typer.Option("--stack", "-s", help="the environment")]
Json = Annotated[bool, typer.Option("--json", help="for a script, on standard output")]
BucketId = Annotated[str, typer.Argument(metavar="BUCKET", help="a storage bucket, such as audio")]
Name = Annotated[str, typer.Argument(metavar="NAME", help="the object, <project or user id>/…")]
Person = Annotated[str, typer.Option(help="the id of the person whose form it is")]
Seconds = Annotated[int, typer.Option(help="how long it is good for, up to an hour")]

Reason = Annotated[str, typer.Option(help="what for; the audit log keeps it")]
By = Annotated[str | None, typer.Option(help="who does it; without it, the name of your account here")]


def _why(reason: str, person: str | None) -> Any:
    from ops.storage.restoring import Why

    return Why(reason, person or getpass.getuser())


def _days(help: str) -> Any:
    return typer.Option(min=0, max=3650, help=help)


@app.command(epilog="Example: ./vpb storage clean --dry-run")
def clean(
    stack: Stack = "dev",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="count, and remove nothing")] = False,
    force: Annotated[bool, typer.Option("--force", help="also where it is more than half of everything")] = False,
    grace_hours: Annotated[int, _days("how old a file without a row, or a row without a file, must be")] = 24,
    version_days: Annotated[int, _days("how long a replaced or deleted version is kept")] = 30,
    upload_days: Annotated[int, _days("how long an upload in parts may take")] = 7,
    as_json: Json = False,
) -> None:
    """Remove deleted, expired, orphaned and unfinished files; run it each night."""
    from ops.environment import Environment
    from ops.storage import report
    from ops.storage.cleaning.job import Ages

    ages = Ages(timedelta(hours=grace_hours), timedelta(days=version_days), timedelta(days=upload_days))
    found = report.clean(Environment.of(stack), ages, dry_run, force)
    if as_json:
        print(json.dumps({kind: asdict(count) for kind, count in found.items()}, indent=2))
        return
    _counted(found, dry_run)


def _counted(found: Mapping[str, Any], dry_run: bool) -> None:
    rows = [(kind, f"{count.objects:,}", f"{count.bytes:,}") for kind, count in found.items()]
    _table(["", "found" if dry_run else "removed", "bytes"], rows)


def _table(columns: Iterable[str], rows: Iterable[Iterable[str]], title: str | None = None) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(title=title)
    for column in columns:
        # An id that is cut off names nobody.
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*row)
    Console().print(table)


@app.command(epilog="Example: ./vpb storage purge avatars USER_ID/me.png")
def purge(
    bucket: Annotated[str | None, typer.Argument(metavar="[BUCKET]", help="invalidate all of this bucket")] = None,
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="only this object of it, in all versions")
    ] = None,
    stack: Stack = "dev",
    as_json: Json = False,
) -> None:
    """Invalidate at the CDN what is named, or what has ended since the last time; run it each minute."""
    from ops.environment import Environment
    from ops.storage import report

    paths, waiting = report.purge(Environment.of(stack), bucket, name)
    left = f"; {waiting} files wait, since CloudFront takes no more at a time: run it again" if waiting else ""
    print(
        json.dumps({"paths": paths, "waiting": waiting}) if as_json else f"{paths} paths invalidated at the CDN{left}"
    )


@app.command(epilog="Example: ./vpb storage empty audio --confirm audio")
def empty(
    bucket: BucketId,
    stack: Stack = "dev",
    larger_than: Annotated[int | None, typer.Option(min=0, help="only files of more bytes than this")] = None,
    confirm: Annotated[str, typer.Option(help="the bucket again; without it files are counted and stay")] = "",
    as_json: Json = False,
) -> None:
    """Remove all files of a bucket, with their rows and old versions, for good: before it is deleted."""
    from ops.environment import Environment
    from ops.errors import CommandError
    from ops.storage import report

    if confirm not in ("", bucket):
        raise CommandError(f"--confirm names {confirm!r}, not {bucket!r}; nothing was removed")
    found = report.empty(Environment.of(stack), bucket, larger_than, dry_run=not confirm)
    if as_json:
        print(json.dumps({kind: asdict(count) for kind, count in found.items()}, indent=2))
        return
    _counted(found, not confirm)


@app.command(epilog="Example: ./vpb storage api-env > api.env; docker run --env-file api.env …")
def api_env(stack: Stack = "dev", as_json: Json = False) -> None:
    """The variables to start Supabase's Storage API with, its password among them: for `docker run --env-file`."""
    from ops.environment import Environment
    from ops.storage import report

    found = report.storage_api(Environment.of(stack))
    print(json.dumps(found, indent=2) if as_json else "\n".join(f"{name}={value}" for name, value in found.items()))
    print("AUTH_JWT_SECRET is yours to add: what the app's tokens are signed with", file=sys.stderr)


@app.command(
    epilog="Example: ./vpb storage release audio PROJECT_ID/call.mp3 --reason 'telephone speech, listened to it'"
)
def release(
    bucket: BucketId,
    name: Name,
    reason: Reason,
    version: Annotated[str | None, typer.Option(help="refuse unless it is still this version")] = None,
    infected: Annotated[bool, typer.Option("--infected", help="even if a virus was found in it")] = False,
    by: By = None,
    stack: Stack = "dev",
    as_json: Json = False,
) -> None:
    """Put a file back that the scanner refused, quarantined or gave up, and call it clean; the audit log keeps why."""
    from ops.environment import Environment
    from ops.storage import restoring

    done = restoring.release(Environment.of(stack), bucket, name, version, _why(reason, by), infected)
    print(json.dumps(done) if as_json else f"{bucket}/{name}: was {done['was']}, is clean")


@app.command(epilog="Example: ./vpb storage restore audio PROJECT_ID/call.mp3 --reason 'deleted by mistake, ticket 12'")
def restore(
    bucket: BucketId,
    name: Name,
    reason: Annotated[str, typer.Option(help="what for; the audit log keeps it")] = "",
    version: Annotated[str | None, typer.Option(help="another one than the last that was deleted")] = None,
    by: By = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="list what can be had back, and restore nothing")] = False,
    stack: Stack = "dev",
    as_json: Json = False,
) -> None:
    """Have a deleted or replaced file back, with its row; it is scanned again, and counts for the quota."""
    from ops.environment import Environment
    from ops.storage import restoring

    environment = Environment.of(stack)
    if not dry_run:
        done = restoring.restore(environment, bucket, name, version, _why(reason, by))
        print(json.dumps(done) if as_json else f"{bucket}/{name}: {done['bytes']:,} bytes are back, to be scanned")
        return
    found = restoring.deleted(environment, bucket, name)
    if not found:
        environment.bucket(bucket)
    if as_json:
        print(json.dumps([asdict(each) for each in found], indent=2, default=str))
        return
    rows = []
    for each in found:
        dates = (f"{date:%Y-%m-%d %H:%M}" for date in (each.stored, each.deleted, each.until))
        rows.append((each.version, f"{each.bytes:,}", *dates))
    _table(["version", "bytes", "stored", "deleted", "until"], rows)


@app.command(epilog="Example: ./vpb storage usage --price 0.023 --top 5")
def usage(
    stack: Stack = "dev",
    price: Annotated[float, typer.Option(min=0, help="of a GiB (2^30 bytes) a month, in your currency")] = 0.0245,
    top: Annotated[int, typer.Option(min=1, help="how many people")] = 20,
    as_json: Json = False,
) -> None:
    """What is stored, and kept of deleted and unfinished files: by bucket, person and month, with its cost."""
    from ops.environment import Environment
    from ops.storage import report

    found = report.usage(Environment.of(stack), price)
    if as_json:
        print(json.dumps(found, indent=2, default=str))
        return
    for title, rows in found.items():
        shown = [
            [f"{value:,}" if isinstance(value, int) else str(value) for value in row.values()] for row in rows[:top]
        ]
        _table(rows[0] if rows else ["nothing"], shown, title)


@sign.command(epilog="Example: ./vpb sign upload audio PROJECT_ID/voice.webm --type audio/webm --person PERSON_ID")
def upload(
    bucket: BucketId,
    name: Name,
    type: Annotated[str, typer.Option("--type", "-t", help="the file's type, such as audio/webm")],
    person: Person,
    seconds: Seconds = UPLOAD_SECONDS,
    size: Annotated[int | None, typer.Option("--size", min=1, help="bytes; by default the bucket's limit")] = None,
    stack: Stack = "dev",
    as_json: Json = False,
) -> None:
    """A form that uploads exactly this object: its key, its type, up to a size. A command, without --json.

    The size is taken of the quota at once. What it sends is no object before `./vpb sign finish`.
    """
    from ops.storage import sign as signing

    signed = signing.upload(stack, bucket, name, type, person, seconds, size)
    print(json.dumps(asdict(signed), indent=2) if as_json else signing.as_curl(signed))


@sign.command(epilog="Example: ./vpb sign finish audio PROJECT_ID/voice.webm VERSION --person PERSON_ID")
def finish(
    bucket: BucketId,
    name: Name,
    version: Annotated[str, typer.Argument(help="the form's version")],
    person: Person,
    stack: Stack = "dev",
    as_json: Json = False,
) -> None:
    """Make what a form has sent that version of the object; says what its row of storage.objects has to say."""
    from ops.storage import sign as signing

    stored = signing.finish(stack, bucket, name, version, person)
    found = {"bucket": stored.bucket, "name": stored.name, "version": stored.version, "metadata": stored.metadata}
    print(json.dumps(found, indent=2) if as_json else f"{bucket}/{name}: version {version}, {stored.size} bytes")


@sign.command(epilog="Example: ./vpb sign download audio PROJECT_ID/voice.webm --seconds 60")
def download(
    bucket: BucketId,
    name: Name,
    version: Annotated[str | None, typer.Option(help="another version than the row of storage.objects has")] = None,
    seconds: Seconds = DOWNLOAD_SECONDS,
    filename: Annotated[str | None, typer.Option(help="a browser saves it under this name")] = None,
    unscanned: Annotated[bool, typer.Option("--unscanned", help="also what wasn't found clean")] = False,
    stack: Stack = "dev",
    as_json: Json = False,
) -> None:
    """An address that reads this object, whole or in ranges."""
    from ops.storage import sign as signing

    _print(signing.download(stack, bucket, name, version, seconds, filename, unscanned), as_json)


@sign.command(epilog="Example: ./vpb sign cdn https://DOMAIN/avatars/NAME --key-id K2JCJMD --private-key cdn.pem")
def cdn(
    url: Annotated[str, typer.Argument(help="https://domain/path, as the CDN serves it")],
    key_id: Annotated[str, typer.Option(help="the public key's id in the key group")],
    private_key: Annotated[Path, typer.Option(help="the file with its private key, RSA as PEM")],
    seconds: Annotated[int, typer.Option(help="how long it is good for")] = DOWNLOAD_SECONDS,
    as_json: Json = False,
) -> None:
    """The CDN's address, signed with a key of its key group."""
    from ops.storage import sign as signing

    _print(signing.cdn(url, key_id, private_key, seconds), as_json)


def _print(signed: dict[str, str], as_json: bool) -> None:
    print(json.dumps(signed, indent=2) if as_json else signed["url"])
