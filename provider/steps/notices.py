"""What the server warns of while a migration runs, with the migration's name: each warning once, and not more than
some."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from psycopg.errors import Diagnostic

from provider.connection import Connection
from provider.errors import flat
from provider.steps.reporter import Reporter

MOST = 20
# Sent as a notice, though the object has another name than the file says.
TRUNCATED = "42622"


class Notices:
    """The warnings of one run."""

    def __init__(self, label: str, reporter: Reporter) -> None:
        self._label, self._reporter = label, reporter
        self._seen: set[tuple[str, str]] = set()
        self._counts: Counter[str] = Counter()
        self._lines: list[str] = []

    @contextmanager
    def heard(self, connection: Connection, step: Callable[[Diagnostic], str]) -> Iterator[None]:
        """Listen as long as something of a migration is with the server; `step` says of which one."""

        def hear(diag: Diagnostic) -> None:
            if diag.severity_nonlocalized == "WARNING" or diag.sqlstate == TRUNCATED:
                self._note(step(diag), flat(diag.message_primary or ""))

        connection.add_notice_handler(hear)
        try:
            yield
        finally:
            connection.remove_notice_handler(hear)

    def _note(self, step: str, text: str) -> None:
        # A migration that gives way to traffic is run again, and warns again.
        if (step, text) in self._seen:
            return
        if self._counts[step] <= MOST:
            self._seen.add((step, text))
            self._counts[step] += 1
            more = self._counts[step] > MOST
            said = f"more than {MOST} warnings, the others are left out" if more else f"warning: {text}"
            self._lines.append(f"{self._label}: {step}: {said}")

    async def report(self) -> None:
        """Show what was heard since the last time."""
        lines, self._lines = self._lines, []
        for line in lines:
            await self._reporter.info(line)
