"""The Storage API's start and requests on what the program makes, by the double and, where it is built, the real one.

`VPB_STORAGE_API=<folder of a built checkout>` runs each case against both; CONTRIBUTING.md.
"""

import itertools
import os
import shlex
import time
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from visual_prompt_builder.signing import Store

from harness import scratch
from harness.stack import Stack
from ops import __main__ as ops
from ops.audit.buckets import RULES
from ops.environment import Environment
from ops.storage import report
from provider.resources.bucket import how_to_empty
from tests.objects import storageapi
from tests.objects.conftest import ADA, BOB, PROJECT
from tests.objects.storageapi import FACTS, SUPER, Answer, Double, Real, Who, described, started
from tests.sql import provision
from tests.sql.provision import Connection

FOLDER = f"{PROJECT}/"
Api = Double | Real
A, B, SERVER, API = Who(subject=ADA), Who(subject=BOB), Who("service_role"), Who(SUPER)
OGG = b"OggS" + bytes(100)
TYPE = "audio/ogg"
KINDS = ["double", *(["real"] if storageapi.FOLDER else [])]


class Place:
    """A provisioned database with rows committed, its stack, and the object bucket."""

    def __init__(self, stack: Stack, connection: Connection, store: Store) -> None:
        self.stack, self.connection, self.store = stack, connection, store
        self.api: Api

    def url(self, login: str) -> str:
        """The database, as a login of ours."""
        state = self.stack.state
        password = next(
            thing.state["password"]
            for name, thing in state.items()
            if thing.token == "pg:index:Password" and f"-{login}-" in name
        )
        info = self.connection.info
        return f"postgresql://{login}:{password}@{info.host}:{info.port}/{info.dbname}"

    def rows(self) -> dict[str, tuple[str, Any]]:
        """Name to version and status of the scan."""
        query = """
            select o.name, o.version, s.status from storage.objects as o
            left join private.object_scans as s using (bucket_id, name, version)
        """
        return {name.removeprefix(FOLDER): rest for name, *rest in self.connection.execute(query.encode()).fetchall()}

    def files(self) -> dict[str, dict[str, str]]:
        """Keys below bucket audio to their tags."""
        s3, prefix = self.store.s3, f"{self.store.tenant}/audio/{FOLDER}"
        found = s3.list_objects_v2(Bucket=self.store.bucket, Prefix=prefix).get("Contents", [])
        return {each["Key"].removeprefix(prefix): self.tags(each["Key"]) for each in found}

    def empty(self) -> None:
        """Delete every file there."""
        for key in self.files():
            full = f"{self.store.tenant}/audio/{FOLDER}{key}"
            self.store.s3.delete_object(Bucket=self.store.bucket, Key=full)

    def tags(self, key: str) -> dict[str, str]:
        found = self.store.s3.get_object_tagging(Bucket=self.store.bucket, Key=key)["TagSet"]
        return {tag["Key"]: tag["Value"] for tag in found}

    def clean(self) -> None:
        """As the scanner leaves what it has found clean."""
        self.connection.execute("update private.object_scans set status = 'clean', scanned_at = now()")
        for key in self.files():
            tags = {"TagSet": [{"Key": "scan", "Value": "clean"}]}
            full = f"{self.store.tenant}/audio/{FOLDER}{key}"
            self.store.s3.put_object_tagging(Bucket=self.store.bucket, Key=full, Tagging=tags)

    def up(self) -> list[str]:
        """The resources that a run had to change."""
        run = self.stack.up()
        assert not run.errors, run.errors
        return sorted(name for name in run.changes if name != "structure-migrations")


_numbers = itertools.count()


@pytest.fixture(scope="module", params=KINDS)
def place(
    request: pytest.FixtureRequest, cluster: Any, frame: Stack, store: Store, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Place]:
    """Provisioned, then the API started as docs/storage.md says; nobody has run `make up` since."""
    name = f"api_{os.getpid()}_{next(_numbers)}"
    database = cluster.create(name, f"frame_{os.getpid()}")
    stack = scratch.go_on(frame, database.url)
    with psycopg.connect(database.url, autocommit=True) as connection:
        connection.execute("set search_path = ''")
        connection.execute("""
            insert into storage.buckets (id, name, allowed_mime_types)
            values ('audio', 'audio', '{audio/ogg}'), ('avatars', 'avatars', '{image/png}')
        """)
        provision.add_people(connection)
        connection.execute("insert into public.projects (id, owner_id, title) values (%s, %s, 'one')", (PROJECT, ADA))
        made = Place(stack, connection, store)
        url = made.url(storageapi.LOGIN)
        if request.param == "double":
            started(connection)
            made.api = double = Double(url, store)
            yield made
            double.connection.close()
        else:
            outputs = {"storage_url": url, "max_object_size": 50_000_000}
            with pytest.MonkeyPatch.context() as patched:
                patched.setattr(Environment, "store", store)
                variables = report.storage_api(Environment("dev", outputs))
            with storageapi.real(variables, tmp_path_factory.mktemp("api") / "log") as made.api:
                yield made
    cluster.drop(name)


def test_its_start_leaves_what_was_recorded_and_make_up_takes_back_what_is_too_much(place: Place) -> None:
    facts = described(place.connection)
    for kind, wanted in FACTS.items():
        assert facts[kind] == wanted, kind
    assert place.up() == ["access-table-storage.buckets", "access-table-storage.objects"]
    run = place.stack.preview()
    assert (run.changes, run.errors) == ({}, {})
    own = {"all": [], "all_with_grant_option": [storageapi.LOGIN]}
    assert described(place.connection) == {**FACTS, "grants": own}


@pytest.fixture
def api(place: Place) -> Iterator[Api]:
    """After `make up`; with no file of another test, nor of another module: the store is the session's."""
    place.up()
    place.empty()
    yield place.api
    place.connection.execute(
        "begin; set local storage.allow_delete_query = 'true'; delete from storage.objects; commit"
    )
    place.connection.execute("delete from private.object_scans")
    place.empty()


def wait_for(found: Callable[[], bool]) -> None:
    """What a job of the real one does when it has answered."""
    deadline = time.monotonic() + 30
    while not found():
        assert time.monotonic() < deadline, "it didn't come"
        time.sleep(0.1)


def ok(answer: Answer) -> Any:
    assert answer.status == 200, answer
    return answer.body


def test_an_upload_its_replacement_and_what_is_refused(place: Place, api: Api) -> None:
    name = f"{FOLDER}one.ogg"
    ok(api.upload(A, "audio", name, OGG, TYPE))
    ((version, status),) = place.rows().values()
    assert (status, place.files()) == ("pending", {f"one.ogg/{version}": {}})
    assert api.upload(A, "audio", name, OGG, TYPE).status == 409
    assert api.upload(B, "audio", f"{FOLDER}two.ogg", OGG, TYPE).status == 403
    assert api.upload(A, "audio", name, OGG, "text/csv").status == 415
    assert api.upload(A, "nowhere", name, OGG, TYPE).status == 404
    ok(api.upload(A, "audio", name, OGG, TYPE, upsert=True))
    ((replaced, _),) = place.rows().values()
    assert (replaced != version, place.files()) == (True, {f"one.ogg/{replaced}": {}})
    assert ok(api.info(A, "audio", name))["version"] == replaced
    assert api.info(B, "audio", name).status == 404
    assert ok(api.list(A, "audio", FOLDER)) == ["one.ogg"]
    assert ok(api.list(B, "audio", FOLDER)) == []


def test_a_resumable_upload_leaves_its_note_without_tags(place: Place, api: Api) -> None:
    parts = (OGG + bytes(6 * 1024 * 1024), OGG)
    ok(api.upload_in_parts(A, "audio", f"{FOLDER}long.ogg", parts, TYPE))
    ((version, status),) = place.rows().values()
    assert status == "pending"
    assert place.files() == {f"long.ogg/{version}": {}, f"long.ogg/{version}.info": {}}
    assert ok(api.info(A, "audio", f"{FOLDER}long.ogg"))["size"] == sum(map(len, parts))
    assert api.upload_in_parts(B, "audio", f"{FOLDER}other.ogg", (OGG,), TYPE).status == 403
    assert ok(api.delete_many(A, "audio", [f"{FOLDER}long.ogg"])) == [f"{FOLDER}long.ogg"]
    assert place.files() == {}


def test_a_signed_upload(place: Place, api: Api) -> None:
    signed = ok(api.sign_upload(A, "audio", f"{FOLDER}signed.ogg"))
    assert api.sign_upload(B, "audio", f"{FOLDER}signed.ogg").status == 403
    assert api.upload_signed(signed, OGG, "application/json").status == 415
    ok(api.upload_signed(signed, OGG, TYPE))
    assert api.upload_signed(signed, OGG, TYPE).status == 409
    assert list(place.rows()) == ["signed.ogg"]


def test_a_copy_and_a_move_take_tags_along_and_are_scanned_anew(place: Place, api: Api) -> None:
    one, two, three = (f"{FOLDER}{name}.ogg" for name in ("one", "two", "three"))
    ok(api.upload(A, "audio", one, OGG, TYPE))
    place.clean()
    ok(api.copy(A, "audio", one, two))
    assert api.copy(B, "audio", one, three).status == 404
    ok(api.move(A, "audio", one, three))
    rows = place.rows()
    assert {name: status for name, (_, status) in rows.items()} == {"two.ogg": "pending", "three.ogg": "pending"}
    assert place.files() == {f"{name}/{version}": {"scan": "clean"} for name, (version, _) in rows.items()}
    ok(api.delete(A, "audio", two))
    assert api.delete(B, "audio", three).status == 403
    assert ok(api.delete_many(B, "audio", [three])) == []
    assert list(place.rows()) == ["three.ogg"]
    assert len(place.files()) == 1


def test_buckets_are_emptied_and_deleted_as_messages_advise(
    place: Place, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    ok(api.create_bucket(SERVER, "an extra"))
    assert api.create_bucket(API, "more").status == 403
    for name in ("clean.ogg", "clean.ogg", "pending.ogg"):
        ok(api.upload(SERVER, "an extra", name, OGG, TYPE, upsert=True))
    place.connection.execute(
        "update private.object_scans set status = 'clean', scanned_at = now() where name = 'clean.ogg'"
    )
    # Why no message names the API's own ways.
    assert api.empty(SERVER, "an extra").status == 403
    ok(api.empty(API, "an extra"))
    wait_for(lambda: list(place.rows()) == ["pending.ogg"])
    assert api.delete_bucket(SERVER, "an extra").status == 403
    assert api.delete_bucket(API, "an extra").status == 403
    environment = Environment("dev", {"cleaner_url": place.url("cleaner"), "cdn_distribution": "none"})
    monkeypatch.setattr(Environment, "of", lambda stack: environment)
    monkeypatch.setattr(Environment, "store", place.store)
    monkeypatch.setattr(Environment, "edge", None)
    (rule,) = (rule for rule in RULES if rule.id == "bucket-undeclared")
    command, _, statements = rule.repair.format(word="'an extra'", literal="'an extra'").partition(", then in one ")
    command = command.partition("; or ")[2]
    assert f"`{command}`" in how_to_empty("an extra"), "the advice of `up` is the same"
    assert ops.main(shlex.split(command)[1:]) == 0
    assert place.rows() == {}
    found = place.store.s3.list_object_versions(Bucket=place.store.bucket, Prefix=f"{place.store.tenant}/an extra/")
    assert not found.get("Versions")
    assert not found.get("DeleteMarkers")
    with place.connection.transaction():
        place.connection.execute(statements.partition(" ")[2].encode())
    assert place.connection.execute("select from storage.buckets where id = 'an extra'").fetchone() is None


def test_an_upgrade_is_no_drift_and_what_is_ours_still_is(place: Place, api: Api) -> None:
    """After all cases of the real one: what its next version brings, no case of it can know."""
    started(place.connection, "2")
    assert set(place.up()) == {"access-table-storage.buckets", "access-table-storage.objects"}
    assert place.stack.preview().changes == {}
    for statement, named in (
        ("create policy more on storage.objects for select to anon using (true)", "access-storage.objects"),
        ("alter policy objects_select_cleaner on storage.objects using (false)", "access-objects_select_cleaner"),
        ("alter table storage.objects disable trigger _100_check_limits", "snapshot-schema"),
        ("grant truncate on storage.objects to anon", "access-table-storage.objects"),
        ("alter function storage.foldername(text) security definer", "snapshot-schema"),
        ("grant execute on function storage.foldername(text) to public", "access-functions-storage"),
    ):
        with place.connection.transaction():
            place.connection.execute(statement.encode())
        found = place.stack.preview()
        assert named in found.changes, statement
        if named == "snapshot-schema":
            undone = statement.replace("disable", "enable").replace("security definer", "security invoker")
            place.connection.execute(undone.encode())
        place.up()
    assert place.stack.preview().changes == {}
