"""How much one person may have: projects, and what is in one of them."""

from concurrent.futures import ThreadPoolExecutor

import psycopg

from tests.sql.provision import ADA, BOB, Connection, acting_as, refused, row
from tests.sql.trail import project_of

SET = "update private.settings set value = %s::text::jsonb where name = %s"
MAKE = "insert into public.projects (owner_id, title) select auth.uid(), 'more' from generate_series(1, %s)"
ADAS = {"sub": ADA, "role": "authenticated"}
# Text that doesn't compress to less than half, in a component of so many kilobytes.
LARGE = """
insert into public.project_components (project_id, kind, properties)
select %s, 'text', jsonb_build_object('t', (
    select string_agg(md5(random()::text || i || n), '') from generate_series(1, %s * 32) as i
)) from generate_series(1, %s) as n
"""


def test_a_person_owns_so_many_projects_however_they_come(people):
    people.execute(SET.encode(), ("5", "projectsPerPerson"))
    with acting_as(people, "authenticated", ADAS) as session:
        told = refused(session, psycopg.errors.InsufficientPrivilege, MAKE, 3)
        assert f"{ADA} would have more than 5 projects" in told
        assert session.execute(MAKE.encode(), (2,)).rowcount == 2
        refused(session, psycopg.errors.InsufficientPrivilege, MAKE, 1)
        refused(session, psycopg.errors.InsufficientPrivilege, "select public.create_project('t')")
        own = project_of(session, ADA)
        refused(session, psycopg.errors.InsufficientPrivilege, "select public.duplicate_project(%s)", own)
        session.execute("delete from public.projects where title = 'more'")
        session.execute(MAKE.encode(), (2,))
    people.execute(SET.encode(), ("3", "projectsPerPerson"))
    people.execute(
        "insert into public.collaborators (project_id, user_id, role, accepted_at) values (%s, %s, 'viewer', now())",
        (own, BOB),
    )
    with acting_as(people, "authenticated", ADAS) as session:
        refused(
            *(session, psycopg.errors.InsufficientPrivilege),
            *("select public.transfer_project(%s, %s)", own, BOB),
        )
    with acting_as(people, "service_role", {"role": "service_role"}) as session:
        make = "insert into public.projects (owner_id, title) values (%s, 'by a server')"
        assert session.execute(make.encode(), (ADA,)).rowcount == 1


def test_many_at_once_make_no_more_than_that(alone):
    alone.execute(SET.encode(), ("8", "projectsPerPerson"))

    def make(_: int) -> str | None:
        with psycopg.connect(alone.info.dsn, autocommit=True, password=alone.info.password) as other:
            try:
                with acting_as(other, "authenticated", ADAS, keep=True):
                    other.execute(MAKE.encode(), (1,))
            except psycopg.Error as error:
                return error.sqlstate
        return None

    with ThreadPoolExecutor(20) as pool:
        ended = list(pool.map(make, range(20)))
    assert sorted(ended, key=str) == ["42501"] * 15 + [None] * 5
    assert row(alone, "select count(*) from public.projects where owner_id = %s", (ADA,)) == (8,)


def test_what_compresses_well_counts_as_the_text_that_it_is(people):
    people.execute(SET.encode(), ("16", "projectMegabytes"))
    make = (
        "insert into public.project_components (project_id, kind, properties) "
        "select %s, 'text', jsonb_build_object('a', repeat('\"', 130000)) from generate_series(1, %s)"
    )
    project = project_of(people, ADA)
    with acting_as(people, "authenticated", ADAS) as session:
        session.execute(make.encode(), (project, 64))
        refused(session, psycopg.errors.CheckViolation, make, project, 1)


def stored(connection: Connection, project: str) -> int:
    query = "select coalesce(sum(pg_column_size(properties)), 0) from public.project_components where project_id = %s"
    return int(row(connection, query, (project,))[0])


def test_the_components_of_a_project_are_so_large_together(people):
    people.execute(SET.encode(), ("16", "projectMegabytes"))
    project = project_of(people, ADA)
    with acting_as(people, "authenticated", ADAS) as session:
        session.execute(LARGE.encode(), (project, 200, 80))
        told = refused(session, psycopg.errors.CheckViolation, LARGE, project, 200, 10)
        assert f"the components of project {project} would take" in told
        assert 15 << 20 < stored(session, project) < 16 << 20
        grow = (
            "update public.project_components set revision = revision, properties = "
            "jsonb_build_object('t', properties ->> 't', 'u', left(properties ->> 't', 40000)) where project_id = %s"
        )
        refused(session, psycopg.errors.CheckViolation, grow, project)
        session.execute("update public.project_components set x = 1 where project_id = %s", (project,))
        small = "insert into public.project_components (project_id, kind) values (%s, 'text')"
        session.execute(small.encode(), (project,))


def test_a_project_that_is_too_large_is_worked_on_as_long_as_it_does_not_grow(people):
    project = project_of(people, ADA)
    with acting_as(people, "authenticated", ADAS, keep=True) as session:
        session.execute(LARGE.encode(), (project, 200, 80))
    people.execute("reset role")
    people.execute(SET.encode(), ("1", "projectMegabytes"))
    change = "update public.project_components set revision = revision, properties = {} where project_id = %s"
    with acting_as(people, "authenticated", ADAS) as session:
        session.execute("update public.project_components set x = 1 where project_id = %s", (project,))
        shorter = "jsonb_build_object('t', left(properties ->> 't', 20000))"
        session.execute(change.format(shorter).encode(), (project,))
        longer = "properties || '{\"u\": 1}'"
        refused(session, psycopg.errors.CheckViolation, change.format(longer), project)
