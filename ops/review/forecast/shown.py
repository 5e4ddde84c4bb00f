"""The forecast for people and for scripts."""

import json
from collections.abc import Sequence
from dataclasses import asdict

from ops.review.forecast.model import Lock, StatementForecast
from ops.review.forecast.sizes import Sizes

INSTANT = 0.05


def as_json(found: Sequence[StatementForecast]) -> str:
    return json.dumps({"statements": [asdict(each) for each in found]}, indent=2)


def as_text(found: Sequence[StatementForecast], color: bool = False, elsewhere: Sizes | None = None) -> str:
    """A block for each statement that locks what is in use, or of which that isn't known."""
    blocks = [_block(each, color) for each in found if each.locks or each.unknown]
    over = sum(each.over_budget for each in found)
    if not found:
        return "nothing is pending that could lock what is in use"
    whose = [f"sizes of {elsewhere.of}, speed of this server"] if elsewhere else []
    return "\n\n".join([*blocks, "\n".join([f"statements: {len(found)}, over the budget: {over}", *whose])])


def sizes_as_text(found: Sizes) -> str:
    """A table, the largest first."""
    tables = sorted(found.tables.items(), key=lambda each: -each[1].with_toast)
    width = max((len(name) for name, _ in tables), default=0)
    return "\n".join(
        f"{name:{width}}  {each.rows:14,} rows  {each.with_toast / 2**20:12,.1f} MiB" for name, each in tables
    )


def _block(each: StatementForecast, color: bool) -> str:
    how = {"transaction": "", "outside": " (outside a transaction)", "batches": " (in batches)"}[each.runs]
    lines = [f"{each.file}:{each.line}: {_time(each)}{how}{_red(_over(each), color)}", f"    {each.statement}"]
    lines += [f"    {line}" for line in lines_of(each)]
    lines += [f"    instead: {each.instead}"] if each.instead else []
    return "\n".join(lines)


def lines_of(each: StatementForecast) -> list[str]:
    """Each lock in a line, and what isn't known."""
    unknown = [f"not {'measured' if each.locks else 'known'}: {each.unknown}"] if each.unknown else []
    return [*map(_lock, each.locks), *unknown]


def _over(each: StatementForecast) -> str:
    if not each.over_budget:
        return ""
    held = max(lock.held_seconds for lock in each.locks if lock.stops_people)
    return f", over the budget: {_seconds(held)} where {each.budget:g} s are allowed"


def _time(each: StatementForecast) -> str:
    return f"{'at most ' if each.at_most else ''}{_seconds(each.seconds)}"


def _seconds(seconds: float) -> str:
    if seconds < INSTANT:
        return "an instant"
    return f"{seconds:.2f} s" if seconds < 10 else f"{seconds:,.0f} s"


def _lock(lock: Lock) -> str:
    work = [
        word for word, is_so in (("written again", lock.rewritten), ("read from end to end", lock.scanned)) if is_so
    ]
    if lock.indexes_built:
        work.append(f"{lock.indexes_built} {'index' if lock.indexes_built == 1 else 'indexes'} built")
    size = f" ({lock.rows:,} rows, {lock.bytes / 2**20:,.1f} MiB)" if lock.rows or lock.bytes else ""
    stopped = f"blocks {_listed(lock.blocks)}" if lock.blocks else "blocks nothing"
    done = f"; {', '.join(work)}" if work else ""
    return f"{lock.relation}{size}: {lock.mode}, {stopped} for {_seconds(lock.held_seconds)}{done}"


def _listed(words: Sequence[str]) -> str:
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def _red(text: str, color: bool) -> str:
    return f"\x1b[31m{text}\x1b[0m" if color and text else text
