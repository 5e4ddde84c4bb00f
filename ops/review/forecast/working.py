"""What the work of statements takes at the target, one after the other: what one has written, the next one reads."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from declared import sqlgrammar
from ops.review.forecast.observing import Done, Index, Seen
from ops.review.forecast.onacopy import Watched
from ops.review.forecast.rates import Rates
from ops.review.forecast.sizes import Size
from ops.review.forecast.writing import Write
from ops.review.lint import code

B_TREE = "btree"
NOTICED = 0.25
"""Seconds on the copy from which on a statement takes time without rows: it sleeps, counts, or makes rows itself."""
CODE = "what code does for each row: the copy has none"
SYSTEM = {"pg_catalog", "information_schema"}


@dataclass(frozen=True)
class Taken:
    """Seconds of one statement, whether that is an upper bound, and what of it isn't measured."""

    seconds: float
    at_most: bool
    unknown: str


@dataclass
class Work:
    """Sizes and rates of the target."""

    there: Seen
    known: Mapping[str, Size]
    rates: Rates
    written: dict[int, Size] = field(default_factory=dict)
    """What the statements so far have written, beside what was there."""

    def was(self, oid: int) -> Size:
        """Before the first statement."""
        return self.known.get(self.there.names.get(oid, ""), Size())

    def size(self, oid: int) -> Size:
        return _sum([self.was(oid), self.written.get(oid, Size())])

    def sizes(self, oids: Iterable[int]) -> Size:
        return _sum([self.size(oid) for oid in oids])

    def take(self, watched: Watched) -> Taken:
        """The time of the next statement, where it doesn't wait for its locks."""
        done = watched.done
        # What it writes isn't there yet.
        seconds = self._on_structure(watched) + self._reading(watched)
        by_code = done.changes_rows and not done.writes
        rows = self.sizes(done.scanned).rows if by_code else 0
        seconds += self.rates.change * rows
        at_most = bool(rows)
        for write in done.writes:
            took, number = self._writing(write, done)
            seconds, rows = seconds + took, rows + number
            at_most |= bool(number) and not write.is_exact
        unknown = watched.unknown or "; ".join(self._unmeasured(watched, rows))
        slept = watched.took if watched.took >= NOTICED else 0
        return Taken(max(seconds, slept), at_most, unknown)

    def _on_structure(self, watched: Watched) -> float:
        done, rates = watched.done, self.rates
        total = sum(rates.rewrite.of(self.size(oid).rows, self.size(oid).with_toast) for oid in done.rewritten)
        total += sum(self._build(index) for index in done.built)
        if watched.run_mode.kind == "outside":
            # Concurrently, the table is read once more.
            total += sum(self._scan(index.table) for index in done.built)
        for table, other in done.joined:
            total += self._scan(table) + self._scan(other)
            total += rates.join * (self.size(table).rows + self.size(other).rows)
        return total

    def _reading(self, watched: Watched) -> float:
        done = watched.done
        read = done.scanned.union(*(source for each in done.writes for source in each.sources))
        together = [self.sizes(source).rows for each in done.writes for source in each.sources if len(each.sources) > 1]
        scans = sum(self._scan(oid) for oid in read - {table for table, _ in done.joined})
        return scans + self.rates.join * sum(together)

    def _writing(self, write: Write, done: Done) -> tuple[float, int]:
        """Seconds beside reading, and the number of rows."""
        largest = max((self.sizes(each) for each in write.sources), key=lambda size: size.rows, default=Size())
        if write.kind == "changes":
            met = write.into if write.sources else write.into & done.scanned
            rows = self.sizes(met).rows
        else:
            rows = min(largest.rows, write.most if write.most is not None else largest.rows)
        part = rows / largest.rows if largest.rows else 0
        size = Size(rows, int(largest.bytes * part), int(largest.with_toast * part))
        if write.kind != "changes" and len(write.into) == 1:
            (into,) = write.into
            self.written[into] = _sum([self.written.get(into, Size()), size])
        indexes = [index for oid in write.into for index in done.indexes.get(oid, ())]
        entries = rows * sum(self.rates.entry(index.texts) for index in indexes) / max(len(write.into), 1)
        if write.kind == "changes":
            return rows * self.rates.change + entries, rows
        # Writing again is reading and writing.
        both = self.rates.rewrite.of(size.rows, size.with_toast)
        return max(both - self.rates.scan.of(size.rows, size.bytes), 0) + entries, rows

    def _build(self, index: Index) -> float:
        return self.rates.build(self.size(index.table).rows, index.texts or index.method != B_TREE)

    def _scan(self, oid: int) -> float:
        return self.rates.scan.of(self.size(oid).rows, self.size(oid).bytes)

    def _unmeasured(self, watched: Watched, rows: int) -> Iterator[str]:
        done, node = watched.done, sqlgrammar.parsed(watched.statement.text)
        kinds = sorted({each.method for each in done.built if self.size(each.table).rows} - {B_TREE})
        if kinds:
            yield f"an index of kind {', '.join(kinds)}, whose time is that of a b-tree here"
        if done.locks and _runs_code(node, watched.statement.text):
            yield CODE
        if rows and (triggered := {oid for each in done.writes for oid in each.into} & self.there.triggered):
            names = ", ".join(sorted(self.there.names[oid] for oid in triggered))
            yield f"the triggers of {names}, which run for each row"
        if rows and (called := _called(node)):
            yield f"function {called[0]}, which is called for each row"


def _sum(sizes: Iterable[Size]) -> Size:
    found = list(sizes)
    return Size(*(sum(getattr(each, name) for each in found) for name in ("rows", "bytes", "with_toast")))


def _runs_code(node: Any, text: str) -> bool:
    """Whether a statement runs something that may work on rows which the copy hasn't."""
    kind = type(node).__name__
    if kind == "DoStmt":
        run = code.of_block(node, text)
        return (
            run is None or run.repeats or any(_called(each) for _, line in run.statements for each in code.parsed(line))
        )
    return kind in ("SelectStmt", "CallStmt") and bool(_called(node))


def _called(node: Any) -> list[str]:
    """The functions that aren't PostgreSQL's own."""
    calls = (each.funcname for each in sqlgrammar.walk(node) if type(each).__name__ == "FuncCall")
    return [".".join(part.sval for part in each) for each in calls if len(each) > 1 and each[0].sval not in SYSTEM]
