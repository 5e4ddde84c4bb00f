"""What each query pattern costs where there are a million components: pages read and time, on the pattern's own page.

The data are those of `harness/data.py`, in as many projects as `./vpb seed --size large`; who asks is a typical person.
Pages of 8 KiB say the same on every machine; times are those of the one that measured: all in memory, under row
policies, prepared, without the network.

    python -m bench.patterns --write    # then `make types`
"""

import argparse
import json
import statistics
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from bench.policies import SETTINGS
from declared.paths import CHECKOUT
from harness import data, queries, scratch
from harness.queries import Connection, Query
from local import postgres
from ops.seed import SIZES

FILE = CHECKOUT / "generate" / "clients" / "costs.json"
PERSON = "person7@example.org"
BECOME = "select set_config('request.jwt.claims', %s, true), set_config('role', %s, true)"
ROUNDS = 21


@contextmanager
def filled(projects: int, components: int) -> Iterator[Connection]:
    """A server of its own with that many rows, and the superuser on it."""
    with tempfile.TemporaryDirectory(prefix="visual-prompt-builder-bench-") as name:
        server = postgres.ensure(Path(name) / "server", None, SETTINGS)
        try:
            scratch.complete(server.url())
            with psycopg.connect(server.url(), autocommit=True) as connection:
                for table in data.generate(connection, projects, 1, components):
                    print(f"  made {table}", file=sys.stderr)
                yield connection
        finally:
            postgres.remove(Path(name) / "server")


def measured(connection: Connection, query: Query, person: str, rounds: int) -> dict[str, float]:
    """Medians of a pattern: `pages` read from memory, `ms` of its execution; what it writes is taken back."""
    given = queries.values(connection, person)
    if query.name == "list_collaborators":
        given["project"] = given["team_project"]
    types = f" ({', '.join(query.parameters.values())})" if query.parameters else ""
    literals = sql.SQL(", ").join(sql.Literal(given[name]) for name in query.parameters)
    given_here = sql.SQL("({})").format(literals) if query.parameters else sql.SQL("")
    asked = sql.SQL("explain (analyze, buffers, format json) execute pattern") + given_here
    connection.execute("deallocate all")
    found: list[dict[str, Any]] = []
    for _ in range(rounds + 1):
        with connection.transaction(force_rollback=True):
            if query.reader:
                connection.execute("set transaction read only")
            claims = json.dumps({"sub": person, "role": query.role})
            connection.execute(BECOME.encode(), (claims, query.role))
            if not found:
                connection.execute(f"prepare pattern{types} as {query.text.rstrip(';')}".encode())
            found.append(connection.execute(asked).fetchall()[0][0][0])
    # The first one has read the catalogues too.
    pages = [each["Plan"]["Shared Hit Blocks"] + each["Plan"]["Shared Read Blocks"] for each in found[1:]]
    return {
        "pages": statistics.median(pages),
        "ms": round(statistics.median(each["Execution Time"] for each in found[1:]), 2),
    }


def main() -> None:
    """Print the medians of each pattern, or write them for its page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--projects", type=int, default=SIZES["large"].projects)
    parser.add_argument("--components", type=int, default=SIZES["large"].components, help="of a project, on average")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--write", action="store_true", help=f"into {FILE.relative_to(CHECKOUT)}")
    options = parser.parse_args()
    with filled(options.projects, options.components) as connection:
        ((person,),) = connection.execute("select id::text from next_auth.users where email = %s", (PERSON,)).fetchall()
        ((rows,),) = connection.execute("select count(*) from public.project_components").fetchall()
        found = {query.name: measured(connection, query, person, options.rounds) for query in queries.QUERIES}
    for name, cost in found.items():
        print(f"{name:36} {cost['pages']:8.0f} pages {cost['ms']:8.2f} ms")
    if options.write:
        text = json.dumps({"components": rows, "patterns": found}, indent=1)
        FILE.write_text(f"{text}\n")


if __name__ == "__main__":
    main()
