"""What row security costs: each read pattern under its row policies beside the same query with its own filter.

`sql/queries/<name>.sql` runs as the person, `bench/unfiltered/<name>.sql` as superuser; turn by turn in one session
each, for typical people and for the heavy one, in their own projects and in others'. Person 1 is heavy: at a million
projects 5,000 are theirs and 10,000 shared with them. `docs/decisions/` has the results.
"""

import argparse
import json
import re
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from bench.goal import against
from harness import data as generate
from harness import queries as catalogue
from harness import scratch
from harness.queries import Connection
from local import postgres

MEDIAN, WORST = 1.3, 2.0
UNFILTERED = Path(__file__).parent / "unfiltered"
READS = {query.name: query for query in catalogue.QUERIES if (UNFILTERED / f"{query.name}.sql").exists()}
# A server with memory for its data, as one of this size has; durability has no part in reading.
SETTINGS = {"fsync": "off", "shared_buffers": "1GB", "maintenance_work_mem": "512MB", "max_wal_size": "8GB"}
SHARED = """
    select c.project_id from public.collaborators as c
    join public.audio_recordings as r on r.project_id = c.project_id
    where c.user_id = %s and c.accepted_at is not null order by c.project_id limit 1
"""


@dataclass(frozen=True)
class Case:
    """A read pattern, asked by somebody about a project."""

    name: str
    person: str
    values: dict[str, Any]

    @property
    def query(self) -> catalogue.Query:
        return READS[self.name]

    def under_policies(self) -> str:
        """The pattern in psycopg's spelling: `$1 project uuid` becomes `%(project)s::uuid`."""
        names = list(self.query.parameters.items())

        def spelled(match: re.Match[str]) -> str:
            name, type_name = names[int(match[1]) - 1]
            return f"%({name})s::{type_name}"

        return re.sub(r"\$(\d+)", spelled, self.query.text.replace("%", "%%").rstrip(";"))

    def unfiltered(self) -> str:
        return (UNFILTERED / f"{self.name}.sql").read_text()


@contextmanager
def filled(url: str | None, projects: int, components: int = 3) -> Iterator[str]:
    """A database with that many projects: the one of `url`, or a new one on a server of its own."""
    if url:
        yield url
        return
    with tempfile.TemporaryDirectory(prefix="visual-prompt-builder-bench-") as name:
        server = postgres.ensure(Path(name) / "server", None, SETTINGS)
        try:
            scratch.complete(server.url())
            with psycopg.connect(server.url(), autocommit=True) as connection:
                for table in generate.generate(connection, projects, components=components):
                    print(f"  made {table}", file=sys.stderr)
            yield server.url()
        finally:
            postgres.remove(Path(name) / "server")


def cases(connection: Connection, number: int) -> list[tuple[str, Case]]:
    """Every pattern for a person; where it names a project, for one of theirs and for one shared with them."""
    one = connection.execute(
        "select id from next_auth.users where email = %s", (f"person{number}@example.org",)
    ).fetchone()
    assert one
    who = str(one[0])
    own = catalogue.values(connection, who) | {"person": who}
    there = connection.execute(SHARED.encode(), (who,)).fetchone()
    found = []
    for name, query in READS.items():
        found.append((name, Case(name, who, own)))
        if there and {"project", "projects"} & query.parameters.keys():
            shared = own | {"project": str(there[0]), "projects": [str(there[0])]}
            found.append((f"{name}, shared", Case(name, who, shared)))
    return found


def seconds(connection: Connection, statement: str, values: dict[str, Any]) -> tuple[float, int]:
    """How long a query took to its last row, and how many rows it had."""
    begun = time.perf_counter()
    found = connection.execute(statement.encode(), values).fetchall()
    return time.perf_counter() - begun, len(found)


@contextmanager
def asking(connection: Connection, person: str, role: str) -> Iterator[None]:
    """A transaction as PostgREST makes it. Committed: psycopg forgets what it prepared where one is rolled back."""
    claims = json.dumps({"sub": person, "role": role})
    with connection.transaction():
        connection.execute("select set_config('request.jwt.claims', %s, true)", (claims,))
        connection.execute(f"set local role {role}")
        yield


def measure(ours: Connection, theirs: Connection, case: Case, rounds: int) -> tuple[list[float], list[float]]:
    """Seconds under row security and with the filter written out, in turns; both must find the same number of rows."""
    policies, unfiltered = case.under_policies(), case.unfiltered()
    secured, plain = [], []
    for number in range(rounds + 2):
        with theirs.transaction():
            bare, expected = seconds(theirs, unfiltered, case.values)
        with asking(ours, case.person, case.query.role):
            mine, count = seconds(ours, policies, case.values)
        if count != expected:
            sys.exit(f"error: {case.name} finds {count} rows under row security and {expected} without")
        # The first two turns fill caches.
        if number > 1:
            secured.append(mine)
            plain.append(bare)
    return secured, plain


def ratios(url: str, numbers: list[int], rounds: int, prepared: bool) -> dict[str, tuple[float, float, float]]:
    """By pattern, for these people together: milliseconds with the filter, under row security, and their ratio."""
    # Prepared or not is settled for the whole run: by default psycopg would begin to after five turns.
    threshold = 0 if prepared else None
    secured: dict[str, list[float]] = {}
    plain: dict[str, list[float]] = {}
    with (
        psycopg.connect(url, autocommit=True, prepare_threshold=threshold) as ours,
        psycopg.connect(url, autocommit=True, prepare_threshold=threshold) as theirs,
    ):
        for number in numbers:
            for label, case in cases(theirs, number):
                mine, bare = measure(ours, theirs, case, rounds)
                secured.setdefault(label, []).extend(mine)
                plain.setdefault(label, []).extend(bare)
    return {label: summary(plain[label], secured[label]) for label in secured}


def summary(plain: list[float], secured: list[float]) -> tuple[float, float, float]:
    """The medians; the ratio is that of each turn, so that a load that comes and goes hits both of it."""
    each = [mine / bare for mine, bare in zip(secured, plain, strict=True)]
    return statistics.median(plain) * 1000, statistics.median(secured) * 1000, statistics.median(each)


def main() -> None:
    """Print the ratios, and whether the goals are met."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--projects", type=int, default=100_000, help="as many are made; a million takes a quarter hour"
    )
    parser.add_argument("--url", help="a superuser's login to a database that harness.data has filled")
    parser.add_argument("--rounds", type=int, default=15, help="turns for each pattern and person")
    parser.add_argument("--people", type=int, default=5, help="how many typical people")
    parser.add_argument(
        "--prepared", action="store_true", help="with prepared statements, as PostgREST's pool has them"
    )
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with filled(options.url, options.projects) as url:
        found = {
            "typical": ratios(url, [7 + 10 * n for n in range(options.people)], options.rounds, options.prepared),
            "heavy": ratios(url, [1], options.rounds, options.prepared),
        }
    if options.json:
        print(json.dumps(found))
        return
    for who, patterns in found.items():
        print(f"{who} person: milliseconds with the filter written out, under row security, ratio")
        for label, (bare, mine, ratio) in patterns.items():
            print(f"  {label:34} {bare:9.3f} {mine:9.3f} {ratio:7.2f}{'   over the goal' if ratio > WORST else ''}")
        each = [ratio for _, _, ratio in patterns.values()]
        median, worst = statistics.median(each), max(each)
        print(f"  median {median:.2f}, {against(median, MEDIAN)}; worst {worst:.2f}, {against(worst, WORST)}")


if __name__ == "__main__":
    main()
