"""Stored files: what they come to, and what nobody needs any more; see docs/storage-cleanup.md."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import psycopg
import typer
from botocore.exceptions import BotoCoreError, ClientError
from psycopg.rows import dict_row
from rich.console import Console
from rich.table import Table

from declared.roles import STORAGE_SERVICE, URLS
from ops.cleaning.files import Files, FilesError
from ops.cleaning.job import Ages, CleanError, Job
from ops.cleaning.rows import Rows, RowsError
from ops.environment import Environment
from run.state import EngineError

GIGABYTE = 10**9
MONTHS = 12

app = typer.Typer(no_args_is_help=True, add_completion=False, help=__doc__)

Stack = Annotated[str, typer.Option("--stack", "-s", help="the environment")]
Json = Annotated[bool, typer.Option("--json", help="for a script, on standard output")]


def _days(help: str) -> Any:
    return typer.Option(min=0, max=3650, help=help)


@app.command()
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
    environment = Environment.of(stack)
    ages = Ages(
        timedelta(hours=grace_hours),
        timedelta(days=version_days),
        timedelta(days=upload_days),
    )
    with _one_line():
        rows, files = Rows.of(environment.cleaner_url), Files(environment.store)
        with rows.connection:
            found = Job(rows, files, ages, dry_run, force, environment.retention, environment.edge).run()
    if as_json:
        print(json.dumps({kind: asdict(count) for kind, count in found.items()}, indent=2))
        return
    table = Table("", "found" if dry_run else "removed", "bytes")
    for kind, count in found.items():
        table.add_row(kind, f"{count.objects:,}", f"{count.bytes:,}")
    Console().print(table)


@app.command()
def api_env(stack: Stack = "dev", as_json: Json = False) -> None:
    """The variables to start Supabase's Storage API with, its password among them: for `docker run --env-file`."""
    found = storage_api(Environment.of(stack))
    print(json.dumps(found, indent=2) if as_json else "\n".join(f"{name}={value}" for name, value in found.items()))
    print("AUTH_JWT_SECRET is yours to add: what the app's tokens are signed with", file=sys.stderr)


def storage_api(environment: Environment) -> dict[str, str]:
    """What the Storage API has to be told; a key for S3 on local only, elsewhere it has the role `api`."""
    store = environment.store
    given = {
        "DATABASE_URL": environment.output("storage_url"),
        "DB_INSTALL_ROLES": "false",
        "DB_SUPER_USER": URLS["storage_url"],
        "DB_SERVICE_ROLE": STORAGE_SERVICE,
        "TENANT_ID": store.tenant,
        "STORAGE_BACKEND": "s3",
        "STORAGE_S3_BUCKET": store.bucket,
        "STORAGE_S3_REGION": store.region,
        "STORAGE_S3_ENDPOINT": store.endpoint,
        "STORAGE_S3_FORCE_PATH_STYLE": "true" if store.endpoint else None,
        "AWS_ACCESS_KEY_ID": store.access_key,
        "AWS_SECRET_ACCESS_KEY": store.secret_key,
        "UPLOAD_FILE_SIZE_LIMIT": environment.output("max_object_size"),
        # Neither works as DB_SERVICE_ROLE: the one has tables of its own there, the other jobs that name no operation.
        "S3_PROTOCOL_ENABLED": "false",
        "PG_QUEUE_ENABLE": "false",
        "IMAGE_TRANSFORMATION_ENABLED": "false",
    }
    return {name: str(value) for name, value in given.items() if value is not None}


@app.command()
def usage(
    stack: Stack = "dev",
    price: Annotated[float, typer.Option(min=0, help="of a gigabyte a month, in your currency")] = 0.0245,
    top: Annotated[int, typer.Option(min=1, help="how many people")] = 20,
    as_json: Json = False,
) -> None:
    """What is stored: by bucket, by person, by month of upload, and what it costs."""
    with _one_line(), psycopg.connect(Environment.of(stack).monitor_url, connect_timeout=10) as connection:
        found = report(connection, price, datetime.now(UTC))
    if as_json:
        print(json.dumps(found, indent=2, default=str))
        return
    for title, rows in found.items():
        table = Table(*(rows[0] if rows else ["nothing"]), title=title)
        for row in rows[:top]:
            table.add_row(*(f"{value:,}" if isinstance(value, int) else str(value) for value in row.values()))
        Console().print(table)


def report(connection: psycopg.Connection[Any], price: float, now: datetime) -> dict[str, list[dict[str, Any]]]:
    """The three tables; cost is of a month at the present size, without requests, traffic and old versions."""
    since = (now - timedelta(days=31 * MONTHS)).date()
    with connection.cursor(row_factory=dict_row) as cursor:
        people = cursor.execute("select * from ops.storage_report()").fetchall()
        months = cursor.execute("select * from ops.storage_growth(%s)", (since,)).fetchall()
    buckets: dict[str, dict[str, Any]] = {}
    for row in people:
        row["month_cost"] = _cost(row["bytes"], price)
        bucket = buckets.setdefault(row["bucket_id"], {"bucket_id": row["bucket_id"], "objects": 0, "bytes": 0})
        bucket["objects"] += row["objects"]
        bucket["bytes"] += row["bytes"]
    for bucket in buckets.values():
        bucket["month_cost"] = _cost(bucket["bytes"], price)
    return {"buckets": sorted(buckets.values(), key=lambda row: row["bucket_id"]), "people": people, "months": months}


def _cost(bytes: int, price: float) -> float:
    return round(bytes / GIGABYTE * price, 4)


@contextmanager
def _one_line() -> Iterator[None]:
    try:
        yield
    except (RowsError, FilesError, CleanError) as error:
        raise EngineError(str(error)) from None
    except psycopg.OperationalError as error:
        raise EngineError(f"database: {' '.join(str(error).split())}") from None
    except psycopg.Error as error:
        raise EngineError(f"database: {error.diag.message_primary or type(error).__name__}") from None
    except (BotoCoreError, ClientError) as error:
        raise EngineError(f"object store: {' '.join(str(error).split())}") from None
