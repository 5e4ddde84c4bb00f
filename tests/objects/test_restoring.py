"""`./vpb storage release` and `restore`: a file that was wrongly taken away, and one that somebody deleted."""

import json
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from visual_prompt_builder.names import TENANT
from visual_prompt_builder.signing import Store

from ops import __main__ as ops
from ops.environment import Environment
from ops.storage import restoring
from ops.storage.scanning.engines import TestSignatures
from ops.storage.scanning.job import Job
from ops.storage.scanning.queue import Queue
from ops.storage.scanning.signatures import TEST_SIGNATURES
from tests.objects import sound
from tests.objects.conftest import ADA, PROJECT, World
from tests.objects.test_scan_queue import RECORD, RECORDED, STORE

NAME = f"{PROJECT}/call.mp3"
PAGE = b"<!doctype html><script>alert(1)</script>"
HARMFUL = sound.mp3() + TEST_SIGNATURES["Vpb-Test-Signature"]
VERDICT = "select status, found, decided_by from private.object_scans where name = %s"
TRAIL = (
    "select relation, operation, row_id, old, new from audit.log where relation = 'private.object_scans' order by entry"
)
DELETE = "begin; set local storage.allow_delete_query = 'true'; delete from storage.objects where name = '{}'; commit"


@dataclass
class Scene:
    world: World
    store: Store
    outputs: dict[str, Any]

    def add(self, content: bytes, name: str = NAME, bucket: str = "audio") -> str:
        """A file with its row, as the Storage API writes both; its version."""
        version = str(uuid4())
        more = {"ContentType": "audio/mpeg", "CacheControl": "max-age=60"}
        self.store.s3.put_object(Bucket=self.store.bucket, Key=self.key(version, name, bucket), Body=content, **more)
        metadata = {"mimetype": "audio/mpeg", "size": len(content), "cacheControl": "max-age=60"}
        self.world.run(STORE, bucket, name, ADA, version, json.dumps(metadata))
        return version

    def delete(self, version: str, name: str = NAME, bucket: str = "audio") -> None:
        """As the Storage API does it."""
        self.world.run(DELETE.format(name))
        self.store.s3.delete_object(Bucket=self.store.bucket, Key=self.key(version, name, bucket))

    def key(self, version: str, name: str = NAME, bucket: str = "audio") -> str:
        return f"{TENANT}/{bucket}/{name}/{version}"

    def scan(self) -> dict[str, int]:
        job = Job(Queue(self.world.scanner_url), self.store, TestSignatures())
        job.run()
        return job.tally

    def there(self, key: str) -> bool:
        found = self.store.s3.list_object_versions(Bucket=self.store.bucket, Prefix=key)
        return bool(found.get("Versions") or found.get("DeleteMarkers"))

    def tags(self, version: str) -> dict[str, str]:
        found = self.store.s3.get_object_tagging(Bucket=self.store.bucket, Key=self.key(version))["TagSet"]
        return {tag["Key"]: tag["Value"] for tag in found}


@pytest.fixture
def scene(world: World, store: Store, monkeypatch: pytest.MonkeyPatch) -> Scene:
    outputs = {
        "admin_url": world.url,
        "api_url": world.url,
        "object_bucket": store.bucket,
        "scanning": "clamav",
        "storage_retention_days": {},
    }
    monkeypatch.setattr(Environment, "of", lambda stack: Environment(stack, outputs))
    monkeypatch.setattr(Environment, "store", store)
    return Scene(world, store, outputs)


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, Any]:
    """Status, and the answer or the one line of the refusal."""
    status = ops.main(["storage", *words, "--json"])
    said = capsys.readouterr()
    return status, json.loads(said.err)["error"] if status else json.loads(said.out)


RELEASE = ("release", "audio", NAME, "--reason", "telephone speech", "--by", "grace")
RESTORE = ("restore", "audio", NAME, "--reason", "ticket 12", "--by", "grace")


def test_a_refused_file_is_back_at_its_place_clean_by_a_person_and_the_trail_says_why(
    capsys: pytest.CaptureFixture[str], scene: Scene
) -> None:
    version = scene.add(PAGE)
    scene.world.run(RECORD, NAME)
    assert scene.scan() == {"refused": 1}
    status, answer = run(capsys, *RELEASE)
    assert (status, answer) == (0, {"bucket": "audio", "name": NAME, "version": version, "was": "refused"})
    back = scene.store.s3.get_object(Bucket=scene.store.bucket, Key=scene.key(version))
    assert (back["Body"].read(), back["ContentType"], back["CacheControl"]) == (PAGE, "audio/mpeg", "max-age=60")
    assert scene.tags(version) == {"scan": "clean"}
    assert not scene.there(f"quarantine/{scene.key(version)}")
    assert scene.world.run(VERDICT, NAME) == [("clean", None, "released by grace: telephone speech")]
    assert scene.world.run(RECORDED, NAME) == [("clean", True)]
    assert scene.world.run("select private.is_clean('audio', %s, %s)", NAME, version) == [(True,)]
    told = scene.world.run("select action from analytics.user_activity order by created_at")
    assert told == [("storage.refused",), ("storage.released",)]
    ((relation, operation, row, old, new),) = [entry for entry in scene.world.run(TRAIL) if entry[2] == version]
    assert (relation, operation, row, old["status"]) == ("private.object_scans", "update", version, "refused")
    assert (new["name"], new["status"], new["decided_by"]) == (NAME, "clean", "released by grace: telephone speech")
    assert scene.world.run("select * from audit.verify()") == []
    assert scene.scan() == {}, "and nobody takes it away again"
    assert run(capsys, *RELEASE)[0] == 0, "once more does no harm"
    assert scene.world.run(VERDICT, NAME) == [("clean", None, "released by grace: telephone speech")]


def test_an_infected_file_is_released_only_by_who_says_so(capsys: pytest.CaptureFixture[str], scene: Scene) -> None:
    version = scene.add(HARMFUL)
    scene.scan()
    status, said = run(capsys, *RELEASE)
    assert (status, "is infected: Vpb-Test-Signature" in said, "--infected" in said) == (1, True, True)
    assert scene.there(f"quarantine/{scene.key(version)}")
    assert not scene.there(scene.key(version)), "nothing was put back"
    assert run(capsys, *RELEASE, "--infected")[0] == 0
    assert scene.world.run(VERDICT, NAME) == [("clean", None, "released by grace: telephone speech")]
    assert scene.there(scene.key(version))


@pytest.mark.parametrize("note", ["select 1 / 0, %s, %s, %s, %s, %s, %s", "select false, %s, %s, %s, %s, %s, %s"])
def test_without_its_entry_in_the_audit_log_nothing_is_restored(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, scene: Scene, note: str
) -> None:
    scene.delete(scene.add(sound.mp3()))
    monkeypatch.setattr(restoring, "NOTE", note)
    status, said = run(capsys, *RESTORE)
    assert (status, said.count("\n")) == (1, 0)
    assert scene.world.run("select name from storage.objects") == []
    monkeypatch.undo()


def test_a_file_that_was_given_up_is_released_where_it_is(capsys: pytest.CaptureFixture[str], scene: Scene) -> None:
    version = scene.add(sound.mp3())
    scene.world.run("update private.object_scans set status = 'failed', scanned_at = now()")
    assert run(capsys, *RELEASE)[0] == 0
    assert scene.tags(version) == {"scan": "clean"}


class KilledError(Exception):
    """In the place of a kill."""


@pytest.mark.parametrize("operation", ["copy_object", "put_object_tagging", "delete_objects"])
def test_killed_anywhere_it_is_repeated(
    capsys: pytest.CaptureFixture[str], scene: Scene, monkeypatch: pytest.MonkeyPatch, operation: str
) -> None:
    version = scene.add(PAGE)
    scene.scan()

    def die(**given: Any) -> None:
        raise KilledError

    with monkeypatch.context() as patched:
        patched.setattr(scene.store.s3, operation, die)
        with pytest.raises(KilledError):
            ops.main(["storage", *RELEASE])
    assert scene.there(f"quarantine/{scene.key(version)}")
    capsys.readouterr()
    assert run(capsys, *RELEASE)[0] == 0
    assert scene.tags(version) == {"scan": "clean"}
    assert not scene.there(f"quarantine/{scene.key(version)}")
    assert len([entry for entry in scene.world.run(TRAIL) if entry[2] == version]) == 1


@pytest.mark.parametrize(
    ("prepare", "words", "said"),
    [
        ("pending", (), "is pending, nothing to release"),
        ("clean", (), "is clean, nothing to release"),
        ("nothing", (), "was deleted or replaced by now, nothing to release"),
        ("refused", ("--version", str(uuid4())), "was deleted or replaced by now, nothing to release"),
        ("refused", ("--reason", " "), "is released for a reason, by somebody"),
        ("lost", (), "there is no such file in the object store"),
        ("guardduty", (), "upload the file again as what it is"),
    ],
)
def test_what_can_not_be_released_is_one_line_and_nothing_changes(
    capsys: pytest.CaptureFixture[str], scene: Scene, prepare: str, words: tuple[str, ...], said: str
) -> None:
    if prepare != "nothing":
        version = scene.add(sound.mp3() if prepare == "clean" else PAGE)
        if prepare != "pending":
            scene.scan()
        if prepare == "lost":
            versions = scene.store.s3.list_object_versions(Bucket=scene.store.bucket, Prefix="quarantine/")["Versions"]
            for each in versions:
                where = {"Key": each["Key"], "VersionId": each["VersionId"]}
                scene.store.s3.delete_object(Bucket=scene.store.bucket, **where)
        scene.outputs["scanning"] = "guardduty" if prepare == "guardduty" else "clamav"
        before = scene.world.run(VERDICT, NAME), len(scene.world.run(TRAIL)), scene.there(scene.key(version))
    status, line = run(capsys, *RELEASE, *words)
    assert (status, said in line, len(line.splitlines())) == (1, True, 1), line
    assert line.startswith(f"object audio/{NAME}")
    if prepare != "nothing":
        after = scene.world.run(VERDICT, NAME), len(scene.world.run(TRAIL)), scene.there(scene.key(version))
        assert after == before


def test_a_deleted_file_is_back_with_its_row_scanned_again_and_counted(
    capsys: pytest.CaptureFixture[str], scene: Scene
) -> None:
    version = scene.add(sound.mp3())
    scene.world.run(RECORD, NAME)
    scene.scan()
    scene.delete(version)
    used = "select coalesce(sum(bytes), 0)::bigint from private.storage_usage where bucket_id = 'audio'"
    assert scene.world.run(used) == [(0,)]
    status, answer = run(capsys, *RESTORE)
    assert status == 0, answer
    assert (status, answer["restored_version"], answer["bytes"]) == (0, version, len(sound.mp3()))
    new = answer["version"]
    assert scene.world.run(
        "select version, owner_id, metadata ->> 'mimetype', metadata ->> 'cacheControl' from storage.objects"
    ) == [(new, None, "audio/mpeg", "max-age=60")]
    assert scene.world.run(used) == [(len(sound.mp3()),)]
    assert scene.tags(new) == {}, "its tag is of another version: the CDN waits for the scan"
    assert scene.scan() == {"clean": 1}
    assert scene.store.s3.get_object(Bucket=scene.store.bucket, Key=scene.key(new))["Body"].read() == sound.mp3()
    assert scene.world.run(RECORDED, NAME) == [("clean", True)]
    ((relation, operation, row, old, said),) = [entry for entry in scene.world.run(TRAIL) if entry[2] == new]
    assert (relation, operation, row, old["status"]) == ("private.object_scans", "update", new, "pending")
    assert (said["name"], said["decided_by"]) == (NAME, f"restored by grace from version {version}: ticket 12")
    assert scene.world.run("select * from audit.verify()") == []


def test_each_deleted_version_can_be_chosen_and_is_told_with_its_end(
    capsys: pytest.CaptureFixture[str], scene: Scene
) -> None:
    name = f"{PROJECT}/chosen.mp3"
    words = ("restore", "audio", name, *RESTORE[3:])
    first = scene.add(b"\xff\xfb\x90\x00first" + bytes(400), name)
    scene.delete(first, name)
    second = scene.add(sound.mp3(), name)
    scene.delete(second, name)
    # Another object whose name only begins alike, and an upload that nobody has finished.
    scene.delete(scene.add(sound.mp3(), f"{name}/deeper.mp3"), f"{name}/deeper.mp3")
    scene.store.s3.put_object(Bucket=scene.store.bucket, Key=scene.key(str(uuid4()), name), Body=b"unfinished")
    status, found = run(capsys, *words, "--dry-run")
    assert (status, {each["version"] for each in found}) == (0, {first, second})
    deleted, until = (restoring.datetime.fromisoformat(found[0][name]) for name in ("deleted", "until"))
    assert until - deleted == timedelta(days=30)
    assert scene.world.run("select 1 from storage.objects") == []
    scene.outputs["storage_retention_days"] = {"audio": 7}
    ((brief, _),) = [tuple(run(capsys, *words, "--dry-run")[1])]
    assert restoring.datetime.fromisoformat(brief["until"]) == restoring.datetime.fromisoformat(
        brief["deleted"]
    ) + timedelta(days=1)
    status, answer = run(capsys, *words, "--version", first)
    assert (status, answer["restored_version"]) == (0, first)
    back = scene.store.s3.get_object(Bucket=scene.store.bucket, Key=scene.key(answer["version"], name))["Body"].read()
    assert back.startswith(b"\xff\xfb\x90\x00first")


def test_of_a_bucket_that_is_not_declared_there_is_nothing_to_list(
    capsys: pytest.CaptureFixture[str], scene: Scene
) -> None:
    scene.outputs["storage_buckets"] = {"audio": {}}
    never = f"{PROJECT}/never.mp3"
    assert run(capsys, "restore", "audio", never, "--dry-run") == (0, [])
    assert run(capsys, "restore", "audoi", never, "--dry-run") == (1, 'bucket "audoi": no such bucket; there are audio')


def test_a_person_s_own_file_is_theirs_again(capsys: pytest.CaptureFixture[str], scene: Scene) -> None:
    name = f"{ADA}/me.mp3"
    scene.delete(scene.add(sound.mp3(), name, "avatars"), name, "avatars")
    assert run(capsys, "restore", "avatars", name, *RESTORE[3:])[0] == 0
    assert scene.world.run("select owner_id from storage.objects") == [(ADA,)]


@pytest.mark.parametrize(
    ("prepare", "said"),
    [
        ("never there", "nothing deleted can be had back; a backup"),
        ("there", "there is a file of this name; delete or move it first"),
        ("full", "bytes more don't fit in. Delete files, or raise the quota"),
        ("no project", "is in no project"),
        ("no person", "its person is gone"),
        ("no reason", "is restored for a reason, by somebody"),
    ],
)
def test_what_can_not_be_had_back_is_one_line_and_leaves_nothing(
    capsys: pytest.CaptureFixture[str], scene: Scene, prepare: str, said: str
) -> None:
    nobody = "00000000-0000-7000-8000-0000000000ff"
    bucket, name = ("avatars" if prepare == "no person" else "audio"), NAME
    if prepare in ("no project", "no person"):
        name = f"{nobody}/call.mp3"
        key = scene.key(str(uuid4()), name, bucket)
        scene.store.s3.put_object(Bucket=scene.store.bucket, Key=key, Body=b"x")
        scene.store.s3.delete_object(Bucket=scene.store.bucket, Key=key)
    elif prepare == "never there":
        name = f"{PROJECT}/{uuid4()}.mp3"
    else:
        version = scene.add(sound.mp3())
        scene.delete(version)
        if prepare == "there":
            scene.add(sound.mp3())
        if prepare == "full":
            scene.world.run("insert into private.storage_quotas (user_id, bytes) values (%s, 10)", ADA)
    before = len(scene.world.run(TRAIL)), len(scene.world.run("select 1 from storage.objects"))

    def present() -> int:
        found = scene.store.s3.list_objects_v2(Bucket=scene.store.bucket, Prefix=f"{TENANT}/{bucket}/{name}/")
        return int(found["KeyCount"])

    files = present()
    reason = " " if prepare == "no reason" else "ticket 12"
    status, line = run(capsys, "restore", bucket, name, "--reason", reason)
    scene.world.run("delete from private.storage_quotas")
    assert (status, said in line, len(line.splitlines())) == (1, True, 1), line
    assert (len(scene.world.run(TRAIL)), len(scene.world.run("select 1 from storage.objects"))) == before
    assert present() == files, "no file without a row is left"
