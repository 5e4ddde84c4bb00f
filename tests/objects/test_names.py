"""Whatever may be stored is scanned, served and deleted; the rest is refused by the database and the clients alike."""

import json
import random
import urllib.request
from uuid import uuid4

import psycopg
import pytest
from visual_prompt_builder.names import TENANT, ObjectError, check_name
from visual_prompt_builder.signing import Store, sign_download

from ops.storage.cleaning.files import Files
from ops.storage.cleaning.job import Job as Cleaner
from ops.storage.cleaning.rows import Rows
from ops.storage.scanning.engines import TestSignatures
from ops.storage.scanning.job import Job
from ops.storage.scanning.queue import Queue
from tests.objects import sound
from tests.objects.conftest import ADA, PROJECT, World

STORE = "insert into storage.objects (bucket_id, name, version, metadata) values (%s, %s, %s, %s)"
CLEAN = "select count(*) from storage.objects as o where private.is_clean(o.bucket_id, o.name, o.version)"
PARTS = [
    "a",
    "0",
    " ",
    ".",
    "..",
    "/",
    "//",
    "+",
    "%",
    "%2F",
    "%20",
    "?",
    "#",
    "&",
    "=",
    "'",
    "(1)",
    "!",
    "*",
    "@",
    "~",
]
PARTS += ["é", "e\u0301", "\u202e", "😀", "\\", "\n", "\x7f", "\x85", "$", ":", ";", ",", "-", "_", "{", '"', "x" * 400]
# A project's file, a person's, app assets that nobody's folder has, and a report of the servers.
PLACES = [("audio", f"{PROJECT}/"), ("avatars", f"{ADA}/"), ("assets", ""), ("exports", "reports/")]


def odd_names(count: int) -> list[tuple[str, str]]:
    """Buckets and names of odd parts; always the same ones."""
    choose = random.Random(16)
    return [
        (bucket, folder + "".join(choose.choices(PARTS, k=choose.randint(1, 4))))
        for number in range(count)
        for bucket, folder in [PLACES[number % len(PLACES)]]
    ]


def named(name: str) -> bool:
    try:
        check_name(name)
    except ObjectError:
        return False
    return True


@pytest.fixture
def buckets(world: World) -> World:
    for bucket in ("assets", "exports"):
        world.run("insert into storage.buckets (id, name) values (%s, %s) on conflict do nothing", bucket, bucket)
    return world


def test_an_odd_name_is_refused_by_all_or_goes_from_upload_to_served_to_deleted(buckets: World, store: Store) -> None:
    stored: dict[tuple[str, str], str] = {}
    for bucket, name in odd_names(240):
        version, content = str(uuid4()), sound.wav()
        try:
            buckets.run(STORE, bucket, name, version, json.dumps({"mimetype": "audio/wav", "size": len(content)}))
        except psycopg.errors.CheckViolation:
            assert not named(name), name
            continue
        except psycopg.errors.UniqueViolation:
            continue
        assert named(name), name
        stored[bucket, name] = version
        place = f"{TENANT}/{bucket}/{name}/{version}"
        store.s3.put_object(Bucket=store.bucket, Key=place, Body=content, ContentType="audio/wav")
    assert len(stored) > 60
    job = Job(Queue(buckets.scanner_url), store, TestSignatures())
    job.run()
    assert job.tally == {"clean": len(stored)}
    assert buckets.run(CLEAN) == [(len(stored),)]
    for (bucket, name), version in stored.items():
        with urllib.request.urlopen(sign_download(store, bucket, name, version)) as answer:
            assert answer.read() == sound.wav(), name
    rows = Rows.of(buckets.cleaner_url)
    with rows.connection:
        for bucket, _ in PLACES:
            Cleaner(rows, Files(store)).empty(bucket)
    assert buckets.run("select count(*) from storage.objects") == [(0,)]
    left = store.s3.list_object_versions(Bucket=store.bucket, Prefix=f"{TENANT}/")
    assert not left.get("Versions")
