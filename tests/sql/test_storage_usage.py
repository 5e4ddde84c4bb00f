"""Limits and quotas on storage.objects, by trigger, and what each person and each project has stored."""

import threading

import psycopg
import pytest

from tests.sql import provision
from tests.sql.provision import ADA, BOB, acting_as, refused, row

SIGNED_IN = {"sub": ADA, "role": "authenticated"}
UPLOAD = "insert into storage.objects (bucket_id, name, metadata, version) values (%s, %s, %s, gen_random_uuid())"
USAGE = "select bucket_id, objects, bytes from private.storage_usage where folder_id = %s order by 1"
# Ada's and Bob's.
PROJECT, THEIRS = "00000000-0000-7000-8000-0000000000a1", "00000000-0000-7000-8000-0000000000b1"
ONE = f"{PROJECT}/one.ogg"
PICTURE = f"{ADA}/me.png"
POLICIES = """
    select p.polname, p.polrelid::regclass::text, p.polcmd, p.polroles::regrole[]::text,
        pg_get_expr(p.polqual, p.polrelid), obj_description(p.oid, 'pg_policy')
    from pg_policy as p where p.polrelid::regclass::text like 'storage.%' order by 1
"""


@pytest.fixture
def buckets(people):
    """Bucket audio takes 1000 bytes of two types, avatars any image, exports everything."""
    people.execute("""
        insert into storage.buckets (id, name, file_size_limit, allowed_mime_types) values
            ('audio', 'audio', 1000, '{audio/ogg,audio/webm}'), ('avatars', 'avatars', 1000, '{image/*}'),
            ('exports', 'exports', null, null)
    """)
    add_projects(people)
    return people


def add_projects(connection):
    connection.execute(
        "insert into public.projects (id, owner_id, title) values (%s, %s, 'one'), (%s, %s, 'one')",
        (PROJECT, ADA, THEIRS, BOB),
    )


@pytest.mark.parametrize(
    ("metadata", "why"),
    [
        ('{"size": 1001, "mimetype": "audio/ogg"}', "one.ogg has 1001 bytes"),
        ('{"contentLength": 1001, "mimetype": "audio/ogg"}', "one.ogg has 1001 bytes"),
        ('{"contentLength": 1, "size": 1001}', "one.ogg has 1001 bytes"),
        ('{"size": 3, "mimetype": "text/html"}', "one.ogg is declared as text/html"),
        ('{"size": 3, "mimetype": "audio/*"}', "is declared as audio/*"),
    ],
)
def test_a_row_beyond_its_buckets_limits_is_refused_also_to_the_servers(buckets, metadata, why):
    with acting_as(buckets, "service_role") as session:
        message = refused(session, psycopg.errors.CheckViolation, UPLOAD, "audio", ONE, metadata)
    assert why in message
    assert "Bucket audio takes" in message


@pytest.mark.parametrize(
    ("bucket", "name", "metadata"),
    [
        ("audio", ONE, '{"size": 1000, "mimetype": "audio/ogg"}'),
        ("audio", ONE, '{"contentLength": 1000, "mimetype": "Audio/WebM;codecs=opus"}'),
        ("audio", ONE, '{"mimetype": "audio/ogg"}'),
        ("audio", ONE, "{}"),
        ("audio", ONE, None),
        ("avatars", PICTURE, '{"size": 1, "mimetype": "image/png"}'),
    ],
)
def test_what_the_storage_api_writes_first_and_last_passes_as_the_person(buckets, bucket, name, metadata):
    with acting_as(buckets, "authenticated", SIGNED_IN) as session:
        assert session.execute(UPLOAD.encode(), (bucket, name, metadata)).rowcount == 1


def test_where_the_limits_cannot_be_read_nothing_is_stored_and_nobody_deleted(buckets):
    buckets.execute(UPLOAD.encode(), ("audio", ONE, '{"size": 3}'))
    for closed in (
        "revoke select on storage.buckets from app_owner",
        "drop policy buckets_select_definer on storage.buckets",
    ):
        with buckets.transaction(force_rollback=True):
            buckets.execute(closed.encode())
            errors = (psycopg.errors.InsufficientPrivilege, psycopg.errors.ForeignKeyViolation)
            refused(buckets, errors, UPLOAD, "audio", f"{PROJECT}/two.ogg", '{"size": 1001}')
            with acting_as(buckets, "authenticated", SIGNED_IN) as session:
                refused(session, errors, UPLOAD, "audio", f"{PROJECT}/two.ogg", '{"size": 3}')
    buckets.execute("revoke select on storage.buckets from app_owner")
    refused(buckets, psycopg.errors.InsufficientPrivilege, "delete from next_auth.users where id = %s", ADA)


def test_a_bucket_that_is_not_there_is_reported_as_one_that_is_not_there(buckets):
    message = refused(buckets, psycopg.errors.ForeignKeyViolation, UPLOAD, "nowhere", ONE, None)
    assert f"object nowhere/{ONE}: the limits of its bucket can't be read" in message
    # What row policies ask, which come after the trigger.
    takes = "select private.takes('audio', 'one.ogg', 'audio/ogg'), private.takes('nowhere', 'one.ogg', 'audio/ogg')"
    assert row(buckets, takes) == (True, False)


def test_the_limits_hold_from_the_migrations_on_before_any_grant_of_the_program(connection):
    provision.migrate_up(connection)
    brought = connection.execute(POLICIES.encode()).fetchall()
    assert len(brought) == 2
    connection.execute("insert into storage.buckets (id, name, file_size_limit) values ('audio', 'audio', 1000)")
    with acting_as(connection, "service_role") as session:
        refused(session, psycopg.errors.CheckViolation, UPLOAD, "audio", ONE, '{"size": 1001}')
    provision.apply_policies(connection)
    found = [policy for policy in connection.execute(POLICIES.encode()).fetchall() if "app_owner" in policy[3]]
    assert found == brought, "in the words of the files"


def test_an_empty_folder_is_of_no_type(buckets):
    name = f"{PROJECT}/folder/.emptyFolderPlaceholder"
    buckets.execute(UPLOAD.encode(), ("audio", name, '{"size": 0, "mimetype": "application/octet-stream"}'))


def test_a_file_that_was_within_the_old_limit_can_still_be_moved_but_not_grow(buckets):
    buckets.execute(UPLOAD.encode(), ("audio", ONE, '{"size": 900}'))
    buckets.execute("update storage.buckets set file_size_limit = 10 where id = 'audio'")
    move = """update storage.objects set name = %s, metadata = metadata || '{"eTag": "x"}'"""
    assert buckets.execute(move.encode(), (f"{PROJECT}/two.ogg",)).rowcount == 1
    refused(buckets, psycopg.errors.CheckViolation, """update storage.objects set metadata = '{"size": 901}'""")


@pytest.mark.parametrize("name", ["one.exe", "one", "ogg", "one.ogg.html", "one.png", ".ogg/one"])
def test_a_person_uploads_only_what_the_bucket_takes_by_its_ending(buckets, name):
    metadata = '{"size": 3, "mimetype": "audio/ogg"}'
    with acting_as(buckets, "authenticated", SIGNED_IN) as session:
        refused(session, psycopg.errors.InsufficientPrivilege, UPLOAD, "audio", f"{PROJECT}/{name}", metadata)
        session.execute(UPLOAD.encode(), ("audio", ONE.upper().replace(PROJECT.upper(), PROJECT), metadata))
        rename = "update storage.objects set name = %s"
        refused(session, psycopg.errors.InsufficientPrivilege, rename, f"{PROJECT}/{name}")


ODD = ["../x.ogg", "a//x.ogg", "./x.ogg", "a\\x.ogg", "a\nx.ogg", "x\x7f.ogg", "x\x85.ogg", "a/..", ""]
ODD += ["\u00e9.ogg", "e\u0301.ogg", "a%20b.ogg", "a#b.ogg", "x" * 810 + ".ogg"]


@pytest.mark.parametrize("name", ODD)
def test_what_is_no_name_of_a_file_is_refused_also_to_the_servers(buckets, name):
    buckets.execute(UPLOAD.encode(), ("audio", ONE, "{}"))
    with acting_as(buckets, "service_role") as session:
        told = refused(session, psycopg.errors.CheckViolation, UPLOAD, "audio", f"{PROJECT}/{name}", "{}")
        assert f'object audio/"{PROJECT}/' in told
        assert ": is no name of a file" in told
        assert len(told.splitlines()[0]) < 200
        refused(session, psycopg.errors.CheckViolation, "update storage.objects set name = %s", f"{PROJECT}/{name}")


def test_usage_follows_every_change(buckets):
    def usage(person=ADA):
        return buckets.execute(USAGE.encode(), (person,)).fetchall()

    for bucket, name, size in (("audio", ONE, 100), ("exports", f"{ADA}/x", 5000)):
        buckets.execute(UPLOAD.encode(), (bucket, name, f'{{"size": {size}}}'))
    assert usage() == [("", 2, 5100), ("exports", 1, 5000)]
    assert usage(PROJECT) == [("audio", 1, 100)]
    upsert = UPLOAD + " on conflict (bucket_id, name) do update set metadata = excluded.metadata"
    buckets.execute(upsert.encode(), ("audio", ONE, '{"size": 300}'))
    assert (usage()[0], usage(PROJECT)) == (("", 2, 5300), [("audio", 1, 300)])
    buckets.execute("update storage.objects set name = %s where bucket_id = 'exports'", (f"{BOB}/x",))
    buckets.execute("update storage.objects set name = %s where bucket_id = 'audio'", (f"{THEIRS}/x",))
    assert usage() == [("", 0, 0), ("exports", 0, 0)]
    assert usage(BOB) == [("", 2, 5300), ("exports", 1, 5000)]
    assert (usage(PROJECT), usage(THEIRS)) == ([("audio", 0, 0)], [("audio", 1, 300)])
    buckets.execute("set local storage.allow_delete_query = 'true'")
    buckets.execute("delete from storage.objects")
    assert usage(BOB) == [("", 0, 0), ("exports", 0, 0)]


def test_a_projects_files_are_its_owners_to_pay_for_whoever_uploads_and_owns_it_next(buckets):
    def sums():
        return [row(buckets, USAGE, (person,))[1:] for person in (ADA, BOB)]

    for folder, size in ((PROJECT, 600), (THEIRS, 500)):
        buckets.execute(UPLOAD.encode(), ("audio", f"{folder}/one.ogg", f'{{"size": {size}}}'))
    handed = "update public.projects set owner_id = %s where id = %s"
    buckets.execute("insert into private.storage_quotas values (%s, 1000)", (BOB,))
    assert "is full" in refused(buckets, psycopg.errors.InsufficientPrivilege, handed, BOB, PROJECT)
    assert sums() == [(1, 600), (1, 500)]
    buckets.execute("update private.storage_quotas set bytes = 1100")
    buckets.execute(handed.encode(), (BOB, PROJECT))
    assert sums() == [(0, 0), (2, 1100)]
    with acting_as(buckets, "authenticated", {"sub": BOB, "role": "authenticated"}) as session:
        assert session.execute("select * from public.storage_usage()").fetchall() == [("audio", 2, 1100, 0, 1100)]
    # The files go later, and have no owner by then.
    buckets.execute("delete from public.projects where id = %s", (PROJECT,))
    assert sums() == [(0, 0), (1, 500)]
    nobody = "select bytes from ops.storage_report() where user_id = '00000000-0000-0000-0000-000000000000'"
    with acting_as(buckets, "monitor") as session:
        assert row(session, nobody) == (600,)
    with buckets.transaction(force_rollback=True):
        buckets.execute("insert into public.projects (id, owner_id, title) values (%s, %s, 'again')", (PROJECT, ADA))
        assert sums() == [(1, 600), (1, 500)]
    buckets.execute("set local storage.allow_delete_query = 'true'")
    buckets.execute("delete from storage.objects")
    assert sums() == [(0, 0), (0, 0)]
    assert row(buckets, USAGE, (PROJECT,)) == ("audio", 0, 0)


@pytest.mark.parametrize("change", ["update public.projects set owner_id = %(b)s", "delete from public.projects"])
@pytest.mark.parametrize("upload_first", [True, False])
def test_an_upload_beside_a_change_of_owner_or_the_projects_end_is_counted_once(
    provisioned_database, change, upload_first
):
    with psycopg.connect(provisioned_database.url, autocommit=True) as connection:
        provision.add_people(connection)
        add_projects(connection)
        connection.execute("insert into storage.buckets (id, name) values ('audio', 'audio')")
    upload = (UPLOAD, ("audio", ONE, '{"size": 7}'))
    change = (f"{change} where id = %(p)s", {"b": BOB, "p": PROJECT})
    statements = [upload, change] if upload_first else [change, upload]
    with psycopg.connect(provisioned_database.url) as first, psycopg.connect(provisioned_database.url) as second:
        first.execute(statements[0][0].encode(), statements[0][1])
        failed: list[psycopg.Error] = []

        def other():
            try:
                second.execute(statements[1][0].encode(), statements[1][1])
                second.commit()
            except psycopg.errors.ForeignKeyViolation as error:
                failed.append(error)

        waiting = threading.Thread(target=other)
        waiting.start()
        waiting.join(0.5)
        assert waiting.is_alive(), "the one waits for the other"
        first.commit()
        waiting.join()
    deleted = "delete" in change[0]
    with psycopg.connect(provisioned_database.url, autocommit=True) as connection:
        found = dict(connection.execute("select folder_id::text, bytes from private.storage_usage where bytes <> 0"))
        stored = row(connection, "select count(*) from storage.objects")[0]
        queued = row(connection, "select count(*) from private.deletion_queue")[0]
    assert bool(failed) == (deleted and not upload_first)
    assert stored == 1 - len(failed)
    assert queued == int(deleted and upload_first), "what is stored in a project that ends is queued"
    assert found == ({} if failed else {PROJECT: 7} if deleted else {PROJECT: 7, BOB: 7})


def test_a_full_quota_refuses_what_is_more_in_any_bucket_and_nothing_else(buckets):
    buckets.execute("insert into private.storage_quotas values (%s, 1000)", (ADA,))
    with acting_as(buckets, "authenticated", SIGNED_IN) as session:
        session.execute(UPLOAD.encode(), ("audio", ONE, '{"size": 900}'))
        png = ("avatars", PICTURE)
        message = refused(session, psycopg.errors.InsufficientPrivilege, UPLOAD, *png, '{"size": 101}')
        assert f"storage of {ADA} is full: 101 bytes more don't fit in" in message
        grow = """update storage.objects set metadata = '{"size": 1000}'"""
        assert session.execute(grow.encode()).rowcount == 1
        refused(session, psycopg.errors.InsufficientPrivilege, UPLOAD, *png, '{"contentLength": 1}')
        shrink = """update storage.objects set metadata = '{"size": 10}'"""
        assert session.execute(shrink.encode()).rowcount == 1
        mine = session.execute("select * from public.storage_usage()").fetchall()
        assert mine == [("audio", 1, 10, 0, 1000)]
    with acting_as(buckets, "authenticated", {"sub": BOB, "role": "authenticated"}) as session:
        session.execute(UPLOAD.encode(), ("audio", f"{THEIRS}/one.ogg", '{"size": 1000}'))
        assert session.execute("select objects, quota from public.storage_usage()").fetchall() == [(1, 5 * 2**30)]


def test_a_person_counts_in_the_folder_and_not_as_who_they_say_they_are(buckets):
    upload = (
        "insert into storage.objects (bucket_id, name, owner_id, metadata) values ('avatars', %s, %s, '{\"size\": 7}')"
    )
    with acting_as(buckets, "authenticated", SIGNED_IN) as session:
        session.execute(upload.encode(), (PICTURE, BOB))
        session.execute("reset role")
        assert row(session, USAGE, (ADA,)) == ("", 1, 7)
        assert session.execute(USAGE.encode(), (BOB,)).fetchall() == []


def test_two_uploads_at_once_do_not_both_find_the_last_room(provisioned_database):
    database = provisioned_database
    with psycopg.connect(database.url, autocommit=True) as connection:
        provision.add_people(connection)
        connection.execute("insert into storage.buckets (id, name) values ('audio', 'audio'), ('avatars', 'avatars')")
        connection.execute("insert into private.storage_quotas values (%s, 1000)", (ADA,))
        add_projects(connection)
    with psycopg.connect(database.url) as first, psycopg.connect(database.url) as second:
        first.execute(UPLOAD.encode(), ("audio", ONE, '{"size": 600}'))
        second.execute("set lock_timeout = '200ms'")
        with pytest.raises(psycopg.errors.LockNotAvailable):
            second.execute(UPLOAD.encode(), ("avatars", PICTURE, '{"size": 600}'))
        second.rollback()
        first.commit()
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            second.execute(UPLOAD.encode(), ("avatars", PICTURE, '{"size": 600}'))


def test_the_monitor_reads_the_report_and_people_do_not(buckets):
    buckets.execute(UPLOAD.encode(), ("audio", ONE, '{"size": 10}'))
    with acting_as(buckets, "monitor") as session:
        found = session.execute("select user_id::text, bucket_id, objects, bytes from ops.storage_report()").fetchall()
        assert found == [(ADA, "audio", 1, 10)]
        growth = session.execute("select bucket_id, objects, bytes from ops.storage_growth('2001-01-01')").fetchall()
        assert growth == [("audio", 1, 10)]
    with acting_as(buckets, "authenticated", SIGNED_IN) as session:
        refused(session, psycopg.errors.InsufficientPrivilege, "select * from ops.storage_report()")
