"""A logical backup and its restore beside pg_dump and pg_restore with as many sessions, in one run; and a physical one
beside pg_basebackup through zstd.

`python -m bench.backups --megabytes 1000`. Rows are half text that compresses, half random bytes. A round measures each
way once, one after the other; figures are medians of the rounds.
"""

import argparse
import resource
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import psycopg
import pyrage

from bench.goal import against
from harness import scratch
from local import postgres
from ops.backups import checking, making, places, programs, sealing
from ops.backups.restoring import Restoring
from ops.physical.making import Basing

JOBS, GOAL = 2, 1.15
PACKED = "pg_basebackup, zstd"
DATABASE, RESTORED = "measured", "restored"
# About 1,000 bytes a row.
ROWS_PER_MEGABYTE = 1000
TABLE = """
create table {name} (id bigint primary key, at timestamptz not null default now(), body text, noise bytea);
insert into {name} (id, body, noise)
select g, repeat('prompt ' || g || ' ', 40), decode(repeat(md5(random()::text), 16), 'hex')
from generate_series(1, {rows}) as g"""


class Measured:
    """A server with a database, and where what is written goes."""

    def __init__(self, server: postgres.RunningServer, folder: Path) -> None:
        self.server, self.folder = server, folder
        self.url = server.url(DATABASE)
        self.programs = programs.found(server.version * 10_000)
        self.identity = pyrage.x25519.Identity.generate()
        self.place = places.Folder(folder / "backups")

    def ours(self) -> None:
        """`./vpb backup`, encrypted, with a checksum of each table."""
        task = making.Making("bench", self.url, self.place, [self.identity.to_public()])
        task.jobs = JOBS
        task.run()

    def dump(self, *options: str) -> None:
        """pg_dump into a folder."""
        target = self.folder / "dump"
        shutil.rmtree(target, ignore_errors=True)
        programs.run([self.programs / "pg_dump", "-Fd", f"-j{JOBS}", *options, "-f", target], self.url)

    def physical(self) -> None:
        """`./vpb backup --physical`, encrypted."""
        Basing("bench", self.url, self.place, [self.identity.to_public()]).run()

    def files(self) -> None:
        """pg_basebackup through zstd at the same level, into a file."""
        options = ("-D", "-", "-Ft", "-X", "fetch", "-c", "fast", "--manifest-checksums=SHA256")
        blocks = programs.output([self.programs / "pg_basebackup", *options], self.url)
        with (self.folder / "base.tar.zst").open("wb") as out:
            packing = subprocess.Popen(["zstd", f"-{sealing.LEVEL}", "-q", "-c"], stdin=subprocess.PIPE, stdout=out)
            assert packing.stdin
            for block in blocks:
                packing.stdin.write(block)
            packing.stdin.close()
            if packing.wait():
                raise SystemExit("zstd has failed")

    def restore_ours(self) -> None:
        """As a drill restores it: into a server of its own."""
        found = checking.named(self.place, None)
        with scratch.server() as other:
            Restoring(found, found.manifest([self.identity]), [self.identity], other.url, other.version, JOBS).run()

    def restore_dump(self) -> None:
        """pg_restore of the last dump, into a server of its own."""
        with scratch.server() as other:
            with psycopg.connect(other.url("postgres"), autocommit=True) as connection:
                connection.execute(f"create database {RESTORED}".encode())
            programs.run([self.programs / "pg_restore", f"-j{JOBS}", self.folder / "dump"], other.url(RESTORED))
            with psycopg.connect(other.url(RESTORED), autocommit=True) as connection:
                connection.execute("analyze")


def main() -> None:
    """Print a table of ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megabytes", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    with scratch.server() as server, tempfile.TemporaryDirectory() as folder:
        with psycopg.connect(server.url("postgres"), autocommit=True) as connection:
            connection.execute(f"create database {DATABASE}".encode())
        with psycopg.connect(server.url(DATABASE), autocommit=True) as connection:
            for number in range(4):
                rows = given.megabytes * ROWS_PER_MEGABYTE // 4
                connection.execute(TABLE.format(name=f"t{number}", rows=rows).encode())
            connection.execute("vacuum analyze")
        _report(Measured(server, Path(folder)), given.rounds)


def _report(measured: Measured, rounds: int) -> None:
    ways: dict[str, Callable[[], None]] = {
        "pg_dump -Fd": measured.dump,
        "pg_dump -Fd, zstd": lambda: measured.dump("--compress=zstd"),
        "./vpb backup": measured.ours,
        **({PACKED: measured.files} if shutil.which("zstd") else {}),
        "./vpb backup --physical": measured.physical,
        "pg_restore": measured.restore_dump,
        "a drill's restore": measured.restore_ours,
    }
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            started = time.perf_counter()
            way()
            seconds[name].append(time.perf_counter() - started)
    found = {name: statistics.median(each) for name, each in seconds.items()}
    print("| | seconds | beside | ratio | |\n|---|---|---|---|---|")
    for name, floor, goal in (
        ("./vpb backup", "pg_dump -Fd", GOAL),
        ("./vpb backup", "pg_dump -Fd, zstd", None),
        ("./vpb backup --physical", PACKED, GOAL),
        ("a drill's restore", "pg_restore", GOAL),
    ):
        if floor not in found:
            print(f"| {name} | {found[name]:.1f} | {floor}: there is no zstd | | |")
            continue
        ratio = found[name] / found[floor]
        verdict = against(ratio, goal) if goal else ""
        print(f"| {name} | {found[name]:.1f} | {floor}, {found[floor]:.1f} s | {ratio:.2f} | {verdict} |")
    print(f"Memory of this process at most: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024} MiB")


if __name__ == "__main__":
    main()
