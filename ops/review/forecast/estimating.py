"""What the work of a statement takes at the target, and how long what is in use is locked for it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from declared import sqlgrammar
from ops.review import ways
from ops.review.forecast.model import Lock, StatementForecast, blocks
from ops.review.forecast.observing import Index, Seen
from ops.review.forecast.onacopy import Watched
from ops.review.forecast.rates import Rates
from ops.review.forecast.sizes import Size
from ops.review.lint.model import beginning

B_TREE = "btree"


@dataclass(frozen=True)
class Clock:
    """Sizes and rates of the target."""

    there: Seen
    known: Mapping[str, Size]
    rates: Rates

    def size(self, oid: int) -> Size:
        return self.known.get(self.there.names.get(oid, ""), Size())

    def seconds(self, watched: Watched) -> float:
        """Of a statement, where it doesn't wait for its locks."""
        done, rates = watched.done, self.rates
        joined = {table for table, _ in done.joined}
        total = sum(rates.rewrite.of(self.size(oid).rows, self.size(oid).with_toast) for oid in done.rewritten)
        total += sum(self._build(index) for index in done.built)
        if watched.run_mode.kind == "outside":
            # Concurrently, the table is read once more.
            total += sum(self._scan(index.table) for index in done.built)
        for table, other in done.joined:
            total += self._scan(table) + self._scan(other)
            total += rates.join * (self.size(table).rows + self.size(other).rows)
        for oid in done.scanned - joined:
            total += self._scan(oid) + (rates.change * self.size(oid).rows if done.changes_rows else 0)
        return total

    def _build(self, index: Index) -> float:
        return self.rates.build(self.size(index.table).rows, index.texts or index.method != B_TREE)

    def _scan(self, oid: int) -> float:
        return self.rates.scan.of(self.size(oid).rows, self.size(oid).bytes)


def forecasts(watched: Sequence[Watched], clock: Clock, budget: float) -> Iterator[StatementForecast]:
    """
    Args:
        budget: for how many seconds what blocks reads or writes may be held.
    """
    seconds = [clock.seconds(each) for each in watched]
    for number, each in enumerate(watched):
        held = _held(watched, seconds, number, clock)
        locks = tuple(
            _lock(each, oid, mode, held, clock)
            for oid, mode in sorted(each.done.locks.items(), key=lambda found: clock.there.names[found[0]])
        )
        over = any(lock.stops_people and lock.held_seconds > budget for lock in locks)
        at_most = each.done.changes_rows and bool(each.done.scanned)
        found = StatementForecast(
            migration=each.step,
            file=each.path,
            line=each.statement.line,
            statement=beginning(each.statement.text),
            runs=each.run_mode.kind,
            locks=locks,
            seconds=round(seconds[number], 6),
            at_most=at_most,
            unknown=each.unknown or _unmeasured(each),
            budget=budget,
            over_budget=over,
            instead="",
        )
        yield replace(found, instead=_way(each, seconds[number] > budget)) if over else found


def _held(watched: Sequence[Watched], seconds: Sequence[float], number: int, clock: Clock) -> float:
    """From a statement to the end of its transaction."""
    each = watched[number]
    if each.run_mode.kind == "transaction":
        return sum(seconds[later] for later in range(number, len(watched)) if watched[later].path == each.path)
    # Each batch is a transaction of its own.
    return clock.rates.change * each.run_mode.size if each.run_mode.kind == "batches" else seconds[number]


def _lock(watched: Watched, oid: int, mode: str, held: float, clock: Clock) -> Lock:
    done, size = watched.done, clock.size(oid)
    return Lock(
        clock.there.names[oid],
        mode,
        blocks(mode),
        size.rows,
        size.with_toast,
        oid in done.rewritten,
        oid in done.scanned or any(oid in pair for pair in done.joined),
        sum(index.table == oid for index in done.built),
        round(held, 6),
    )


def _unmeasured(watched: Watched) -> str:
    kinds = sorted({index.method for index in watched.done.built} - {B_TREE})
    return f"an index of kind {', '.join(kinds)}, whose time is that of a b-tree here" if kinds else ""


def _way(watched: Watched, works: bool) -> str:
    """What to write instead: where it takes no time itself, what comes after it does."""
    return ways.of(sqlgrammar.parsed(watched.statement.text)) if works else ways.HELD
