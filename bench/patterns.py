"""What each query pattern costs where there are a million components: pages read and time, on the pattern's own page.

The data are those of `harness/data.py`, in as many projects as `./vpb seed --size large`; who asks is a typical person.
Pages of 8 KiB say the same on every machine; times are those of the one that measured: all in memory, under row
policies, prepared, without the network.

    python -m bench.patterns --write    # then `make types`
"""

import argparse
import json
import statistics
from typing import Any

import psycopg
from psycopg import sql

from bench.policies import filled
from declared.paths import CHECKOUT
from harness import queries
from harness.queries import Connection, Query
from ops.seed import SIZES

FILE = CHECKOUT / "generate" / "clients" / "costs.json"
PERSON = "person7@example.org"
BECOME = "select set_config('request.jwt.claims', %s, true), set_config('role', %s, true)"
ROUNDS = 21


def measured(connection: Connection, query: Query, person: str, rounds: int) -> dict[str, float]:
    """Medians of a pattern: `pages` read from memory, `ms` of its execution; what it writes is taken back."""
    given = queries.values(connection, person)
    if query.name == "list_collaborators":
        given["project"] = given["team_project"]
    asked = sql.SQL("explain (analyze, buffers, format json) ") + queries.execution(query, given)
    found: list[dict[str, Any]] = []
    for _ in range(rounds + 1):
        with connection.transaction(force_rollback=True):
            if query.reader:
                connection.execute("set transaction read only")
            claims = json.dumps({"sub": person, "role": query.role})
            connection.execute(BECOME.encode(), (claims, query.role))
            if not found:
                queries.prepare(connection, query)
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
    with (
        filled(None, options.projects, options.components) as url,
        psycopg.connect(url, autocommit=True) as connection,
    ):
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
