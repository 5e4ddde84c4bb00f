"""The cleaner on a real database and store: each kind of leftover, killed at every step, several at once, many."""

import json
import random
import re
import shlex
import threading
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import pytest
from botocore.exceptions import ClientError
from visual_prompt_builder.names import TENANT
from visual_prompt_builder.signing import Store

from ops import __main__ as ops
from ops.environment import Environment
from ops.storage.cleaning import job as cleaning
from ops.storage.cleaning.edge import Edge
from ops.storage.cleaning.files import Files, Version
from ops.storage.cleaning.instants import Instants
from ops.storage.cleaning.job import Ages, CleanError, Job
from ops.storage.cleaning.kept import KeyParts
from ops.storage.cleaning.rows import Doomed, Row, Rows
from provider.resources.bucket import below_files
from tests.objects.conftest import ADA, PROJECT, World, invalidated
from tests.objects.test_scan_job import Killed, Mortal
from tests.objects.test_scan_queue import RECORD, STORE

# A person, and the project that is hers.
EVE, EVES = "00000000-0000-7000-8000-00000000000e", "00000000-0000-7000-8000-0000000000e1"
PROJECTS = f"insert into public.projects (id, owner_id, title) values ('{EVES}', '{EVE}', 'one')"
ROWS = "select bucket_id, name from storage.objects order by 1, 2"
QUEUE = "select object_path from private.deletion_queue order by 1"
UNSERVED = "insert into private.unserved_files (bucket_id, object_path, version) values (%s, %s, %s)"
ENDED = "update private.unserved_files set ended_at = now() - interval '2 minutes'"
AGAIN = "update private.deletion_queue set taken_at = null"
NOW = Ages(timedelta(), timedelta(), timedelta())
WEEK = {"exports": timedelta(days=7)}


@dataclass(frozen=True)
class Scene:
    """A store that is empty except for what a test puts there, and its rows."""

    world: World
    store: Store
    opened: list[Rows] = field(default_factory=list)

    def rows(self) -> Rows:
        """A connection of one cleaner's own, closed with the scene."""
        self.opened.append(Rows.of(self.world.cleaner_url))
        return self.opened[-1]

    def job(self, **changed: Any) -> Job:
        rows = changed.pop("rows", None) or self.rows()
        return Job(**{"rows": rows, "files": Files(self.store), "force": True} | changed)

    def add(self, name: str, bucket: str = "audio", row: bool = True, file: bool = True) -> str:
        """A file with its row, or one of the two; its key."""
        version = str(uuid4())
        key = f"{TENANT}/{bucket}/{name}/{version}"
        if file:
            self.store.s3.put_object(Bucket=self.store.bucket, Key=key, Body=b"abc")
        if row:
            self.world.run(STORE, bucket, name, None, version, json.dumps({"size": 3, "mimetype": "audio/wav"}))
        return key

    def keys(self) -> list[str]:
        """Every key of which there is a version or a delete marker."""
        return [versions[0].key for versions in Files(self.store).keys("")]


@pytest.fixture
def scene(world: World, store: Store) -> Iterator[Scene]:
    def empty() -> None:
        for versions in list(Files(store).keys("")):
            Files(store).delete(versions)
        for key, upload, _ in list(Files(store).unfinished("")):
            Files(store).abort(key, upload)
        world.run("delete from private.deletion_queue")
        world.run("delete from private.unserved_files")
        world.run("delete from private.backups")
        # The same person comes again in the next test.
        world.run("delete from private.departures")

    empty()
    world.run("insert into storage.buckets (id, name) values ('exports', 'exports') on conflict do nothing")
    world.run("insert into next_auth.users (id, name, email) values (%s, 'Eve', 'eve@example.org')", EVE)
    world.run(PROJECTS)
    made = Scene(world, store)
    yield made
    for rows in made.opened:
        rows.connection.close()
    world.run("delete from next_auth.users where id = %s", EVE)
    empty()


def test_what_has_a_row_and_a_file_stays(scene: Scene) -> None:
    keys = [scene.add(f"{PROJECT}/one.wav"), scene.add(f"{ADA}/me.png", "avatars"), scene.add("loose.txt", "avatars")]
    scene.world.run(RECORD, f"{PROJECT}/one.wav")
    tally = scene.job(ages=Ages(timedelta(), uploads=timedelta(), versions=timedelta())).run()
    assert scene.keys() == sorted(keys)
    assert {kind: found.objects for kind, found in tally.items() if found.objects} == {}


def test_orphans_of_both_kinds_go_once_they_are_old_enough(scene: Scene) -> None:
    kept = scene.add(f"{PROJECT}/kept.wav")
    scene.add(f"{PROJECT}/file.wav", row=False)
    scene.add(f"{PROJECT}/row.wav", file=False)
    scene.store.s3.put_object(Bucket=scene.store.bucket, Key="elsewhere/audio/x/y", Body=b"another's")
    assert {kind: found.objects for kind, found in scene.job().run().items() if found.objects} == {}
    dry = scene.job(ages=NOW, dry=True).run()
    assert (dry["orphaned files"].objects, dry["orphaned files"].bytes) == (1, 3)
    assert (dry["orphaned rows"].objects, dry["orphaned rows"].bytes) == (1, 3)
    assert len(scene.keys()) == 3, "counted, and nothing removed"
    scene.job(ages=NOW).run()
    assert scene.keys() == ["elsewhere/audio/x/y", kept]
    assert scene.world.run(ROWS) == [("audio", f"{PROJECT}/kept.wav")]


KEEP = "select ops.keep_instant(%s, now() - %s, 2, '')"
OVER = "update private.backups set taken_at = now() - interval '3 days', kept_until = now() - interval '1 day'"


def versions_of(scene: Scene, key: str) -> list[tuple[bool, bool]]:
    """Of each version whether it is the newest, and whether it is a delete marker."""
    return [(each.latest, each.marker) for found in Files(scene.store).keys(key) for each in found]


def test_what_a_backup_names_is_hidden_and_goes_when_the_backup_has_ended(scene: Scene) -> None:
    orphan, theirs = scene.add(f"{PROJECT}/file.wav", row=False), scene.add(f"{EVES}/a.wav")
    scene.world.run(KEEP, "20260101T000000Z-00000001", timedelta())
    scene.world.run("delete from next_auth.users where id = %s", EVE)
    dry = scene.job(ages=NOW, dry=True).run()
    assert (dry["kept for backups"].objects, dry["orphaned files"].objects) == (2, 1)
    for _ in range(2):
        tally = scene.job(ages=NOW).run()
        for key in (orphan, theirs):
            assert versions_of(scene, key) == [(True, True), (False, False)], "hidden once, and never shown again"
            with pytest.raises(ClientError, match="NoSuchKey"):
                scene.store.s3.get_object(Bucket=scene.store.bucket, Key=key)
    assert (tally["orphaned files"].objects, tally["kept for backups"].bytes) == (0, 6)
    assert scene.world.run(ROWS) == []
    assert scene.world.run("select sum(kept_bytes) from private.storage_usage where kept_bytes > 0") in ([(None,)], [])
    scene.world.run(OVER)
    scene.job(ages=NOW).run()
    assert scene.keys() == []


def test_what_came_after_the_backup_and_what_ended_before_it_goes(scene: Scene) -> None:
    scene.add(f"{PROJECT}/later.wav", row=False)
    scene.world.run(KEEP, "20260101T000000Z-00000001", timedelta(hours=1))
    assert scene.job(ages=NOW).run()["kept for backups"].objects == 0
    assert scene.keys() == []


def test_a_backup_that_begins_while_the_cleaner_is_at_work_is_seen(scene: Scene) -> None:
    key = scene.add(f"{PROJECT}/file.wav", row=False)
    job = scene.job(ages=NOW)
    before = job._lost
    job._lost = lambda seen: (scene.world.run(KEEP, "20260101T000000Z-00000001", timedelta()), before(seen))[1]  # type: ignore[method-assign]
    job.run()
    assert versions_of(scene, key) == [(True, True), (False, False)]


@pytest.mark.parametrize(
    ("changed", "until", "held"),
    [(-9, None, True), (-9, -8, False), (-9, 1, True), (1, None, True), (6, 60, False), (-9, -4, True)],
)
def test_a_version_is_held_where_it_was_the_newest_at_an_instant(changed: int, until: int | None, held: bool) -> None:
    instant = datetime(2026, 1, 1, tzinfo=UTC)

    def at(minutes: int) -> datetime:
        return instant + timedelta(minutes=minutes)

    instants = Instants([at(-600), instant, at(600)])
    version = Version("k", "1", 3, until is None, False, at(changed), until=None if until is None else at(until))
    assert instants.hold(version) is held
    marker = Version("k", "2", 0, True, True, at(until or 9), below=version)
    assert instants.hold(marker) is held, "it goes with what it hides"
    assert not Instants().hold(version)


def test_a_row_of_what_lies_in_quarantine_is_no_orphan_and_goes_with_the_person(scene: Scene) -> None:
    key = scene.add(f"{EVES}/bad.wav", file=False)
    scene.store.s3.put_object(Bucket=scene.store.bucket, Key=f"quarantine/{key}", Body=b"bad")
    scene.world.run("update private.object_scans set status = 'infected', scanned_at = now()")
    scene.job(ages=NOW).run()
    assert scene.keys() == [f"quarantine/{key}"]
    assert scene.world.run(ROWS) == [("audio", f"{EVES}/bad.wav")]
    scene.world.run("delete from next_auth.users where id = %s", EVE)
    assert scene.job(ages=NOW).run()["quarantine"].objects == 1
    assert (scene.keys(), scene.world.run(ROWS)) == ([], [])
    assert scene.world.run("select 1 from private.object_scans") == []


def test_what_lies_in_nobodys_folder_goes_though_nothing_has_queued_it(scene: Scene) -> None:
    kept = [scene.add(f"{ADA}/me.png", "avatars"), scene.add("logos/a.png", "avatars"), scene.add(f"{PROJECT}/a.wav")]
    scene.world.run("insert into storage.buckets (id, name) values ('other', 'other') on conflict do nothing")
    kept.append(scene.add(f"{EVE}/servers.txt", "other"))
    for name, bucket in ((f"{EVE}/me.png", "avatars"), (f"{EVE}/all.zip", "exports"), (f"{EVES}/a.wav", "audio")):
        scene.add(name, bucket)
    scene.world.run("delete from next_auth.users where id = %s", EVE)
    # As if it had been stored after the person had left.
    scene.world.run("delete from private.deletion_queue")
    assert scene.job().run()["in nobody's folder"].objects == 0, "it may only just be on its way"
    assert scene.job(ages=NOW, dry=True).run()["in nobody's folder"].objects == 3
    assert scene.job(ages=NOW).run()["in nobody's folder"].objects == 3
    assert scene.keys() == sorted(kept)
    assert len(scene.world.run(ROWS)) == len(kept)


def test_a_person_with_many_files_goes_in_batches(scene: Scene) -> None:
    scene.world.run(
        "insert into storage.objects (bucket_id, name, version, metadata) "
        "select 'avatars', %s || '/' || n || '.png', n, '{\"size\": 1}' from generate_series(1, 2500) as n",
        EVE,
    )
    scene.world.run("delete from next_auth.users where id = %s", EVE)
    batches = list[int]()
    rows = scene.rows()

    class Counted(Rows):
        def take(self, count: int) -> list[Doomed]:
            found = super().take(count)
            batches.append(len(found))
            return found

    assert scene.job(rows=Counted(rows.connection)).run()["deleted"].objects == 2500
    assert batches == [1000, 1000, 500, 0]
    assert scene.world.run(ROWS) == scene.world.run(QUEUE) == []


def test_a_bucket_keeps_what_is_in_it_as_long_as_it_is_declared_to(scene: Scene) -> None:
    scene.add(f"{ADA}/new.csv", "exports")
    kept = scene.add(f"{ADA}/me.png", "avatars")
    scene.add(f"{ADA}/old.csv", "exports")
    recorded = scene.add(f"{PROJECT}/one.wav")
    scene.world.run(RECORD, f"{PROJECT}/one.wav")
    scene.world.run(
        "update storage.objects set created_at = now() - interval '8 days' where name not like '%%/new.csv'"
    )
    # Overwritten today: the row is old, what it says isn't. Here the file is of today, so it stays.
    assert scene.job(retention=WEEK).run()["expired"].bytes == 0
    assert len(scene.keys()) == 4
    # Every bucket with an age, and no other; of a recording too, whose file the store lets go as well.
    at_once = timedelta(seconds=-5)
    assert scene.job(retention={"exports": at_once}).run()["expired"].objects == 2
    assert scene.keys() == sorted([kept, recorded])
    scene.job(retention={"audio": at_once, "nowhere": at_once}).run()
    assert scene.keys() == [kept]
    assert scene.world.run(ROWS) == [("avatars", f"{ADA}/me.png")]
    assert scene.world.run("select object_path from public.audio_recordings") == [(f"{PROJECT}/one.wav",)]


def test_a_file_that_is_too_old_goes_with_its_row_and_one_that_was_overwritten_since_stays(scene: Scene) -> None:
    scene.add(f"{ADA}/old.csv", "exports", file=False)
    key = scene.add(f"{ADA}/again.csv", "exports", file=False)
    scene.world.run("update storage.objects set created_at = now() - interval '8 days'")
    scene.store.s3.put_object(Bucket=scene.store.bucket, Key=key, Body=b"abc")
    dry = scene.job(retention=WEEK, dry=True).run()
    assert (dry["expired"].objects, len(scene.world.run(ROWS))) == (2, 2)
    scene.job(retention=WEEK).run()
    assert scene.world.run(ROWS) == [("exports", f"{ADA}/again.csv")]
    assert scene.keys() == [key]


def test_replaced_versions_and_unfinished_uploads_go(scene: Scene) -> None:
    key = scene.add(f"{PROJECT}/one.wav")
    scene.store.s3.put_object(Bucket=scene.store.bucket, Key=key, Body=b"again")
    scene.store.s3.create_multipart_upload(Bucket=scene.store.bucket, Key=key + "0")
    young = scene.job().run()
    assert {kind: found.objects for kind, found in young.items() if found.objects} == {}
    tally = scene.job(ages=NOW).run()
    assert (tally["old versions"].objects, tally["old versions"].bytes) == (1, 3)
    assert tally["unfinished uploads"].objects == 1
    assert scene.store.s3.get_object(Bucket=scene.store.bucket, Key=key)["Body"].read() == b"again"
    again = scene.job(ages=NOW).run()
    assert {kind: found.objects for kind, found in again.items() if found.objects} == {}


def test_what_forms_and_parts_have_sent_goes_once_it_is_old_enough(scene: Scene) -> None:
    sent = {"Bucket": scene.store.bucket, "Key": f"uploads/{TENANT}/audio/{PROJECT}/a.wav/1"}
    scene.store.s3.put_object(**sent, Body=b"abc")
    scene.store.s3.put_object(**sent, Body=b"again")
    scene.store.s3.create_multipart_upload(**sent)
    young = scene.job(ages=Ages(uploads=timedelta(days=36500))).run()
    assert {kind: found.objects for kind, found in young.items() if found.objects} == {}
    dry = scene.job(ages=NOW, dry=True).run()
    assert (dry["sent by forms"].bytes, len(scene.keys())) == (8, 1)
    tally = scene.job(ages=NOW).run()
    assert (tally["sent by forms"].objects, tally["sent by forms"].bytes) == (1, 8)
    assert tally["unfinished uploads"].objects == 1
    assert (scene.keys(), list(scene.job().files.unfinished(""))) == ([], [])


def test_what_came_in_parts_stays_as_long_as_an_upload_may_take(scene: Scene) -> None:
    """S3 dates it by its beginning: it may have ended just now, and be neither taken over nor have its row."""
    keys = [f"uploads/{TENANT}/audio/{PROJECT}/a.wav/1", f"{TENANT}/audio/{PROJECT}/b.wav/1"]
    for key in keys:
        place = {"Bucket": scene.store.bucket, "Key": key}
        place |= {"UploadId": scene.store.s3.create_multipart_upload(**place)["UploadId"]}
        part = scene.store.s3.upload_part(**place, PartNumber=1, Body=b"abc")
        whole = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
        scene.store.s3.complete_multipart_upload(**place, MultipartUpload=whole)
        scene.store.s3.put_object(Bucket=scene.store.bucket, Key=f"{key}0", Body=b"at once")
    scene.job(ages=Ages(grace=timedelta(), uploads=timedelta(hours=1))).run()
    assert scene.keys() == sorted(keys)
    scene.job(ages=NOW).run()
    assert scene.keys() == []


def test_what_lies_in_quarantine_without_a_row_goes_as_other_deleted_files_do(scene: Scene) -> None:
    keys = {name: scene.add(f"{PROJECT}/{name}.wav", file=False) for name in ("there", "deleted")}
    stray = f"{TENANT}/audio/{PROJECT}/stray.wav/{uuid4()}"
    for key in (*keys.values(), stray):
        scene.store.s3.put_object(Bucket=scene.store.bucket, Key=f"quarantine/{key}", Body=b"bad")
    scene.world.run("update private.object_scans set status = 'infected', scanned_at = now()")
    deleted = f"delete from storage.objects where name = '{PROJECT}/deleted.wav'"
    scene.world.run(f"begin; set local storage.allow_delete_query = 'true'; {deleted}; commit")
    month = Ages(timedelta(), uploads=timedelta())
    assert scene.job(ages=month).run()["quarantine"].objects == 0
    assert len(scene.keys()) == 3, "it can be looked at for a month"
    assert scene.job(ages=NOW, dry=True).run()["quarantine"].objects == 2
    assert scene.job(ages=NOW).run()["quarantine"].objects == 2
    assert scene.keys() == [f"quarantine/{keys['there']}"]
    verdicts = "select name from private.object_scans where status = 'infected'"
    assert scene.world.run(verdicts) == [(f"{PROJECT}/there.wav",)]


@pytest.mark.parametrize(("said", "kept"), [(None, 3), (0, 3), (2, 1), (3, 0), (10, -7)])
@pytest.mark.parametrize("quarantined", [False, True])
def test_what_a_row_says_wrongly_of_its_file_is_put_right_in_what_is_kept(
    scene: Scene, said: int | None, kept: int, quarantined: bool
) -> None:
    key = scene.add(f"{EVES}/one.wav", file=not quarantined)
    scene.world.run("update storage.objects set metadata = %s", json.dumps({"size": said}))
    if quarantined:
        scene.store.s3.put_object(Bucket=scene.store.bucket, Key=f"quarantine/{key}", Body=b"bad")
        scene.world.run("update private.object_scans set status = 'infected', scanned_at = now()")
    scene.job().run()
    sums = "select bytes, kept_bytes from private.storage_usage where folder_id = %s and bucket_id = ''"
    assert scene.world.run(sums, EVE) == [(said or 0, kept)]


def test_what_cannot_be_deleted_is_left_for_another_night(scene: Scene) -> None:
    for number in range(3):
        scene.add(f"{EVE}/{number}.png", "avatars")
    scene.world.run("delete from next_auth.users where id = %s", EVE)
    scene.world.run("delete from private.deletion_queue")
    rows = scene.rows()

    class Stuck(Rows):
        def delete(self, rows: Iterable[Row]) -> int:
            return super().delete(row for row in rows if not row.name.endswith("/1.png"))

    assert scene.job(rows=Stuck(rows.connection), ages=NOW).run()["in nobody's folder"].objects == 3
    assert scene.world.run(ROWS) == [("avatars", f"{EVE}/1.png")]
    scene.job(ages=NOW).run()
    assert scene.world.run(ROWS) == []


def test_what_the_cleaner_deletes_is_not_kept_and_what_others_delete_is(scene: Scene) -> None:
    kept = "select coalesce(sum(kept_bytes), 0)::bigint from private.storage_usage where bucket_id = 'audio'"
    for name in ("one", "two"):
        scene.add(f"{PROJECT}/{name}.wav")
    scene.job().run()
    one = f"delete from storage.objects where name = '{PROJECT}/one.wav'"
    scene.world.run(f"begin; set local storage.allow_delete_query = 'true'; {one}; commit")
    assert scene.world.run(kept) == [(3,)]
    scene.job().empty("audio")
    assert (scene.keys(), scene.world.run(kept)) == ([], [(3,)])
    scene.job(dry=True).run()
    assert scene.world.run(kept) == [(3,)], "a dry run notes nothing"
    scene.job().run()
    assert scene.world.run(kept) == [(0,)]


def test_folders_of_nobody_that_are_most_of_all_are_left_alone(scene: Scene) -> None:
    """As after a change of the bucket's access: the folders of its projects would be people's."""
    for number in range(101):
        scene.add(f"{PROJECT}/{number}.wav")
    access = "update private.settings set value = jsonb_set(value, '{audio}', '\"%s\"') where name = 'bucketAccess'"
    scene.world.run(access % "people")
    try:
        with pytest.raises(CleanError, match="101 of 101 are files in nobody's folder"):
            scene.job(ages=NOW, force=False).run()
    finally:
        scene.world.run(access % "projects")
    assert len(scene.keys()) == 101


def test_refused_uploads_of_one_person_do_not_keep_the_others_from_being_cleaned(scene: Scene) -> None:
    """Each leaves a file without a row; those are most of all, and in one folder."""
    kept = [scene.add(f"{PROJECT}/one.wav")]
    scene.add(f"{ADA}/refused.png", "avatars", row=False)
    refused = [scene.add(f"{EVES}/{number}.wav", row=False) for number in range(101)]
    tally = scene.job(ages=NOW, force=False).run()
    assert (tally["left without --force"].objects, tally["orphaned files"].objects) == (101, 1)
    assert scene.keys() == sorted(kept + refused)
    sums = "select bytes, kept_bytes from private.storage_usage where folder_id = %s and bucket_id = ''"
    assert scene.world.run(sums, EVE) == [(0, 303)], "they count for who has left them"
    scene.job(ages=NOW, force=True).run()
    assert scene.keys() == kept


def test_files_without_a_row_that_are_most_of_all_are_left_alone(scene: Scene) -> None:
    """In one folder, where nothing else shows that bucket and database belong together; and in many."""
    keys = [scene.add(f"{EVES}/{number}.wav", row=False) for number in range(101)]
    with pytest.raises(CleanError, match="101 of 101 are files without a row"):
        scene.job(ages=NOW, force=False).run()
    keys += [scene.add(f"{PROJECT}/{number}.wav", row=False) for number in range(101)]
    keys.append(scene.add(f"{ADA}/me.png", "avatars"))
    with pytest.raises(CleanError, match="101 of 102 are files without a row"):
        scene.job(ages=NOW, force=False).run()
    assert scene.keys() == sorted(keys)


def test_a_key_of_another_form_is_passed_over(scene: Scene) -> None:
    scene.add(f"{PROJECT}/one.wav", row=False)
    stray = f"{TENANT}/audio/stray"
    scene.store.s3.put_object(Bucket=scene.store.bucket, Key=stray, Body=b"nobody's")
    scene.job().empty("audio")
    assert scene.keys() == [stray]


def test_a_deleted_recording_takes_its_file_along_and_what_was_stored_since_stays(scene: Scene) -> None:
    name = f"{EVES}/one.wav"
    for path in (name, f"{EVES}/two.wav", f"{EVES}/three.wav"):
        scene.add(path)
        scene.world.run(RECORD, path)
    scene.world.run("delete from public.projects where owner_id = %s", EVE)
    assert len(scene.world.run(QUEUE)) == 3
    # Recorded again under the same name; stored again under another.
    scene.world.run(PROJECTS)
    scene.world.run(RECORD, f"{EVES}/two.wav")
    scene.world.run(
        "update private.deletion_queue set queued_at = now() - interval '1 hour' where object_path like '%%three%%'"
    )
    scene.job().run()
    assert [row[1] for row in scene.world.run(ROWS)] == [f"{EVES}/three.wav", f"{EVES}/two.wav"]
    assert len(scene.keys()) == 2
    assert scene.world.run(QUEUE) == []


def test_a_person_who_goes_leaves_nothing_but_what_was_spoken_into_others_projects(scene: Scene) -> None:
    own = [f"{EVES}/own.wav", f"{EVES}/loose.wav"]
    for bucket, name in (*(("audio", name) for name in own), ("avatars", f"{EVE}/me.png"), ("exports", f"{EVE}/a.csv")):
        scene.add(name, bucket)
    scene.world.run(RECORD, own[0])
    others = [scene.add(f"{PROJECT}/{name}.wav") for name in ("one", "shared")]
    scene.world.run(RECORD, f"{PROJECT}/shared.wav")
    scene.world.run("update public.audio_recordings set created_by = %s", EVE)
    scene.world.run("delete from next_auth.users where id = %s", EVE)
    # A recording's file is queued with its row, and once more with its project.
    assert {row[0] for row in scene.world.run(QUEUE)} == {*own, f"{EVE}/me.png", f"{EVE}/a.csv"}
    scene.job().run()
    assert scene.keys() == sorted(others)
    assert [row[1] for row in scene.world.run(ROWS)] == [f"{PROJECT}/one.wav", f"{PROJECT}/shared.wav"]


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_killed_at_any_step_the_next_run_ends_it(scene: Scene, after: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cleaning, "PAGE", 2)
    step = died = 0
    while True:
        step += 1
        for number in range(3):
            scene.add(f"{EVES}/{number}.wav")
            scene.world.run(RECORD, f"{EVES}/{number}.wav")
        scene.world.run("delete from public.audio_recordings")
        scene.add(f"{PROJECT}/file.wav", row=False)
        budget = [step]
        rows = Mortal(scene.rows(), budget, after, ("take", "delete", "finish"))
        files = Mortal(Files(scene.store), budget, after, ("delete",))
        try:
            scene.job(rows=rows, files=files, ages=NOW).run()
        except Killed:
            died += 1
            # A killed process leaves no sessions; its login may have few.
            scene.world.run("select pg_terminate_backend(pid) from pg_stat_activity where usename = 'cleaner'")
        scene.world.run(AGAIN)
        scene.job(ages=NOW).run()
        assert (scene.keys(), scene.world.run(ROWS), scene.world.run(QUEUE)) == ([], [], [])
        if budget[0] > 0:
            break
    assert died >= 8


def test_several_at_once_do_not_collide(scene: Scene) -> None:
    for number in range(60):
        scene.add(f"{EVES}/{number}.wav")
        scene.add(f"{PROJECT}/{number}.wav", row=False)
    kept = scene.add(f"{PROJECT}/kept.wav")
    scene.world.run("delete from next_auth.users where id = %s", EVE)
    start = threading.Barrier(3)

    def run(_: int) -> None:
        start.wait()
        scene.job(ages=NOW).run()

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(run, range(3)))
    scene.world.run(AGAIN)
    scene.job(ages=NOW).run()
    assert scene.keys() == [kept]


def test_a_bucket_or_database_that_cannot_be_the_right_one_loses_nothing(scene: Scene) -> None:
    insert = """
        insert into storage.objects (bucket_id, name, version)
        select 'avatars', 'x/' || n, gen_random_uuid() from generate_series(1, 101) as n"""
    scene.world.run(insert)
    with pytest.raises(CleanError, match="101 of 101 are rows without a file"):
        scene.job(ages=NOW, force=False).run()
    assert len(scene.world.run(ROWS)) == 101


def test_more_than_a_thousand_files_of_a_person_go_for_good(scene: Scene) -> None:
    # More than the store lists, and deletes, at a time.
    count = 1100
    versions = [str(uuid4()) for _ in range(count)]

    def put(number: int) -> None:
        key = f"{TENANT}/audio/{EVES}/{number}.wav/{versions[number]}"
        scene.store.s3.put_object(Bucket=scene.store.bucket, Key=key, Body=b"abc")

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(put, range(count)))
    scene.world.run(
        "insert into storage.objects (bucket_id, name, version, metadata) "
        "select 'audio', %s || '/' || (n - 1) || '.wav', v, '{\"size\": 3}' "
        "from unnest(%s::text[]) with ordinality as t (v, n)",
        EVES,
        versions,
    )
    scene.world.run("delete from next_auth.users where id = %s", EVE)
    begun = time.monotonic()
    tally = scene.job().run()
    print(f"{count} files in {time.monotonic() - begun:.1f} s")
    assert (tally["deleted"].objects, tally["deleted"].bytes) == (count, 3 * count)
    assert (scene.keys(), scene.world.run(ROWS), scene.world.run(QUEUE)) == ([], [], [])
    assert scene.world.run("select 1 from private.storage_usage where folder_id in (%s, %s)", EVE, EVES) == []


def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *words: str) -> tuple[int, str, str]:
    status = ops.main(["storage", *words])
    said = capsys.readouterr()
    return status, said.out, said.err


def test_what_is_larger_than_a_new_limit_is_removed_as_the_refusal_advises(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, scene: Scene, cdn: Edge
) -> None:
    outputs = {"object_bucket": scene.store.bucket, "cleaner_url": scene.world.cleaner_url}
    monkeypatch.setattr(Environment, "of", lambda stack: Environment(stack, outputs))
    monkeypatch.setattr(Environment, "store", scene.store)
    monkeypatch.setattr(Environment, "edge", cdn)
    kept = scene.add(f"{PROJECT}/small.wav")
    other = scene.add(f"{ADA}/me.png", "avatars")
    scene.add(f"{PROJECT}/large.wav")
    scene.world.run("""update storage.objects set metadata = '{"size": 4000}' where name not like '%%/small.wav'""")
    advice = below_files("audio", 3, {"larger": 1, "files": 2, "largest": 4000, "name": "large.wav"})
    words = shlex.split(advice.split("`")[1])
    assert words[:2] == ["./vpb", "storage"]
    assert run(capsys, monkeypatch, *words[2:-2])[0] == 0
    assert len(scene.keys()) == 3, "without --confirm it counts"
    assert run(capsys, monkeypatch, *words[2:])[0] == 0
    assert scene.keys() == sorted([kept, other])
    assert [name for _, name in scene.world.run(ROWS)] == [f"{PROJECT}/small.wav", f"{ADA}/me.png"]


def test_the_commands_tell_what_there_is_and_what_went(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, scene: Scene, cdn: Edge
) -> None:
    outputs = {
        "object_bucket": scene.store.bucket,
        "cleaner_url": scene.world.cleaner_url,
        "monitor_url": scene.world.monitor_url,
        "storage_retention_days": {"exports": 7},
        "storage_buckets": {"audio": {"cdn": True}, "exports": {"cdn": False}},
        "cdn_distribution": cdn.distribution,
    }
    monkeypatch.setattr(Environment, "of", lambda stack: Environment(stack, outputs))
    monkeypatch.setattr(Environment, "store", scene.store)
    scene.add(f"{PROJECT}/one.wav")
    gone_key = scene.add(f"{EVES}/gone.wav")
    scene.store.s3.put_object(Bucket=scene.store.bucket, Key=f"uploads/{TENANT}/audio/{PROJECT}/a.wav/1", Body=b"sent")
    scene.world.run("delete from next_auth.users where id = %s", EVE)
    status, said, _ = run(capsys, monkeypatch, "clean", "--dry-run", "--json")
    assert (status, json.loads(said)["deleted"]) == (0, {"objects": 1, "bytes": 3})
    assert len(scene.keys()) == 3
    status, said, _ = run(capsys, monkeypatch, "clean")
    assert (status, "removed" in said) == (0, True)
    gone = paths_of(gone_key)
    assert invalidated(cdn) == gone, "at once, and what ended with it is struck off"
    scene.world.run(UNSERVED, "audio", "later.wav", "v1")
    assert run(capsys, monkeypatch, "purge") == (0, "0 paths invalidated at the CDN\n", ""), "it ended just now"
    scene.world.run(ENDED)
    assert run(capsys, monkeypatch, "purge", "--json")[:2] == (0, '{"paths": 1, "waiting": 0}\n')
    assert run(capsys, monkeypatch, "purge", "audio", f"{PROJECT}/one.wav")[0] == 0
    assert run(capsys, monkeypatch, "purge", "audio")[0] == 0
    assert invalidated(cdn) == sorted(["/audio/*", f"/audio/{PROJECT}/one.wav/*", "/audio/later.wav/v1", *gone])
    misspelled = [("empty", "audoi"), ("empty", "audoi", "--confirm", "audoi"), ("purge", "audio", "a/../b.wav")]
    for words in (("purge", "video"), ("purge", "exports"), *misspelled):
        status, said, error = run(capsys, monkeypatch, *words)
        assert (status, said, error.count("\n")) == (1, "", 1)
    assert run(capsys, monkeypatch, "empty", "exports")[0] == 0, "it is declared, and empty already"
    monkeypatch.setenv("COLUMNS", "80")
    _, said, _ = run(capsys, monkeypatch, "usage")
    assert "…" not in said, "an id that is cut off names nobody"
    status, said, _ = run(capsys, monkeypatch, "usage", "--json", "--price", "1073741824")
    found = json.loads(said)
    sums = {"objects": 1, "bytes": 3, "kept_bytes": 4, "month_cost": 7.0}
    assert found["buckets"] == [{"bucket_id": "audio", **sums}]
    assert found["people"] == [{"user_id": ADA, "bucket_id": "audio", **sums}]
    assert [(row["objects"], row["bytes"]) for row in found["months"]] == [(1, 3)]
    monkeypatch.setitem(outputs, "cleaner_url", "postgresql://nobody:secret@127.0.0.1:1/x")
    status, said, error = run(capsys, monkeypatch, "clean")
    assert (status, said, error.count("\n")) == (1, "", 1)
    assert error.startswith("error: database x on 127.0.0.1:1 as nobody: ")
    assert "secret" not in error


def test_an_environment_without_the_login_is_told_to_be_provisioned(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Environment, "of", lambda stack: Environment(stack, {"admin_url": "postgresql://x"}))
    for word, output in (("clean", "cleaner_url"), ("usage", "monitor_url"), ("api-env", "storage_url")):
        monkeypatch.setattr(Environment, "store", Store(bucket="b", region="r"))
        status, said, error = run(capsys, monkeypatch, word)
        assert (status, said) == (1, "")
        assert error == f"error: stack dev has no output {output} yet; `make up STACK=dev` provisions it\n"


API = {
    "DATABASE_URL": "postgresql://supabase_storage_admin:secret@h:5432/postgres",
    "DB_INSTALL_ROLES": "false",
    "DB_SUPER_USER": "supabase_storage_admin",
    "DB_SERVICE_ROLE": "storage_service",
    "TENANT_ID": TENANT,
    "STORAGE_BACKEND": "s3",
    "STORAGE_S3_BUCKET": "objects",
    "STORAGE_S3_REGION": "eu-central-1",
    "UPLOAD_FILE_SIZE_LIMIT": "50000000",
    "S3_PROTOCOL_ENABLED": "false",
    "PG_QUEUE_ENABLE": "false",
    "IMAGE_TRANSFORMATION_ENABLED": "false",
    "TUS_ALLOW_S3_TAGS": "false",
}
LOCAL = {
    "STORAGE_S3_ENDPOINT": "http://127.0.0.1:5000",
    "STORAGE_S3_FORCE_PATH_STYLE": "true",
    "AWS_ACCESS_KEY_ID": "id",
    "AWS_SECRET_ACCESS_KEY": "key",
}


@pytest.mark.parametrize("local", [False, True], ids=["at AWS", "local"])
def test_the_storage_api_is_told_all_it_needs_but_the_apps_secret(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, local: bool
) -> None:
    outputs = {"storage_url": API["DATABASE_URL"], "max_object_size": 50_000_000}
    monkeypatch.setattr(Environment, "of", lambda stack: Environment(stack, outputs))
    key = {"endpoint": LOCAL["STORAGE_S3_ENDPOINT"], "access_key": "id", "secret_key": "key"} if local else {}
    monkeypatch.setattr(Environment, "store", Store(bucket="objects", region="eu-central-1", **key))
    wanted = API | (LOCAL if local else {})
    status, said, error = run(capsys, monkeypatch, "api-env")
    assert (status, dict(line.split("=", 1) for line in said.splitlines())) == (0, wanted)
    assert "AUTH_JWT_SECRET" in error
    assert "secret@" not in error
    status, said, _ = run(capsys, monkeypatch, "api-env", "--json")
    assert (status, json.loads(said)) == (0, wanted)


def paths_of(*keys: str) -> list[str]:
    """The paths at the CDN of files whose names have one spelling."""
    return sorted(key.removeprefix(TENANT).replace(" ", "%20") for key in keys)


def test_the_cdn_is_told_to_forget_what_is_deleted_and_nothing_else(scene: Scene, cdn: Edge) -> None:
    """Each file by a path of its own; by what its name begins with, where that has spellings; many by their folder."""
    scene.add(f"{PROJECT}/kept.wav")
    plain = scene.add(f"{PROJECT}/a song.wav")
    scene.add(f"{PROJECT}/its+name.wav")
    for number in range(20):
        scene.add(f"{EVE}/{number}.png", "avatars")
        scene.add(f"{EVE}/{number}.csv", "exports")
    doomed = "insert into private.deletion_queue (bucket_id, object_path) select bucket_id, name from storage.objects"
    scene.world.run(f"{doomed} where name not like '%%/kept.wav'")
    scene.job(edge=cdn).run()
    assert invalidated(cdn) == sorted([*paths_of(plain), f"/audio/{PROJECT}/its*", f"/avatars/{EVE}/*"])
    assert scene.world.run("select from private.unserved_files") == [], "and is struck off"


def test_the_cdn_forgets_what_went_by_the_storage_api(scene: Scene, cdn: Edge) -> None:
    """A deleted row, an upsert, a move; and what it doesn't serve costs nothing."""
    keys = {name: scene.add(f"{PROJECT}/{name}.wav") for name in ("deleted", "replaced", "moved", "kept")}
    scene.add(f"{EVE}/all.csv", "exports")
    scene.world.run("delete from private.unserved_files")
    allowed = "begin; set local storage.allow_delete_query = 'true'; delete from storage.objects where name like "
    scene.world.run(f"{allowed} '%%/deleted.wav' or bucket_id = 'exports'; commit")
    scene.world.run("update storage.objects set version = gen_random_uuid()::text where name like '%%/replaced.wav'")
    scene.world.run("update storage.objects set name = replace(name, 'moved', 'new') where name like '%%/moved.wav'")
    scene.job(edge=cdn).forget()
    assert invalidated(cdn) == [], "their files may still be there"
    scene.world.run(ENDED)
    job = scene.job(edge=cdn)
    job.forget()
    assert invalidated(cdn) == paths_of(*(keys[name] for name in ("deleted", "moved", "replaced")))
    assert job.tally["invalidated at the CDN"].objects == 3
    scene.job(edge=cdn).forget()
    assert len(invalidated(cdn)) == 3, "once"


def test_an_orphan_is_forgotten_when_it_goes(scene: Scene, cdn: Edge) -> None:
    orphan = scene.add(f"{PROJECT}/orphan.wav")
    scene.world.run("begin; set local storage.allow_delete_query = 'true'; delete from storage.objects; commit")
    scene.world.run("delete from private.unserved_files")
    scene.job(edge=cdn, ages=Ages(grace=timedelta(0))).run()
    assert invalidated(cdn) == paths_of(orphan)


@pytest.mark.parametrize("dies", [False, True])
def test_an_orphan_whose_cleaner_died_is_forgotten_by_the_next(scene: Scene, cdn: Edge, dies: bool) -> None:
    """Without a row and without a file nothing else says that the CDN may have it."""
    orphan = scene.add(f"{PROJECT}/orphan.wav", row=False)
    job = scene.job(edge=cdn, ages=Ages(grace=timedelta(0)))
    if dies:
        job.edge = replace(cdn, distribution="GONE")
        with pytest.raises(ClientError):
            job.run()
    else:
        job.edge = None
        job.run()
    assert scene.keys() == []
    scene.world.run(ENDED)
    scene.job(edge=cdn).forget()
    assert invalidated(cdn) == paths_of(orphan)


def test_a_bucket_that_the_cdn_serves_no_longer_is_forgotten_with_what_was_queued_of_it(
    scene: Scene, cdn: Edge
) -> None:
    ended = scene.add(f"{PROJECT}/one.wav")
    scene.world.run("delete from private.unserved_files")
    scene.world.run("update storage.objects set version = 'v2'")
    serves = "update private.settings set value = %s where name = 'cdnBuckets'"
    ((before,),) = scene.world.run("select value from private.settings where name = 'cdnBuckets'")
    scene.world.run(serves, json.dumps([bucket for bucket in before if bucket != "audio"]))
    try:
        scene.world.run("update storage.objects set version = 'v3'")
        scene.world.run(ENDED)
        scene.job(edge=cdn).forget()
        assert invalidated(cdn) == sorted(["/audio/*", *paths_of(ended)])
        scene.world.run("update storage.objects set version = 'v4'")
        assert scene.world.run("select count(*) from private.unserved_files") == [(0,)]
    finally:
        scene.world.run(serves, json.dumps(before))
    whole = "select bucket_id from private.unserved_files where object_path = '' order by 1"
    assert scene.world.run(whole) == [("audio",)], "what ended meanwhile isn't known"
    scene.world.run("delete from private.unserved_files")
    scene.world.run("delete from private.settings where name = 'cdnBuckets'")
    try:
        assert [bucket for (bucket,) in scene.world.run(whole)] == sorted(before)
    finally:
        scene.world.run("insert into private.settings (name, value) values ('cdnBuckets', %s)", json.dumps(before))


def test_what_the_cdn_takes_no_more_at_a_time_waits_in_the_queue(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, scene: Scene, cdn: Edge
) -> None:
    """20 names of several spellings, each in a folder of its own, and a file by its path, which fits beside them."""
    folders = [str(uuid4()) for _ in range(20)]
    for folder in folders:
        scene.world.run(UNSERVED, "audio", f"{folder}/a+b.wav", "v1")
    scene.world.run(UNSERVED, "audio", f"{PROJECT}/plain.wav", "v1")
    scene.world.run(ENDED)
    monkeypatch.setattr(cleaning, "PATIENCE_SECONDS", 0)
    scene.job(edge=cdn).forget()
    assert len(invalidated(cdn)) == 16
    assert scene.world.run("select count(*) from private.unserved_files") == [(5,)]
    outputs = {"cleaner_url": scene.world.cleaner_url, "storage_buckets": {"audio": {"cdn": True}}}
    monkeypatch.setattr(Environment, "of", lambda stack: Environment(stack, outputs))
    monkeypatch.setattr(Environment, "store", scene.store)
    monkeypatch.setattr(Environment, "edge", cdn)
    said = "0 paths invalidated at the CDN; 5 files wait, since CloudFront takes no more at a time: run it again\n"
    assert run(capsys, monkeypatch, "purge") == (0, said, "")
    status, _, error = run(capsys, monkeypatch, "purge", "audio")
    assert (status, error.count("\n")) == (1, 1), error
    monkeypatch.undo()
    job = scene.job(edge=cdn)
    job.forget()
    wild = [f"/audio/{folder}/a*" for folder in folders]
    assert invalidated(cdn) == sorted([f"/audio/{PROJECT}/plain.wav/v1", *wild]), "each once"
    assert "waiting for the CDN" not in job.tally


def test_more_files_than_the_cdn_takes_at_a_time_are_sent_as_far_as_they_fit() -> None:
    client = Refusing(1400)
    versions = {KeyParts("audio", f"{number}/a.wav", "v1") for number in range(2000)}
    paths, sent = Edge(client, "D").forget(versions)
    assert (paths, len(sent), len(client.paths)) == (1000, 1000, 1000), "half of them"
    assert Edge(client, "D").forget({KeyParts("audio", "b/a.wav", "v1")})[0] == 1


def test_every_spelling_of_a_name_is_forgotten() -> None:
    """CloudFront keeps a copy for each; a star at the end stands for anything, elsewhere for itself."""
    choose = random.Random(1)
    for _ in range(2000):
        name = f"{EVE}/" + "".join(choose.choices("aZ0_!-.*'() &$@=;:+,?", k=choose.randint(1, 9)))
        spellings = {quote(name, safe=safe) for safe in ("/", "/!~*'()", "/!*'();:@&=+$,", "/!*'(),")}
        heard = Refusing(100)
        Edge(heard, "D").forget({KeyParts("audio", name, "v1")})
        (pattern,) = heard.paths
        for spelled in spellings:
            path = f"/audio/{spelled}/v1"
            assert path.startswith(pattern[:-1]) if pattern.endswith("*") else path == pattern, (path, pattern)
        assert re.fullmatch(r"/audio/[A-Za-z0-9_./%-]+\*?", pattern), pattern
        assert EVE in pattern, "no more than the person's folder"


@dataclass
class Refusing:
    """CloudFront's client, as far as it is asked; it takes so many paths in all."""

    most: int
    paths: list[str] = field(default_factory=list)

    def create_invalidation(self, **given: Any) -> None:
        paths = given["InvalidationBatch"]["Paths"]["Items"]
        if len(self.paths) + len(paths) > self.most:
            raise ClientError({"Error": {"Code": "TooManyInvalidationsInProgress"}}, "CreateInvalidation")
        self.paths += paths


def test_a_dry_run_leaves_the_cdn_alone(scene: Scene, cdn: Edge) -> None:
    scene.add(f"{PROJECT}/one.wav")
    scene.world.run(
        "insert into private.deletion_queue (bucket_id, object_path) select bucket_id, name from storage.objects"
    )
    scene.job(edge=cdn, dry=True).run()
    assert invalidated(cdn) == []
