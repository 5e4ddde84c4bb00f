"""Who may do what with one object: the whole list, so that a manual grant is a difference.

Why not one resource for each grant: `docs/decisions/0003-grants-are-closed-lists.md`.
"""

import re
from collections import defaultdict
from collections.abc import Collection, Mapping
from typing import Any

from psycopg import sql

from declared.privileges import ENTRY, GRANTABLE
from plugin.server import CheckFailure
from provider.connection import Connection, row, rows
from provider.errors import Refused
from provider.migrationchanges import MigrationChanges, privilege
from provider.resources.base import Field, ObjectKind, qualified, shown

PRIVILEGES = {
    "table": {"select", "insert", "update", "delete", "truncate", "references", "trigger", "maintain"},
    "sequence": {"usage", "select", "update"},
    "schema": {"usage", "create"},
    "function": {"execute"},
    "database": {"connect", "create", "temporary"},
    "type": {"usage"},
}
COLUMN_PRIVILEGES = {"select", "insert", "update", "references"}
# An entry as it is found: any name of a column, and who granted it.
FOUND = re.compile(rf"(?P<word>[a-z ]+?)(?:\((?P<columns>.*)\))?(?P<rest>(?:{GRANTABLE})?(?: granted by .+)?)", re.S)
GRANTED_BY = " granted by "

Entry = tuple[str, str, str]
"""Role, privilege, column; the column is empty for the whole object. What others than the owner granted says so."""

# Object, owner and access list of each kind; an absent list means PostgreSQL's defaults for that kind.
RELATION = """select c.oid, c.relowner as owner, coalesce(c.relacl, pg_catalog.acldefault({code}, c.relowner)) as acl
                from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
               where n.nspname = %s and c.relname = %s and c.relkind in ({kinds})"""
LOOKUP = {
    "table": RELATION.format(code="'r'", kinds="'r', 'p', 'v', 'm', 'f'"),
    "sequence": RELATION.format(code="'s'", kinds="'S'"),
    "schema": """select oid, nspowner as owner, coalesce(nspacl, pg_catalog.acldefault('n', nspowner)) as acl
                   from pg_catalog.pg_namespace where nspname = %s""",
    "database": """select oid, datdba as owner, coalesce(datacl, pg_catalog.acldefault('d', datdba)) as acl
                     from pg_catalog.pg_database where datname = %s""",
    "function": """select p.oid, p.proowner as owner, coalesce(p.proacl, pg_catalog.acldefault('f', p.proowner)) as acl
                     from pg_catalog.pg_proc p where p.oid = pg_catalog.to_regprocedure(%s)::oid""",
    "type": """select t.oid, t.typowner as owner, coalesce(t.typacl, pg_catalog.acldefault('T', t.typowner)) as acl
                 from pg_catalog.pg_type t join pg_catalog.pg_namespace n on n.oid = t.typnamespace
                where n.nspname = %s and t.typname = %s""",
}
ENTRIES = """select coalesce(r.rolname::text, 'public') as role, pg_catalog.lower(e.privilege_type) as word,
                    e.is_grantable as grantable, null::text as column,
                    case when e.grantor <> %s then pg_catalog.pg_get_userbyid(e.grantor)::text end as grantor
               from (select %s::pg_catalog.aclitem[] as acl) g
              cross join lateral pg_catalog.aclexplode(case when pg_catalog.cardinality(g.acl) > 0 then g.acl end) e
               left join pg_catalog.pg_roles r on r.oid = e.grantee
              where e.grantee <> %s"""
COLUMN_ENTRIES = """select coalesce(r.rolname::text, 'public') as role, pg_catalog.lower(e.privilege_type) as word,
                           e.is_grantable as grantable, a.attname::text as column,
                           case when e.grantor <> %s then pg_catalog.pg_get_userbyid(e.grantor)::text end as grantor
                      from pg_catalog.pg_attribute a, pg_catalog.aclexplode(a.attacl) e
                      left join pg_catalog.pg_roles r on r.oid = e.grantee
                     where a.attrelid = %s and a.attnum > 0 and not a.attisdropped and e.grantee <> %s"""


class Grants(ObjectKind):
    """`grant … on object to role`, `revoke …` for all that isn't in the list; the owner's own are left out."""

    token = "pg:index:Grants"
    in_one_database = True
    list_field = "grants"
    fields = {
        "kind": Field(str, "what sort of object", required=True, identity=True, choices=tuple(PRIVILEGES)),
        "name": Field(
            str, "the object, with its schema; a function with its argument types", required=True, identity=True
        ),
        "grants": Field(
            dict,
            "role to privileges: `select`, `insert(title, body)`, `select with grant option`; `public` is everybody",
            required=True,
            items=list,
        ),
        "among": Field(
            list,
            "the roles whose privileges are compared and changed, where the object is somebody else's; all roles where "
            "it is left out",
            compared=False,
        ),
        "location": Field(str, "file and line, for messages", compared=False),
    }

    def label(self, inputs: Mapping[str, Any]) -> str:
        return f"grants on {inputs['kind']} {inputs['name']}"

    def can_be_tried(self, inputs: Mapping[str, Any]) -> bool:
        # The privileges on a database are the server's.
        return super().can_be_tried(inputs) and inputs["kind"] != "database"

    def validate(self, inputs: Mapping[str, Any]) -> list[CheckFailure]:
        return [
            CheckFailure("grants", f"{role}: '{entry}' is no privilege on a {inputs['kind']}")
            for role, entries in inputs["grants"].items()
            for entry in entries
            if not valid(inputs["kind"], entry)
        ]

    def same(self, name: str, one: Any, other: Any) -> bool:
        if name != "grants":
            return super().same(name, one, other)
        return flat(one or {}) == flat(other or {})

    def observed(self, name: str, state: Mapping[str, Any], found: Mapping[str, Any]) -> Any:
        """A role's list stays as it was written where it means the same."""
        if name != "grants":
            return super().observed(name, state, found)
        recorded, now = state.get(name) or {}, found[name]
        kept = {role: recorded[role] for role in now if role in recorded and _of(recorded, role) == _of(now, role)}
        kept |= {role: [] for role, entries in recorded.items() if not entries and role not in now}
        return now | kept

    def paths(self, name: str, was: Any, wanted: Any) -> list[str]:
        if name != "grants":
            return super().paths(name, was, wanted)
        was, wanted = was or {}, wanted or {}
        roles = sorted(role for role in was.keys() | wanted.keys() if _of(was, role) != _of(wanted, role))
        return [f'{name}["{role}"]' for role in roles]

    def drift(self, name: str, state: Mapping[str, Any], value: Any) -> str:
        changed = by_author(
            self.database.changes, f"{state['kind']} {state['name']}", state.get(name) or {}, value or {}
        )
        return f"{self.label(state)}: " + "; ".join(f"{by}, {what}" for by, what in changed.items())

    async def find(self, connection: Connection, inputs: Mapping[str, Any]) -> dict[str, Any] | None:
        found = await row(connection, LOOKUP[inputs["kind"]], _lookup(inputs))
        if found is None:
            return None
        owner = found["owner"]
        entries = await rows(connection, ENTRIES, [owner, found["acl"], owner])
        if inputs["kind"] == "table":
            entries += await rows(connection, COLUMN_ENTRIES, [owner, found["oid"], owner])
        among = inputs.get("among")
        if among is not None:
            entries = await _of_roles(connection, entries, among)
        return {"kind": inputs["kind"], "name": inputs["name"], "grants": grouped(entries)}

    async def make(self, connection: Connection, inputs: Mapping[str, Any]) -> None:
        where = f", {inputs['location']}" if inputs.get("location") else ""
        raise Refused(f"{self.label(inputs)}: there is no such {inputs['kind']}{where}")

    async def adopt(self, connection: Connection, found: Mapping[str, Any], inputs: Mapping[str, Any]) -> None:
        await self.alter(connection, found, inputs)

    async def alter(self, connection: Connection, found: Mapping[str, Any], new: Mapping[str, Any]) -> None:
        wanted = flat(new["grants"])
        for role, word, column in sorted(flat(found["grants"]) - wanted):
            # What somebody granted on goes with the grant option, or stays: only that role can take it back.
            if GRANTED_BY not in word:
                await connection.execute(statement("revoke", new, role, word, column))
        # Revoking takes more than was named: a table's privilege the columns', a grant option what was granted by it.
        for role, word, column in sorted(wanted - await self._now(connection, new)):
            await connection.execute(statement("grant", new, role, word, column))
        left = await self._now(connection, new) - wanted
        if left:
            given_on = any(GRANTED_BY in word for _, word, _ in left)
            who = "revoke it as that role" if given_on else "run as the owner"
            raise Refused(f"{self.label(new)}: {shown(_pretty(left))} stays; {who}")

    async def _now(self, connection: Connection, inputs: Mapping[str, Any]) -> set[Entry]:
        found = await self.find(connection, inputs)
        return flat(found["grants"]) if found else set()

    async def drop(self, connection: Connection, state: Mapping[str, Any]) -> None:
        await self.give_back(connection, {**state, "grants": {}})

    async def give_back(self, connection: Connection, before: Mapping[str, Any]) -> None:
        found = await self.find(connection, before)
        if found is not None:
            await self.alter(connection, found, {**before, "grants": ours(before["grants"])})


async def _of_roles(
    connection: Connection, entries: list[dict[str, Any]], among: Collection[str]
) -> list[dict[str, Any]]:
    """The entries of these roles. Who isn't the owner grants in its own name, which is no stranger's."""
    me = await row(connection, "select current_user::text as name", [])
    return [
        {**entry, "grantor": None if me and entry["grantor"] == me["name"] else entry["grantor"]}
        for entry in entries
        if entry["role"] in among
    ]


def by_author(
    changes: MigrationChanges, object: str, was: Mapping[str, list[str]], now: Mapping[str, list[str]]
) -> dict[str, str]:
    """What was granted and what was revoked, by who did it."""
    before, after = flat(was), flat(now)
    authors: dict[str, tuple[set[Entry], set[Entry]]] = {}
    for entry in sorted(before ^ after):
        by = changes.author(object, privilege(*entry), entry in before, entry in after)
        authors.setdefault(by, (set(), set()))[entry in before].add(entry)
    words = ("granted", "revoked")
    return {
        by: " and ".join(f"{shown(_pretty(each))} was {word}" for each, word in zip(sets, words, strict=True) if each)
        for by, sets in authors.items()
    }


def ours(grants: Mapping[str, list[str]]) -> dict[str, list[str]]:
    """What this login can grant: another grantor's entries can't be made again in its name."""
    return {role: [entry for entry in entries if GRANTED_BY not in entry] for role, entries in grants.items()}


def valid(kind: str, entry: Any) -> bool:
    """Whether there is such a privilege on this kind of object."""
    match = ENTRY.fullmatch(entry) if isinstance(entry, str) else None
    if not match or match["word"] not in PRIVILEGES[kind]:
        return False
    return match["columns"] is None or (kind == "table" and match["word"] in COLUMN_PRIVILEGES)


def flat(grants: Mapping[str, list[str]]) -> set[Entry]:
    """Each privilege by itself."""
    found = set()
    for role, entries in grants.items():
        for entry in entries:
            match = FOUND.fullmatch(entry)
            assert match, f"no privilege: {entry}"
            names = (match["columns"] or "").split(",")
            found |= {(role, match["word"] + match["rest"], name.strip()) for name in names}
    return found


def _of(grants: Mapping[str, list[str]], role: str) -> set[Entry]:
    return flat({role: grants.get(role, [])})


def _pretty(entries: set[Entry]) -> list[str]:
    found = []
    for role, word, column in sorted(entries):
        plain, by, grantor = word.partition(GRANTED_BY)
        found.append(f"{plain}{f'({column})' if column else ''} to {role}{by}{grantor}")
    return found


def grouped(entries: list[dict[str, Any]]) -> dict[str, list[str]]:
    """Rows of an access list, as a declaration would have them."""
    columns: dict[tuple[str, str, str], list[str]] = defaultdict(list)
    for entry in entries:
        rest = (GRANTABLE if entry["grantable"] else "") + (GRANTED_BY + entry["grantor"] if entry["grantor"] else "")
        columns[entry["role"], entry["word"], rest].append(entry["column"] or "")
    grants: dict[str, list[str]] = defaultdict(list)
    for (role, word, rest), names in sorted(columns.items()):
        if "" in names:
            grants[role].append(word + rest)
        listed = ", ".join(sorted(name for name in names if name))
        if listed:
            grants[role].append(f"{word}({listed}){rest}")
    return dict(grants)


def _lookup(inputs: Mapping[str, Any]) -> list[str]:
    if inputs["kind"] in ("schema", "database", "function"):
        return [inputs["name"]]
    return list(qualified(inputs["name"]))


def statement(verb: str, target: Mapping[str, Any], role: str, word: str, column: str) -> sql.Composed:
    """The statement that grants or revokes one privilege."""
    privilege: sql.Composable = sql.SQL(word.removesuffix(GRANTABLE))
    if column:
        privilege = sql.SQL("{} ({})").format(privilege, sql.Identifier(column))
    grantee = sql.SQL("public") if role == "public" else sql.Identifier(role)
    connector = sql.SQL("to" if verb == "grant" else "from")
    # A routine is a function or a procedure.
    kind = sql.SQL("routine" if target["kind"] == "function" else target["kind"])
    end = "" if verb == "grant" and not word.endswith(GRANTABLE) else GRANTABLE if verb == "grant" else " cascade"
    return sql.SQL("{} {} on {} {} {} {}{}").format(
        sql.SQL(verb), privilege, kind, _object(target), connector, grantee, sql.SQL(end)
    )


def _object(target: Mapping[str, Any]) -> sql.Composable:
    if target["kind"] in ("schema", "database"):
        return sql.Identifier(target["name"])
    if target["kind"] == "function":
        # `to_regprocedure` found it under this very text, so it is one function and nothing else.
        return sql.SQL(target["name"])
    return sql.Identifier(*qualified(target["name"]))
