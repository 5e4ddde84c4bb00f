"""What the first screen says, in plain words: no metric's name, no statement, no jargon."""

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

from declared.health import DAY, HOUR
from ops.counting import counted
from ops.health.report import shown
from ops.report.growth import Growth
from ops.report.model import Attention, Glance, Part, Subject, Summary

LEVELS = ("ok", "unknown", "warning", "critical")
VERDICTS = {
    "ok": "All is well",
    "unknown": "The state is not fully known",
    "warning": "Something needs attention",
    "critical": "Something needs attention now",
}
# What is due later than that isn't for the first screen's list.
SOON = timedelta(days=90)
AT_ONCE = timedelta(days=14)
MOST = 5
Parts = Mapping[str, Part]


def summary(subject: Subject, parts: Parts) -> Summary:
    """The first screen."""
    found = sorted(_attention(subject, parts), key=lambda each: -LEVELS.index(each.level))
    level = max((each.level for each in found), key=LEVELS.index, default="ok")
    if level != "critical" and parts["health"].found is None:
        level = "unknown"
    return Summary(
        level=level,
        verdict=VERDICTS[level],
        health=_health(parts["health"]),
        attention=found,
        backups=_backups(parts["backups"]),
        drill=_drill(parts["drills"]),
        cost=_cost(parts),
        forecast=_forecast(parts["growth"]),
        glance=[_glance(name, part, found) for name, part in parts.items()],
    )


def day(value: Any) -> str:
    """`3 May 2027`."""
    return f"{value.day} {value:%B %Y}"


def moment(text: str) -> str:
    """An instant in ISO 8601 as `3 May 2027, 14:05 UTC`."""
    at = datetime.fromisoformat(text).astimezone(UTC)
    return f"{day(at)}, {at:%H:%M} UTC"


def _health(part: Part) -> str:
    if part.found is None:
        return "The database could not be asked how it is."
    levels = part.found["levels"]
    total = sum(levels.values())
    over = levels["warning"] + levels["critical"]
    if not over:
        return f"All {total} measurements are within their limits."
    worst = f", {levels['critical']} of them critically" if levels["critical"] else ""
    return f"{over} of {counted(total, 'measurement')} {'is' if over == 1 else 'are'} over the limit{worst}."


def _attention(subject: Subject, parts: Parts) -> Iterator[Attention]:
    if parts["health"].unreachable:
        yield Attention("critical", "The database can't be reached.", "health")
    for name, part in parts.items():
        if part.missing and not part.unreachable and name != "drift":
            yield Attention("warning", f"{part.title}: could not be read.", name)
    if health := parts["health"].found:
        yield from _over(health["metrics"])
    if audit := parts["audit"].found:
        for severity, level in (("critical", "critical"), ("high", "warning")):
            if number := audit["counts"][severity]:
                found = counted(number, f"weak spot of severity {severity}", f"weak spots of severity {severity}")
                yield Attention(level, f"The security audit found {found}.", "audit")
    if backups := parts["backups"].found:
        if number := len(backups["damaged"]):
            yield Attention("warning", f"{counted(number, 'backup')} can't be read.", "backups")
        if not backups["count"] and subject.backups is None:
            yield Attention("warning", "There is no backup.", "backups")
    drills = parts["drills"].found
    if drills and drills["failed_since"]:
        yield Attention("critical", "The last attempt to restore a backup failed.", "drills")
    maintenance = parts["maintenance"].found
    if failed := [each["task"] for each in maintenance["tasks"] if each["failed"]] if maintenance else []:
        number = counted(len(failed), "task of maintenance", "tasks of maintenance")
        yield Attention("warning", f"{number} didn't end well: {', '.join(failed)}.", "maintenance")
    yield from _changes(parts)
    for each in parts["growth"].found or ():
        yield from _due(each, subject.now)


def _over(metrics: list[dict[str, Any]]) -> Iterator[Attention]:
    bad = [each for each in metrics if each["level"] != "ok"]
    for each in bad[:MOST]:
        of = f" ({each['object']})" if each["object"] else ""
        title = f"{each['title'][:1].upper()}{each['title'][1:]}"
        yield Attention(each["level"], f"{title}{of}: {shown(each['value'], each['unit'])}.", "health")
    if more := bad[MOST:]:
        level = max((each["level"] for each in more), key=LEVELS.index)
        yield Attention(level, f"{counted(len(more), 'more measurement')} over the limit.", "health")


def _changes(parts: Parts) -> Iterator[Attention]:
    if (drift := parts["drift"].found) and drift["objects"]:
        said = counted(len(drift["objects"]), "object was", "objects were")
        yield Attention("warning", f"{said} changed manually.", "drift")
    migrations = parts["migrations"].found
    if pending := sum(len(each["pending"]) for each in migrations["folders"]) if migrations else 0:
        yield Attention("warning", f"{counted(pending, 'migration is', 'migrations are')} pending.", "migrations")


def _due(each: Growth, now: datetime) -> Iterator[Attention]:
    found = each.forecast
    if found.verdict == "reached" and each.name != "connections":
        yield Attention("critical", sentence(each), "growth")
    elif found.verdict == "date" and found.met and found.met - now.date() <= SOON:
        level = "critical" if found.met - now.date() <= AT_ONCE else "warning"
        # That a month's budget is used up before the month is over is no emergency.
        yield Attention("warning" if each.name == "budget" else level, sentence(each), "growth")


def _backups(part: Part) -> str:
    if part.found is None:
        return "The backups could not be listed."
    if not part.found["count"]:
        return "There is no backup."
    old = age(part.found["newest_age_seconds"])
    promised = part.found["promised_hours"]
    late = promised is not None and part.found["newest_age_seconds"] > promised * 3600
    said = f", and no more than {promised} h may be lost" if late else ""
    return f"{counted(part.found['count'], 'backup')}; the newest was made {old} ago{said}."


def _drill(part: Part) -> str:
    if part.found is None:
        return "Whether one was restored to prove it could not be read."
    passed = part.found["passed"]
    if part.found["failed_since"]:
        return "The last attempt to restore one failed."
    if not passed:
        late = part.found["within_days"]
        return "None was restored to prove it" + (f", and one should be every {late} days." if late else " yet.")
    took = shown(passed["recovery_time_seconds"], "seconds")
    said = f"One was last restored to prove it on {day(passed['drilled_at'].astimezone(UTC))} and took {took}"
    return f"{said}; the next one is late." if part.found["late"] else f"{said}."


def _cost(parts: Parts) -> str:
    found, spent = parts["cost"].found, _spent(parts)
    if found is None:
        return f"What it costs could not be estimated.{spent}"
    if not found["charges"]:
        return f"Nothing that is billed by the month is declared.{spent}"
    least = "" if found["complete"] else "at least "
    return f"About {least}{found['dollars']:.0f} $ a month, before use.{spent}"


def _spent(parts: Parts) -> str:
    found = next((each for each in parts["growth"].found or () if each.name == "budget"), None)
    if found is None or not found.now:
        return ""
    return f" Models have cost {found.now:.2f} $ this month."


def _forecast(part: Part) -> str:
    """The first thing that runs out; else that nothing does, or that nobody can say."""
    if part.found is None:
        return "The samples could not be read."
    found: list[Growth] = part.found
    limited = [each for each in found if each.limit is not None]
    if ends := [each for each in limited if each.forecast.verdict in ("reached", "date")]:
        return sentence(min(ends, key=lambda each: each.forecast.met or date.min))
    known = [each for each in limited if each.forecast.until]
    if possible := [each for each in known if each.forecast.verdict == "possible"]:
        return sentence(min(possible, key=lambda each: each.forecast.earliest or date.max))
    if not known:
        days = max((len(each.forecast.days) for each in limited), default=0)
        needed = max((each.forecast.needed for each in limited), default=0)
        return f"Too few samples to say: {counted(days, 'day')} of the {needed} that a forecast needs."
    names = " and ".join(each.title.lower() for each in known if each.name != "budget") or "the month's budget"
    until = max(each.forecast.until for each in known if each.forecast.until)
    return f"No end in sight for {names} until {day(until)}."


ENDS = {"disk": "is full", "connections": "are all in use", "budget": "use up the month's budget"}


def sentence(each: Growth) -> str:
    """What is forecast of one thing, for people."""
    found, what = each.forecast, each.title
    ends = ENDS.get(each.name, "is used up")
    until = f"until {day(found.until)}" if found.until else ""
    if found.verdict == "too few":
        return f"{what}: too few samples to say, {counted(len(found.days), 'day')} of {found.needed}."
    if found.verdict == "no limit":
        return f"{what}: {_rate(each)}; there is no limit to meet."
    if found.verdict == "reached":
        return f"{what}: the limit of {shown(each.limit, each.unit)} is reached."
    if found.verdict == "falling":
        return f"{what}: getting less; no end in sight."
    if found.verdict == "none" and each.name == "budget":
        return f"{what}: the budget lasts to the end of the month."
    if found.verdict == "none":
        return f"{what}: no end in sight {until}."
    if found.verdict == "possible" and found.earliest:
        return f"{what}: no end expected {until}; it can't be ruled out from {day(found.earliest)} on."
    earliest, latest = found.earliest, found.latest
    between = f"between {day(earliest)} and {day(latest)}" if earliest and latest else ""
    between = between or f"at the earliest {day(earliest)}, and perhaps after {day(found.until)}"
    return f"{what} {ends} around {day(found.met)} ({between}, in nine of ten cases)."


def _rate(each: Growth) -> str:
    rate = each.forecast.per_month or 0
    if abs(rate) * 12 < 0.01 * abs(each.now or 0) or not rate:
        return "stays about the same"
    return f"{shown(abs(rate), each.unit)} {'more' if rate > 0 else 'less'} a month"


def age(seconds: float) -> str:
    """How old something is, for people: `less than an hour`, `5 hours`, `3 days`."""
    if seconds < HOUR:
        return "less than an hour"
    if seconds < 2 * DAY:
        return counted(round(seconds / HOUR), "hour")
    return counted(round(seconds / DAY), "day")


def _glance(name: str, part: Part, attention: list[Attention]) -> Glance:
    levels = [each.level for each in attention if each.part == name]
    if part.found is None:
        level = max(levels, key=LEVELS.index, default="unknown") if part.unreachable else "unknown"
        return Glance(name, level, "not looked for yet" if name == "drift" else "could not be read")
    if name in NOTHING_YET and NOTHING_YET[name](part.found):
        levels.append("unknown")
    return Glance(name, max(levels, key=LEVELS.index, default="ok"), GLANCES[name](part.found))


def _of_health(found: Any) -> str:
    total = sum(found["levels"].values())
    return f"{found['levels']['ok']} of {total} within their limits"


def _of_growth(found: list[Growth]) -> str:
    ends = [each for each in found if each.forecast.verdict in ("reached", "date")]
    if ends:
        first = min(ends, key=lambda each: each.forecast.met or date.min)
        when = f"around {day(first.forecast.met)}" if first.forecast.met else "now"
        return f"{first.title.lower()}: at its limit {when}{', and more' if len(ends) > 1 else ''}"
    known = [each for each in found if each.forecast.verdict != "too few"]
    return "nothing runs out that is seen" if known else "too few samples yet"


def _of_slow(found: Any) -> str:
    worst = max((each for each in found if each.pattern), key=lambda each: each.share, default=None)
    return f"{worst.pattern}: {worst.share:.0%} of the time" if worst else "none of the query patterns yet"


def _of_audit(found: Any) -> str:
    bad = sum(found["counts"][name] for name in ("critical", "high"))
    rest = sum(found["counts"].values()) - bad
    said = f"{counted(bad, 'weak spot')} critical or high" if bad else "nothing critical or high"
    return f"{said}; {counted(rest, 'lesser remark')}" if rest else said


def _of_drills(found: Any) -> str:
    if found["failed_since"]:
        return "the last one failed"
    return f"passed {day(found['passed']['drilled_at'].astimezone(UTC))}" if found["passed"] else "none yet"


def _of_maintenance(found: Any) -> str:
    began = [each["began_at"] for each in found["tasks"] if each["began_at"]]
    return f"last begun {day(max(began).astimezone(UTC))}" if began else "has not run yet"


def _of_drift(found: Any) -> str:
    said = counted(len(found["objects"]), "object") if found["objects"] else "none"
    return f"{said}, looked for {moment(found['looked_at'])}"


def _of_migrations(found: Any) -> str:
    applied, pending = (sum(len(each[name]) for each in found["folders"]) for name in ("applied", "pending"))
    return f"{applied} applied, {pending or 'none'} pending"


def _of_backups(found: Any) -> str:
    return f"{found['count']}, the newest {age(found['newest_age_seconds'])} old" if found["count"] else "none"


def _of_cost(found: Any) -> str:
    if not found["charges"]:
        return "nothing is billed by the month"
    return f"{'' if found['complete'] else 'at least '}{found['dollars']:.0f} $ a month"


# That nothing is wrong with what there is none of isn't known.
NOTHING_YET: Mapping[str, Callable[[Any], bool]] = {
    "growth": lambda found: all(each.forecast.verdict == "too few" for each in found),
    "slow": lambda found: not any(each.pattern for each in found),
    "backups": lambda found: not found["count"],
    "drills": lambda found: not found["passed"],
    # What is there now was looked for when the report is made, or isn't known.
    "drift": lambda found: not found["now"] and not found["objects"],
    "maintenance": lambda found: not any(each["succeeded_at"] for each in found["tasks"]),
}
GLANCES: Mapping[str, Callable[[Any], str]] = {
    "health": _of_health,
    "growth": _of_growth,
    "slow": _of_slow,
    "storage": lambda found: f"{shown(found.bytes, 'bytes')} in {counted(len(found.buckets), 'bucket')}",
    "audit": _of_audit,
    "backups": _of_backups,
    "drills": _of_drills,
    "maintenance": _of_maintenance,
    "drift": _of_drift,
    "migrations": _of_migrations,
    "cost": _of_cost,
}
