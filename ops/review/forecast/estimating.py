"""What the work of a statement takes at the target, and how long what is in use is locked for it."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from declared import sqlgrammar
from ops.review import ways
from ops.review.forecast.model import Lock, StatementForecast, blocks
from ops.review.forecast.observing import Seen
from ops.review.forecast.onacopy import Watched
from ops.review.forecast.working import Work
from ops.review.forecast.writing import PARTITIONED
from ops.review.lint.model import beginning


def forecasts(watched: Sequence[Watched], work: Work, budget: float) -> Iterator[StatementForecast]:
    """
    Args:
        budget: for how many seconds what blocks reads or writes may be held.
    """
    taken = [work.take(each) for each in watched]
    seconds = [each.seconds for each in taken]
    for number, each in enumerate(watched):
        held = _held(watched, seconds, number, work)
        locks = tuple(
            _lock(each, oid, mode, held, work)
            for oid, mode in sorted(each.done.locks.items(), key=lambda found: work.there.names[found[0]])
        )
        over = any(lock.stops_people and lock.held_seconds > budget for lock in locks)
        found = StatementForecast(
            migration=each.step,
            file=each.path,
            line=each.statement.line,
            statement=beginning(each.statement.text),
            runs=each.run_mode.kind,
            locks=locks,
            seconds=round(seconds[number], 6),
            at_most=taken[number].at_most,
            unknown=taken[number].unknown,
            budget=budget,
            over_budget=over,
            instead="",
        )
        yield replace(found, instead=_way(each, seconds[number] > budget, work.there)) if over else found


def _held(watched: Sequence[Watched], seconds: Sequence[float], number: int, work: Work) -> float:
    """From a statement to the end of its transaction."""
    each = watched[number]
    if each.run_mode.kind == "transaction":
        return sum(seconds[later] for later in range(number, len(watched)) if watched[later].path == each.path)
    # Each batch is a transaction of its own.
    return work.rates.change * each.run_mode.size if each.run_mode.kind == "batches" else seconds[number]


def _lock(watched: Watched, oid: int, mode: str, held: float, work: Work) -> Lock:
    done, size = watched.done, work.was(oid)
    return Lock(
        work.there.names[oid],
        mode,
        blocks(mode),
        size.rows,
        size.with_toast,
        oid in done.rewritten,
        oid in done.scanned or any(oid in pair for pair in done.joined),
        sum(index.table == oid for index in done.built),
        round(held, 6),
    )


def _way(watched: Watched, works: bool, there: Seen) -> str:
    """What to write instead: where it takes no time itself, what comes after it does."""
    return ways.of(sqlgrammar.parsed(watched.statement.text), _is_partitioned(watched, there)) if works else ways.HELD


def _is_partitioned(watched: Watched, there: Seen) -> bool:
    """Whether it is about a partitioned table."""
    relation: Any = getattr(sqlgrammar.parsed(watched.statement.text), "relation", None)
    named = f"{relation.schemaname}.{relation.relname}" if getattr(relation, "relname", None) else ""
    return any(there.names[oid] == named and there.kinds[oid] == PARTITIONED for oid in watched.done.locks)
