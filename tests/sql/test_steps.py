"""The numbered steps: names and headers, up and down and up again, and what the files may not contain."""

import re
import secrets

import psycopg
import pytest
from psycopg import sql

from declared import sqlfiles
from harness import data as generate
from harness import schemadump
from harness.queries import QUERIES, run, values
from tests.sql import provision
from tests.sql.provision import ADA, acting_as

SCRIPTS = sorted(path for kind in ("platform", "migrations") for path in (provision.SQL / kind).glob("*"))
HEADER = (r"-- {number} {name}: \S.*\.", r"-- Lock: \S.*\. Duration: \S.*\.", r"-- Down: \S.*\.")


@pytest.fixture
def dump(cluster, framed):
    """The definition of the whole database as text, by the pg_dump that belongs to the server."""

    def run() -> str:
        return schemadump.dump(cluster.programs, cluster.server, framed.name, "--exclude-schema=supabase_migrations")

    return run


def test_every_script_is_named_by_number_and_words_and_begins_with_its_three_header_lines():
    wrong = [f"{path.name}: {what}" for path in SCRIPTS if (what := fault(path))]
    assert wrong == []


def fault(path):
    """What is wrong with the name or the header of a script."""
    match = re.fullmatch(r"(\d{4})_([a-z][a-z0-9_]*)\.(up|down)\.sql", path.name)
    if not match:
        return "is not named NNNN_words.up.sql or NNNN_words.down.sql"
    lines = path.read_text().split("\n")
    for line, form in zip(lines, HEADER, strict=False):
        if not re.fullmatch(form.format(number=match[1], name=match[2]), line):
            return line
    rest = lines[4] if lines[3].startswith("-- Run: ") else lines[3]
    return "the header has three lines, perhaps one on how it runs, and then an empty one" if rest else None


@pytest.mark.parametrize("kind", ["platform", "migrations"])
def test_numbers_have_no_gap_and_no_duplicate_and_both_scripts(kind):
    names = sorted(path.name for path in (provision.SQL / kind).iterdir())
    numbers = [name[:4] for name in names]
    steps = len(names) // 2
    assert numbers == [f"{number:04}" for number in range(1, steps + 1) for _ in ("down", "up")]
    assert len(sqlfiles.steps(provision.SQL / kind)) == steps


def test_all_down_leaves_nothing_but_the_schemas_and_up_again_gives_the_same_catalogue(connection, dump):
    empty = dump()
    assert set(re.findall(r"^CREATE (\w+)", empty, re.MULTILINE)) == {"EXTENSION", "SCHEMA"}
    provision.migrate_up(connection)
    once = dump()
    assert "CREATE TABLE" in once
    connection.execute("delete from supabase_migrations.platform_migrations")
    provision.migrate(connection, "sql/platform")
    assert dump() == once, "the platform layer can run on itself without a change"
    provision.apply_policies(connection)
    first = dump()
    provision.drop_policies(connection)
    provision.migrate_down(connection)
    assert dump() == empty
    provision.migrate_up(connection)
    provision.apply_policies(connection)
    assert dump() == first


def test_each_migration_removes_on_its_way_down_exactly_what_it_brought(connection, dump):
    before = dump()
    for step, owner in [(step, None) for step in provision.steps("platform")] + [
        (step, "app_owner") for step in provision.steps("migrations")
    ]:
        provision.run_script(connection, step.up, owner)
        after = dump()
        assert after != before, f"{step.name} does nothing"
        provision.run_script(connection, step.down, owner)
        assert dump() == before, f"{step.name} leaves something behind"
        # That it is the same the second time, the test above says of all at once.
        provision.run_script(connection, step.up, owner)
        before = after


def test_the_storage_layer_goes_down_with_what_the_storage_api_built_on_it(connection, dump):
    empty = dump()
    provision.migrate_up(connection)
    with connection.transaction():
        connection.execute("set local role supabase_storage_admin")
        connection.execute("create table storage.uploads (bucket_id text references storage.buckets (id))")
        connection.execute(
            "create function storage.search(prefix text) returns setof storage.objects language sql "
            "as 'select * from storage.objects'"
        )
    provision.migrate_down(connection)
    assert dump() == empty


def test_a_migration_leaves_the_role_of_its_transaction_as_it_was(connection):
    for step in provision.steps("platform"):
        with connection.transaction():
            connection.execute(step.up.encode())
            assert connection.execute("select current_user = session_user").fetchone() == (True,)


def test_migrations_run_as_a_login_that_is_no_superuser_but_a_member_of_the_owners(connection, framed):
    login, password = f"plain_{secrets.token_hex(4)}", secrets.token_hex(16)
    connection.execute(
        sql.SQL("create role {} login createrole createdb password {}").format(sql.Identifier(login), password)
    )
    try:
        connection.execute(sql.SQL("grant app_owner, supabase_storage_admin to {}").format(sql.Identifier(login)))
        connection.execute("drop schema supabase_migrations cascade")
        connection.execute(
            sql.SQL("alter database {} owner to {}").format(sql.Identifier(framed.name), sql.Identifier(login))
        )
        with psycopg.connect(
            host=framed.host, port=framed.port, dbname=framed.name, user=login, password=password, autocommit=True
        ) as plain:
            provision.migrate_up(plain)
            provision.apply_policies(plain)
            provision.apply_grants(plain)
            provision.drop_policies(plain)
            provision.migrate_down(plain)
    finally:
        connection.execute(
            sql.SQL("alter database {} owner to postgres; drop owned by {login}; drop role {login}").format(
                sql.Identifier(framed.name), login=sql.Identifier(login)
            )
        )


def statements(kind: str) -> list[tuple[str, str]]:
    """Each statement of sql/<kind> with its file and line, without comments inside."""
    found = []
    for path in sorted((provision.SQL / kind).glob("*.sql")):
        for statement in sqlfiles.statements(path.read_text()):
            found.append((f"{path.name}:{statement.line}", re.sub(r"--[^\n]*", "", statement.text)))
    assert found
    return found


def test_migrations_grant_nothing_and_revoke_only_execute_from_public():
    for location, text in statements("migrations"):
        assert not re.match(r"grant\b|alter\s+default", text), f"{location}: grants are declared by the program"
        if text.startswith("revoke"):
            assert re.fullmatch(r"revoke execute on (function|procedure) [\w.]+\([\w.,\s\[\]]*\) from public", text), (
                location
            )


def test_the_platform_grants_nothing_outside_its_own_schemas():
    granted = [(location, text) for location, text in statements("platform") if text.startswith(("grant", "revoke"))]
    assert granted
    for location, text in granted:
        assert re.search(r" on (function|table) (auth|storage|realtime)\.\w+[^;]* (to|from) ", text), location
        assert not re.search(r"\b(truncate|all)\b", text), f"{location}: truncate passes row security"


def test_migrations_state_volatility_and_search_path_of_each_function():
    functions = [
        (location, text) for location, text in statements("migrations") if re.match(r"create\s+function", text)
    ]
    assert functions
    for location, text in functions:
        head = re.split(r"\bas \$\$|\bbegin atomic\b|^return\b", text, flags=re.MULTILINE)[0]
        assert re.search(r"\b(volatile|stable|immutable)\b", head), f"{location}: volatility is not stated"
        # Which of two schemas an extension is in, a platform says; tests/sql/test_catalogue.py names the function.
        pinned = "statistics, extensions" if " ops.slow_statements(" in head else "''"
        assert f"set search_path = {pinned}" in head, f"{location}: the search path is not pinned"


def test_foreign_keys_state_what_a_delete_does():
    keys = [
        (location, key)
        for kind in ("platform", "migrations")
        for location, text in statements(kind)
        for key in re.findall(r"references [\w.]+ \(\w+\)(.*)", text)
    ]
    assert keys
    for location, rest in keys:
        assert re.match(r" on delete (cascade|restrict|no action|set null)", rest), location


def test_the_golden_schema_is_what_the_migrations_make(cluster, provisioned_database):
    made = schemadump.files(cluster.programs, cluster.server, provisioned_database.name)
    # Another version's pg_dump has another style: there it is enough that it makes one.
    assert "CREATE TABLE public.projects" in made[schemadump.FOLDER / "public" / "projects.sql"]
    if cluster.server.version == schemadump.VERSION:
        there = {path: path.read_text() for path in schemadump.FOLDER.rglob("*.sql")}
        assert made == there, "`make golden` writes it"


def test_the_golden_schema_has_every_statement_of_the_dump_once(cluster, provisioned_database):
    with psycopg.connect(cluster.server.url(), autocommit=True) as connection:
        # Its row goes behind the others', and so does its name in the row policies of a dump.
        connection.execute("alter role anon connection limit -1")
    dumped = schemadump.dump(cluster.programs, cluster.server, provisioned_database.name, *schemadump.LEFT_OUT)
    text = schemadump.portable(dumped)
    files = schemadump.files(cluster.programs, cluster.server, provisioned_database.name).values()
    kept = [line for file in files for line in file.removeprefix(schemadump.FIRST).splitlines() if line]
    assert sorted(kept) == sorted(line for line in text.splitlines() if not line.startswith("--"))


def test_each_migration_goes_down_and_up_again_with_data_in_the_tables(connection, dump):
    empty = dump()
    provision.migrate_up(connection)
    provision.apply_policies(connection)
    assert [*generate.generate(connection, 400)]
    connection.execute("set search_path = ''")
    connection.execute("insert into storage.buckets (id, name) values ('exports', 'exports')")
    connection.execute("insert into storage.objects (bucket_id, name) values ('exports', 'x/y')")
    provision.drop_policies(connection)
    for step in reversed(provision.steps("migrations")):
        provision.run_script(connection, step.down, "app_owner")
        provision.run_script(connection, step.up, "app_owner")
        provision.run_script(connection, step.down, "app_owner")
    for step in reversed(provision.steps("platform")):
        provision.run_script(connection, step.down)
    assert dump() == empty


def add_people(connection):
    """People in a database that has no row policies yet, with which profiles could be made."""
    connection.execute("alter table public.users no force row level security")
    provision.add_people(connection)


def test_the_queries_of_the_app_before_keep_working_after_each_migration(connection):
    provision.migrate(connection, "sql/platform")
    ran = 0
    for step in provision.steps("migrations"):
        provision.run_script(connection, step.up, "app_owner")
        if step.name == "0007_projects":
            add_people(connection)
        if step.version < "0007":
            continue
        given = values(connection, ADA)
        for query in QUERIES:
            if query.since <= step.version:
                # An answer without rows is an answer; any other error is the step's fault. Settings come after the
                # migrations.
                try:
                    with acting_as(connection, "postgres", {"sub": ADA}):
                        run(connection, query, given)
                except psycopg.Error as error:
                    if error.sqlstate not in ("PT404", "55000"):
                        raise
                connection.execute("deallocate all")
                ran += 1
    assert ran > 200, "the catalogue says of hardly any query since when it is there"
