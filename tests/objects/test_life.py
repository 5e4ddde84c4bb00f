"""One file from its upload to its person's departure: what the database, the object store and the CDN have of it."""

import json
from typing import Any
from uuid import uuid4

import psycopg
import pytest
import requests
from visual_prompt_builder.names import Bucket
from visual_prompt_builder.signing import Store, sign_download, sign_upload
from visual_prompt_builder.uploads import finish_upload

from ops import __main__ as ops
from ops.environment import Environment
from ops.storage.cleaning.edge import Edge
from ops.storage.scanning.engines import TestSignatures
from ops.storage.scanning.job import Job
from ops.storage.scanning.queue import Queue
from tests.objects.conftest import BOB, World, invalidated
from tests.objects.test_scan_queue import STORE
from tests.sql.provision import acting_as

EVE, EVES = "00000000-0000-7000-8000-0000000000f0", "00000000-0000-7000-8000-0000000000f1"
NAME, COPY = f"{EVES}/life.ogg", f"{EVES}/copy.ogg"
OGG = b"OggS" + bytes(100)
SHARED = "insert into public.collaborators (project_id, user_id, role, accepted_at) values (%s, %s, 'viewer', now())"
SEEN = "select name from storage.objects where name like %s order by 1"
DELETE = "begin; set local storage.allow_delete_query = 'true'; delete from storage.objects where name = '{}'; commit"
ENDED = "update private.unserved_files set ended_at = now() - interval '2 minutes'"


class Life:
    """The places where the file may be."""

    def __init__(self, world: World, store: Store, capsys: pytest.CaptureFixture[str]) -> None:
        self.world, self.store, self.capsys = world, store, capsys

    def seen(self, person: str) -> list[str]:
        """The files of the project that a person finds."""
        with psycopg.connect(self.world.url) as connection:
            with acting_as(connection, "authenticated", {"sub": person, "role": "authenticated"}) as session:
                return [name for (name,) in session.execute(SEEN, (f"{EVES}/%",)).fetchall()]

    def stored(self) -> list[str]:
        """The keys of the project's objects that are readable."""
        listed = self.store.s3.list_objects_v2(Bucket=self.store.bucket, Prefix=f"{self.store.tenant}/audio/{EVES}/")
        return sorted(each["Key"].split("/")[3] for each in listed.get("Contents", ()))

    def kept(self) -> int:
        """How many versions and delete markers there are of all that was ever sent or stored."""
        count = 0
        for prefix in (f"{self.store.tenant}/audio/{EVES}/", f"{self.store.tenant}/avatars/{EVE}/"):
            found = self.store.s3.list_object_versions(Bucket=self.store.bucket, Prefix=prefix)
            count += len(found.get("Versions", ())) + len(found.get("DeleteMarkers", ()))
        return count

    def scan(self) -> dict[str, int]:
        job = Job(Queue(self.world.scanner_url), self.store, TestSignatures())
        job.run()
        return job.tally

    def read(self, name: str, version: str, span: str) -> tuple[int, bytes]:
        url = sign_download(self.store, "audio", name, version)
        answer = requests.get(url, headers={"Range": f"bytes={span}"}, timeout=10)
        return answer.status_code, answer.content

    def command(self, *words: str) -> tuple[int, Any]:
        status = ops.main(["storage", *words, "--json"])
        said = self.capsys.readouterr()
        return status, json.loads(said.out or said.err)


@pytest.fixture
def life(
    world: World, store: Store, cdn: Edge, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Life:
    world.run("delete from private.departures")
    world.run("delete from private.unserved_files")
    world.run("insert into next_auth.users (id, name, email) values (%s, 'Eve', 'eve@example.org')", EVE)
    world.run("insert into public.projects (id, owner_id, title) values (%s, %s, 'one')", EVES, EVE)
    outputs = {
        "admin_url": world.url,
        "api_url": world.url,
        "cleaner_url": world.cleaner_url,
        "object_bucket": store.bucket,
        "scanning": "clamav",
        "storage_retention_days": {},
        "storage_buckets": {"audio": {"cdn": True}},
    }
    monkeypatch.setattr(Environment, "of", lambda stack: Environment(stack, outputs))
    monkeypatch.setattr(Environment, "store", store)
    monkeypatch.setattr(Environment, "edge", cdn)
    return Life(world, store, capsys)


def test_a_file_from_its_upload_to_its_persons_departure(life: Life, cdn: Edge) -> None:
    world, store = life.world, life.store
    form = sign_upload(store, Bucket("audio", 1000), NAME, "audio/ogg", folder=EVES, person=EVE, room=None)
    assert requests.post(form.url, data=form.fields, files={"file": OGG}, timeout=10).status_code == 204
    done = finish_upload(store, "audio", NAME, form.version, folder=EVES, person=EVE)
    world.run(STORE, "audio", NAME, EVE, done.version, json.dumps(done.metadata))
    world.run(SHARED, EVES, BOB)
    assert (life.seen(EVE), life.seen(BOB), life.stored()) == ([NAME], [], ["life.ogg"]), "not scanned yet"

    assert life.scan() == {"clean": 1}
    assert (life.seen(EVE), life.seen(BOB)) == ([NAME], [NAME])
    assert life.read(NAME, done.version, "0-3") == (206, b"OggS")

    source = {"Bucket": store.bucket, "Key": f"{store.tenant}/audio/{NAME}/{done.version}"}
    copied = str(uuid4())
    store.s3.copy_object(Bucket=store.bucket, Key=f"{store.tenant}/audio/{COPY}/{copied}", CopySource=source)
    world.run(STORE, "audio", COPY, EVE, copied, json.dumps(done.metadata))
    assert life.seen(BOB) == [NAME], "a copy is scanned as a file of its own"
    assert life.scan() == {"clean": 1}
    assert life.seen(BOB) == [COPY, NAME]

    world.run(DELETE.format(NAME))
    store.s3.delete_object(**source)
    world.run(ENDED)
    assert life.command("purge")[0] == 0
    # The copy brought the tag of its original along, and was to be served no sooner than it was scanned.
    forgotten = [f"/audio/{COPY}/{copied}", f"/audio/{NAME}/{done.version}"]
    assert (life.seen(EVE), life.stored(), invalidated(cdn)) == ([COPY], ["copy.ogg"], forgotten)
    assert life.read(NAME, done.version, "0-3")[0] == 404

    status, answer = life.command("restore", "audio", NAME, "--reason", "ticket 12", "--by", "grace")
    assert (status, life.seen(BOB), life.stored()) == (0, [COPY], ["copy.ogg", "life.ogg"]), answer
    assert life.scan() == {"clean": 1}
    assert life.seen(BOB) == [COPY, NAME]
    assert life.read(NAME, answer["version"], "-4") == (206, OGG[-4:])

    world.run("delete from next_auth.users where id = %s", EVE)
    assert (life.seen(EVE), life.seen(BOB)) == ([], [])
    assert life.command("clean")[0] == 0
    assert (life.kept(), world.run("select from storage.objects"), life.stored()) == (0, [], [])
    assert {f"/audio/{NAME}/{answer['version']}", f"/audio/{COPY}/{copied}"} <= set(invalidated(cdn))
    assert world.run("select from private.storage_usage where folder_id in (%s, %s)", EVE, EVES) == []
    status, answer = life.command("restore", "audio", NAME, "--reason", "ticket 13", "--by", "grace")
    assert (status, life.kept()) == (1, 0), answer
    readable = "select from audit.entries as e where e::text like '%%Eve%%' or e::text like '%%eve@%%'"
    assert world.run(readable) == []
