"""The scanner's job on a real database and store: verdicts, quarantine, alarms, and being killed at every step."""

import json
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from visual_prompt_builder.names import TENANT, key
from visual_prompt_builder.signing import Store

from ops.storage.scanning.engines import WAITS, EngineDownError, GuardDuty, ScanError, TestSignatures
from ops.storage.scanning.job import Alarm, Job
from ops.storage.scanning.queue import Queue
from ops.storage.scanning.signatures import OURS, TEST_SIGNATURES
from tests.local.conftest import MotoServer
from tests.objects import sound
from tests.objects.conftest import ADA, PROJECT, World
from tests.objects.test_scan_engines import daemon
from tests.objects.test_scan_queue import DUE, RECORD, RECORDED, STORE

ATTEMPTS = len(WAITS) + 1
HARMFUL = sound.wav(0.1) + TEST_SIGNATURES["Eicar-Test-Signature"]
STATE = "select status, found from private.object_scans where version = %s"
TOLD = "select action from analytics.user_activity"


@dataclass
class Stored:
    """A file in the store with its row."""

    name: str
    version: str
    key: str


@dataclass
class Scene:
    """What a job works on, and what came of it."""

    world: World
    store: Store
    topic: str
    sns: Any
    sqs: Any
    queue_url: str
    heard: list[dict[str, Any]] = field(default_factory=list)

    def job(self, **changed: Any) -> Job:
        job = Job(Queue(self.world.scanner_url), self.store, TestSignatures(), Alarm(self.sns, self.topic))
        return replace(job, **changed)

    def add(self, content: bytes, type: str = "audio/wav", name: str = f"{PROJECT}/one.wav") -> Stored:
        version = str(uuid.uuid4())
        place = key(self.store.tenant, "audio", name, version)
        self.store.s3.put_object(Bucket=self.store.bucket, Key=place, Body=content, ContentType=type)
        metadata = json.dumps({"mimetype": type, "size": len(content)})
        self.world.run(STORE, "audio", name, ADA, version, metadata)
        if type.startswith("audio/"):
            self.world.run(RECORD, name)
        return Stored(name, version, place)

    def verdict(self, stored: Stored) -> tuple[Any, ...]:
        return self.world.run(STATE, stored.version)[0]

    def tags(self, key: str) -> dict[str, str]:
        found = self.store.s3.get_object_tagging(Bucket=self.store.bucket, Key=key)["TagSet"]
        return {tag["Key"]: tag["Value"] for tag in found}

    def versions(self, key: str) -> int:
        """How many versions and delete markers there are of exactly this key."""
        found = self.store.s3.list_object_versions(Bucket=self.store.bucket, Prefix=key)
        entries = [*found.get("Versions", ()), *found.get("DeleteMarkers", ())]
        return len([entry for entry in entries if entry["Key"] == key])

    def alarms(self) -> list[dict[str, Any]]:
        while messages := self.sqs.receive_message(QueueUrl=self.queue_url, MaxNumberOfMessages=10).get("Messages"):
            for message in messages:
                self.heard.append(json.loads(json.loads(message["Body"])["Message"]))
                self.sqs.delete_message(QueueUrl=self.queue_url, ReceiptHandle=message["ReceiptHandle"])
        return self.heard


@pytest.fixture
def scene(world: World, store: Store, moto: MotoServer) -> Iterator[Scene]:
    sns, sqs = moto.client("sns"), moto.client("sqs")
    topic = sns.create_topic(Name="alarms")["TopicArn"]
    url = sqs.create_queue(QueueName="heard")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    yield Scene(world, store, topic, sns, sqs, url)
    sqs.delete_queue(QueueUrl=url)
    sns.delete_topic(TopicArn=topic)


def test_a_clean_file_is_tagged_and_its_row_says_so(scene: Scene) -> None:
    stored = scene.add(sound.wav())
    job = scene.job()
    job.run()
    assert job.tally == {"clean": 1}
    assert scene.verdict(stored) == ("clean", None)
    assert scene.tags(stored.key) == {"scan": "clean"}
    assert scene.world.run(RECORDED, stored.name) == [("clean", True)]
    assert (scene.alarms(), scene.world.run(TOLD)) == ([], [])


def test_an_infected_file_goes_into_quarantine_and_everybody_hears_of_it(scene: Scene) -> None:
    stored = scene.add(HARMFUL)
    scene.job().run()
    assert scene.verdict(stored) == ("infected", "Eicar-Test-Signature")
    assert scene.versions(stored.key) == 0, "no version is left, and no delete marker"
    kept = scene.store.s3.get_object(Bucket=scene.store.bucket, Key=f"quarantine/{stored.key}")
    assert (kept["Body"].read(), kept["ContentType"]) == (HARMFUL, "application/octet-stream")
    assert scene.tags(f"quarantine/{stored.key}") == {"scan": "infected"}
    assert scene.world.run(RECORDED, stored.name) == [("infected", True)]
    assert scene.world.run(TOLD) == [("storage.infected",)]
    (alarm,) = scene.alarms()
    assert alarm == {
        "status": "infected",
        "bucket": "audio",
        "name": stored.name,
        "version": stored.version,
        "found": "Eicar-Test-Signature",
        "engine": "test signatures only, which find no real virus",
    }


def test_a_file_that_is_not_what_it_says_is_refused_and_moved_too(scene: Scene) -> None:
    stored = scene.add(b"<!doctype html><script>alert(1)</script>")
    scene.job().run()
    assert scene.verdict(stored) == ("refused", "declared as audio/wav, and is none")
    assert scene.versions(stored.key) == 0
    assert scene.tags(f"quarantine/{stored.key}") == {"scan": "refused"}
    assert scene.world.run(RECORDED, stored.name) == [("failed", True)]
    assert scene.world.run(TOLD) == [("storage.refused",)]
    assert scene.alarms() == [], "a mistake is no alarm"


def test_what_the_store_would_serve_it_as_counts_as_well(scene: Scene) -> None:
    stored = scene.add(sound.wav())
    scene.store.s3.put_object(Bucket=scene.store.bucket, Key=stored.key, Body=sound.wav(), ContentType="image/png")
    scene.job().run()
    assert scene.verdict(stored) == ("refused", "declared as image/png, is audio/x-wav")


def test_all_that_is_due_is_scanned_and_no_file_twice(scene: Scene) -> None:
    for number in range(12):
        scene.add(HARMFUL if number % 4 == 0 else sound.wav(0.1), name=f"{PROJECT}/{number}.wav")
    job = scene.job()
    job.run()
    assert job.tally == {"clean": 9, "infected": 3}
    job.run()
    assert job.tally == {"clean": 9, "infected": 3}


class Killed(BaseException):
    """As if the process had ended: nothing of ours catches it."""


@dataclass
class Mortal:
    """Whatever a job talks to; dies before or after its n-th call that changes something."""

    target: Any
    budget: list[int]
    after: bool
    changing: tuple[str, ...] = ("put_object_tagging", "copy_object", "delete_object", "publish", "settle")

    def __getattr__(self, name: str) -> Any:
        found = getattr(self.target, name)
        if name not in self.changing:
            return found

        def call(*given: Any, **more: Any) -> Any:
            self.budget[0] -= 1
            if self.budget[0] == 0 and not self.after:
                raise Killed
            answer = found(*given, **more)
            if self.budget[0] == 0:
                raise Killed
            return answer

        return call


@dataclass(frozen=True)
class MortalStore:
    bucket: str
    tenant: str
    s3: Any


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize(
    ("content", "steps", "end"),
    [(sound.wav(0.1), 2, ("clean", None)), (HARMFUL, 4, ("infected", "Eicar-Test-Signature"))],
    ids=["clean", "infected"],
)
def test_killed_at_any_step_the_next_run_ends_it_as_if_nothing_had_been(
    scene: Scene, content: bytes, steps: int, end: tuple[Any, ...], after: bool
) -> None:
    for number in range(1, steps + 1):
        stored = scene.add(content, name=f"{PROJECT}/{number}.wav")
        budget = [number]
        job = scene.job(
            store=MortalStore(scene.store.bucket, TENANT, Mortal(scene.store.s3, budget, after)),
            queue=Mortal(Queue(scene.world.scanner_url), budget, after),
            alarm=Alarm(Mortal(scene.sns, budget, after), scene.topic),
        )
        with pytest.raises(Killed):
            job.run()
        assert budget == [0], "it died where it was to"
        # Within its ten minutes nobody else takes it.
        scene.job().run()
        scene.world.run(DUE)
        scene.job().run()
        assert scene.verdict(stored) == end
        if end[0] == "clean":
            assert scene.tags(stored.key) == {"scan": "clean"}
        else:
            assert scene.versions(stored.key) == 0
            assert scene.tags(f"quarantine/{stored.key}") == {"scan": "infected"}
        assert scene.world.run(RECORDED, stored.name) == [(end[0], True)]
    told = scene.world.run(TOLD)
    assert len(told) == (0 if end[0] == "clean" else steps), "each owner was told once"
    # Who died between telling and noting that it was told tells again.
    heard = {alarm["version"] for alarm in scene.alarms()}
    assert len(heard) == (0 if end[0] == "clean" else steps)


@dataclass
class Broken(TestSignatures):
    """An engine that can't say."""

    error: BaseException

    def scan(self, chunks: Iterable[bytes]) -> str | None:
        raise self.error


def test_a_scan_that_fails_is_tried_again_with_longer_waits_and_then_given_up(scene: Scene) -> None:
    stored = scene.add(sound.wav(0.1))
    waits = []
    for _ in range(ATTEMPTS):
        assert scene.verdict(stored) == ("pending", None)
        scene.job(engine=Broken(ScanError("clamd can't tell"))).run()
        waits += scene.world.run("select round(extract(epoch from due_at - now())) from private.object_scans")[0]
        scene.world.run(DUE)
    assert [round(wait / 30) for wait in waits[:-1]] == [1, 4, 16, 64]
    assert scene.verdict(stored) == ("failed", "gave up after 5 attempts: clamd can't tell")
    assert scene.world.run(RECORDED, stored.name) == [("failed", True)]
    assert scene.versions(stored.key) == 1, "nobody knows that it is harmful"
    assert scene.world.run(TOLD) == [("storage.failed",)]
    (alarm,) = scene.alarms()
    assert (alarm["status"], alarm["name"], alarm["found"]) == (
        "failed",
        stored.name,
        "gave up after 5 attempts: clamd can't tell",
    )


def test_a_topic_that_can_not_be_told_does_not_keep_a_file_from_being_given_up(scene: Scene) -> None:
    stored = scene.add(sound.wav(0.1))
    scene.world.run("update private.object_scans set attempts = %s", ATTEMPTS - 1)
    scene.job(engine=Broken(ScanError("clamd can't tell")), alarm=Alarm(scene.sns, f"{scene.topic}-of-nobody")).run()
    status, found = scene.verdict(stored)
    assert (status, "nor can the alarm topic be notified" in found) == ("failed", True)


def test_what_was_given_up_is_scanned_again_when_asked_for(scene: Scene) -> None:
    stored = scene.add(sound.wav(0.1))
    scene.world.run("update private.object_scans set attempts = %s", ATTEMPTS - 1)
    scene.job(engine=Broken(ScanError("clamd can't tell"))).run()
    job = scene.job()
    job.run()
    assert scene.verdict(stored)[0] == "failed", "not by itself"
    assert job.queue.reopen() == 1
    assert scene.world.run(RECORDED, stored.name) == [("pending", False)]
    job.run()
    assert scene.verdict(stored) == ("clean", None)
    assert scene.world.run(RECORDED, stored.name) == [("clean", True)]
    assert job.queue.reopen() == 0, "and what has a verdict keeps it"


@dataclass
class Blind(TestSignatures):
    """An engine that finds nothing in files of one type."""

    tried: list[Any] = field(default_factory=list)
    version: str = "1"

    def check(self) -> str:
        return f"half blind {self.version}"

    def blind(self, types: Any) -> dict[str, str]:
        self.tried.append(types)
        return {"audio/x-wav": "it looks away", "text/csv": "it looks away"} if self.version == "1" else {}


def test_a_file_of_a_type_to_which_the_engine_is_blind_is_not_called_clean(scene: Scene) -> None:
    wav, ogg = scene.add(sound.wav(0.1)), scene.add(sound.ogg_opus(), "audio/ogg", f"{PROJECT}/one.ogg")
    bad = scene.add(HARMFUL, name=f"{PROJECT}/bad.wav")
    said: list[str | None] = []
    engine = Blind()
    job = scene.job(engine=engine, types={"audio/wav"})
    job.report = lambda scan, verdict: said.append(verdict.found)
    job.run()
    assert job.tally == {"retried": 1, "clean": 1, "infected": 1}
    assert (scene.verdict(wav)[0], scene.verdict(ogg)[0], scene.verdict(bad)[0]) == ("pending", "clean", "infected")
    assert "the engine can't tell of audio/x-wav: it looks away" in said
    assert scene.tags(wav.key) == {}
    job.run()
    assert engine.tried == [{"audio/wav"}], "the same engine is tried once"
    engine.version = "2"
    scene.world.run(DUE)
    job.run()
    assert scene.verdict(wav) == ("clean", None)
    assert len(engine.tried) == 2


def test_a_text_has_no_type_but_the_declared_one(scene: Scene) -> None:
    version = "33333333-3333-4333-8333-333333333333"
    key = f"{TENANT}/avatars/{ADA}/a.csv/{version}"
    scene.store.s3.put_object(Bucket=scene.store.bucket, Key=key, Body=b"a,b\n", ContentType="text/csv")
    scene.world.run(
        STORE, "avatars", f"{ADA}/a.csv", ADA, version, '{"mimetype": "text/csv; charset=utf-8", "size": 4}'
    )
    job = scene.job(engine=Blind())
    job.run()
    assert job.tally == {"retried": 1}


def test_the_row_says_which_engine_decided(scene: Scene) -> None:
    decided = "select status, decided_by from private.object_scans order by name"
    scene.add(sound.wav(0.1), name=f"{PROJECT}/a.wav")
    scene.add(HARMFUL, name=f"{PROJECT}/b.wav")
    assert scene.world.run(decided) == [("pending", None)] * 2
    job = scene.job(engine=Blind(version="ClamAV 1.4.6/27832/Thu Nov 26 09:24:04 2026"))
    job.run()
    engine = "half blind ClamAV 1.4.6/27832/Thu Nov 26 09:24:04 2026"
    assert scene.world.run(decided) == [("clean", engine), ("infected", engine)]


def test_a_file_over_which_each_scanner_dies_is_given_up_too(scene: Scene) -> None:
    stored = scene.add(sound.wav(0.1))
    for _ in range(ATTEMPTS):
        with pytest.raises(MemoryError):
            scene.job(engine=Broken(MemoryError())).run()
        assert scene.verdict(stored) == ("pending", None)
        scene.world.run(DUE)
    scene.job().run()
    assert scene.verdict(stored) == ("failed", "gave up after 5 attempts: no scanner came to an end")


def test_an_interrupted_scan_is_free_at_once(scene: Scene) -> None:
    stored = scene.add(sound.wav(0.1))
    with pytest.raises(KeyboardInterrupt):
        scene.job(engine=Broken(KeyboardInterrupt())).run()
    scene.job().run()
    assert scene.verdict(stored) == ("clean", None)


def test_an_engine_that_is_down_takes_no_file(scene: Scene) -> None:
    scene.add(sound.wav(0.1))
    job = scene.job(engine=Broken(ScanError("")))
    job.engine.check = lambda: (_ for _ in ()).throw(EngineDownError("clamd doesn't answer"))  # type: ignore[method-assign]
    with pytest.raises(EngineDownError):
        job.run()
    assert scene.world.run("select attempts from private.object_scans") == [(0,)]


def test_a_row_without_a_file_is_given_up_after_its_attempts(scene: Scene) -> None:
    stored = scene.add(sound.wav(0.1))
    scene.store.s3.delete_object(Bucket=scene.store.bucket, Key=stored.key)
    for _ in range(ATTEMPTS):
        scene.job().run()
        scene.world.run(DUE)
    status, found = scene.verdict(stored)
    assert (status, found) == ("failed", "gave up after 5 attempts: there is no such file in the object store")


def test_a_file_that_is_overwritten_while_it_is_scanned_gets_no_verdict_of_the_old_one(scene: Scene) -> None:
    stored = scene.add(sound.wav(0.1))

    class Meanwhile(TestSignatures):
        def scan(self, chunks: Iterable[bytes]) -> str | None:
            scene.world.run("update storage.objects set version = gen_random_uuid() where version = %s", stored.version)
            return super().scan(chunks)

    (scan,) = Queue(scene.world.scanner_url).take()
    job = scene.job(engine=Meanwhile())
    job.scan(scan)
    assert job.tally == {}
    assert scene.world.run("select status from private.object_scans") == [("pending",)]


def test_what_was_sent_again_by_the_same_form_is_not_tagged_clean(scene: Scene) -> None:
    stored = scene.add(sound.wav(0.1))

    class Meanwhile(TestSignatures):
        def scan(self, chunks: Iterable[bytes]) -> str | None:
            found = super().scan(chunks)
            scene.store.s3.put_object(Bucket=scene.store.bucket, Key=stored.key, Body=HARMFUL)
            return found

    scene.job(engine=Meanwhile()).run()
    assert scene.tags(stored.key) == {}, "the tag is on the version that was scanned"


def test_a_key_that_only_begins_alike_stays(scene: Scene) -> None:
    stored = scene.add(HARMFUL)
    scene.store.s3.put_object(Bucket=scene.store.bucket, Key=stored.key + "0", Body=b"another")
    scene.job().run()
    assert (scene.versions(stored.key), scene.versions(stored.key + "0")) == (0, 1)


def test_a_store_that_is_away_uses_up_no_attempt_and_is_no_verdict(scene: Scene) -> None:
    """Before the first file is taken, and while one is looked at."""
    stored = scene.add(sound.wav(0.1))
    away = replace(scene.store, endpoint="http://127.0.0.1:1")
    with pytest.raises(EngineDownError, match=r"AWS: An error occurred \(SignatureDoesNotMatch\)"):
        scene.job(store=replace(scene.store, secret_key="guessed")).run()
    with pytest.raises(EngineDownError, match="AWS: Could not connect"):
        scene.job(store=away).run()
    (scan,) = Queue(scene.world.scanner_url).take()
    with pytest.raises(EngineDownError, match="AWS: Could not connect"):
        scene.job(store=away).scan(scan)
    assert scene.world.run("select status, attempts from private.object_scans") == [("pending", 0)]
    scene.job().run()
    assert scene.verdict(stored) == ("clean", None)


class Unreadable(Mortal):
    """A store that answers, and gives this one file to nobody."""

    def __getattr__(self, name: str) -> Any:
        if name == "get_object":
            raise ClientError({"Error": {"Code": "AccessDenied"}}, "GetObject")
        return getattr(self.target, name)


def test_a_file_that_can_not_be_read_is_a_failed_attempt(scene: Scene) -> None:
    stored = scene.add(sound.wav(0.1))
    store = MortalStore(scene.store.bucket, TENANT, Unreadable(scene.store.s3, [0], after=True))
    job = scene.job(store=store)
    job.run()
    assert (job.tally, scene.verdict(stored)) == ({"retried": 1}, ("pending", None))


# Called clean before, and so perhaps at the CDN.


def unserved(scene: Scene) -> list[tuple[Any, ...]]:
    """What the CDN is to forget."""
    return scene.world.run("select bucket_id, object_path, version from private.unserved_files")


@pytest.fixture
def served(scene: Scene) -> Stored:
    """A file that is clean, with its tag."""
    scene.world.run("delete from private.unserved_files")
    stored = scene.add(sound.wav(0.1))
    scene.job().run()
    assert (scene.tags(stored.key), unserved(scene)) == ({"scan": "clean"}, []), "the CDN may have it now"
    return stored


RETYPE = """update storage.objects set metadata = metadata || '{"mimetype": "audio/%s"}' where version = %%s"""


@pytest.mark.parametrize("dies", [False, True], ids=["another type", "its scanner dies"])
def test_what_waits_for_a_verdict_again_is_served_no_longer(scene: Scene, served: Stored, dies: bool) -> None:
    if dies:
        scene.world.run("update private.object_scans set status = 'pending', scanned_at = null, due_at = now()")
    else:
        scene.world.run(RETYPE % "x-wav", served.version)
    scene.job(engine=Broken(ScanError("not now"))).run()
    assert scene.tags(served.key) == {"scan": "pending"}
    assert unserved(scene) == [("audio", served.name, served.version)]
    scene.world.run(DUE)
    scene.job().run()
    assert (scene.verdict(served), scene.tags(served.key)) == (("clean", None), {"scan": "clean"})
    assert len(unserved(scene)) == 1, "nothing had called it clean since"


@pytest.mark.parametrize("engine", [TestSignatures(), GuardDuty()], ids=["clamav", "guardduty"])
def test_what_was_clean_and_is_found_bad_later_is_forgotten_by_the_cdn(
    scene: Scene, served: Stored, engine: Any
) -> None:
    """Also where its scanner has deleted the file, and dies before anybody says that the CDN may have it."""
    if isinstance(engine, GuardDuty):
        tag(scene, served, "NO_THREATS_FOUND")
    scene.world.run(RETYPE % "ogg", served.version)
    store = MortalStore(scene.store.bucket, TENANT, Mortal(scene.store.s3, [1], True, ("delete_object",)))
    with pytest.raises(Killed):
        scene.job(engine=engine, store=store).run()
    scene.world.run("delete from private.unserved_files")
    scene.world.run(DUE)
    scene.job(engine=engine).run()
    assert scene.verdict(served)[0] == "refused"
    assert unserved(scene) == [("audio", served.name, served.version)]
    assert scene.tags(f"quarantine/{served.key}") == {"scan": "refused"}


def test_what_guardduty_has_called_clean_and_we_refuse_is_forgotten_by_the_cdn(scene: Scene) -> None:
    scene.world.run("delete from private.unserved_files")
    stored = scene.add(sound.wav(0.1), type="audio/ogg")
    tag(scene, stored, "NO_THREATS_FOUND")
    scene.job(engine=GuardDuty()).run()
    assert scene.verdict(stored)[0] == "refused"
    assert unserved(scene) == [("audio", stored.name, stored.version)]


def test_a_file_that_every_scanner_dies_over_is_served_no_longer(scene: Scene, served: Stored) -> None:
    scene.world.run("update private.object_scans set status = 'pending', scanned_at = null, attempts = 9")
    scene.world.run(DUE)
    scene.job().run()
    assert (scene.verdict(served)[0], scene.tags(served.key)) == ("failed", {"scan": "pending"})
    assert unserved(scene) == [("audio", served.name, served.version)]


def test_with_clamav_what_hides_behind_an_id3_tag_goes_into_quarantine(scene: Scene, tmp_path: Path) -> None:
    good = scene.add(sound.mp3(), "audio/mpeg", f"{PROJECT}/good.mp3")
    bad = scene.add(b"ID3\x04\0\0\0\0\0\0" + sound.mp3() + OURS, "audio/mpeg", f"{PROJECT}/bad.mp3")
    with daemon(tmp_path) as clamd:
        job = scene.job(engine=clamd, types={"audio/mpeg", "application/zip"})
        job.run()
        decided = scene.world.run("select distinct decided_by from private.object_scans")
        assert decided == [(clamd.check(),)]
    assert (job.blind, scene.verdict(good)) == ({}, ("clean", None))
    assert scene.verdict(bad) == ("infected", "Vpb-Test-Signature.UNOFFICIAL")


# GuardDuty, whose part the test plays: it puts the tags.


def tag(scene: Scene, stored: Stored, status: str, **more: str) -> None:
    tags = {"TagSet": [{"Key": "GuardDutyMalwareScanStatus", "Value": status}]}
    scene.store.s3.put_object_tagging(Bucket=scene.store.bucket, Key=stored.key, Tagging=tags, **more)


def test_what_guardduty_calls_clean_is_clean_and_keeps_guardduty_s_tag_alone(scene: Scene) -> None:
    stored = scene.add(sound.wav(0.1))
    tag(scene, stored, "NO_THREATS_FOUND")
    job = scene.job(engine=GuardDuty())
    job.run()
    assert job.tally == {"clean": 1}
    assert scene.verdict(stored) == ("clean", None)
    assert scene.tags(stored.key) == {"GuardDutyMalwareScanStatus": "NO_THREATS_FOUND"}
    assert scene.world.run(RECORDED, stored.name) == [("clean", True)]


def test_what_guardduty_calls_a_threat_goes_into_quarantine_and_everybody_hears_of_it(scene: Scene) -> None:
    stored = scene.add(sound.wav(0.1))
    tag(scene, stored, "THREATS_FOUND")
    scene.job(engine=GuardDuty()).run()
    assert scene.verdict(stored) == ("infected", "GuardDuty: THREATS_FOUND")
    assert scene.versions(stored.key) == 0
    assert scene.tags(f"quarantine/{stored.key}") == {"scan": "infected"}
    assert scene.world.run(TOLD) == [("storage.infected",)]
    assert [alarm["found"] for alarm in scene.alarms()] == ["GuardDuty: THREATS_FOUND"]


def test_guardduty_does_not_look_at_the_type_so_we_do(scene: Scene) -> None:
    stored = scene.add(b"<!doctype html><script>alert(1)</script>")
    tag(scene, stored, "NO_THREATS_FOUND")
    scene.job(engine=GuardDuty()).run()
    assert scene.verdict(stored) == ("refused", "declared as audio/wav, and is none")
    assert scene.versions(stored.key) == 0
    assert scene.tags(f"quarantine/{stored.key}") == {"scan": "refused"}


def test_what_guardduty_has_not_tagged_is_not_read_and_due_again_more_and_more_seldom_for_a_day(scene: Scene) -> None:
    stored = scene.add(sound.wav(0.1))
    engine, waits = GuardDuty(), []
    reads: list[str] = []
    scene.store.s3.meta.events.register("before-call.s3.GetObject", lambda **_: reads.append("read"), "noted")
    for _ in engine.waits:
        job = scene.job(engine=engine)
        job.run()
        assert (job.tally, scene.verdict(stored)) == ({"waiting": 1}, ("pending", None))
        ((wait,),) = scene.world.run("select extract(epoch from due_at - now()) from private.object_scans")
        waits.append(round(wait))
        scene.world.run(DUE)
    scene.store.s3.meta.events.unregister("before-call.s3.GetObject", unique_id="noted")
    assert reads == [], "the bucket's policy forbids it"
    assert (waits[0] <= 10, 20 * 3600 < sum(waits) <= 24 * 3600) == (True, True)
    tag(scene, stored, "NO_THREATS_FOUND")
    scene.job(engine=engine).run()
    assert scene.verdict(stored) == ("clean", None), "the last attempt is as good as the first"


@pytest.mark.parametrize(
    ("status", "found"),
    [
        (None, "gave up after 14 attempts: GuardDuty has not tagged it yet"),
        ("ACCESS_DENIED", "gave up after 14 attempts: GuardDuty may not read it: its role lacks a permission"),
        ("FAILED", "gave up after 14 attempts: GuardDuty can't tell: FAILED"),
        ("NO_THREATS_FOUND_YET", "gave up after 14 attempts: GuardDuty can't tell: NO_THREATS_FOUND_YET"),
    ],
)
def test_what_guardduty_never_comes_to_a_verdict_on_is_given_up_and_not_clean(
    scene: Scene, status: str | None, found: str
) -> None:
    stored = scene.add(sound.wav(0.1))
    if status:
        tag(scene, stored, status)
    scene.world.run("update private.object_scans set attempts = %s", len(GuardDuty.waits) - 1)
    scene.job(engine=GuardDuty()).run()
    assert scene.verdict(stored) == ("pending", None)
    scene.world.run(DUE)
    scene.job(engine=GuardDuty()).run()
    assert scene.verdict(stored) == ("failed", found)
    assert scene.versions(stored.key) == 1, "nobody knows that it is harmful"
    assert scene.world.run(TOLD) == [("storage.failed",)]


def test_what_guardduty_does_not_scan_is_reported_at_once(scene: Scene) -> None:
    stored = scene.add(sound.wav(0.1))
    tag(scene, stored, "UNSUPPORTED")
    scene.job(engine=GuardDuty()).run()
    assert scene.verdict(stored) == (
        "failed",
        "GuardDuty does not scan it: locked with a password, too large or packed too deep",
    )
    assert scene.world.run(TOLD) == [("storage.failed",)]


def test_a_tag_speaks_for_the_version_that_it_is_on(scene: Scene) -> None:
    stored = scene.add(sound.wav(0.1))
    tag(scene, stored, "NO_THREATS_FOUND")
    (scan,) = Queue(scene.world.scanner_url).take()

    class Meanwhile(GuardDuty):
        def scan(self, file: Any) -> str | None:
            found = super().scan(file)
            scene.store.s3.put_object(
                Bucket=scene.store.bucket, Key=stored.key, Body=b"<html>", ContentType="text/html"
            )
            return found

    scene.job(engine=Meanwhile()).scan(scan)
    assert scene.verdict(stored) == ("clean", None), "what was read is what was tagged"
    assert scene.tags(stored.key) == {}, "and what came after has no tag, so nobody reads it"


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_killed_after_guardduty_s_verdict_the_next_run_ends_it(scene: Scene, after: bool) -> None:
    # Copied, deleted, told, settled.
    for number in range(1, 5):
        stored = scene.add(HARMFUL, name=f"{PROJECT}/{number}.wav")
        tag(scene, stored, "THREATS_FOUND")
        budget = [number]
        job = scene.job(
            engine=GuardDuty(),
            store=MortalStore(scene.store.bucket, TENANT, Mortal(scene.store.s3, budget, after)),
            queue=Mortal(Queue(scene.world.scanner_url), budget, after),
            alarm=Alarm(Mortal(scene.sns, budget, after), scene.topic),
        )
        with pytest.raises(Killed):
            job.run()
        scene.world.run(DUE)
        scene.job(engine=GuardDuty()).run()
        assert scene.verdict(stored) == ("infected", "GuardDuty: THREATS_FOUND")
        assert scene.versions(stored.key) == 0
        assert scene.tags(f"quarantine/{stored.key}") == {"scan": "infected"}
