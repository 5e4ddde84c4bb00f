"""What a step takes along that isn't its own, and what comes back in the same transaction.

Row policies stand in the way of a step that changes a column or drops a function which they use. They are saved,
dropped before it and made again after it. What a step drops and creates under the same name loses its privileges, and a
table its row security: they come back as they were. The grants that a step itself writes are left to it.
"""

import re
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import psycopg
from psycopg import sql

from pgprovider.changes import Change, Changes, privilege
from pgprovider.connection import Connection, rows
from pgprovider.errors import StatementFailed, report
from sqltext import statements

Policy = tuple[str, str]
"""Table, as PostgreSQL spells it, and name."""
Privilege = tuple[str, str, bool, str]
"""Role, word, whether it may be granted on, column; the column is empty for the whole object."""
Key = tuple[str, str, str]
"""Kind, sort and name: by these an object is the same after it was dropped and created."""

# Without such words nothing is made again and no privilege or policy changes, and nobody needs to look.
GOES = re.compile(r"\b(drop|rename|set\s+schema)\b", re.IGNORECASE)
COMES = re.compile(r"\b(create|rename|set\s+schema)\b", re.IGNORECASE)
PRIVILEGES_CHANGE = re.compile(r"\b(grant|revoke|reassign|owner\s+to|(disable|no\s+force)\s+row)\b", re.IGNORECASE)
POLICIES_CHANGE = re.compile(r"\b(drop\s+(table|schema|owned)|rename|policy|set\s+schema)\b", re.IGNORECASE)
GRANTING = re.compile(r"\b(grant|revoke)\b", re.IGNORECASE)
# An expression that can't be made again names something that isn't there any more, or has another type.
NO_LONGER, MAY_NOT = "42", "42501"

POLICIES = """
select pg_catalog.format('%%I.%%I', n.nspname, c.relname) as "table", n.nspname || '.' || c.relname as plain,
       c.oid::bigint as relation, p.polname::text as name, p.polpermissive as permissive,
       case p.polcmd when 'r' then 'select' when 'a' then 'insert' when 'w' then 'update'
                     when 'd' then 'delete' else 'all' end as command,
       array(select coalesce(r.rolname::text, 'public') from pg_catalog.unnest(p.polroles) m
               left join pg_catalog.pg_roles r on r.oid = m order by 1) as roles,
       pg_catalog.pg_get_expr(p.polqual, p.polrelid) as "using",
       pg_catalog.pg_get_expr(p.polwithcheck, p.polrelid) as "check",
       pg_catalog.obj_description(p.oid, 'pg_policy') as comment
  from pg_catalog.pg_policy p join pg_catalog.pg_class c on c.oid = p.polrelid
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
 where %s::text[] is null
    or array[pg_catalog.format('%%I.%%I', n.nspname, c.relname), p.polname::text] in (
           select array[t, p] from unnest(%s::text[], %s::text[]) as wanted (t, p))
 order by 1, 4"""
OBJECTS = """
with objects as (
    select case c.relkind when 'S' then 'sequence' else 'table' end as kind,
           case c.relkind when 'p' then 'r' else c.relkind end as sort, c.oid, c.relowner as owner,
           pg_catalog.format('%%I.%%I', n.nspname, c.relname) as name, n.nspname || '.' || c.relname as plain,
           coalesce(c.relacl, pg_catalog.acldefault(case c.relkind when 'S' then 's'::"char" else 'r' end, c.relowner))
             as acl,
           c.relrowsecurity as enabled, c.relforcerowsecurity as forced
      from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
     where c.relkind in ('r', 'p', 'v', 'm', 'f', 'S') and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
    union all
    select 'function', '', p.oid, p.proowner, p.oid::pg_catalog.regprocedure::text,
           p.oid::pg_catalog.regprocedure::text,
           coalesce(p.proacl, pg_catalog.acldefault('f', p.proowner)), false, false
      from pg_catalog.pg_proc p join pg_catalog.pg_namespace n on n.oid = p.pronamespace
     where n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
    union all
    select 'type', t.typtype, t.oid, t.typowner, pg_catalog.format('%%I.%%I', n.nspname, t.typname),
           n.nspname || '.' || t.typname, coalesce(t.typacl, pg_catalog.acldefault('T', t.typowner)), false, false
      from pg_catalog.pg_type t join pg_catalog.pg_namespace n on n.oid = t.typnamespace
     where (t.typtype in ('e', 'd', 'r')
            or exists (select from pg_catalog.pg_class c where c.oid = t.typrelid and c.relkind = 'c'))
       and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
    union all
    select 'schema', '', n.oid, n.nspowner, pg_catalog.quote_ident(n.nspname), n.nspname::text,
           coalesce(n.nspacl, pg_catalog.acldefault('n', n.nspowner)), false, false
      from pg_catalog.pg_namespace n where n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
), entries as (
    select o.kind, o.oid, e.grantee, e.privilege_type, e.is_grantable, '' as column
      from objects o cross join lateral pg_catalog.aclexplode(o.acl) e where e.grantee <> o.owner
    union all
    select o.kind, o.oid, e.grantee, e.privilege_type, e.is_grantable, a.attname::text
      from pg_catalog.pg_attribute a join objects o on o.kind = 'table' and o.oid = a.attrelid
     cross join lateral pg_catalog.aclexplode(a.attacl) e
     where a.attacl is not null and a.attnum > 0 and not a.attisdropped and e.grantee <> o.owner
)
select o.kind, o.sort::text as sort, o.oid::bigint as oid, o.name, o.plain, o.enabled, o.forced,
       coalesce(pg_catalog.jsonb_agg(distinct pg_catalog.jsonb_build_array(
           coalesce(r.rolname::text, 'public'), pg_catalog.lower(e.privilege_type), e.is_grantable, e.column
       )) filter (where e.grantee is not null), '[]') as privileges
  from objects o left join entries e on e.kind = o.kind and e.oid = o.oid
  left join pg_catalog.pg_roles r on r.oid = e.grantee
 group by 1, 2, 3, 4, 5, 6, 7"""
THERE = """
select (select pg_catalog.array_agg(rolname::text) from pg_catalog.pg_roles) as roles,
       (select pg_catalog.array_agg(attname::text) from pg_catalog.pg_attribute
         where attrelid = %s::bigint::oid and attnum > 0 and not attisdropped) as columns"""
ON_TABLE = """
select coalesce(pg_catalog.array_agg(polname::text), '{}') as names,
       coalesce(pg_catalog.bool_or(polpermissive), false) as open
  from pg_catalog.pg_policy where polrelid = pg_catalog.to_regclass(%s)"""


@dataclass(frozen=True)
class Saved:
    """A row policy as it was."""

    table: str
    plain: str
    relation: int
    name: str
    permissive: bool
    command: str
    roles: list[str]
    using: str | None
    check: str | None
    comment: str | None

    @property
    def key(self) -> Policy:
        return self.table, self.name

    @property
    def shown(self) -> str:
        return f"{self.name} on {self.table}"

    @property
    def facets(self) -> dict[str, Any]:
        """As its resource has them."""
        kind = "permissive" if self.permissive else "restrictive"
        return {
            "kind": kind,
            "command": self.command,
            "roles": sorted(self.roles),
            "using": self.using,
            "check": self.check,
            "comment": self.comment,
        }

    @property
    def target(self) -> sql.Composed:
        return sql.SQL("{} on ").format(sql.Identifier(self.name)) + sql.SQL(self.table)

    @property
    def definition(self) -> sql.Composed:
        roles = [sql.SQL("public") if role == "public" else sql.Identifier(role) for role in self.roles]
        text = sql.SQL("create policy {} as {} for {} to {}").format(
            self.target, sql.SQL(self.facets["kind"]), sql.SQL(self.command), sql.SQL(", ").join(roles)
        )
        for word, expression in (("using", self.using), ("with check", self.check)):
            if expression is not None:
                text += sql.SQL(f" {word} (") + sql.SQL(expression) + sql.SQL(")")
        return text


@dataclass(frozen=True)
class Object:
    """Something that has privileges; `oid` changes when it is dropped and created."""

    kind: str
    sort: str
    """Of relations and types, which one: a view isn't the table whose name it takes."""
    oid: int
    name: str
    plain: str
    enabled: bool
    forced: bool
    privileges: frozenset[Privilege]


@dataclass
class Carried:
    """What one transaction of steps takes along."""

    connection: Connection
    step: str
    path: str
    text: str
    role: str | None = None
    """The owner of what steps make, where the login isn't allowed to change it itself."""
    changes: Changes = field(default_factory=Changes)
    lines: list[str] = field(default_factory=list)
    """What is to be told once it is committed."""
    _dropped: list[Saved] = field(default_factory=list)
    _policies: list[Saved] | None = None
    _objects: dict[Key, Object] | None = None
    _reasons: dict[str, str] = field(default_factory=dict)
    _back: dict[Policy, str] = field(default_factory=dict)

    async def begin(self, in_the_way: Sequence[Policy]) -> None:
        """Remember what may go, and drop the policies in the way."""
        if POLICIES_CHANGE.search(self.text):
            self._policies = await _policies(self.connection)
        if PRIVILEGES_CHANGE.search(self.text) or (GOES.search(self.text) and COMES.search(self.text)):
            self._objects = await _objects(self.connection)
        if in_the_way:
            self._dropped = await _policies(self.connection, in_the_way)
            async with self._as_owner():
                for policy in self._dropped:
                    await self.connection.execute(sql.SQL("drop policy ") + policy.target)

    @asynccontextmanager
    async def _as_owner(self) -> AsyncIterator[None]:
        if self.role is None:
            yield
            return
        await self.connection.execute(sql.SQL("set local role {}").format(sql.Identifier(self.role)))
        yield
        await self.connection.execute("reset role")

    async def end(self) -> None:
        """Bring back what can be, and note what is different all the same.

        :raises StatementFailed: where a table would be more open than before
        """
        before = list(self._dropped)
        now = await _objects(self.connection) if self._objects is not None else {}
        pairs = [(was, now[key]) for key, was in (self._objects or {}).items() if key in now]
        again = [(was, new) for was, new in pairs if was.oid != new.oid]
        tables = [new.name for _, new in again if new.sort == "r" and not await self._named_on(new.name)]
        known = {saved.key for saved in before}
        before += [saved for saved in self._policies or [] if saved.table in tables and saved.key not in known]
        async with self._as_owner():
            lost = [saved for saved in before if not await self._made_again(saved)]
        await self._refuse_openings(lost)
        if self._back:
            names = ", ".join(self._back.values())
            self.lines.append(f"step {self.step}: row policies in its way were dropped and made again: {names}")
        async with self._as_owner():
            for was, new in again:
                await self._give_back(was, new)
        await self._note(before, await _objects(self.connection) if again else now)

    async def _named_on(self, table: str) -> list[str]:
        return list((await rows(self.connection, ON_TABLE, [table]))[0]["names"])

    async def _made_again(self, saved: Saved) -> bool:
        """Whether nothing is missing: the policy is back, the step made one of its name, or its table is gone."""
        there = await rows(self.connection, "select pg_catalog.to_regclass(%s) is not null as there", [saved.table])
        if not there[0]["there"] or saved.name in await self._named_on(saved.table):
            return True
        try:
            async with self.connection.transaction():
                await self.connection.execute(saved.definition)
                if saved.comment is not None:
                    comment = sql.SQL(" is {}").format(sql.Literal(saved.comment))
                    await self.connection.execute(sql.SQL("comment on policy ") + saved.target + comment)
        except psycopg.Error as error:
            code = error.sqlstate or ""
            if not code.startswith(NO_LONGER) or code == MAY_NOT:
                raise
            self._reasons[saved.shown] = report(error.diag).said
            return False
        self._back[saved.key] = saved.shown
        return True

    async def _refuse_openings(self, lost: Iterable[Saved]) -> None:
        for saved in lost:
            found = (await rows(self.connection, ON_TABLE, [saved.table]))[0]
            if not saved.permissive and found["open"]:
                name = sql.Identifier(saved.name).as_string(self.connection)
                raise StatementFailed(
                    f"step {self.step}: restrictive row policy {saved.shown} can't be made again after the step: "
                    f"{self._reasons[saved.shown]}, {self.path}; without it the table would be more open: write "
                    f"`drop policy {name} on {saved.table};` at the beginning of the file, and at its end "
                    f"`create policy {name} on {saved.table} as restrictive …` with what is to hold from then on"
                )
            self.lines.append(
                f"step {self.step}: row policy {saved.shown} was dropped since the migration removes what it uses; "
                "`up` makes what is declared now"
            )

    async def _give_back(self, was: Object, new: Object) -> None:
        """The privileges and the row security of an object that was dropped and created."""
        named = _named(self.text)
        there = (await rows(self.connection, THERE, [new.oid if new.kind == "table" else None]))[0]
        roles, columns = {"public", *there["roles"]}, {"", *(there["columns"] or [])}
        missing = [each for each in was.privileges - new.privileges if each[0] in roles and each[3] in columns]
        wanted = [(False, each) for each in sorted(new.privileges - was.privileges)]
        wanted += [(True, each) for each in sorted(missing)]
        changes = [_statement(new, grant, each) for grant, each in wanted if each[0] not in named]
        if new.sort == "r":
            switches = (("enable", was.enabled, new.enabled), ("force", was.forced, new.forced))
            changes += [
                sql.SQL(f"alter table {{}} {word} row level security").format(sql.SQL(new.name))
                for word, before, after in switches
                if before and not after
            ]
        if not changes:
            return
        what = f"step {self.step}: {new.kind} {new.name} was dropped and made again;"
        try:
            async with self.connection.transaction():
                await self.connection.execute(sql.SQL("; ").join(changes))
        except psycopg.errors.InsufficientPrivilege as error:
            self.lines.append(f"{what} its privileges are gone until `up` grants them: {report(error.diag).said}")
            return
        secured = " and its row security" if was.enabled else ""
        self.lines.append(f"{what} its privileges{secured} came back in the same transaction")

    async def _note(self, before: Sequence[Saved], now: Mapping[Key, Object]) -> None:
        """What other resources will find changed, and by which step."""
        for key, was in (self._objects or {}).items():
            if key in now:
                self._note_object(was, now[key])
        saved = {each.key: each for each in [*(self._policies or []), *before]}
        if not saved and self._policies is None:
            return
        only = list(saved) if self._policies is None else None
        found = {each.key: each for each in await _policies(self.connection, only)}
        for policy in found.keys() - saved.keys():
            label = f"policy {policy[1]} on {found[policy].plain}"
            self.changes.add(label, "", Change(False, True, self.step))
        for policy, each in saved.items():
            label, after = f"policy {each.name} on {each.plain}", found.get(policy)
            if after is None:
                self.changes.add(label, "", Change(True, False, self.step))
                continue
            for facet, value in each.facets.items():
                if after.facets[facet] != value:
                    respelled = policy in self._back and facet in ("using", "check")
                    self.changes.add(label, facet, Change(value, after.facets[facet], self.step, respelled))

    def _note_object(self, was: Object, new: Object) -> None:
        for entries, before in ((was.privileges - new.privileges, True), (new.privileges - was.privileges, False)):
            for role, word, grantable, column in entries:
                word += " with grant option" if grantable else ""
                facet = privilege(role, word, column)
                self.changes.add(f"{was.kind} {was.plain}", facet, Change(before, not before, self.step))
        for facet, value, after in (("enabled", was.enabled, new.enabled), ("forced", was.forced, new.forced)):
            if value != after:
                self.changes.add(f"row security of {was.plain}", facet, Change(value, after, self.step))


async def _policies(connection: Connection, only: Sequence[Policy] | None = None) -> list[Saved]:
    tables, names = ([each[part] for each in only] if only is not None else None for part in (0, 1))
    return [Saved(**entry) for entry in await rows(connection, POLICIES, [tables, tables, names])]


async def _objects(connection: Connection) -> dict[Key, Object]:
    # Compiling the query would take longer than the step.
    await connection.execute("set local jit = off")
    found = {}
    for entry in await rows(connection, OBJECTS, []):
        privileges = frozenset(tuple(each) for each in entry.pop("privileges"))
        found[entry["kind"], entry["sort"], entry["name"]] = Object(**entry, privileges=privileges)
    return found


def _named(text: str) -> set[str]:
    """The roles that a step itself grants to or revokes from; of a block, all words that could be one."""
    found: set[str] = set()
    for statement in statements(text):
        if not GRANTING.search(statement.text):
            continue
        words = re.sub(r'("[^"]*"|[\w$]+)\s*\.', " ", statement.text)
        if GRANTING.match(words):
            words = re.split(r"\b(?:to|from)\b", words, flags=re.IGNORECASE)[-1]
        found |= {quoted or word.lower() for quoted, word in re.findall(r'"([^"]+)"|([\w$]+)', words)}
    return found


def _statement(target: Object, grant: bool, entry: Privilege) -> sql.Composed:
    role, word, grantable, column = entry
    what: sql.Composable = sql.SQL(f"{word} ({{}})").format(sql.Identifier(column)) if column else sql.SQL(word)
    kind = "routine" if target.kind == "function" else target.kind
    return sql.SQL("{} {} on {} {} {} {}{}").format(
        sql.SQL("grant" if grant else "revoke"),
        what,
        sql.SQL(kind),
        sql.SQL(target.name),
        sql.SQL("to" if grant else "from"),
        sql.SQL("public") if role == "public" else sql.Identifier(role),
        sql.SQL(" with grant option" if grant and grantable else "" if grant else " cascade"),
    )
