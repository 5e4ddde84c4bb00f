"""The health of a stack's database: each metric with its level, and the statements that cost most."""

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass

import psycopg
from psycopg import sql

from declared.errors import printable
from declared.health import CHECKS, DAY, HOUR, LEVELS, MINUTE, PARTS, UNREADABLE, Check
from ops.database import Connection, ServerFullError, connect
from ops.environment import Environment
from ops.errors import CommandError
from ops.health import patterns
from ops.pooler import looking
from ops.status import FOUND
from provider.errors import one_line
from run import engine

RUNBOOKS = "docs/runbooks"
STATEMENTS = 5
# What there is none of yet where backups are declared.
PROMISED = ("backup_age", "drill_age")
NEVER = "there was none"
UNITS = ("B", "KiB", "MiB", "GiB", "TiB")
TEXT = 90


@dataclass(frozen=True)
class Measured:
    """One metric of one object."""

    metric: str
    object: str
    """Empty for the whole database."""
    value: float | None
    """In the unit of the metric; None for what there was never, such as a backup."""
    unit: str
    detail: str
    level: str
    """ok, warning or critical."""
    warning: float | None
    critical: float | None
    runbook: str


@dataclass(frozen=True)
class Statement:
    """What one kind of statement has cost since the statistics were reset, constants taken out."""

    pattern: str
    """The query pattern that it is; empty where it is none of them."""
    statement: str
    role: str
    calls: int
    mean_ms: float
    share: float
    """Of the time that all statements took."""


@dataclass(frozen=True)
class Health:
    """All of it, what is worst first."""

    stack: str
    metrics: list[Measured]
    statements: list[Statement]

    @property
    def bad(self) -> list[Measured]:
        return [each for each in self.metrics if each.level != "ok"]


def of(stack: str, pooler: str = "") -> Health:
    """
    Args:
        stack: which one.
        pooler: host and port of a PgBouncer before it, whose pools are metrics too; empty is none.

    A server whose connections are all in use lets nobody look further: that is the one metric then.

    :raises CommandError: where the stack or its database can't be reached, or has no health
    """
    environment = Environment.of(stack)
    if engine.adopted(stack):
        raise CommandError(f"stack {stack}: an adopted database has no ops.health; `./vpb audit` looks at any")
    checks = engine.checks(stack)
    try:
        session = connect(environment.monitor_url, "vpb health")
    except ServerFullError as error:
        return Health(stack, [_measured("connections", "", 1.0, str(error), checks["connections"])], [])
    with session as connection:
        try:
            metrics = read(connection, checks)
            if engine.backups(stack):
                metrics += _missing(metrics, checks)
            if pooler:
                metrics += [_measured(*row, checks[row[0]]) for row in _pools(environment, pooler)]
            return Health(stack, sorted(metrics, key=_rank), statements(connection))
        except psycopg.Error as error:
            advice = f"; `./vpb up --stack {stack}` brings what is missing" if _not_there(error) else ""
            raise CommandError(f"{one_line(error, f'stack {stack}: health')}{advice}") from None


def read(connection: Connection, checks: Mapping[str, Check]) -> list[Measured]:
    """What the database says of itself, in its own order; a metric that isn't known here has no level.

    A part that can't be read, such as for a lock, is one metric that is critical.

    :raises psycopg.Error: where none can be read
    """
    found: list[Measured] = []
    errors: list[psycopg.Error] = []
    for part in PARTS:
        query = sql.SQL("select metric, object, value, detail from {}()").format(
            sql.Identifier("ops", f"{part}_metrics")
        )
        try:
            with connection.transaction():
                rows = connection.execute(query).fetchall()
        except psycopg.Error as error:
            errors.append(error)
            rows = [(UNREADABLE, part, 1.0, str(one_line(error, f"ops.{part}_metrics")))]
        found += [
            _measured(metric, object, value, detail, checks.get(metric))
            for metric, object, value, detail in rows
            if value is not None
        ]
    if len(errors) == len(PARTS):
        raise errors[0]
    return found


def _pools(environment: Environment, pooler: str) -> list[tuple[str, str, float, str]]:
    """Its metrics; one that doesn't answer is a part that can't be read."""
    try:
        return looking.metrics(environment.monitor_url, pooler)
    except CommandError as error:
        return [(UNREADABLE, "pooler", 1.0, str(error))]


def _measured(metric: str, object: str, value: float, detail: str | None, check: Check | None) -> Measured:
    found = check or Check(metric, "count")
    level = found.level(value)
    return Measured(
        metric,
        printable(object),
        value if math.isfinite(value) else None,
        found.unit,
        printable(detail or ""),
        level,
        found.warning,
        found.critical,
        f"{RUNBOOKS}/{metric}.md",
    )


def _missing(metrics: list[Measured], checks: Mapping[str, Check]) -> list[Measured]:
    there = {each.metric for each in metrics}
    return [_measured(name, "", math.inf, NEVER, checks[name]) for name in PROMISED if name not in there]


def _not_there(error: psycopg.Error) -> bool:
    return isinstance(error, (psycopg.errors.UndefinedFunction, psycopg.errors.InvalidSchemaName))


def statements(connection: Connection, most: int = STATEMENTS) -> list[Statement]:
    """Those that took most time; none where the server doesn't count them."""
    try:
        rows = connection.execute(
            "select statement, role, calls, mean_ms, share from ops.slow_statements(%s)", [most]
        ).fetchall()
    except (psycopg.errors.UndefinedTable, psycopg.errors.ObjectNotInPrerequisiteState):
        return []
    return [
        Statement(patterns.named(text or ""), printable(text or ""), role, calls, float(mean), float(share or 0))
        for text, role, calls, mean, share in rows
    ]


def _rank(each: Measured) -> tuple[int, int, str]:
    known = list(CHECKS)
    return (
        -LEVELS.index(each.level),
        known.index(each.metric) if each.metric in CHECKS else len(known),
        each.object,
    )


def status(found: Health) -> int:
    """The command's exit status."""
    return FOUND if found.bad else 0


def as_json(found: Health) -> str:
    """The same for a script."""
    levels = {level: sum(each.level == level for each in found.metrics) for level in LEVELS}
    return json.dumps(asdict(found) | {"levels": levels}, indent=2)


def as_text(found: Health) -> str:
    """The same for people: what is bad with what to do, then the rest."""
    counts = [(level, sum(each.level == level for each in found.metrics)) for level in reversed(LEVELS)]
    said = ", ".join(f"{count} {level}" for level, count in counts if count)
    lines = [f"stack {found.stack}: {said}"]
    for each in found.bad:
        lines.append(f"{each.level}: {_line(each)}; {_limit(each)}")
        lines += [f"  {text}" for text in (each.detail, each.runbook) if text]
    rest = [each for each in found.metrics if each.level == "ok"]
    wide = max((len(_name(each)) for each in rest), default=0)
    lines += [f"  {_name(each):<{wide}}  {shown(each.value, each.unit)}".rstrip() for each in rest]
    if found.statements:
        lines.append("statements that took most time:")
        lines += [f"  {_cost(each)}" for each in found.statements]
    return "\n".join(lines)


def _name(each: Measured) -> str:
    return f"{each.metric} {each.object}".strip()


def _line(each: Measured) -> str:
    title = CHECKS[each.metric].title if each.metric in CHECKS else each.metric
    return f"{title}{f' ({each.object})' if each.object else ''}: {shown(each.value, each.unit)}"


def _limit(each: Measured) -> str:
    limit = each.critical if each.level == "critical" else each.warning
    below = CHECKS[each.metric].below
    return f"{each.level} {'at' if below else 'from'} {shown(limit, each.unit)}{' and less' if below else ' on'}"


def _cost(each: Statement) -> str:
    what = f"{each.pattern}: {each.statement}" if each.pattern else each.statement
    cut = what if len(what) <= TEXT else f"{what[: TEXT - 1]}…"
    return f"{each.share:4.0%}  {each.mean_ms:.1f} ms, {each.calls} calls by {each.role}  {cut}"


def shown(value: float | None, unit: str) -> str:
    """A value as people read it: `71 %`, `2.5 h`, `1.2 GiB`."""
    if value is None:
        return "never"
    if unit == "share":
        return f"{round(100 * value, 2):g} %"
    if unit == "seconds":
        return _duration(value)
    if unit == "bytes":
        return _size(value)
    return f"{value:.2f} $" if unit == "dollars" else f"{value:.3g} {unit}" if unit != "count" else f"{value:.10g}"


def _duration(seconds: float) -> str:
    for size, name in ((DAY, "days"), (HOUR, "h"), (MINUTE, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.3g} {name}"
    return f"{seconds:.3g} s"


def _size(value: float) -> str:
    for unit in UNITS[:-1]:
        if value < 1024:
            return f"{value:.3g} {unit}"
        value /= 1024
    return f"{value:.3g} {UNITS[-1]}"
