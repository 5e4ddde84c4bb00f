"""What is cached in the database beside the same answer without it: summaries, counters, prepared statements.

`python -m bench.caching`. Turn by turn in one run; the ratio is how many times longer it takes without.
"""

import argparse
import json
import statistics
from typing import Any

import psycopg

from bench.policies import asking, cases, filled, seconds
from harness import queries as catalogue

# Pattern → the same from the rows themselves: by the person whose rows they are, or by a superuser, since nobody else
# sees those of all.
LIVE = {
    "show_project_summaries": """
        select p.id,
            (select count(*) from public.project_components as n where n.project_id = p.id),
            (select count(*) from public.audio_recordings as n where n.project_id = p.id),
            (select count(*) from public.prompt_generations as n where n.project_id = p.id),
            (select sum(n.cost) from public.prompt_generations as n where n.project_id = p.id)
        from public.projects as p where p.id = any(%(projects)s)""",
    "show_usage_overview": """
        select (u.created_at at time zone 'UTC')::date, u.provider, u.model, count(*), sum(u.tokens_in + u.tokens_out)
        from analytics.api_usage as u group by 1, 2, 3 having count(distinct u.user_id) >= 5""",
    "show_my_budget": """
        select sum(u.tokens_in + u.tokens_out), sum(u.cost) from analytics.api_usage as u
        where u.user_id = %(person)s and u.created_at >= date_trunc('month', now())""",
}
OF_ALL = ("show_usage_overview",)
CACHED = {
    "show_project_summaries": "select * from public.project_summaries(%(projects)s)",
    "show_usage_overview": "select * from public.usage_overview()",
    "show_my_budget": "select * from public.my_budget()",
}
PEOPLE = (1, 7, 17)
OWN = "select array_agg(id::text) from (select id from public.projects where owner_id = %s order by id limit 50) as p"
Connection = psycopg.Connection[tuple[Any, ...]]


def main() -> None:
    """Print the ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--projects", type=int, default=20_000)
    parser.add_argument("--url", help="a superuser's login to a database that harness.data has filled")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with filled(options.url, options.projects) as url:
        found = stored(url, options.rounds) | prepared(url, options.rounds)
    if options.json:
        print(json.dumps(found))
        return
    print("milliseconds with, without, ratio")
    for name, (cached, without, ratio) in found.items():
        print(f"  {name:34} {cached:9.3f} {without:9.3f} {ratio:7.1f}")


def stored(url: str, rounds: int) -> dict[str, tuple[float, float, float]]:
    """Summaries and counters beside the rows that they are of."""
    found: dict[str, tuple[list[float], list[float]]] = {name: ([], []) for name in LIVE}
    roles = {query.name: query.role for query in catalogue.QUERIES}
    with psycopg.connect(url, autocommit=True) as ours, psycopg.connect(url, autocommit=True) as theirs:
        ours.execute("select ops.refresh_summaries()")
        for number in PEOPLE:
            who = str(_one(theirs, "select id from next_auth.users where name = %s", f"Person {number}"))
            values = {"person": who, "projects": _one(theirs, OWN, who) or []}
            for name, (cached, live) in found.items():
                for turn in range(rounds + 2):
                    with asking(ours, who, roles[name]):
                        with_it, _ = seconds(ours, CACHED[name], values)
                    with theirs.transaction() if name in OF_ALL else asking(theirs, who, roles[name]):
                        without, _ = seconds(theirs, LIVE[name], values)
                    if turn > 1:
                        cached.append(with_it)
                        live.append(without)
    return {name: _medians(*each) for name, each in found.items()}


def prepared(url: str, rounds: int) -> dict[str, tuple[float, float, float]]:
    """All read patterns together, as statements that the server has planned before, and as new ones."""
    with_it, without = list[float](), list[float]()
    with (
        psycopg.connect(url, autocommit=True, prepare_threshold=0) as ours,
        psycopg.connect(url, autocommit=True, prepare_threshold=None) as theirs,
    ):
        for number in PEOPLE:
            for _, case in cases(theirs, number):
                for turn in range(rounds + 8):
                    took = []
                    for connection in (ours, theirs):
                        with asking(connection, case.person, case.query.role):
                            took.append(seconds(connection, case.under_policies(), case.values)[0])
                    # The server decides for a plan that it keeps after five turns.
                    if turn > 7:
                        with_it.append(took[0])
                        without.append(took[1])
    return {"all reads, prepared": _medians(with_it, without)}


def _one(connection: Connection, statement: str, value: str) -> Any:
    found = connection.execute(statement.encode(), (value,)).fetchone()
    return found[0] if found else None


def _medians(cached: list[float], live: list[float]) -> tuple[float, float, float]:
    each = [without / with_it for with_it, without in zip(cached, live, strict=True)]
    return statistics.median(cached) * 1000, statistics.median(live) * 1000, statistics.median(each)


if __name__ == "__main__":
    main()
