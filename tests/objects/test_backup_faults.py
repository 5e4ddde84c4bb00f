"""What happens to the server, the bucket and the structure while a backup is made: it is whole, or there is none."""

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from botocore.exceptions import BotoCoreError, ClientError
from visual_prompt_builder.signing import Store

from ops.backups import checking, drill, making, places
from ops.backups.errors import BackupError
from ops.errors import answered
from tests.conftest import Cluster
from tests.objects.test_backups import IDENTITY, Memory

pytestmark = pytest.mark.xdist_group("backups")
TABLES = """
create table one (id int primary key, t text); insert into one select g, 'row ' || g from generate_series(1, 1000) as g;
create table two (id int primary key); insert into two select generate_series(1, 10)"""


# What the command says in one line, whichever of them it is.
REFUSED = (BackupError, psycopg.Error, BotoCoreError, ClientError)


def line(error: BaseException) -> str:
    """What the command says."""
    said = str(error) if isinstance(error, BackupError) else answered(error) or ""  # type: ignore[arg-type]
    assert "\n" not in said
    return said


@pytest.fixture
def url(cluster: Cluster) -> Iterator[str]:
    database = cluster.create("backup_faults", "template0")
    with psycopg.connect(database.url, autocommit=True) as connection:
        connection.execute(TABLES.encode())
    yield database.url
    cluster.drop(database.name)


def backed_up(url: str, place: Any, at: str, meanwhile: Callable[[], None]) -> making.Summary:
    """A backup, and what happens when it has come to one of its steps."""
    happened = list[str]()

    def progress(step: str) -> None:
        if step == at and not happened:
            happened.append(step)
            meanwhile()

    task = making.Making("dev", url, place, [IDENTITY.to_public()], progress=progress)
    task.jobs = 1
    try:
        return task.run()
    finally:
        assert happened, f"it never came to {at}"


@pytest.mark.parametrize(
    "statement",
    [
        "alter table one drop column t",
        "drop table one",
        "vacuum full one",
    ],
)
def test_a_change_of_the_structure_waits_and_the_backup_is_of_one_instant(url: str, statement: str):
    place = Memory()

    def change() -> None:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(statement.encode())

    other = threading.Thread(target=change)

    def meanwhile() -> None:
        other.start()
        waited_for(url)

    backed_up(url, place, "public.one", meanwhile)
    other.join()
    found = checking.named(place, None)
    manifest = found.manifest([IDENTITY])
    assert {table.name: (table.rows, table.columns) for table in manifest.tables} == {
        "one": (1000, ["id", "t"]),
        "two": (10, ["id"]),
    }
    assert drill.Drill(found, [IDENTITY]).run().passed


def waited_for(url: str) -> None:
    """Until somebody waits for a lock of this database."""
    with psycopg.connect(url, autocommit=True) as connection:
        waits = "select count(*) from pg_locks as l join pg_database as d on d.oid = l.database"
        waits += " where not l.granted and d.datname = current_database()"
        for _ in range(200):
            if connection.execute(waits.encode()).fetchone() != (0,):
                return
            time.sleep(0.02)
    raise AssertionError("nobody waits")


def test_where_the_server_ends_its_sessions_there_is_no_backup(url: str):
    """As a restart does."""
    place = Memory()

    def meanwhile() -> None:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity"
                " where datname = current_database() and pid <> pg_backend_pid()"
            )

    with pytest.raises(REFUSED) as failed:
        backed_up(url, place, "public.two", meanwhile)
    assert "terminating connection" in line(failed.value)
    assert checking.listed(place) == []
    assert making.Making("dev", url, place, [IDENTITY.to_public()]).run().rows == 1010


def test_where_the_bucket_is_gone_in_the_middle_there_is_no_backup(url: str, store: Store):
    name = "backup-faults"
    region = {"LocationConstraint": store.region}
    store.s3.create_bucket(Bucket=name, CreateBucketConfiguration=region)
    place = places.named(f"s3://{name}/dev", lambda: store.s3)

    def meanwhile() -> None:
        for found in store.s3.list_objects_v2(Bucket=name).get("Contents", []):
            store.s3.delete_object(Bucket=name, Key=found["Key"])
        store.s3.delete_bucket(Bucket=name)

    with pytest.raises(REFUSED) as failed:
        backed_up(url, place, "public.one", meanwhile)
    assert "bucket does not exist" in line(failed.value)


def test_a_store_that_does_not_answer_is_one_line(url: str, store: Store):
    away = Store(
        bucket="none",
        region=store.region,
        endpoint="http://127.0.0.1:1",
        access_key=store.access_key,
        secret_key=store.secret_key,
    )
    place = places.named("s3://none/dev", lambda: away.s3)
    with pytest.raises(REFUSED) as failed:
        making.Making("dev", url, place, [IDENTITY.to_public()]).run()
    assert "127.0.0.1:1" in line(failed.value)
