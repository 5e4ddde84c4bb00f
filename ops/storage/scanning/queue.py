"""The files that wait to be scanned, as the login `scanner` reaches them: by functions, and no table."""

from dataclasses import dataclass

from psycopg.rows import class_row, scalar_row

from ops.database import Connection, connect


@dataclass(frozen=True)
class Scan:
    """One file that this scanner has taken, for ten minutes."""

    bucket_id: str
    name: str
    version: str
    mime_type: str | None
    attempt: int

    @property
    def label(self) -> str:
        return f"{self.bucket_id}/{self.name}"


@dataclass(frozen=True)
class Queue:
    """Each call is a connection and a transaction of its own: a scan may take minutes, and a pooler may be between."""

    url: str

    def take(self, count: int = 1) -> list[Scan]:
        with self._connect() as connection, connection.cursor(row_factory=class_row(Scan)) as cursor:
            return cursor.execute("select * from ops.take_scans(%s)", (count,)).fetchall()

    def retry(self, scan: Scan, seconds: float) -> bool:
        return self._call("select ops.retry_scan(%s, %s, %s, %s, make_interval(secs => %s))", scan, seconds)

    def give_back(self, scan: Scan) -> bool:
        """Due at once, as if it had not been taken: nobody could look at it."""
        return self._call("select ops.retry_scan(%s, %s, %s, %s, null)", scan)

    def unserve(self, scan: Scan) -> None:
        """The CDN may have this version, and is to forget it."""
        with self._connect() as connection:
            connection.execute("select ops.unserve(%s, %s, %s)", ([scan.bucket_id], [scan.name], [scan.version]))

    def settle(self, scan: Scan, verdict: str, found: str | None = None, engine: str | None = None) -> bool:
        """Note the verdict and whose it is; False where the file is another scanner's by now, or was overwritten."""
        return self._call("select ops.settle_scan(%s, %s, %s, %s, %s, %s, %s)", scan, verdict, found, engine)

    def reopen(self) -> int:
        """What was given up is due again; how many files."""
        with self._connect() as connection, connection.cursor(row_factory=scalar_row) as cursor:
            return int(cursor.execute("select ops.reopen_scans()").fetchone() or 0)

    def _call(self, statement: str, scan: Scan, *more: object) -> bool:
        with self._connect() as connection:
            row = connection.execute(
                statement.encode(), (scan.bucket_id, scan.name, scan.version, scan.attempt, *more)
            ).fetchone()
        return bool(row and row[0])

    def _connect(self) -> Connection:
        return connect(self.url, "vpb scan", autocommit=False)
