"""The files that wait to be scanned, as the login `scanner` reaches them: by three functions, and no table."""

from dataclasses import dataclass

import psycopg
from psycopg.rows import class_row

from declared.errors import UserError


class QueueError(UserError):
    """The database can't be asked; the text is one line, without its password."""


@dataclass(frozen=True)
class Scan:
    """One file that this scanner has taken, for ten minutes."""

    bucket_id: str
    name: str
    version: str
    mime_type: str | None
    attempt: int

    @property
    def place(self) -> str:
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

    def settle(self, scan: Scan, verdict: str, found: str | None = None) -> bool:
        """Note the verdict; False where the file is another scanner's by now, or was overwritten."""
        return self._call("select ops.settle_scan(%s, %s, %s, %s, %s, %s)", scan, verdict, found)

    def _call(self, statement: str, scan: Scan, *more: object) -> bool:
        with self._connect() as connection:
            row = connection.execute(
                statement.encode(), (scan.bucket_id, scan.name, scan.version, scan.attempt, *more)
            ).fetchone()
        return bool(row and row[0])

    def _connect(self) -> psycopg.Connection[tuple[object, ...]]:
        try:
            # No prepared statements of the server's: a pooler in transaction mode may be between.
            return psycopg.connect(self.url, connect_timeout=10, application_name="vpb scan", prepare_threshold=None)
        except psycopg.OperationalError as error:
            raise QueueError(f"database: {' '.join(str(error).split())}") from None
