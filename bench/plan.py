"""What `./vpb plan` costs: its seconds over one `pulumi preview --refresh` of the same change, `python -m bench.plan`.

On dev as it is, and with some thousand more tables, in turns on a copy of the checkout each. What is pending is a
migration that adds a column, so that the plan lints it and forecasts its locks.
"""

import argparse
import json
import statistics
from collections.abc import Iterator
from pathlib import Path

from bench.goal import against
from harness.checkout import Finished, Scratch

TABLES = (0, 1000, 5000)
# In one transaction, more would need more locks than PostgreSQL has room for by default.
TABLES_AT_ONCE = 250
GOAL = 1.0
PREVIEW = ("preview", "--refresh", "--diff", "--non-interactive")
HEADER = """-- {number} {name}: for a benchmark.
-- Lock: access exclusive on what it changes. Duration: instant.
-- Down: loses it.

"""
TABLE = """
create table private.bench_{n} (
    id uuid not null default private.uuid_v7(), owner_id uuid not null, title text not null default '',
    constraint bench_{n}_pkey primary key (id), constraint bench_{n}_title_check check (length(title) < 200)
);
create index bench_{n}_owner_id_idx on private.bench_{n} (owner_id);
alter table private.bench_{n} enable row level security;
alter table private.bench_{n} force row level security;
"""
COLUMN = "alter table public.projects add column bench text;\n"


def seconds(finished: Finished, *statuses: int) -> float:
    """Of a command that has to end with one of these."""
    if finished.status not in (statuses or (0,)):
        raise SystemExit(f"{finished.output[-2000:]}\nerror: a command failed, see above")
    return finished.seconds


def write(folder: Path, name: str, up: str, down: str) -> None:
    """A migration behind the last one."""
    migrations = folder / "sql" / "migrations"
    number = f"{int(max(path.name for path in migrations.glob('*.up.sql'))[:4]) + 1:04}"
    for direction, text in (("up", up), ("down", down)):
        (migrations / f"{number}_{name}.{direction}.sql").write_text(HEADER.format(number=number, name=name) + text)


def rounds(tables: int, number: int) -> Iterator[tuple[float, float]]:
    """For each round what the preview took, and what the plan."""
    with Scratch("dev") as scratch:
        for first in range(0, tables, TABLES_AT_ONCE):
            numbers = range(first, min(first + TABLES_AT_ONCE, tables))
            up = "".join(TABLE.format(n=each) for each in numbers)
            down = "".join(f"drop table private.bench_{each};\n" for each in numbers)
            write(scratch.folder, f"bench_tables_{first}", up, down)
        seconds(scratch.up())
        write(scratch.folder, "bench_column", COLUMN, "alter table public.projects drop column bench;\n")
        seconds(scratch.start("plan").wait(), 2)
        for _ in range(number):
            yield seconds(scratch.pulumi(*PREVIEW)), seconds(scratch.start("plan").wait(), 2)


def main() -> None:
    """Print the medians, and whether the goal is met."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tables", type=int, nargs="*", default=TABLES)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    found = []
    for tables in options.tables:
        preview, plan = (statistics.median(side) for side in zip(*rounds(tables, options.rounds), strict=True))
        found.append({"tables": tables, "preview": preview, "plan": plan, "ratio": plan / preview})
        if not options.json:
            print(
                f"{tables:6,} more tables  preview {preview:7.2f} s  plan {plan:7.2f} s  {plan / preview:5.2f} ×  "
                f"{plan - preview:+.2f} s {against(plan - preview, GOAL)}"
            )
    if options.json:
        print(json.dumps(found))


if __name__ == "__main__":
    main()
