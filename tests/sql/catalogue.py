"""The catalogue of query patterns in `sql/queries`, and what it takes to run one of them."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from psycopg import sql

from tests.sql.provision import SQL, Connection

FOLDER = SQL / "queries"
HEADER = re.compile(
    r"-- (?P<name>\w+): (?P<purpose>\S.*?\.)\n"
    r"-- Role: (?P<role>\w+)\. Since: (?P<since>\d{4})\.\n"
    r"-- Parameters: (?P<parameters>\S.*?)\.\n"
    r"-- Index: (?P<indexes>\S.*?)\.\n"
    r"-- Plan: (?P<plan>\S.*?\.)\n\n"
    r"(?P<text>[^\n-].*;)\n",
    re.DOTALL,
)
PARAMETER = re.compile(r"\$(?P<number>\d+) (?P<name>\w+) (?P<type>[a-z][a-z ]*(\[\])?)")


@dataclass(frozen=True)
class Query:
    """One query pattern, in the parts of its header."""

    name: str
    role: str
    since: str
    parameters: dict[str, str]
    indexes: frozenset[str]
    text: str

    def run(self, connection: Connection, values: dict[str, Any]) -> int:
        """Prepare and run it as it stands, with values by parameter name; how many rows it read or wrote."""
        types = f" ({', '.join(self.parameters.values())})" if self.parameters else ""
        connection.execute(f"prepare pattern{types} as {self.text.rstrip(';')}".encode())
        literals = sql.SQL(", ").join(sql.Literal(values[name]) for name in self.parameters)
        given = sql.SQL("({})").format(literals) if self.parameters else sql.SQL("")
        count = connection.execute(sql.SQL("execute pattern") + given).rowcount
        connection.execute("deallocate pattern")
        return count


def query(path: Path) -> Query:
    """One file of the catalogue, which has to have the whole header."""
    match = HEADER.fullmatch(re.sub(r"\n--     ", " ", path.read_text()))
    assert match, f"{path.name}: the header is not name, role, parameters, index and plan, then an empty line"
    assert match["name"] == path.stem, f"{path.name} says that it is {match['name']}"
    listed = [] if match["parameters"] == "none" else match["parameters"].split(", ")
    parameters = {}
    for number, entry in enumerate(listed, start=1):
        parameter = PARAMETER.fullmatch(entry)
        assert parameter, f"{path.name}: {entry} is not `$1 name type`"
        assert int(parameter["number"]) == number, f"{path.name}: {entry} should be number {number}"
        parameters[parameter["name"]] = parameter["type"]
    used = {int(number) for number in re.findall(r"\$(\d+)", match["text"])}
    assert used == set(range(1, len(parameters) + 1)), f"{path.name}: it uses ${used}, the header has {parameters}"
    return Query(
        name=match["name"],
        role=match["role"],
        since=match["since"],
        parameters=parameters,
        indexes=frozenset(() if match["indexes"] == "none" else re.split(r",\s+", match["indexes"])),
        text=match["text"],
    )


QUERIES = [query(path) for path in sorted(FOLDER.glob("*.sql"))]


def values(connection: Connection, person: str) -> dict[str, Any]:
    """A value for each parameter name: rows of this person where there are any, else what fits the type."""

    def one(text: str) -> Any:
        found = connection.execute(text.encode(), {"person": person}).fetchone()
        return found and found[0]

    nobody = "00000000-0000-7000-8000-0000000000ff"
    project = "select p.id from public.projects as p where p.owner_id = %(person)s order by p.id limit 1"
    if one("select to_regclass('public.audio_recordings')"):
        # One with a recording, where there is one: deleting it has to look for that as well.
        recorded = "select 1 from public.audio_recordings as r where r.project_id = p.id"
        project = project.replace("order by", f"order by not exists ({recorded}),")
    mine = one(project) or nobody
    component = f"select c.id from public.project_components as c where c.project_id = ({project}) limit 1"
    return {
        "person": person,
        "project": mine,
        "projects": [mine],
        "public_project": one("select id from public.projects where visibility = 'public' limit 1") or nobody,
        "component": (one("select to_regclass('public.project_components')") and one(component)) or nobody,
        "before_time": "2100-01-01 00:00:00+00",
        "before_id": "ffffffff-ffff-ffff-ffff-ffffffffffff",
        "words": "city",
        "rare_words": "word1100",
        "x": 10.5,
        "y": 20.5,
        "fingerprint": "c4ca4238a0b923820dcc509a6f75849b",
        "name": "http.query",
        "email": "person7@example.org",
        "account": "8",
        "session": one("select md5('session' || 7)"),
        "token": one("select md5('token' || 7)"),
    }
