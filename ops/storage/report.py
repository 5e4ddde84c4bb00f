"""Stored files: what they come to, and what nobody needs any more; see docs/storage-cleanup.md."""

import math
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
from psycopg.rows import dict_row
from visual_prompt_builder.names import check_name

from declared.roles import STORAGE_SERVICE, URLS
from ops.database import connect
from ops.environment import Environment
from ops.errors import CommandError
from ops.storage.cleaning.files import Files
from ops.storage.cleaning.job import INVALIDATED, WAITING, Ages, Found, Job
from ops.storage.cleaning.rows import Rows

# As AWS bills it.
GIBIBYTE = 2**30
MONTHS = 12
SUMS = ("objects", "bytes", "kept_bytes")


def clean(environment: Environment, ages: Ages, dry_run: bool, force: bool) -> dict[str, Found]:
    """Remove what nobody needs; how much there was, by its kind.

    :raises UserError: where something stands in the way
    """
    rows, files = Rows.of(environment.cleaner_url), Files(environment.store)
    with rows.connection:
        return Job(rows, files, ages, dry_run, force, environment.retention, environment.edge).run()


def purge(environment: Environment, bucket: str | None, name: str | None) -> tuple[int, int]:
    """Invalidate an object, a whole bucket, or what has ended since the last time, at the CDN.

    How many paths, and how many files wait: CloudFront takes no more at a time.

    :raises UserError: where something stands in the way
    """
    if bucket is not None:
        environment.bucket(bucket)
        if not environment.output("storage_buckets")[bucket].get("cdn", True):
            raise CommandError(f"bucket {bucket}: the CDN doesn't serve it; its declaration has no cdn: true")
        return environment.edge.forget_named(bucket, check_name(name) if name is not None else None), 0
    rows = Rows.of(environment.cleaner_url)
    with rows.connection:
        job = Job(rows, Files(environment.store), edge=environment.edge)
        job.forget()
        waiting = job.tally.get(WAITING)
        return job.tally[INVALIDATED].objects, waiting.objects if waiting else 0


def empty(environment: Environment, bucket: str, larger_than: int | None, dry_run: bool) -> dict[str, Found]:
    """Remove all files of a bucket, their old versions too; how much there was, by its kind.

    Args:
        larger_than: bytes; only what has more is removed.

    :raises UserError: where something stands in the way
    """
    rows, files = Rows.of(environment.cleaner_url), Files(environment.store)
    with rows.connection:
        job = Job(rows, files, dry=dry_run, edge=environment.edge)
        found = job.empty(bucket) if larger_than is None else job.remove_larger(bucket, larger_than)
    if not any(each.objects for kind, each in found.items() if kind not in (INVALIDATED, WAITING)):
        # One that isn't declared and holds files is emptied; with none it is rather misspelled.
        environment.bucket(bucket)
    return found


def usage(environment: Environment, price: float) -> dict[str, list[dict[str, Any]]]:
    """What is stored, as `report` has it.

    :raises UserError: where the database can't be asked, and for a price that is no number
    """
    if not math.isfinite(price):
        raise CommandError(f"--price {price}: must be a number from 0 on")
    with connect(environment.monitor_url, "vpb usage") as connection:
        return report(connection, price, datetime.now(UTC))


def storage_api(environment: Environment) -> dict[str, str]:
    """What the Storage API has to be configured with; a key for S3 on local only, elsewhere it has the role `api`."""
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
        # The marks of resumable uploads are for its own rules of expiry; here the object store's ends unfinished ones.
        "TUS_ALLOW_S3_TAGS": "false",
    }
    return {name: str(value) for name, value in given.items() if value is not None}


def report(connection: psycopg.Connection[Any], price: float, now: datetime) -> dict[str, list[dict[str, Any]]]:
    """The three tables; cost is of a month at the present size, with what is kept, without requests and traffic."""
    since = (now - timedelta(days=31 * MONTHS)).date()
    with connection.cursor(row_factory=dict_row) as cursor:
        people = cursor.execute("select * from ops.storage_report()").fetchall()
        months = cursor.execute("select * from ops.storage_growth(%s)", (since,)).fetchall()
    buckets: dict[str, dict[str, Any]] = {}
    for row in people:
        row["month_cost"] = _cost(row["bytes"] + row["kept_bytes"], price)
        bucket = buckets.setdefault(row["bucket_id"], {"bucket_id": row["bucket_id"], **dict.fromkeys(SUMS, 0)})
        for name in SUMS:
            bucket[name] += row[name]
    for bucket in buckets.values():
        bucket["month_cost"] = _cost(bucket["bytes"] + bucket["kept_bytes"], price)
    return {"buckets": sorted(buckets.values(), key=lambda row: row["bucket_id"]), "people": people, "months": months}


def _cost(bytes: int, price: float) -> float:
    return round(bytes / GIBIBYTE * price, 4)
