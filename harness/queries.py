"""What it takes to run a query pattern of `sql/queries`: values for its parameters."""

from collections.abc import Callable
from typing import Any

import psycopg
from psycopg import sql

from declared import sqlqueries
from declared.sqlqueries import Query as Query

Connection = psycopg.Connection[tuple[Any, ...]]

QUERIES = sqlqueries.queries()


def run(connection: Connection, query: Query, values: dict[str, Any]) -> int:
    """Prepare and run it as it stands, with values by parameter name; how many rows it read or wrote."""
    prepare(connection, query)
    count = connection.execute(execution(query, values)).rowcount
    connection.execute("deallocate pattern")
    return count


def prepare(connection: Connection, query: Query) -> None:
    """Prepare it as it stands, in the place of another one."""
    types = f" ({', '.join(query.parameters.values())})" if query.parameters else ""
    # One that failed has left its statement behind.
    connection.execute("deallocate all")
    connection.execute(f"prepare pattern{types} as {query.text.rstrip(';')}".encode())


def execution(query: Query, values: dict[str, Any]) -> sql.Composed:
    """What runs it once it is prepared, with values by parameter name."""
    literals = sql.SQL(", ").join(sql.Literal(values[name]) for name in query.parameters)
    given = sql.SQL("({})").format(literals) if query.parameters else sql.SQL("")
    return sql.SQL("execute pattern") + given


def _own_word(one: Callable[[str], Any], table: str, column: str) -> str:
    """A rare word in a text of the person's own projects; none where the table isn't there."""
    if not one(f"select to_regclass('public.{table}')"):
        return ""
    text = f"select (regexp_match(t.{column}, 'word1[0-9]{{3}}'))[1] from public.{table} as t"
    return str(
        one(
            f"{text} join public.projects as p on p.id = t.project_id "
            f"where p.owner_id = %(person)s and t.{column} ~ 'word1[0-9]{{3}}' order by t.id limit 1"
        )
        or ""
    )


NOBODY = "00000000-0000-7000-8000-0000000000ff"
FIXED = {
    "before_time": "2100-01-01 00:00:00+00",
    "before_id": "ffffffff-ffff-ffff-ffff-ffffffffffff",
    "words": "city",
    "rare_words": "word1100",
    "properties": '{"text": "new"}',
    "revision": 1,
    "x": 10.5,
    "y": 20.5,
    "fingerprint": "c4ca4238a0b923820dcc509a6f75849b",
    "name": "http.query",
    "email": "person7@example.org",
    "provider": "github",
    "account": "8",
    "kind": "text",
    "title": "Lesson plan",
    "description": "For the first week",
    "visibility": "private",
    "list": '[{"kind": "text"}, {"kind": "text"}]',
    "after": None,
    "parent": None,
    "prompt": "Write a poem.",
    "model": "large",
    "call": "req_0123456789",
    "response": "A poem.",
    "error": None,
    "tokens_in": 300,
    "tokens_out": 700,
    "cost": "0.0123",
    "latency_ms": 900,
}
"""Values that need no row."""


def _of_collaborators(one: Callable[[str], Any]) -> dict[str, Any]:
    """What has to do with those who share a project; nobody as long as there is no such table."""
    if not one("select to_regclass('public.collaborators')"):
        return dict.fromkeys(("invitation", "team_project", "member"), NOBODY)
    team = (
        "from public.collaborators as c join public.projects as p on p.id = c.project_id "
        "where p.owner_id = %(person)s and c.accepted_at is not null order by c.id limit 1"
    )
    return {
        "invitation": one("select id from public.collaborators where user_id = %(person)s and expires_at > now()"),
        "team_project": one(f"select c.project_id {team}"),
        "member": one(f"select c.user_id {team}"),
    }


def values(connection: Connection, person: str) -> dict[str, Any]:
    """A value for each parameter name: rows of this person where there are any, else what fits the type."""

    def one(text: str) -> Any:
        return (connection.execute(text.encode(), {"person": person}).fetchone() or [None])[0]

    project = "select p.id from public.projects as p where p.owner_id = %(person)s order by p.id limit 1"
    if one("select to_regclass('public.audio_recordings')"):
        # One with a recording, where there is one: deleting it has to look for that as well.
        recorded = "select 1 from public.audio_recordings as r where r.project_id = p.id"
        project = project.replace("order by", f"order by not exists ({recorded}),")
    mine = one(project) or NOBODY
    public = one("select id from public.projects where visibility = 'public' limit 1") or NOBODY
    components = one("select to_regclass('public.project_components')")
    component = f"select c.id from public.project_components as c where c.project_id = ({project}) limit 1"
    return {
        "person": person,
        "project": mine,
        "projects": [mine],
        "components": one(
            "select coalesce(array_agg(c.id order by c.id desc), '{}') from public.project_components as c "
            f"where c.project_id = ({project})"
        )
        if components
        else [],
        **_of_collaborators(one),
        "public_projects": [public],
        "public_project": public,
        "component": (components and one(component)) or NOBODY,
        "waiting_generation": (
            one("select to_regclass('public.prompt_generations')")
            and one("select id from public.prompt_generations where status = 'pending' order by id limit 1")
        )
        or NOBODY,
        **FIXED,
        "rare_prompt": _own_word(one, "prompt_generations", "prompt"),
        "rare_transcript": _own_word(one, "audio_recordings", "transcript"),
        "session": one("select md5('session' || 7)"),
        "token": one("select md5('token' || 7)"),
    }
