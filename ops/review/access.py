"""Who reaches what, as a list that two commits can be compared by: `sql/access.json`, which `make golden` writes."""

import json
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from declared.paths import CHECKOUT
from ops.database import Connection
from ops.errors import CommandError

FILE = CHECKOUT / "sql" / "access.json"
# Every schema of ours; who owns something may do everything with it, and isn't listed.
SCHEMAS = "n.nspname !~ '^(pg_|information_schema$)'"
# What an extension brings is its version's affair.
NO_EXTENSION = (
    "not exists (select from pg_depend as d where d.classid = '{catalogue}'::regclass and d.objid = {oid} "
    "and d.deptype = 'e')"
)
GRANTEE = "case a.grantee when 0 then 'public' else pg_catalog.pg_get_userbyid(a.grantee)::text end"
OPTION = "lower(a.privilege_type) || case when a.is_grantable then ' with grant option' else '' end"
GRANTS = f"""
select 'schema ' || n.nspname as object, {GRANTEE} as grantee, {OPTION} as privilege
from pg_namespace as n cross join lateral aclexplode(coalesce(n.nspacl, acldefault('n', n.nspowner))) as a
where {SCHEMAS} and a.grantee <> n.nspowner
union all
select case c.relkind when 'S' then 'sequence' when 'v' then 'view' when 'm' then 'materialized view' else 'table' end
    || ' ' || n.nspname || '.' || c.relname, {GRANTEE}, {OPTION}
from pg_class as c join pg_namespace as n on n.oid = c.relnamespace
cross join lateral aclexplode(
    coalesce(c.relacl, acldefault(case c.relkind when 'S' then 's' else 'r' end::"char", c.relowner))
) as a
where {SCHEMAS} and c.relkind in ('r', 'p', 'v', 'm', 'S', 'f') and not c.relispartition and a.grantee <> c.relowner
    and {NO_EXTENSION.format(catalogue="pg_class", oid="c.oid")}
union all
select 'table ' || n.nspname || '.' || c.relname, {GRANTEE}, lower(a.privilege_type) || ' (' || t.attname || ')'
    || case when a.is_grantable then ' with grant option' else '' end
from pg_attribute as t join pg_class as c on c.oid = t.attrelid join pg_namespace as n on n.oid = c.relnamespace
cross join lateral aclexplode(t.attacl) as a
where {SCHEMAS} and not c.relispartition and not t.attisdropped and a.grantee <> c.relowner
union all
select 'function ' || p.oid::regprocedure, {GRANTEE}, {OPTION}
from pg_proc as p join pg_namespace as n on n.oid = p.pronamespace
cross join lateral aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) as a
where {SCHEMAS} and a.grantee <> p.proowner and {NO_EXTENSION.format(catalogue="pg_proc", oid="p.oid")}"""
POLICIES = f"""
select n.nspname || '.' || c.relname, p.polname::text, p.polpermissive,
    case p.polcmd
        when 'r' then 'select' when 'a' then 'insert' when 'w' then 'update' when 'd' then 'delete' else 'all'
    end,
    array(select case r when 0 then 'public' else pg_get_userbyid(r)::text end from unnest(p.polroles) as r order by 1),
    pg_get_expr(p.polqual, p.polrelid), pg_get_expr(p.polwithcheck, p.polrelid), obj_description(p.oid, 'pg_policy')
from pg_policy as p join pg_class as c on c.oid = p.polrelid join pg_namespace as n on n.oid = c.relnamespace
where {SCHEMAS} and not c.relispartition"""
SECURITY = f"""
select n.nspname || '.' || c.relname, c.relrowsecurity, c.relforcerowsecurity
from pg_class as c join pg_namespace as n on n.oid = c.relnamespace
where {SCHEMAS} and c.relkind in ('r', 'p') and not c.relispartition"""
ROLES = """
select r.rolname::text,
    array_remove(array[case when r.rolsuper then 'superuser' end, case when r.rolbypassrls then 'bypassrls' end,
        case when r.rolcreaterole then 'createrole' end, case when r.rolcreatedb then 'createdb' end,
        case when r.rolreplication then 'replication' end, case when r.rolcanlogin then 'login' end], null),
    array(select g.rolname::text from pg_auth_members as m join pg_roles as g on g.oid = m.roleid
        where m.member = r.oid order by 1)
from pg_roles as r where r.rolname = any(%s)"""
Direction = Literal["more", "less", "other"]
WORDS = {"more": "reaches more", "less": "reaches less", "other": "reaches other rows"}


@dataclass(frozen=True)
class AccessChange:
    """One thing that somebody may do after a change and not before, or the other way round."""

    direction: Direction
    """more, less, or other: an expression was changed, and which rows that shows more of isn't known."""
    who: str
    object: str
    what: str


def catalogue(connection: Connection, roles: list[str], buckets: Mapping[str, Any]) -> dict[str, Any]:
    """What the catalogue of a database says of access, in an order that doesn't change.

    Args:
        roles: those that are declared.
        buckets: what is declared of each: who reaches its files.
    """
    grants: dict[str, dict[str, list[str]]] = {}
    for object, grantee, privilege in connection.execute(GRANTS.encode()).fetchall():
        grants.setdefault(object, {}).setdefault(grantee, []).append(privilege)
    policies: dict[str, dict[str, Any]] = {}
    for table, name, permissive, command, named, using, check, words in connection.execute(
        POLICIES.encode()
    ).fetchall():
        policies.setdefault(table, {})[name] = {
            "kind": "permissive" if permissive else "restrictive",
            "command": command,
            "roles": named,
            "using": using,
            "check": check,
            "words": words or "",
        }
    security = {
        table: "forced" if enabled and forced else "on" if enabled else "off"
        for table, enabled, forced in connection.execute(SECURITY.encode()).fetchall()
    }
    attributes = {
        name: {"attributes": found, "acts as": groups}
        for name, found, groups in connection.execute(ROLES, [roles]).fetchall()
    }
    ordered = {object: {who: sorted(each) for who, each in found.items()} for object, found in grants.items()}
    return {
        "grants": ordered,
        "policies": policies,
        "row security": security,
        "roles": attributes,
        "buckets": dict(buckets),
    }


def text(found: Mapping[str, Mapping[str, Any]]) -> str:
    """The file, with a line for each object."""
    sections = []
    for name in sorted(found):
        lines = [
            f"  {json.dumps(key)}: {json.dumps(value, sort_keys=True)}" for key, value in sorted(found[name].items())
        ]
        sections.append(f" {json.dumps(name)}: {{\n" + ",\n".join(lines) + "\n }")
    return "{\n" + ",\n".join(sections) + "\n}\n"


def since(commit: str) -> list[AccessChange]:
    """What differs from another commit.

    :raises CommandError: where git has none
    """
    return changes(base(commit), json.loads(FILE.read_text()))


def base(commit: str, path: Path = FILE) -> dict[str, Any]:
    """The list of another commit.

    :raises CommandError: where git has none
    """
    if not commit:
        raise CommandError("--base '': must be a commit")
    named = path.relative_to(CHECKOUT).as_posix()
    # A name that begins with a dash would be an option.
    words = ["git", "-C", str(CHECKOUT), "show", "--end-of-options", f"{commit}:{named}"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        said = " ".join(done.stderr.split()).removeprefix("fatal: ")
        raise CommandError(f"--base {commit}: {said or 'git has no such commit'}")
    return dict(json.loads(done.stdout))


def changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[AccessChange]:
    """What differs, what somebody reaches more of first."""
    found = [
        *_grants(before["grants"], after["grants"]),
        *_security(before["row security"], after["row security"]),
        *_policies(before["policies"], after["policies"]),
        *_roles(before["roles"], after["roles"]),
        *_buckets(before["buckets"], after["buckets"]),
    ]
    order = ("more", "other", "less")
    return sorted(found, key=lambda each: (order.index(each.direction), each.object, each.who, each.what))


def widened(found: list[AccessChange]) -> bool:
    """Whether somebody reaches more, or may."""
    return any(each.direction != "less" for each in found)


def _grants(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[AccessChange]:
    for object in before.keys() | after.keys():
        was, now = before.get(object, {}), after.get(object, {})
        for who in was.keys() | now.keys():
            yield from _each(who, object, set(was.get(who, ())), set(now.get(who, ())))


def _each(who: str, object: str, was: set[str], now: set[str]) -> Iterator[AccessChange]:
    yield from (AccessChange("more", who, object, each) for each in now - was)
    yield from (AccessChange("less", who, object, each) for each in was - now)


def _security(before: Mapping[str, str], after: Mapping[str, str]) -> Iterator[AccessChange]:
    order = ("off", "on", "forced")
    for table in before.keys() | after.keys():
        # A table that is new is as open as its grants, unless its rows have no guard.
        was, now = before.get(table, "forced"), after.get(table, "forced")
        if was != now:
            direction: Direction = "more" if order.index(now) < order.index(was) else "less"
            who = "everybody with a grant" if "off" in (was, now) else "the owner"
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


def _roles(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[AccessChange]:
    none: Mapping[str, Any] = {"attributes": [], "acts as": []}
    for who in before.keys() | after.keys():
        was, now = before.get(who, none), after.get(who, none)
        for key, prefix in (("attributes", ""), ("acts as", "acts as ")):
            found = ({f"{prefix}{each}" for each in state[key]} for state in (was, now))
            yield from _each(who, f"role {who}", *found)


def _buckets(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[AccessChange]:
    for name in before.keys() | after.keys():
        was, now = before.get(name, {}), after.get(name, {})
        for key in sorted(was.keys() | now.keys()):
            if was.get(key) != now.get(key):
                more = key == "public" and bool(now.get(key))
                words = f"{key} is {json.dumps(now.get(key))}, was {json.dumps(was.get(key))}"
                direction: Direction = "more" if more else "less" if key == "public" or not now else "other"
                yield AccessChange(direction, "everybody" if key == "public" else "its people", f"bucket {name}", words)


def as_json(found: list[AccessChange]) -> str:
    """For scripts."""
    return json.dumps({"widened": widened(found), "changes": [asdict(each) for each in found]}, indent=2)
