"""A person's usage is what the object store lists for them: random operations, the same each time."""

import json
import random
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import timedelta
from typing import Any
from uuid import uuid4

import psycopg
import pytest
import requests
from visual_prompt_builder.names import TENANT, UPLOADS, Bucket, ObjectError, key
from visual_prompt_builder.parts import begin_parts, finish_parts, sign_parts
from visual_prompt_builder.signing import Store, sign_upload
from visual_prompt_builder.uploads import Stored, finish_upload

from declared.objectlayout import QUARANTINE
from ops.environment import Environment
from ops.errors import CommandError
from ops.storage import restoring
from ops.storage.cleaning.files import Files
from ops.storage.cleaning.job import Ages, Job
from ops.storage.cleaning.rows import Rows
from ops.storage.scanning import job as scanning
from ops.storage.scanning.engines import TestSignatures
from ops.storage.scanning.queue import Queue
from tests.objects.conftest import World
from tests.sql.provision import acting_as

FAY, GUS = "00000000-0000-7000-8000-0000000000fa", "00000000-0000-7000-8000-0000000000fb"
# Of Fay's and of Gus'; another one of Fay's, who hands it over and gets it back.
FAYS, GUS_S, SHARED = (f"00000000-0000-7000-8000-0000000000f{digit}" for digit in "cde")
FOLDERS = [("audio", FAYS), ("audio", SHARED), ("audio", GUS_S), ("avatars", FAY), ("avatars", GUS)]
QUOTA = 12_000
OPERATIONS = 150
OGG = b"OggS"
NOW = Ages(timedelta(), timedelta(), timedelta())
DEFAULT = Ages()
WHY = restoring.Why("ticket 12", "grace")
FILES = "select bucket_id, name, version, metadata from storage.objects order by bucket_id, name"
HARMFUL = """
select bucket_id, name from private.object_scans join storage.objects using (bucket_id, name, version)
where status = 'refused' order by 1, 2"""
UPSERT = """
insert into storage.objects (bucket_id, name, version, metadata) values (%s, %s, %s, %s)
on conflict (bucket_id, name) do update set version = excluded.version, metadata = excluded.metadata"""
MOVE = "update storage.objects set name = %s, version = %s where bucket_id = %s and name = %s"
DELETE = """
begin; set local storage.allow_delete_query = 'true';
delete from storage.objects where bucket_id = '{}' and name = '{}'; commit"""
USAGE = "select coalesce(sum(bytes), 0)::bigint, coalesce(sum(kept_bytes), 0)::bigint from public.storage_usage()"


class Random:
    """What people, servers, the scanner and support do with the files of two people, in an order of chance."""

    def __init__(self, world: World, store: Store, seed: int) -> None:
        self.world, self.store, self.chance = world, store, random.Random(seed)
        outputs = {"admin_url": world.url, "api_url": world.url, "scanning": "clamav", "storage_retention_days": {}}
        self.environment = Environment("dev", outputs)
        self.deleted = list[tuple[str, str]]()
        self.done = Counter[str]()

    def content(self) -> bytes:
        """A sound by its beginning, or one that the scanner refuses."""
        return self.chance.choice([OGG, OGG, b"none"]) + bytes(self.chance.randint(1, 2000))

    def place(self) -> tuple[str, str, str]:
        """A bucket, a folder, and one of a few names in it, so that names come again."""
        bucket, folder = self.chance.choice(FOLDERS)
        return bucket, folder, f"{folder}/{self.chance.randint(1, 4)}.ogg"

    def file(self) -> tuple[str, str, str, dict[str, Any]]:
        """One that is there."""
        found: tuple[str, str, str, dict[str, Any]] = self.chance.choice(self.world.run(FILES))
        return found

    def put(self, bucket: str, name: str, body: bytes) -> str:
        version = str(uuid4())
        place = key(TENANT, bucket, name, version)
        self.store.s3.put_object(Bucket=self.store.bucket, Key=place, Body=body, ContentType="audio/ogg")
        return version

    def drop(self, bucket: str, name: str, version: str) -> None:
        self.store.s3.delete_object(Bucket=self.store.bucket, Key=key(TENANT, bucket, name, version))

    def copy(self, source: str, target: str) -> None:
        place = {"Bucket": self.store.bucket, "Key": source}
        self.store.s3.copy_object(Bucket=self.store.bucket, Key=target, CopySource=place)

    def room(self, bucket: str, name: str, size: int) -> int | None:
        ((found,),) = self.world.run("select public.take_room(%s, %s, %s)", bucket, name, size)
        return None if found is None else int(found)

    def write(self, bucket: str, name: str, stored: Stored) -> None:
        self.world.run(UPSERT, bucket, name, stored.version, json.dumps(stored.metadata))

    def lie(self) -> None:
        """A server that says another size of a file, or none; what it said is put right by nobody."""
        bucket, name, _, metadata = self.file()
        metadata = {**metadata, "size": self.chance.choice([None, 0, 1, 3000])}
        changed = "update storage.objects set metadata = %s where bucket_id = %s and name = %s"
        self.world.run(changed, json.dumps(metadata), bucket, name)

    def form(self) -> None:
        bucket, folder, name = self.place()
        given = {"folder": folder, "person": FAY}
        body = self.content()
        room = self.room(bucket, name, len(body))
        form = sign_upload(self.store, Bucket(bucket), name, "audio/ogg", room=room, **given)
        for more, status in ((b"x", 400), (b"", 204)):
            answer = requests.post(form.url, data=form.fields, files={"file": body + more}, timeout=10)
            assert answer.status_code == status, "no more than was taken"
        if self.chance.random() < 0.8:
            self.write(bucket, name, finish_upload(self.store, bucket, name, form.version, **given))

    def parts(self) -> None:
        bucket, folder, name = self.place()
        body, given = self.content(), {"folder": folder, "person": FAY}
        room = self.room(bucket, name, len(body))
        upload = begin_parts(self.store, Bucket(bucket), name, "audio/ogg", len(body), room=room, **given)
        (part,) = sign_parts(self.store, Bucket(bucket), upload, folder=folder, room=room)
        assert requests.put(part.url, data=body, timeout=10).status_code == 200
        if self.chance.random() < 0.5:
            self.write(bucket, name, finish_parts(self.store, Bucket(bucket), upload, **given))

    def upsert(self) -> None:
        """As the Storage API: the new file, the row, then the old file goes."""
        bucket, name, old, _ = self.file()
        body = self.content()
        new = self.put(bucket, name, body)
        metadata = {"size": len(body), "mimetype": "audio/ogg"}
        self.world.run(UPSERT, bucket, name, new, json.dumps(metadata))
        self.drop(bucket, name, old)

    def move(self) -> None:
        bucket, name, old, _ = self.file()
        folder = self.chance.choice([folder for other, folder in FOLDERS if other == bucket])
        target, new = f"{folder}/{uuid4()}.ogg", str(uuid4())
        with suppress(self.store.s3.exceptions.NoSuchKey):
            self.copy(key(TENANT, bucket, name, old), key(TENANT, bucket, target, new))
            self.world.run(MOVE, target, new, bucket, name)
            self.drop(bucket, name, old)

    def duplicate(self) -> None:
        bucket, name, old, metadata = self.file()
        target, new = f"{name.split('/')[0]}/{uuid4()}.ogg", str(uuid4())
        with suppress(self.store.s3.exceptions.NoSuchKey):
            self.copy(key(TENANT, bucket, name, old), key(TENANT, bucket, target, new))
            self.world.run(UPSERT, bucket, target, new, json.dumps(metadata))

    def delete(self) -> None:
        bucket, name, version, _ = self.file()
        self.world.run(DELETE.format(bucket, name))
        self.deleted.append((bucket, name))
        # The Storage API may die in between.
        if self.chance.random() < 0.8:
            self.drop(bucket, name, version)

    def scan(self) -> None:
        scanning.Job(Queue(self.world.scanner_url), self.store, TestSignatures()).run()

    def restore(self) -> None:
        restoring.restore(self.environment, *self.chance.choice(self.deleted[-5:]), None, WHY)

    def release(self) -> None:
        restoring.release(self.environment, *self.chance.choice(self.world.run(HARMFUL)), None, WHY, True)

    def hand_over(self) -> None:
        self.world.run("update public.projects set owner_id = %s where id = %s", self.chance.choice([FAY, GUS]), SHARED)

    def step(self) -> None:
        choice: Callable[[], None] = self.chance.choice(
            [
                *(self.form, self.form, self.parts, self.parts, self.upsert, self.upsert, self.delete, self.delete),
                *(self.move, self.duplicate, self.scan, self.restore, self.release, self.hand_over, self.lie),
            ]
        )
        before = self.grown() if choice in (self.form, self.parts) else None
        try:
            choice()
        except IndexError:
            return
        except (ObjectError, CommandError, psycopg.errors.InsufficientPrivilege):
            self.done["refused"] += 1
        else:
            self.done[choice.__name__] += 1
        if before:
            counted, stored = (now - then for now, then in zip(self.grown(), before, strict=True))
            assert stored <= counted, "what is sent is counted before it is sent"

    def grown(self) -> tuple[int, int]:
        """What counts of both people, and what the store holds."""
        files = Files(self.store)
        stored = sum(version.bytes for versions in files.keys("") for version in versions)
        stored += sum(files.sent(place, upload) for place, upload, _ in files.unfinished(""))
        return sum(sum(self.usage(each)) for each in (FAY, GUS)), stored

    def clean(self, ages: Ages) -> None:
        rows = Rows.of(self.world.cleaner_url)
        with rows.connection:
            Job(rows, Files(self.store), ages, force=True).run()

    def usage(self, person: str) -> tuple[int, int]:
        with psycopg.connect(self.world.url) as connection:
            with acting_as(connection, "authenticated", {"sub": person, "role": "authenticated"}) as session:
                bytes, kept = session.execute(USAGE).fetchall()[0]
        return bytes, kept

    def listed(self, person: str) -> int:
        """What S3 itself says, of all versions and all parts in what the person pays for."""
        mine = {str(id) for (id,) in self.world.run("select id from public.projects where owner_id = %s", person)}
        s3, bucket, total = self.store.s3, self.store.bucket, 0
        for name, folder in FOLDERS:
            if folder not in mine | {person}:
                continue
            for above in ("", f"{UPLOADS}/", f"{QUARANTINE}/"):
                place = {"Bucket": bucket, "Prefix": f"{above}{TENANT}/{name}/{folder}/"}
                total += sum(each["Size"] for each in s3.list_object_versions(**place).get("Versions", ()))
                for upload in s3.list_multipart_uploads(**place).get("Uploads", ()):
                    one = {"Bucket": bucket, "Key": upload["Key"], "UploadId": upload["UploadId"]}
                    total += sum(part["Size"] for part in s3.list_parts(**one).get("Parts", ()))
        return total


@pytest.fixture
def two(world: World, store: Store, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Two people with a small quota, their projects, and a store that is empty."""

    def empty() -> None:
        for versions in list(Files(store).keys("")):
            Files(store).delete(versions)
        for place, upload, _ in list(Files(store).unfinished("")):
            Files(store).abort(place, upload)
        for table in ("departures", "deletion_queue", "unserved_files"):
            world.run(f"delete from private.{table}")

    empty()
    monkeypatch.setattr(Environment, "store", store)
    for person in (FAY, GUS):
        world.run("insert into next_auth.users (id, name, email) values (%s, 'F', %s)", person, f"{person}@example.org")
        world.run("insert into private.storage_quotas (user_id, bytes) values (%s, %s)", person, QUOTA)
    for project, owner in ((FAYS, FAY), (SHARED, FAY), (GUS_S, GUS)):
        world.run("insert into public.projects (id, owner_id, title) values (%s, %s, 'one')", project, owner)
    yield
    world.run("delete from private.storage_quotas")
    world.run("delete from next_auth.users where id in (%s, %s)", FAY, GUS)
    empty()


@pytest.mark.usefixtures("two")
def test_usage_is_what_the_store_lists_after_each_run_of_the_cleaner(world: World, store: Store) -> None:
    life = Random(world, store, 1)
    life.clean(DEFAULT)
    kept_once = 0
    for number in range(1, OPERATIONS + 1):
        life.step()
        if number % 20 == 0:
            life.clean(NOW if number % 60 == 0 else DEFAULT)
            for person in (FAY, GUS):
                bytes, kept = life.usage(person)
                assert bytes + kept == life.listed(person), (number, person, bytes, kept)
                kept_once += kept > 0
    assert kept_once > 5, "there was something to be kept"
    assert min(life.done.values()) > 1, life.done
    assert len(life.done) == 12, life.done
