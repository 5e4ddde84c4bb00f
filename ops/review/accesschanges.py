"""What differs between two lists of who reaches what, with who reaches more, less, or other rows."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

Direction = Literal["more", "less", "other"]
EVERYBODY = "everybody with a grant"
EVERY_ROLE = "every role"
REVERSED = "no "
# What the owner's new objects give to all where no default privileges say something else.
BUILT_IN = {"functions": {"public": ["execute"]}, "types": {"public": ["usage"]}}


@dataclass(frozen=True)
class AccessChange:
    """One thing that somebody may do after a change and not before, or the other way round."""

    direction: Direction
    """more, less, or other: a text was changed, and which rows that shows more of isn't known."""
    who: str
    object: str
    what: str


def changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[AccessChange]:
    """What differs, what somebody reaches more of first."""
    found = [each for name, look in SECTIONS.items() for each in look(before.get(name, {}), after.get(name, {}))]
    found += _definers(before, after)
    order = ("more", "other", "less")
    return sorted(found, key=lambda each: (order.index(each.direction), each.object, each.who, each.what))


def _grants(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[AccessChange]:
    for object in before.keys() | after.keys():
        was, now = before.get(object, {}), after.get(object, {})
        for who in was.keys() | now.keys():
            yield from _each(who, object, set(was.get(who, ())), set(now.get(who, ())))


def _each(who: str, object: str, was: set[str], now: set[str]) -> Iterator[AccessChange]:
    for each in was ^ now:
        given = (each in now) != each.startswith(REVERSED)
        yield AccessChange("more" if given else "less", who, object, each.removeprefix(REVERSED))


def _defaults(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[AccessChange]:
    """Privileges on what is yet to be made; without an entry of a role's, the server's own hold."""
    both = before.keys() | after.keys()
    built_in: dict[str, Any] = {
        what: {} if " in " in what else BUILT_IN.get(what.split(" ", 1)[0], {}) for what in both
    }
    yield from _grants(built_in | dict(before), built_in | dict(after))


def _owners(before: Mapping[str, str], after: Mapping[str, str]) -> Iterator[AccessChange]:
    known = {(_place(object), owner) for object, owner in before.items()}
    places, everywhere = {place for place, _ in known}, {owner for _, owner in known}
    for object in before.keys() | after.keys():
        was, now = before.get(object), after.get(object)
        # What is new is its maker's, as what is beside it.
        usual = (_place(object), now) in known if _place(object) in places else now in everywhere
        if now is not None and was != now and (was is not None or not usual):
            yield AccessChange("more", now, object, f"owns it{f', in the place of {was}' if was else ''}")
            if was is not None:
                yield AccessChange("less", was, object, "doesn't own it any more")


def _place(object: str) -> str:
    """The schema that an object is in; empty for one that is in none."""
    name = object.partition("(")[0].rpartition(" ")[2]
    return name.rpartition(".")[0]


def _security(before: Mapping[str, str], after: Mapping[str, str]) -> Iterator[AccessChange]:
    order = ("off", "on", "forced")
    for table in before.keys() | after.keys():
        # A table that is new is as open as its grants, unless its rows have no guard.
        was, now = before.get(table, "forced"), after.get(table, "forced")
        if was != now:
            direction: Direction = "more" if order.index(now) < order.index(was) else "less"
            who = EVERYBODY if "off" in (was, now) else "the owner"
            yield AccessChange(direction, who, f"table {table}", f"row security is {now}, was {was}")


def _policies(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[AccessChange]:
    for table in before.keys() | after.keys():
        was, now = before.get(table, {}), after.get(table, {})
        for name in was.keys() | now.keys():
            yield from _policy(table, name, was.get(name), now.get(name))


def _policy(
    table: str, name: str, was: Mapping[str, Any] | None, now: Mapping[str, Any] | None
) -> Iterator[AccessChange]:
    """One that is permissive opens rows, one that is restrictive closes them."""
    object = f"rows of {table}"
    if was is None or now is None:
        found = now or was
        assert found
        opens = (found["kind"] == "permissive") == (was is None)
        verb = "added" if was is None else "taken away"
        words = f"{found['kind']} row policy {name} for {found['command']} {verb}: {found['words']}".rstrip(": ")
        yield AccessChange("more" if opens else "less", ", ".join(found["roles"]), object, words)
        return
    differing = [key for key in ("kind", "command", "using", "check") if was[key] != now[key]]
    if differing:
        words = f"{', '.join(differing)} of row policy {name} for {now['command']} changed: {now['words']}".rstrip(": ")
        yield AccessChange("other", ", ".join(now["roles"]), object, words)
    said = f"row policy {name} for {now['command']} holds for them"
    opening, closing = ("more", "less") if now["kind"] == "permissive" else ("less", "more")
    for who in set(now["roles"]) - set(was["roles"]):
        yield AccessChange(opening, who, object, said)  # type: ignore[arg-type]
    for who in set(was["roles"]) - set(now["roles"]):
        yield AccessChange(closing, who, object, f"{said} no more")  # type: ignore[arg-type]


def _partitions(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[AccessChange]:
    """What partitions have of their own; one that isn't listed has what each of its table has."""
    for name in before.keys() | after.keys():
        was, now = (found.get(name) or _usual(name, found) for found in (before, after))
        object = name if name.startswith("each of ") else f"partition {name}"
        yield from _grants({object: was.get("grants", {})}, {object: now.get("grants", {})})
        yield from _policies({object: was.get("policies", {})}, {object: now.get("policies", {})})
        yield from _security({object: was.get("row security", "forced")}, {object: now.get("row security", "forced")})
        if was.get("owner", "") != now.get("owner", ""):
            yield AccessChange("more", now["owner"] or "its table's owner", object, "owns it")


def _usual(name: str, found: Mapping[str, Any]) -> Mapping[str, Any]:
    tables = [each for each in found if each.startswith("each of ") and name.startswith(each.removeprefix("each of "))]
    return found[max(tables, key=len)] if tables else {}


def _views(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[AccessChange]:
    for name in before.keys() & after.keys():
        was, now = before[name], after[name]
        if was["body"] != now["body"]:
            yield AccessChange("other", EVERYBODY, f"view {name}", "its query was changed")
        if was["options"] != now["options"]:
            invoker = [any(each.startswith("security_invoker=t") for each in side["options"]) for side in (was, now)]
            direction: Direction = "other" if invoker[0] == invoker[1] else "more" if invoker[0] else "less"
            words = f"its options are {', '.join(now['options']) or 'none'}, were {', '.join(was['options']) or 'none'}"
            yield AccessChange(direction, EVERYBODY, f"view {name}", words)


def _functions(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[AccessChange]:
    for name in before.keys() & after.keys():
        if before[name] != after[name]:
            how = (
                "runs as its owner" if after[name]["security definer"] else "says which rows, or is called by what does"
            )
            yield AccessChange("other", "its callers", f"function {name}", f"its body was changed; it {how}")


def _definers(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[AccessChange]:
    """Functions that there were, and that are listed since the change: they run as their owner, or say which rows."""
    was, now = before.get("functions", {}), after.get("functions", {})
    for name in now.keys() - was.keys():
        if f"function {name}" in before.get("owners", {}):
            what = "runs as its owner" if now[name]["security definer"] else "says which rows"
            yield AccessChange("more", "its callers", f"function {name}", f"{what} since this change")


def _roles(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[AccessChange]:
    for who in before.keys() | after.keys():
        was, now = before.get(who, {}), after.get(who, {})
        for key, prefix in (("attributes", ""), ("acts as", "acts as ")):
            yield from _each(
                who, f"role {who}", *({f"{prefix}{each}" for each in state.get(key, ())} for state in (was, now))
            )
        known = (was and now) or who == EVERY_ROLE
        if known and was.get("settings", []) != now.get("settings", []):
            differing = sorted({*was.get("settings", ())} ^ {*now.get("settings", ())})
            yield AccessChange("other", who, f"role {who}", f"settings changed: {', '.join(differing)}")


def _publications(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[AccessChange]:
    """What leaves the database."""
    for name in before.keys() | after.keys():
        was, now = before.get(name, {}), after.get(name, {})
        for table in was.keys() | now.keys():
            columns = [{*side.get(table, {}).get("columns", ())} for side in (was, now)]
            yield from _each(
                "its subscribers", f"publication {name}", *({f"{table}: {c}" for c in each} for each in columns)
            )
            rows = [side[table]["rows"] for side in (was, now) if table in side]
            if len(rows) == 2 and rows[0] != rows[1]:
                words = f"rows of {table} are {rows[1] or 'all'}, were {rows[0] or 'all'}"
                yield AccessChange("other", "its subscribers", f"publication {name}", words)


def _buckets(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[AccessChange]:
    for name in before.keys() | after.keys():
        was, now = before.get(name, {}), after.get(name, {})
        for key in sorted(was.keys() | now.keys()):
            if was.get(key) != now.get(key):
                more = key == "public" and bool(now.get(key))
                words = f"{key} is {json.dumps(now.get(key))}, was {json.dumps(was.get(key))}"
                direction: Direction = "more" if more else "less" if key == "public" or not now else "other"
                yield AccessChange(direction, "everybody" if key == "public" else "its people", f"bucket {name}", words)


SECTIONS: Mapping[str, Callable[[Any, Any], Iterator[AccessChange]]] = {
    "grants": _grants,
    "owners": _owners,
    "default privileges": _defaults,
    "row security": _security,
    "policies": _policies,
    "partitions": _partitions,
    "views": _views,
    "functions": _functions,
    "roles": _roles,
    "publications": _publications,
    "buckets": _buckets,
}
