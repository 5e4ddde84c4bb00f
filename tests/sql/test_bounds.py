"""What people write is bounded before it costs: documents, paths, time zones; and what is public has a maker."""

import json
import time
from typing import Any

import psycopg
import pytest

from tests.sql.provision import ADA, Connection, acting_as, add_file, refused, row

ME = {"sub": ADA}
SETTINGS = "update public.users set settings = %s"
GENERATIONS = [f"prompt_generations {status}" for status in ("running", "succeeded", "failed", "cancelled")]
COLUMNS = """
select quote_ident(attname) from pg_attribute
where attrelid = %s::regclass and attnum > 0 and not attisdropped order by attnum"""


def nested(depth: int) -> str:
    return '{"a": ' * depth + "1" + "}" * depth


@pytest.mark.parametrize(
    ("document", "fits"),
    [
        (nested(32), True),
        (nested(34), False),
        (nested(5000), False),
        (json.dumps({"a": [0] * 20_000}), True),
        (json.dumps({"a": "x" * 65_537}), False),
        ('{"a": [1e308, -1e308, 1e-308, 0.1, 0]}', True),
        ('{"a": 1e309}', False),
        ('{"a": {"b": [1, -1e131000]}}', False),
        ('{"a": 1e-16000}', False),
        ('{"a": [' + ",".join(["1e131071"] * 5000) + "]}", False),
    ],
    ids=[
        "32 deep",
        "34 deep",
        "5000 deep",
        "64 KB of digits",
        "too long",
        "doubles",
        "too large",
        "deep and large",
        "too small",
        "many that are too large",
    ],
)
def test_a_document_is_bounded_in_depth_and_size(people: Connection, document: str, fits: bool) -> None:
    with acting_as(people, "authenticated", ME) as session:
        if fits:
            session.execute(SETTINGS, [document])
        else:
            assert "users_settings_check" in refused(session, psycopg.errors.CheckViolation, SETTINGS, document)


def test_a_document_of_many_megabytes_is_refused_without_being_written_as_text(people: Connection) -> None:
    document = json.dumps({"a": ["x" * 100] * 200_000})
    with acting_as(people, "authenticated", ME) as session:
        started = time.monotonic()
        refused(session, psycopg.errors.CheckViolation, SETTINGS, document)
        taken = time.monotonic() - started
        started = time.monotonic()
        session.execute("select %s::jsonb is null", [document])
        assert taken < 4 * (time.monotonic() - started) + 0.5, "hardly more than reading it"


@pytest.mark.parametrize(
    ("zone", "error"),
    [
        ("Europe/Zurich", None),
        ("Etc/GMT+5", None),
        ("America/Argentina/Buenos_Aires", None),
        ("Not/AZone", psycopg.errors.InvalidParameterValue),
        ("Nowhere", psycopg.errors.InvalidParameterValue),
        ("ABC5", psycopg.errors.InvalidParameterValue),
        ("<x>+1", psycopg.errors.InvalidParameterValue),
        ("", psycopg.errors.InvalidParameterValue),
        ("BST", psycopg.errors.InvalidParameterValue),
        ("localtime", psycopg.errors.InvalidParameterValue),
        ("a/+5", psycopg.errors.InvalidParameterValue),
        ("posix/Europe/Berlin", psycopg.errors.InvalidParameterValue),
        ("UTC", None),
    ],
)
def test_a_time_zone_is_one_that_the_server_knows(people: Connection, zone: str, error: Any) -> None:
    with acting_as(people, "authenticated", ME) as session:
        statement = "update public.users set time_zone = %s"
        if error:
            refused(session, error, statement, zone)
        else:
            session.execute(statement, [zone])


@pytest.mark.parametrize(
    ("path", "fits"),
    [
        ("b c.mp3", True),
        ("..b/c..mp3", True),
        ("../b.mp3", False),
        ("./b.mp3", False),
        ("/b.mp3", False),
        ("b/", False),
        ("", False),
        ("b/..", False),
        ("a\\b.mp3", False),
        ("\u00fc.mp3", False),
        ("a#b.mp3", False),
        ("x" * 813, True),
        ("x" * 814, False),
        ("a\nb.mp3", False),
    ],
)
def test_a_recording_s_path_is_one_name_however_it_is_read(people: Connection, path: str, fits: bool) -> None:
    (project,) = row(people, "select id from public.projects limit 1")
    insert = "insert into public.audio_recordings (project_id, object_path) values (%s, %s)"
    # No file has such a name: its table refuses them too.
    people.execute("drop trigger _120_check_name on storage.objects")
    add_file(people, f"{project}/{path}")
    if fits:
        people.execute(insert, [project, f"{project}/{path}"])
    else:
        refused(people, psycopg.errors.CheckViolation, insert, project, f"{project}/{path}")


def test_a_recording_is_of_a_file_of_its_own_project_in_their_bucket(people: Connection) -> None:
    (project, other) = (id for (id,) in people.execute("select id from public.projects limit 2").fetchall())
    add_file(people, f"{other}/a.ogg")
    add_file(people, f"{project}/a.ogg", "other")
    insert = "insert into public.audio_recordings (bucket_id, project_id, object_path) values (%s, %s, %s)"
    refused(people, psycopg.errors.CheckViolation, insert, "audio", project, f"{other}/a.ogg")
    refused(people, psycopg.errors.CheckViolation, insert, "other", project, f"{project}/a.ogg")
    refused(people, psycopg.errors.ForeignKeyViolation, insert, "audio", project, f"{project}/a.ogg")


def test_a_recording_that_names_no_bucket_is_in_the_only_one_of_projects(people: Connection) -> None:
    (project,) = row(people, "select id from public.projects limit 1")
    insert = "insert into public.audio_recordings (project_id, object_path) values (%s, %s) returning bucket_id"
    access = "update private.settings set value = %s where name = 'bucketAccess'"
    add_file(people, f"{project}/a.ogg", "songs")
    for value, found in (({"songs": "projects", "audio": "people"}, "songs"), ({"songs": "people"}, None)):
        people.execute(access.encode(), (json.dumps(value),))
        if found:
            with acting_as(people, "service_role") as session:
                assert row(session, insert, (project, f"{project}/a.ogg")) == (found,)
        else:
            refused(people, psycopg.errors.CheckViolation, insert, project, f"{project}/a.ogg")
    people.execute(access.encode(), (json.dumps({"songs": "projects", "audio": "projects"}),))
    refused(people, psycopg.Error, insert, project, f"{project}/a.ogg")


def test_visitors_see_who_made_what_is_public_and_nobody_else(people: Connection) -> None:
    with acting_as(people, "anon", {"role": "anon"}) as session:
        query = "select display_name, count(*) from public.project_owners(%s) group by 1 order by 1"
        people.execute("reset role")
        everything = [id for (id,) in people.execute("select id from public.projects").fetchall()]
        people.execute("set local role anon")
        assert session.execute(query, [everything]).fetchall() == [("Ada", 1), ("Bob", 1)]


@pytest.mark.parametrize("table", ["projects", "prompt_generations", "audio_recordings", "project_components", "users"])
def test_a_row_that_was_read_can_be_written_back_whole(people: Connection, table: str) -> None:
    """PostgREST upserts what it is sent; a generated column would be an error (428C9)."""
    generated = "select attname from pg_attribute where attrelid = %s::regclass and attgenerated <> ''"
    assert people.execute(generated, [f"public.{table}"]).fetchall() == []


@pytest.mark.parametrize(
    "table",
    ["users", "projects", "collaborators", "audio_recordings", "project_components", *GENERATIONS],
)
def test_a_server_upserts_a_row_as_it_was_read(people: Connection, table: str) -> None:
    table, _, status = table.partition(" ")
    (project,) = row(people, "select id from public.projects where owner_id = %s and title = 'private'", (ADA,))
    insert = "insert into public.{} (project_id, {}) values (%s, %s) returning id"
    for each, column, value in (
        ("collaborators", "email", "eve@example.org"),
        ("project_components", "kind", "text"),
        ("audio_recordings", "object_path", add_file(people, f"{project}/a.ogg")),
    ):
        people.execute(insert.format(each, column).encode(), (project, value))
    generation = (
        "insert into public.prompt_generations (project_id, created_by, prompt, provider, model, status) "
        "values (%s, %s, 'p', 'x', 'm', 'running') returning id"
    )
    (id,) = row(people, generation, (project, ADA))
    if status not in ("", "running"):
        end = "update public.prompt_generations set status = %s, response = 'r', error = 'e' where id = %s"
        people.execute(end.encode(), (status, id))
    with acting_as(people, "service_role", {"role": "service_role"}) as session:
        columns = [name for (name,) in session.execute(COLUMNS, [f"public.{table}"])]
        before = session.execute(f"select to_jsonb(t) from public.{table} as t order by id".encode()).fetchall()
        assert before
        # As PostgREST writes it.
        upsert = (
            f"insert into public.{table} ({', '.join(columns)}) "
            f"select {', '.join(columns)} from jsonb_populate_recordset(null::public.{table}, %s) "
            f"on conflict (id) do update set {', '.join(f'{name} = excluded.{name}' for name in columns)}"
        )
        session.execute(upsert.encode(), [json.dumps([each for (each,) in before])])
        after = session.execute(f"select to_jsonb(t) from public.{table} as t order by id".encode()).fetchall()
    for each in (*before, *after):
        each[0].pop("updated_at")
        each[0].pop("revision", None)
    assert after == before


def test_a_project_is_put_away_at_a_time_and_not_at_infinity(people: Connection) -> None:
    archive = "update public.projects set archived_at = %s"
    with acting_as(people, "authenticated", ME) as session:
        session.execute(archive, ["2026-01-01"])
        for never in ("infinity", "-infinity"):
            assert "projects_archived_at_check" in refused(session, psycopg.errors.CheckViolation, archive, never)
