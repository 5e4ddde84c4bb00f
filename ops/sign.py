"""Signs URLs by hand, with the limits that the environment declares: for support, tests and scripts.

An app's server calls the functions of the package `objects`, or of its TypeScript twin, which this command calls too.
"""

import json
import shlex
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import psycopg
import typer

from objects.names import ObjectError, check_name
from objects.signing import DOWNLOAD_SECONDS, UPLOAD_SECONDS, Upload, sign_cdn, sign_download, sign_upload
from ops.environment import Environment

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__)

Stack = Annotated[str, typer.Option("--stack", "-s", help="the environment")]
Json = Annotated[bool, typer.Option("--json", help="for a script, on standard output")]
BucketId = Annotated[str, typer.Argument(metavar="BUCKET", help="a storage bucket, such as audio")]
Name = Annotated[str, typer.Argument(metavar="NAME", help="the object, <user id>/…")]

LATEST = """
select o.version, coalesce(s.status, 'pending')
from storage.objects as o left join private.object_scans as s using (bucket_id, name, version)
where o.bucket_id = %s and o.name = %s
"""


@app.command()
def upload(
    bucket: BucketId,
    name: Name,
    type: Annotated[str, typer.Option("--type", "-t", help="the file's type, such as audio/webm")],
    seconds: Annotated[int, typer.Option(help="how long it is good for, up to an hour")] = UPLOAD_SECONDS,
    stack: Stack = "dev",
    as_json: Json = False,
) -> None:
    """A form that uploads exactly this object: its key, its type, up to the bucket's limit. By default as a command."""
    folder = check_name(name).partition("/")[0]
    environment = Environment.of(stack)
    signed = sign_upload(environment.store, environment.bucket(bucket), name, type, folder=folder, seconds=seconds)
    print(json.dumps(asdict(signed), indent=2) if as_json else _curl(signed))


@app.command()
def download(
    bucket: BucketId,
    name: Name,
    version: Annotated[str | None, typer.Option(help="another version than the row of storage.objects has")] = None,
    seconds: Annotated[int, typer.Option(help="how long it is good for, up to an hour")] = DOWNLOAD_SECONDS,
    filename: Annotated[str | None, typer.Option(help="a browser saves it under this name")] = None,
    unscanned: Annotated[bool, typer.Option("--unscanned", help="also what wasn't found clean")] = False,
    stack: Stack = "dev",
    as_json: Json = False,
) -> None:
    """An address that reads this object, whole or in ranges."""
    check_name(name)
    environment = Environment.of(stack)
    found = version or _latest(environment.admin_url, bucket, name, unscanned)
    url = sign_download(environment.store, bucket, name, found, seconds=seconds, filename=filename)
    _print(url, as_json, bucket=bucket, name=name, version=found)


@app.command()
def cdn(
    url: Annotated[str, typer.Argument(help="https://domain/path, as the CDN serves it")],
    key_id: Annotated[str, typer.Option(help="the public key's id in the key group")],
    private_key: Annotated[Path, typer.Option(help="the file with its private key, RSA as PEM")],
    seconds: Annotated[int, typer.Option(help="how long it is good for")] = DOWNLOAD_SECONDS,
    as_json: Json = False,
) -> None:
    """The CDN's address, signed with a key of its key group."""
    try:
        pem = private_key.read_bytes()
    except OSError as error:
        raise ObjectError(f"CDN key {private_key}: {error.strerror}") from None
    _print(sign_cdn(url, key_id, pem, datetime.now(UTC) + timedelta(seconds=seconds)), as_json)


def _latest(url: str, bucket: str, name: str, unscanned: bool) -> str:
    try:
        with psycopg.connect(url, connect_timeout=10) as connection:
            row = connection.execute(LATEST, (bucket, name)).fetchone()
    except psycopg.OperationalError as error:
        raise ObjectError(f"database: {' '.join(str(error).split())}") from None
    if row is None or row[0] is None:
        raise ObjectError(f"object {bucket}/{name}: has no row in storage.objects; name its --version")
    if row[1] != "clean" and not unscanned:
        raise ObjectError(f"object {bucket}/{name}: the virus scan says {row[1]}; --unscanned signs it all the same")
    return str(row[0])


def _curl(signed: Upload) -> str:
    # The file comes last: the store reads no field after it.
    fields = " ".join(f"--form-string {shlex.quote(f'{name}={value}')}" for name, value in signed.fields.items())
    return f"curl --fail-with-body {fields} --form file=@FILE {shlex.quote(signed.url)}"


def _print(url: str, as_json: bool, **more: Any) -> None:
    print(json.dumps({"url": url, **more}, indent=2) if as_json else url)
