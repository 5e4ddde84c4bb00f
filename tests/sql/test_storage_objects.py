"""storage.objects: each person's folder in bucket avatars, the guard on deletes, and the platform's functions.

What projects have in bucket audio is in test_project_files.py.
"""

import contextlib
import json

import psycopg
import pytest

from tests.sql.provision import ADA, BOB, acting_as, refused, row

SIGNED_IN = {"sub": ADA, "role": "authenticated"}
UPLOAD = 'insert into storage.objects (bucket_id, name, metadata) values (%s, %s, \'{"mimetype": "audio/ogg"}\')'
NAMES = "select bucket_id, name from storage.objects order by 1, 2"


@pytest.fixture
def avatars(people):
    """Buckets avatars and other; Ada and Bob have a recording in each, in their own folders."""
    people.execute("insert into storage.buckets (id, name) values ('avatars', 'avatars'), ('other', 'other')")
    for person in (ADA, BOB):
        for bucket in ("avatars", "other"):
            people.execute(UPLOAD.encode(), (bucket, f"{person}/one.ogg"))
    return people


def test_a_person_sees_their_own_folder_of_bucket_avatars_only(avatars):
    with acting_as(avatars, "authenticated", SIGNED_IN) as session:
        assert session.execute(NAMES.encode()).fetchall() == [("avatars", f"{ADA}/one.ogg")]
    assert len(avatars.execute(NAMES.encode()).fetchall()) == 4


@pytest.mark.parametrize("role", ["anon", "authenticated"])
def test_nobody_sees_a_file_without_a_subject(avatars, role):
    with acting_as(avatars, role, {"role": role}) as session:
        assert session.execute(NAMES.encode()).fetchall() == []
    assert len(avatars.execute(NAMES.encode()).fetchall()) == 4


@pytest.mark.parametrize("name", ["two.ogg", "project/two.ogg", "a/b/c/two.ogg", "a b/(c)+d?.ogg"])
def test_a_person_uploads_into_their_own_folder(avatars, name):
    with acting_as(avatars, "authenticated", SIGNED_IN) as session:
        session.execute(UPLOAD.encode(), ("avatars", f"{ADA}/{name}"))
        assert len(session.execute(NAMES.encode()).fetchall()) == 2, "uploaded, but not seen again"


@pytest.mark.parametrize(
    ("bucket", "name"),
    [
        ("avatars", f"{BOB}/two.ogg"),
        ("avatars", "two.ogg"),
        ("avatars", ADA),
        ("avatars", f"x/{ADA}/two.ogg"),
        ("avatars", f"{ADA}0/two.ogg"),
        ("avatars", f"{ADA.upper()}/two.ogg"),
        ("other", f"{ADA}/two.ogg"),
        ("avatars", None),
        (None, f"{ADA}/two.ogg"),
    ],
)
def test_a_person_uploads_nowhere_else(avatars, bucket, name):
    with acting_as(avatars, "authenticated", SIGNED_IN) as session:
        refused(session, psycopg.errors.InsufficientPrivilege, UPLOAD, bucket, name)
    avatars.execute(UPLOAD.encode(), (bucket, name))


PAID = "select objects from private.storage_usage where folder_id = %s and bucket_id = ''"
ACCESS = {
    # Who reads, writes, deletes in the folder of their own, and in that of the project that they edit.
    "people": (("r", "w", "d"), ()),
    "inbox": (("r", "d"), ()),
    "projects": ((), ("r", "w", "d")),
    "servers": ((), ()),
    None: ((), ()),
}


@pytest.mark.parametrize(("access", "rights"), ACCESS.items())
def test_who_may_what_in_a_new_bucket_is_declared_with_it(avatars, access, rights):
    if access:
        avatars.execute(
            "update private.settings set value = value || jsonb_build_object('fresh', %s::text) "
            "where name = 'bucketAccess'",
            (access,),
        )
    avatars.execute("insert into storage.buckets (id, name) values ('fresh', 'fresh')")
    project = row(avatars, "select id::text from public.projects where owner_id = %s limit 1", (ADA,))[0]
    for folder, expected in ((ADA, rights[0]), (project, rights[1]), ("logos", ())):
        if folder in {"projects": (ADA, "logos"), "people": (project,), "inbox": (project,)}.get(access, ()):
            refused(avatars, psycopg.errors.ForeignKeyViolation, UPLOAD, "fresh", f"{folder}/one.ogg")
            continue
        before = row(avatars, PAID, (ADA,))[0]
        avatars.execute(UPLOAD.encode(), ("fresh", f"{folder}/one.ogg"))
        avatars.execute("update storage.objects set version = 'v' where bucket_id = 'fresh'")
        avatars.execute(
            "update private.object_scans set status = 'clean', scanned_at = now() where bucket_id = 'fresh'"
        )
        assert may(avatars, f"{folder}/", SIGNED_IN) == set(expected), folder
        assert may(avatars, f"{folder}/", {"sub": BOB, "role": "authenticated"}) == set()
        assert row(avatars, PAID, (ADA,))[0] - before == (1 if expected else 0)


@pytest.mark.parametrize("role", ["authenticated", "service_role"])
@pytest.mark.parametrize("bucket", ["avatars", "exports"])
def test_nobody_stores_for_who_is_no_person_any_more_or_never_was(avatars, role, bucket):
    """Row by row, so whoever writes it: a token and a form outlive their person."""
    avatars.execute("insert into storage.buckets (id, name) values ('exports', 'exports')")
    never = "00000000-0000-7000-8000-0000000000ff"
    avatars.execute("delete from next_auth.users where id = %s", (BOB,))
    for person in (BOB, never):
        with acting_as(avatars, role, {"sub": person, "role": role}) as session:
            either = (psycopg.errors.ForeignKeyViolation, psycopg.errors.InsufficientPrivilege)
            with pytest.raises(either):
                session.execute(UPLOAD.encode(), (bucket, f"{person}/late.png"))
    with acting_as(avatars, "service_role") as session:
        told = refused(session, psycopg.errors.ForeignKeyViolation, UPLOAD, bucket, f"{BOB}/late.png")
        assert told.startswith(f"object {bucket}/{BOB}/late.png: the person of this folder isn't there")
        session.execute(UPLOAD.encode(), (bucket, f"{ADA}/late.png"))
        session.execute(UPLOAD.encode(), (bucket, "logos/late.png"))


def test_who_pays_changes_with_the_access_of_a_bucket(avatars):
    other = "update private.settings set value = value || %s::text::jsonb where name = 'bucketAccess'"
    assert row(avatars, PAID, (ADA,)) == (1,)
    avatars.execute(other.encode(), ('{"other": "inbox"}',))
    assert row(avatars, PAID, (ADA,)) == (2,)
    avatars.execute("delete from private.settings where name = 'bucketAccess'")
    assert avatars.execute(PAID.encode(), (ADA,)).fetchall() == [], "nobody pays for what is the servers'"


def may(connection, folder, claims):
    """What somebody may in a folder of bucket fresh: read, write, delete."""
    found = set()
    with acting_as(connection, "authenticated", claims) as session:
        one = (f"{folder}one.ogg",)
        if session.execute("select from storage.objects where bucket_id = 'fresh' and name = %s", one).rowcount:
            found.add("r")
        session.execute("set local storage.allow_delete_query = 'true'")
        if session.execute("delete from storage.objects where bucket_id = 'fresh' and name = %s", one).rowcount:
            found.add("d")
        with contextlib.suppress(psycopg.errors.InsufficientPrivilege), session.transaction():
            session.execute(UPLOAD.encode(), ("fresh", f"{folder}three.ogg"))
            found.add("w")
    return found


def test_a_visitor_uploads_nothing(avatars):
    with acting_as(avatars, "anon", {"sub": ADA, "role": "anon"}) as session:
        refused(session, psycopg.errors.InsufficientPrivilege, UPLOAD, "avatars", f"{ADA}/two.ogg")
    avatars.execute(UPLOAD.encode(), ("avatars", f"{ADA}/two.ogg"))


def test_changes_reach_ones_own_files_only_and_do_not_move_them_out(avatars):
    move = "update storage.objects set name = %s"
    with acting_as(avatars, "authenticated", SIGNED_IN) as session:
        assert session.execute(move.encode(), (f"{ADA}/moved.ogg",)).rowcount == 1
        refused(session, psycopg.errors.InsufficientPrivilege, move, f"{BOB}/moved.ogg")
        refused(session, psycopg.errors.InsufficientPrivilege, "update storage.objects set bucket_id = 'other'")


def test_deletes_reach_ones_own_files_only(avatars):
    with acting_as(avatars, "authenticated", SIGNED_IN) as session:
        session.execute("set local storage.allow_delete_query = 'true'")
        assert session.execute("delete from storage.objects").rowcount == 1
    with acting_as(avatars, "anon", {"role": "anon"}) as session:
        session.execute("set local storage.allow_delete_query = 'true'")
        refused(session, psycopg.errors.InsufficientPrivilege, "delete from storage.objects")
    assert len(avatars.execute(NAMES.encode()).fetchall()) == 4


@pytest.mark.parametrize("role", ["postgres", "supabase_storage_admin", "service_role", "authenticated", "anon"])
@pytest.mark.parametrize("table", ["buckets", "objects"])
def test_a_delete_by_sql_is_refused_to_everybody_until_the_transaction_says_so(avatars, role, table):
    for value in (None, "", "false", "TRUE"):
        with acting_as(avatars, role, SIGNED_IN) as session:
            if value is not None:
                session.execute("select set_config('storage.allow_delete_query', %s, true)", (value,))
            message = refused(session, psycopg.errors.InsufficientPrivilege, f"delete from storage.{table}")
            granted = "select has_table_privilege(current_user, %s, 'delete')"
            assert ("orphan" in message) is row(session, granted, (f"storage.{table}",))[0]


def test_with_the_setting_an_empty_bucket_goes_and_a_full_one_stays(avatars):
    avatars.execute("insert into storage.buckets (id, name) values ('empty', 'empty')")
    with acting_as(avatars, "service_role") as session:
        session.execute("set local storage.allow_delete_query = 'true'")
        assert session.execute("delete from storage.buckets where id = 'empty'").rowcount == 1
        message = refused(
            session, psycopg.errors.ForeignKeyViolation, "delete from storage.buckets where id = 'avatars'"
        )
        assert "objects_bucketId_fkey" in message


@pytest.mark.parametrize("role", ["anon", "authenticated", "service_role"])
@pytest.mark.parametrize("table", ["buckets", "objects"])
def test_the_api_roles_cannot_truncate(avatars, role, table):
    with acting_as(avatars, role, SIGNED_IN) as session:
        statement = f"truncate storage.{table} cascade"
        refused(session, psycopg.errors.InsufficientPrivilege, statement)


@pytest.mark.parametrize("role", ["anon", "authenticated"])
def test_people_neither_see_nor_change_buckets(avatars, role):
    with acting_as(avatars, role, SIGNED_IN) as session:
        assert session.execute("select * from storage.buckets").fetchall() == []
        refused(session, psycopg.errors.InsufficientPrivilege, "update storage.buckets set file_size_limit = null")
        refused(
            session, psycopg.errors.InsufficientPrivilege, "insert into storage.buckets (id, name) values ('x', 'x')"
        )
    assert avatars.execute("select count(*) from storage.buckets").fetchone() == (2,)


def test_service_role_works_with_every_file(avatars):
    with acting_as(avatars, "service_role", {"role": "service_role"}) as session:
        assert len(session.execute(NAMES.encode()).fetchall()) == 4
        session.execute(UPLOAD.encode(), ("other", "anywhere.ogg"))


def test_the_storage_apis_login_becomes_the_person_who_asks(avatars):
    with acting_as(avatars, "supabase_storage_admin", SIGNED_IN) as session:
        session.execute("select set_config('role', 'authenticated', true)")
        assert session.execute(NAMES.encode()).fetchall() == [("avatars", f"{ADA}/one.ogg")]


def test_bucket_names_have_100_characters_at_most(avatars):
    insert = "insert into storage.buckets (id, name) values (%s, %s)"
    avatars.execute(insert.encode(), ("long", "x" * 100))
    assert "at most 100" in refused(avatars, psycopg.errors.RaiseException, insert, "longer", "x" * 101)
    rename = "update storage.buckets set name = %s where id = 'avatars'"
    refused(avatars, psycopg.errors.RaiseException, rename, "x" * 101)


def test_a_changed_object_is_dated_and_its_path_is_split(avatars):
    avatars.execute("update storage.objects set updated_at = '2001-01-01' where name = %s", (f"{ADA}/one.ogg",))
    found = (
        "select min(updated_at) > now() - interval '1 hour', min(path_tokens[1]) from storage.objects where name = %s"
    )
    assert avatars.execute(found.encode(), (f"{ADA}/one.ogg",)).fetchone() == (True, ADA)


@pytest.mark.parametrize("kind", ["ENABLED", "SUSPENDED", "anything"])
def test_versioning_cannot_be_switched_on_yet(avatars, kind):
    refused(avatars, psycopg.errors.CheckViolation, "update storage.buckets set versioning_status = %s", kind)


@pytest.mark.parametrize(
    ("path", "folders", "file", "ending"),
    [
        ("a/b/c.tar.gz", ["a", "b"], "c.tar.gz", "gz"),
        ("noext", [], "noext", "noext"),
        ("a/", ["a"], "", ""),
        ("/a", [""], "a", "a"),
    ],
)
def test_paths_come_apart_as_on_the_platform(provisioned, path, folders, file, ending):
    parts = "select storage.foldername(%(p)s), storage.filename(%(p)s), storage.extension(%(p)s)"
    assert provisioned.execute(parts.encode(), {"p": path}).fetchone() == (folders, file, ending)


def test_the_operation_is_what_the_storage_api_says_with_or_without_its_prefix(provisioned):
    ask = (
        "select storage.operation(), storage.allow_only_operation('object.list'), "
        "storage.allow_only_operation('storage.object.list'), storage.allow_only_operation('object.upload'), "
        "storage.allow_any_operation(array['object.upload', 'storage.object.list']), storage.allow_only_operation('')"
    )
    with acting_as(provisioned, "authenticated") as session:
        operation, *doing = row(session, ask)
        # Null in a session that never said one, empty once that transaction is over.
        assert not operation
        assert doing == [False] * 5
        session.execute("set local storage.operation = 'storage.object.list'")
        assert session.execute(ask.encode()).fetchone() == ("storage.object.list", True, True, False, True, False)


def test_listing_ones_own_folder_reads_no_other_folders(avatars):
    # Of people who aren't there.
    avatars.execute("set local session_replication_role = replica")
    avatars.execute(
        "insert into storage.objects (bucket_id, name) "
        "select 'avatars', gen_random_uuid() || '/' || n || '.ogg' from generate_series(1, 20000) as n"
    )
    avatars.execute("set local session_replication_role = origin")
    avatars.execute("analyze storage.objects")
    with acting_as(avatars, "authenticated", SIGNED_IN) as session:
        explain = "explain (analyze, format json) select name from storage.objects where bucket_id = 'avatars'"
        plan = row(session, explain)[0][0]["Plan"]
    text = json.dumps(plan)
    assert "Seq Scan" not in text, text
    assert plan.get("Rows Removed by Filter", 0) == 0, text
    assert plan["Actual Rows"] == 1, text


def test_what_was_found_harmful_is_read_by_nobody_and_deleted_by_who_uploaded_it(avatars):
    avatars.execute("update storage.objects set version = 'v' where name = %s", (f"{ADA}/one.ogg",))
    avatars.execute("update private.object_scans set status = 'infected', scanned_at = now()")
    with acting_as(avatars, "authenticated", SIGNED_IN) as session:
        assert session.execute(NAMES.encode()).fetchall() == []
        session.execute("set local storage.allow_delete_query = 'true'")
        assert session.execute("delete from storage.objects returning name").fetchall() == []
        # As the Storage API says what it is about to do.
        session.execute("set local storage.operation = 'storage.object.delete'")
        gone = session.execute("delete from storage.objects returning bucket_id, name").fetchall()
        assert gone == [("avatars", f"{ADA}/one.ogg")]


def test_what_is_harmful_in_ones_folder_is_found_by_its_index(avatars):
    avatars.execute(
        "insert into private.object_scans (bucket_id, name, version, status, scanned_at) "
        "select 'avatars', gen_random_uuid() || '/' || n, 'v', "
        "case when n % 9 = 0 then 'infected' else 'clean' end, now() "
        "from generate_series(1, 20000) as n"
    )
    avatars.execute("analyze private.object_scans")
    # The very statement of the function, with its own variable.
    body = row(avatars, "select prosrc from pg_proc where oid = 'private.my_harmful()'::regprocedure")[0]
    statement = body.split("array(")[1].split(");")[0].replace(" me ||", f" '{ADA}' ||")
    with acting_as(avatars, "app_owner") as session:
        assert "object_scans_name_idx" in json.dumps(row(session, f"explain (format json) {statement}")[0])
