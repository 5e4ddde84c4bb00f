"""A changed declaration of buckets that would reach the files in them is refused before anything is changed."""

import pytest

from harness.engine import CheckRefusal, Refusal

TOKEN = "pg:index:BucketGuard"
SONGS = {"access": "servers", "public": False, "fileSizeLimit": 5000, "retentionDays": 30}


def guarded(**changes):
    values = {**SONGS, **changes}
    return {"buckets": {"songs": {name: value for name, value in values.items() if value is not None}}}


@pytest.fixture
def songs(world):
    """A bucket with two files, and the guard that has seen it."""
    world.engine.create("pg:index:Bucket", {"bucket": "songs", "fileSizeLimit": 5000})
    world.sql(
        """insert into storage.objects (bucket_id, name, created_at, metadata)
           values ('songs', 'old.mp3', now() - interval '20 days', '{"size": 4000}'),
                  ('songs', 'new.mp3', now(), '{"size": 300}')"""
    )
    return world.engine.create(TOKEN, guarded())


REFUSED = [
    ({"buckets": {}}, "bucket songs isn't declared any more and holds 2 files, 4300 bytes; declare it again, or "),
    (
        guarded(public=True),
        "bucket songs: public makes 2 files, 4300 bytes, readable by everybody; if it is meant: `database:allow: "
        "[{what: songs public, reason: WHY, until: YYYY-MM-DD}]` in the stack's file, `up`, and take it out again",
    ),
    (
        guarded(access="people"),
        "bucket songs: access people in place of servers gives 2 files, 4300 bytes, to others; if it is meant: "
        "`database:allow: [{what: songs access people, reason: WHY, until: YYYY-MM-DD}]` in the stack's file, "
        "`up`, and take it out again",
    ),
    (
        guarded(retentionDays=10),
        "bucket songs: retentionDays 10 deletes 1 of its 2 files, 4000 bytes, the oldest of 20",
    ),
    (guarded(fileSizeLimit=1000), "bucket songs: fileSizeLimit 1000 is below 1 of its 2 files, the largest 4000 "),
]


@pytest.mark.parametrize(("declared", "reason"), REFUSED)
def test_what_would_reach_files_is_refused_in_the_preview_with_the_figures(world, songs, declared, reason):
    with pytest.raises(Refusal) as caught:
        world.engine.diff(songs, declared)
    assert reason in str(caught.value)
    assert "\n" not in str(caught.value)
    with pytest.raises(Refusal):
        world.engine.update(songs, declared)


def test_several_reasons_are_named_together(world, songs):
    with pytest.raises(Refusal) as caught:
        world.engine.diff(songs, guarded(public=True, fileSizeLimit=1000))
    assert "public makes 2 files" in str(caught.value)
    assert "fileSizeLimit 1000 is below" in str(caught.value)


@pytest.mark.parametrize(
    ("declared", "allow"),
    [
        (guarded(public=True), "songs public"),
        (guarded(retentionDays=10), "songs retentionDays 10"),
    ],
)
def test_exactly_what_is_allowed_passes(world, songs, declared, allow):
    assert world.engine.diff(songs, {**declared, "allow": [allow]}) != []
    for other in ("other public", "songs retentionDays 11", "songs"):
        with pytest.raises(Refusal):
            world.engine.diff(songs, {**declared, "allow": [other]})


@pytest.mark.parametrize(
    "declared",
    [guarded(retentionDays=21), guarded(retentionDays=None), guarded(fileSizeLimit=4000), guarded(fileSizeLimit=None)],
)
def test_what_reaches_no_file_passes(world, songs, declared):
    world.engine.diff(songs, declared)
    assert world.engine.update(songs, declared).state["buckets"] == declared["buckets"]


def test_an_empty_bucket_may_be_changed_and_go(world, songs):
    world.sql("begin; set local storage.allow_delete_query = 'true'; delete from storage.objects; commit")
    for declared, _ in REFUSED:
        world.engine.diff(songs, declared)


def test_without_a_state_the_database_says_what_is_public(world, songs):
    with pytest.raises(Refusal, match="songs: public makes 2 files"):
        world.engine.create(TOKEN, guarded(public=True))
    world.sql("update storage.buckets set public = true")
    assert world.engine.create(TOKEN, guarded(public=True)).id == "buckets"
    assert world.engine.create(TOKEN, guarded(public=True), preview=True)


@pytest.fixture
def settings(world, songs):
    """What the database goes by: the bucket's folders are projects'."""
    world.sql("create table private.settings (name text, value jsonb)")
    world.sql("""insert into private.settings values ('bucketAccess', '{"songs": "projects"}')""")
    yield
    world.sql("drop table private.settings")


@pytest.mark.usefixtures("settings")
def test_without_a_state_the_database_says_whose_the_folders_are(world, songs):
    assert world.superuser or world.engine.create(TOKEN, guarded()), "who may not read it is told nothing"
    world.sql("grant select on private.settings to public")
    with pytest.raises(Refusal, match="songs: access servers in place of projects gives 2 files"):
        world.engine.create(TOKEN, guarded(), preview=True)
    assert world.engine.create(TOKEN, guarded(access="projects")).id == "buckets"
    assert world.engine.create(TOKEN, {**guarded(), "allow": ["songs access servers"]}).id == "buckets"
    world.sql("""update private.settings set value = '{}'""")
    assert world.engine.create(TOKEN, guarded()).id == "buckets", "it has been nobody's yet"


def test_a_bucket_that_was_declared_public_before_is_no_news(world, songs):
    """Somebody closed it manually: `up` opens it again, as declared."""
    world.sql("update storage.buckets set public = true")
    thing = world.engine.update(songs, guarded(public=True))
    world.sql("update storage.buckets set public = false")
    assert world.engine.diff(thing, guarded(public=True)) == []


def test_a_refresh_compares_with_what_was_declared_and_refuses_nothing(world, songs):
    world.sql("update storage.objects set metadata = '{\"size\": 9000}'")
    assert world.engine.refresh(songs).state == songs.state


def test_before_there_is_a_server_there_is_nothing_to_guard(unconnected):
    assert unconnected.create(TOKEN, guarded(public=True), preview=True)


def test_odd_values_are_refused(world):
    with pytest.raises(CheckRefusal, match="buckets: entry songs must be a map"):
        world.engine.create(TOKEN, {"buckets": {"songs": True}})
