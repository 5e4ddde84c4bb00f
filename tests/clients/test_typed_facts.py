"""What is declared of the functions' results is so: nulls and values appear where they may, and do."""

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from generate.clients import catalogue, database, facts
from tests.clients.world import Complete
from tests.sql.provision import Connection, acting_as

pytestmark = pytest.mark.xdist_group("typed")
PERSON, SERVER = "authenticated", "service_role"
# Functions with rows or with facts, and those that call them: as whom, and with which arguments.
CALLS: dict[str, tuple[str, str]] = {
    "ops.take_scans": ("scanner", "10000"),
    "public.my_budget": (PERSON, ""),
    "public.my_invitations": (PERSON, ""),
    "public.project_members": (PERSON, "{project}"),
    "public.project_owners": ("anon", "array(select id from public.projects)"),
    "public.project_summaries": (PERSON, "array(select id from public.projects)"),
    "public.record_generation": (SERVER, ""),
    "public.search_generations": (PERSON, "'city'"),
    "public.search_projects": (PERSON, "'city'"),
    "public.search_recordings": (PERSON, "'city'"),
    "public.storage_room": (SERVER, "b.id, '{me}/a.png'"),
    "public.storage_usage": (PERSON, ""),
    "public.take_deletions": (SERVER, "100"),
    "public.take_file_events": (SERVER, "100"),
    "public.take_room": (SERVER, "b.id, '{me}/a.png', 1"),
    "public.usage_by_day": (PERSON, ""),
    "public.usage_overview": (PERSON, ""),
    "public.usage_summary": (PERSON, ""),
}
STORED = """
insert into private.storage_usage (folder_id, bucket_id, objects, bytes, kept_bytes)
select id, 'avatars', 1, 10, 0 from next_auth.users
"""
BUCKETS = """insert into storage.buckets (id, name) values ('avatars', 'avatars') on conflict do nothing;
insert into private.settings (name, value) values ('buckets', '{"avatars": "people"}')
on conflict (name) do update set value = private.settings.value || excluded.value"""
# One of each end that a generation can have had before it is recorded.
ENDS = {
    "succeeded": "update public.prompt_generations set status = 'running' where id = %s",
    "failed": "update public.prompt_generations set status = 'running' where id = %s",
    "cancelled": "update public.prompt_generations set status = 'cancelled' where id = %s",
    "deleted": "update public.prompt_generations set status = 'running' where id = %s;"
    "delete from public.prompt_generations where id = %s",
}


@pytest.fixture(scope="module")
def connection(product: Complete) -> Iterator[Connection]:
    with psycopg.connect(product.database.url, autocommit=True) as opened:
        yield opened


@pytest.fixture(scope="module")
def seen(connection: Connection) -> dict[str, dict[str, set[Any]]]:
    """Function → column → what was in it, as text or None."""
    found: dict[str, dict[str, set[Any]]] = defaultdict(lambda: defaultdict(set))
    people = [
        str(id) for (id,) in connection.execute("select id from next_auth.users where email ~ '^person' limit 20")
    ]
    with connection.transaction(force_rollback=True):
        connection.execute(f"{STORED};{BUCKETS}".encode())
        for name in CALLS.keys() - {"public.record_generation"}:
            for row in (row for me in people for row in called(connection, name, me)):
                for column, value in row.items():
                    found[name]["" if column == name.partition(".")[2] else column].add(value)
    found["public.record_generation"][""] = set(recorded(connection))
    return found


def called(connection: Connection, name: str, me: str) -> list[dict[str, Any]]:
    """The rows of a function as JSON has them, for a person; whatever it wrote is taken back."""
    role, arguments = CALLS[name]
    claims = {"sub": me, "role": role} if role == PERSON else {"role": role}
    buckets = "from storage.buckets as b cross join lateral" if "b.id" in arguments else "from"
    project = f"(select id from public.projects where owner_id = '{me}' order by id limit 1)"
    given = arguments.format(me=me, project=project)
    with acting_as(connection, role, claims) as session:
        rows = session.execute(f"select to_jsonb(f) {buckets} {name}({given}) as f".encode()).fetchall()
    return [row if isinstance(row, dict) else {name.partition(".")[2]: row} for (row,) in rows]


def recorded(connection: Connection) -> Iterator[str]:
    """What recording a call answers for a generation that runs, fails, was cancelled, and is gone."""
    waiting = "select id from public.prompt_generations where status = 'pending' order by id limit 1"
    for end, before in ENDS.items():
        with connection.transaction(force_rollback=True):
            connection.execute("delete from private.budget_limits")
            (id,) = connection.execute(waiting.encode()).fetchone() or (None,)
            for statement in before.split(";"):
                connection.execute(statement.encode(), (id,))
            response = None if end == "failed" else "A poem."
            call = "select public.record_generation(%s, 'a call', response => %s)"
            with acting_as(connection, SERVER, {"role": SERVER}) as session:
                (answer,) = session.execute(call.encode(), (id, response)).fetchone() or ("",)
            yield str(answer)


def test_what_an_insert_has_to_name_a_person_may_write(connection: Connection):
    """Else a type asks for what the database then refuses."""
    known = {f"{each.relation}.{each.name}" for each in catalogue.read(connection).columns.values()}
    assert known >= facts.FILLED_BY_TRIGGER
    required = """
        select c.oid::regclass::text || '.' || a.attname
        from pg_class as c join pg_attribute as a on a.attrelid = c.oid
        where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p')
            and has_any_column_privilege('authenticated', c.oid, 'insert')
            and a.attnum > 0 and not a.attisdropped and a.attnotnull and not a.atthasdef and a.attidentity = ''
            and not has_column_privilege('authenticated', c.oid, a.attnum, 'insert')"""
    with connection.transaction(force_rollback=True):
        connection.execute("set local search_path = ''")
        refused = {name for (name,) in connection.execute(required.encode())}
    assert refused == set(facts.FILLED_BY_TRIGGER)


def test_a_view_and_rows_of_a_table_have_types_by_supabase_s_generator(connection: Connection, product: Complete):
    view = "create view public.titles as select id, title from public.projects"
    rows = "begin atomic select * from public.projects; end"
    function = f"create function public.some() returns setof public.projects language sql {rows}"
    connection.execute(view.encode())
    connection.execute(function.encode())
    try:
        found = database.made(product.database.url, catalogue.read(connection))
    finally:
        connection.execute("drop function public.some(); drop view public.titles")
    _, rest = found.split("      some: {", 1)
    assert 'visibility: "private" | "shared" | "public";' in rest.split("};", 1)[0]
    assert "      titles: {\n        Row: {\n          id: string | null;" in found


def test_every_function_with_rows_or_facts_is_called(connection: Connection):
    known = catalogue.read(connection).functions
    with_rows = {name for name, each in known.items() if name.startswith("public.") and each.many}
    declared = {name.partition("(")[0].rpartition(".")[0] for name in facts.VALUES if "(" not in name}
    assert with_rows | declared | facts.NULLABLE.keys() == CALLS.keys()


@pytest.mark.parametrize("name", CALLS)
def test_nulls_appear_only_where_they_are_declared_and_do_appear_there(seen, connection: Connection, name: str):
    columns = catalogue.read(connection).functions[name].columns
    assert seen[name].keys() == set(columns), "it returned nothing, so this says nothing"
    assert {column for column in columns if None in seen[name][column]} == facts.NULLABLE.get(name, frozenset())


def test_values_are_the_declared_ones(seen, connection: Connection):
    known = catalogue.read(connection)
    columns = [place.rpartition(".") for place in facts.VALUES if "(" not in place]
    wrong = {
        f"{name}.{column}": seen[name][column] - set(known.expanded(facts.VALUES[f"{name}.{column}"]))
        for name, _, column in columns
    }
    assert {place: values for place, values in wrong.items() if values} == {}
    assert seen["public.record_generation"][""] == set(facts.VALUES["public.record_generation."])
    assert seen["public.my_budget"]["measure"] == {"tokens", "cost"}
    assert "owner" in seen["public.project_members"]["role"]
