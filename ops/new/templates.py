"""The texts of a new table: NAME stands for its name."""

from dataclasses import dataclass

# In the order of `sql/access.md`.
MEMBERS = ("viewer", "editor", "admin", "owner", "super")
PEOPLE = ("left", "stranger", "removed", "invitee", *MEMBERS)
SERVERS = {"service_role": "siud", "backup": "s---"}
CLOSED = "----"


def cells(anon: str, people: str, editor: str = "", **others: str) -> dict[str, str]:
    """What each who asks may do; who isn't named may nothing. `editor` is also that of admins and the owner."""
    may = {"anon": anon, **dict.fromkeys(PEOPLE, people)}
    if editor:
        may |= dict.fromkeys(("editor", "admin", "owner"), editor)
    return may | others


@dataclass(frozen=True)
class Owner:
    """Whose the rows of a table are, and all that follows from it."""

    about: str
    """What the rows are, as long as nobody says it better."""
    reach: str
    """Who reaches the rows, in words."""
    column: str = ""
    """SQL of the column that says whose a row is, of its foreign key and of its index."""
    comment: str = ""
    personal: str = ""
    """The line of `private.personal_columns()`."""
    lock: str = "new table only, none"
    triggers: str = ""
    policies: str = ""
    grants: str = ""
    section: str = "Servers"
    """The section of `sql/access.md`."""
    rows: tuple[tuple[str, dict[str, str], str], ...] = ()
    """Of each line there: which rows, who may do what, and what `tests/sql/matrix.py` tries."""
    guards: tuple[tuple[str, str, str], ...] = ()
    """Columns that no person writes: columns, commands, reason."""
    world: tuple[tuple[str, str], ...] = ()
    """What `tests/sql/matrix.py` has as rows: the name of a text there, and a statement."""
    entries: tuple[tuple[str, str], ...] = ()
    """What other dictionaries there have more."""
    mutants: str = ""
    """An equivalent mutant, and why."""
    test: str = ""


UP = """\
-- {number} {words}: ABOUT.
-- Lock: LOCK. Duration: instant.
-- Down: loses every row of NAME.

create table public.NAME (
    id uuid not null default private.uuid_v7(),
COLUMN    title text not null default '',
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    constraint NAME_pkey primary key (id),
KEY    constraint NAME_title_check check (char_length(title) <= 200)
);

alter table public.NAME enable row level security;
alter table public.NAME force row level security;
INDEX
comment on table public.NAME is 'COMMENT.';
comment on column public.NAME.id is 'Key, ordered by time of making.';
OWNED\
comment on column public.NAME.title is 'Name, may be empty.';
comment on column public.NAME.created_at is 'When it was made.';
comment on column public.NAME.updated_at is 'When it was last changed, set by trigger.';

create trigger _100_updated_at
before update on public.NAME
for each row execute function private.tg__updated_at();
"""
DOWN = """\
-- {number} {words}: there is no NAME any more.
-- Lock: access exclusive on the tableLOCK. Duration: instant.
-- Down: loses every row of NAME.

drop table public.NAME;
"""
SERVICE = """\
-- Backups read every row, also on a server where their role can't be made to bypass row security.
create policy NAME_select_backup on public.NAME
    for select to backup
    using (true);

-- The app's servers read and write every row, also on a server where their role can't be made to bypass row security.
create policy NAME_all_service on public.NAME
    for all to service_role
    using (true)
    with check (true);
"""
PRESENT = """\

-- Who has left finds nothing here any more, though their token isn't over yet.
create policy NAME_all_present on public.NAME
    as restrictive for all to authenticated
    using ((select private.is_here()));
"""
DEFINER = """\
-- The owner role reads all, for exports.
create policy NAME_select_definer on public.NAME
    for select to app_owner
    using (true);
"""
HIS_OR_SUPERVISED = """\
    using (
        owner_id = (select auth.uid())
        or owner_id between (select private.supervised_from()) and 'ffffffff-ffff-ffff-ffff-ffffffffffff'
    )"""
CHECK = "    with check (owner_id = (select auth.uid()) or (select private.is_super_admin()))"
PERSON_POLICIES = f"""\
-- public.NAME: people read and write their own.

-- A person reads their own rows.
create policy NAME_select_own on public.NAME
    for select to authenticated
{HIS_OR_SUPERVISED};

{DEFINER}
-- A person makes rows in their own name only.
create policy NAME_insert_own on public.NAME
    for insert to authenticated
{CHECK};

-- A person changes their own rows and can't give them away.
create policy NAME_update_own on public.NAME
    for update to authenticated
{HIS_OR_SUPERVISED}
{CHECK};

-- A person deletes their own rows.
create policy NAME_delete_own on public.NAME
    for delete to authenticated
{HIS_OR_SUPERVISED};

-- The owner role deletes the rows of who has left.
create policy NAME_delete_departed on public.NAME
    for delete to app_owner
    using (exists (select from private.departures as d where d.user_id = NAME.owner_id));

{SERVICE}{PRESENT}"""
PARTS = "\n        or ".join(
    f"(uuid_hash(project_id) & 7 = {part} and project_id = any((select private.my_projects({part}))::uuid[]))"
    for part in range(8)
)
PROJECT_POLICIES = f"""\
-- public.NAME: for members of the project only, also where it is public.
-- Eight parts, and not one list: migration project_membership says why. The last condition is for super administrators.

-- A person reads the rows of their own projects and of those they have accepted to work in.
create policy NAME_select_member on public.NAME
    for select to authenticated
    using (
        {PARTS}
        or project_id between (select private.supervised_from()) and 'ffffffff-ffff-ffff-ffff-ffffffffffff'
    );

{DEFINER}
-- Owner, admins and editors add rows.
create policy NAME_insert_editor on public.NAME
    for insert to authenticated
    with check (private.may_edit(project_id));

-- Owner, admins and editors change rows.
create policy NAME_update_editor on public.NAME
    for update to authenticated
    using (private.may_edit(project_id))
    with check (private.may_edit(project_id));

-- Owner, admins and editors delete rows.
create policy NAME_delete_editor on public.NAME
    for delete to authenticated
    using (private.may_edit(project_id));

{SERVICE}{PRESENT}"""
SERVERS_POLICIES = f"""\
-- public.NAME: the app's servers alone; a person or a visitor reaches no row.

{SERVICE}"""
DATED = """
create trigger _400_date_projects_insert
after insert on public.NAME
referencing new table as changed
for each statement execute function private.tg__date_projects();

create trigger _400_date_projects_update
after update on public.NAME
referencing new table as changed
for each statement execute function private.tg__date_projects();

-- Not when their project goes.
create trigger _400_date_projects_delete
after delete on public.NAME
referencing old table as changed
for each statement when (current_user <> 'app_owner')
execute function private.tg__date_projects();
"""
THE_DATABASES = ("id, created_at, updated_at", "insert, update", "the database says which row it is, and when")
ANY = "title = 'x'"


def _statements(where: str, insert: str) -> str:
    return f'_rows("public.NAME", "{where}", "{insert}", "{ANY}")'


def _of_project(project: str) -> str:
    insert = "(project_id, title) values (%(project)s, 'x')"
    return f'_project("NAME", "{project}", "{insert}", "{ANY}")'


def _owned(who: str) -> str:
    return _statements(f"owner_id = %({who})s", f"(owner_id, title) values (%({who})s, 'x')")


HEAD = '''"""public.NAME: SAYS"""

import psycopg
import pytest

from tests.sql.provision import ADA, BOB, acting_as, refused, row

ADAS, BOBS = ({"sub": person, "role": "authenticated"} for person in (ADA, BOB))
COUNT = "select count(*) from public.NAME"
UPDATE, DELETE = "update public.NAME set title = 'x'", "delete from public.NAME"
'''
VISITOR = """

def test_a_visitor_reaches_nothing(rows):
    with acting_as(rows, "anon", {"role": "anon"}) as session:
        for statement in (COUNT, INSERT, UPDATE, DELETE):
            refused(session, psycopg.errors.InsufficientPrivilege, statement)
    assert row(rows, COUNT) == (TOTAL,)
"""
SERVE = """

def test_the_servers_read_and_write_every_row(rows):
    with acting_as(rows, "service_role", {"role": "service_role"}) as session:
        assert session.execute(UPDATE).rowcount == TOTAL
        assert session.execute(DELETE).rowcount == TOTAL
"""
PERSON_TEST = (
    HEAD.replace("SAYS", "people read and write their own.")
    + '''\
INSERT = f"insert into public.NAME (owner_id, title) values ('{ADA}', 'new')"


@pytest.fixture
def rows(people):
    """A row of each of two people."""
    for person in (ADA, BOB):
        people.execute("insert into public.NAME (owner_id, title) values (%s, 'own')", (person,))
    return people


def test_a_person_reads_their_own_alone(rows):
    with acting_as(rows, "authenticated", ADAS) as session:
        assert session.execute("select owner_id::text from public.NAME").fetchall() == [(ADA,)]
    assert row(rows, COUNT) == (2,), "there was nothing to be hidden"


def test_a_person_makes_rows_in_their_own_name_alone(rows):
    with acting_as(rows, "authenticated", ADAS) as session:
        assert session.execute(INSERT.encode()).rowcount == 1
    with acting_as(rows, "authenticated", BOBS) as session:
        refused(session, psycopg.errors.InsufficientPrivilege, INSERT)


def test_a_person_changes_and_deletes_their_own_alone_and_gives_none_away(rows):
    with acting_as(rows, "authenticated", ADAS) as session:
        refused(session, psycopg.errors.InsufficientPrivilege, f"update public.NAME set owner_id = '{BOB}'")
        assert session.execute(UPDATE).rowcount == 1
        assert session.execute(DELETE).rowcount == 1
    assert row(rows, COUNT) == (2,)
'''
    + VISITOR
    + SERVE
    + """

def test_what_was_theirs_goes_with_the_person(rows):
    rows.execute("delete from next_auth.users where id = %s", (ADA,))
    assert rows.execute("select owner_id::text from public.NAME").fetchall() == [(BOB,)]
"""
).replace("TOTAL", "2")
PROJECT_TEST = (
    HEAD.replace("SAYS", "members of the project read, its owner, admins and editors write.")
    + '''\
INSERT = """
insert into public.NAME (project_id, title)
select id, 'new' from public.projects where title = 'private'"""


@pytest.fixture
def rows(people):
    """A row in each project of two people, who have three each."""
    people.execute("insert into public.NAME (project_id, title) select id, 'own' from public.projects")
    return people


def joined(rows, role):
    """Bob works in Ada's private project."""
    rows.execute(
        "insert into public.collaborators (project_id, user_id, role, accepted_at) "
        "select id, %s, %s, now() from public.projects where owner_id = %s and title = 'private'",
        (BOB, role, ADA),
    )


def test_a_person_reads_what_is_in_their_projects_and_nothing_of_others_public_ones(rows):
    with acting_as(rows, "authenticated", ADAS) as session:
        assert row(session, COUNT) == (3,)
    assert row(rows, COUNT) == (6,), "there was nothing to be hidden"


@pytest.mark.parametrize(("role", "writes"), [("viewer", 3), ("editor", 4), ("admin", 4)])
def test_a_member_reads_and_writes_by_their_role(rows, role, writes):
    joined(rows, role)
    with acting_as(rows, "authenticated", BOBS) as session:
        assert row(session, COUNT) == (4,)
        assert session.execute(UPDATE).rowcount == writes
        assert session.execute(DELETE).rowcount == writes


@pytest.mark.parametrize(("role", "may"), [("viewer", False), ("editor", True)])
def test_a_member_adds_by_their_role(rows, role, may):
    joined(rows, role)
    with acting_as(rows, "authenticated", BOBS) as session:
        if may:
            # One in Bob's own private project, one in Ada's.
            assert session.execute(INSERT.encode()).rowcount == 2
        else:
            refused(session, psycopg.errors.InsufficientPrivilege, INSERT)


def test_a_row_stays_in_its_project(rows):
    with acting_as(rows, "authenticated", ADAS) as session:
        refused(session, psycopg.errors.InsufficientPrivilege, "update public.NAME set project_id = project_id")
'''
    + VISITOR
    + SERVE
    + """

def test_the_rows_go_with_their_project(rows):
    rows.execute("delete from public.projects where owner_id = %s", (ADA,))
    assert row(rows, COUNT) == (3,)
"""
).replace("TOTAL", "6")
SERVERS_TEST = (
    (
        HEAD.replace("SAYS", "the app's servers alone.").replace("ADA, BOB, ", "ADA, ")
        + '''\
INSERT = "insert into public.NAME (title) values ('new')"


@pytest.fixture
def rows(people):
    """A row."""
    people.execute("insert into public.NAME (title) values ('own')")
    return people


def test_a_person_reaches_nothing(rows):
    with acting_as(rows, "authenticated", ADAS) as session:
        for statement in (COUNT, INSERT, UPDATE, DELETE):
            refused(session, psycopg.errors.InsufficientPrivilege, statement)
    assert row(rows, COUNT) == (1,)
'''
        + VISITOR
        + SERVE
    )
    .replace("TOTAL", "1")
    .replace(
        'ADAS, BOBS = ({"sub": person, "role": "authenticated"} for person in (ADA, BOB))',
        'ADAS = {"sub": ADA, "role": "authenticated"}',
    )
)

PERSON = Owner(
    about="what people keep of their own",
    reach="each person their own rows, super administrators and servers all; visitors none",
    column="""\
    owner_id uuid not null,
|\
    constraint NAME_owner_id_fkey foreign key (owner_id)
    references public.users (id) on delete cascade,
|
-- What a person has, newest first; also the foreign key's look-up and the row policy's.
create unique index NAME_owner_id_created_at_id_idx
on public.NAME (owner_id, created_at desc, id desc);
""",
    comment="Whose it is; it goes with the person.",
    personal="('public.NAME', 'owner_id', 'batches', true, '{}')",
    lock="share row exclusive on public.users for the foreign key",
    policies=PERSON_POLICIES,
    grants='"authenticated": ["select", "insert(owner_id, title)", "update(title)", "delete"],',
    section="People and sign-in",
    rows=(
        ("one's own", cells("", "siud", left="....", service_role="", backup="", others=""), _owned("me")),
        ("another person's", cells(CLOSED, "....", super="siud", **SERVERS), _owned("another")),
    ),
    guards=(("owner_id", "update", "nobody gives a row away"), THE_DATABASES),
    world=(("PEOPLE_ROWS", "insert into public.NAME (owner_id, title) values (%(id)s, 'own')"),),
    entries=(
        ("BEHIND", '("owner", "update (owner_id)", "update public.NAME set owner_id = %(another)s")'),
        ("OWNERS", '("owner", "delete from public.NAME", "allowed")'),
    ),
    test=PERSON_TEST,
)
PROJECT = Owner(
    about="what belongs to a project",
    reach="members of the project read, its owner, admins and editors write, super administrators and servers all; "
    "visitors none, also where the project is public",
    column="""\
    project_id uuid not null,
|\
    constraint NAME_project_id_fkey foreign key (project_id)
    references public.projects (id) on delete cascade,
|
-- What a project has, newest first; also the foreign key's look-up and the row policy's.
create unique index NAME_project_id_created_at_id_idx
on public.NAME (project_id, created_at desc, id desc);
""",
    comment="The project it belongs to.",
    personal="('public.NAME', 'project_id', 'project', true, '{}')",
    lock="share row exclusive on public.projects for the foreign key",
    triggers=DATED,
    policies=PROJECT_POLICIES,
    grants='"authenticated": ["select", "insert(project_id, title)", "update(title)", "delete"],',
    section="Projects",
    rows=(
        (
            "in the shared one",
            cells(CLOSED, "....", "siud", viewer="s...", super="siud", **SERVERS),
            _of_project("shared"),
        ),
        ("in the public one", cells(CLOSED, "....", owner="siud", super="siud", **SERVERS), _of_project("public")),
        ("in one of who has left", cells(CLOSED, "....", super="siud", **SERVERS), _of_project("hidden")),
        (
            "in another person's, whatever the part",
            cells(CLOSED, "....", super="siud", **SERVERS),
            f'_rows("public.NAME", IN_PARTS, f"(project_id, title) select part, \'x\' {{UNNESTED}}", "{ANY}")',
        ),
    ),
    guards=(("project_id", "update", "nothing is smuggled into another project"), THE_DATABASES),
    world=(
        ("PROJECTS", "insert into public.NAME (project_id) values (%(shared)s), (%(public)s)"),
        ("OTHERS", "insert into public.NAME (project_id) values (%(hidden)s)"),
        ("MANY", "insert into public.NAME (project_id) select unnest(%(parts)s::uuid[])"),
    ),
    entries=(("BEHIND", '("editor", "update (project_id)", "update public.NAME set project_id = %(public)s")'),),
    mutants="""
[[equivalent]]
mutants = ["NAME_select_member: using without uuid_hash(project_id) & 7 = *"]
because = "my_projects(0) lists projects of part 0 alone; the condition is the index's"
""",
    test=PROJECT_TEST,
)
SERVERS_ALONE = Owner(
    about="what the servers keep",
    reach="the app's servers alone; people and visitors none",
    policies=SERVERS_POLICIES,
    rows=(("any", cells(CLOSED, CLOSED, **SERVERS), _statements("title = 'matrix'", "(title) values ('x')")),),
    world=(("OTHERS", "insert into public.NAME (title) values ('matrix')"),),
    test=SERVERS_TEST,
)
OWNERS = {"person": PERSON, "project": PROJECT, "servers": SERVERS_ALONE}
