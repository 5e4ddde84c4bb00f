"""What a migration takes along that isn't its own, and what comes back in the same transaction.

Row policies stand in the way of a migration that changes a column or drops a function which they use. They are saved,
dropped before it and made again after it. What a migration drops and creates under the same name, a column too, loses
its privileges, and a table its row security: they come back as they were. The grants that a migration itself writes on
such an object are left to it. However a migration loses a restrictive policy that it doesn't drop by name: it is made
again, or the migration is refused.
"""

import re
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import psycopg
from psycopg import sql

from declared.privileges import GRANTABLE
from provider.connection import Connection, rows
from provider.errors import StatementFailed, report
from provider.migrationchanges import MigrationChange, MigrationChanges, privilege
from provider.steps import named

PolicyKey = tuple[str, str]
"""Table, as PostgreSQL spells it, and name."""
Privilege = tuple[str, str, bool, str]
"""Role, word, whether it may be granted on, column; the column is empty for the whole object."""
ObjectKey = tuple[str, str, str]
"""Kind, sort and name: by these an object is the same after it was dropped and created."""

# Without such words nothing is made again and no privilege changes, and nobody needs to look.
GOES = re.compile(r"\b(drop|rename|set\s+schema|cascade)\b", re.IGNORECASE)
CODE = re.compile(r"\b(do|call|select|execute)\b", re.IGNORECASE)
PRIVILEGES_CHANGE = re.compile(r"\b(grant|revoke|reassign|owner\s+to|(disable|no\s+force)\s+row)\b", re.IGNORECASE)
# An expression that can't be made again names something that isn't there any more, or has another type.
NO_LONGER, MAY_NOT = "42", "42501"

POLICIES = """
select pg_catalog.format('%%I.%%I', n.nspname, c.relname) as "table", n.nspname::text as schema,
       c.relname::text as bare, p.oid::bigint as oid, p.polname::text as name, p.polpermissive as permissive,
       case p.polcmd when 'r' then 'select' when 'a' then 'insert' when 'w' then 'update'
                     when 'd' then 'delete' else 'all' end as command,
       array(select coalesce(r.rolname::text, 'public') from pg_catalog.unnest(p.polroles) m
               left join pg_catalog.pg_roles r on r.oid = m order by 1) as roles,
       pg_catalog.pg_get_expr(p.polqual, p.polrelid) as "using",
       pg_catalog.pg_get_expr(p.polwithcheck, p.polrelid) as "check",
       pg_catalog.obj_description(p.oid, 'pg_policy') as comment
  from pg_catalog.pg_policy p join pg_catalog.pg_class c on c.oid = p.polrelid
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
 order by 1, p.polname"""
OBJECTS = """
with objects as (
    select case c.relkind when 'S' then 'sequence' else 'table' end as kind,
           case c.relkind when 'p' then 'r' else c.relkind end as sort, c.oid, c.relowner as owner,
           pg_catalog.format('%%I.%%I', n.nspname, c.relname) as name, n.nspname || '.' || c.relname as plain,
           n.nspname::text as schema, c.relname::text as bare,
           coalesce(c.relacl, pg_catalog.acldefault(case c.relkind when 'S' then 's'::"char" else 'r' end, c.relowner))
             as acl,
           c.relrowsecurity as enabled, c.relforcerowsecurity as forced
      from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
     where c.relkind in ('r', 'p', 'v', 'm', 'f', 'S') and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
    union all
    select 'function', '', p.oid, p.proowner, p.oid::pg_catalog.regprocedure::text,
           p.oid::pg_catalog.regprocedure::text, n.nspname::text, p.proname::text,
           coalesce(p.proacl, pg_catalog.acldefault('f', p.proowner)), false, false
      from pg_catalog.pg_proc p join pg_catalog.pg_namespace n on n.oid = p.pronamespace
     where n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
    union all
    select 'type', t.typtype, t.oid, t.typowner, pg_catalog.format('%%I.%%I', n.nspname, t.typname),
           n.nspname || '.' || t.typname, n.nspname::text, t.typname::text,
           coalesce(t.typacl, pg_catalog.acldefault('T', t.typowner)), false, false
      from pg_catalog.pg_type t join pg_catalog.pg_namespace n on n.oid = t.typnamespace
     where (t.typtype in ('e', 'd', 'r')
            or exists (select from pg_catalog.pg_class c where c.oid = t.typrelid and c.relkind = 'c'))
       and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
    union all
    select 'schema', '', n.oid, n.nspowner, pg_catalog.quote_ident(n.nspname), n.nspname::text, '', n.nspname::text,
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
select o.kind, o.sort::text as sort, o.oid::bigint as oid, o.name, o.plain, o.schema, o.bare,
       pg_catalog.pg_get_userbyid(o.owner)::text as owner, o.enabled, o.forced,
       coalesce(pg_catalog.jsonb_agg(distinct pg_catalog.jsonb_build_array(
           coalesce(r.rolname::text, 'public'), pg_catalog.lower(e.privilege_type), e.is_grantable, e.column
       )) filter (where e.grantee is not null), '[]') as privileges
  from objects o left join entries e on e.kind = o.kind and e.oid = o.oid
  left join pg_catalog.pg_roles r on r.oid = e.grantee
 group by 1, 2, 3, 4, 5, 6, 7, 8, 9, 10"""
GRANTED_COLUMNS = """
select attrelid::bigint as oid, attname::text as name, attnum from pg_catalog.pg_attribute
 where attacl is not null and attnum > 0 and not attisdropped"""
COLUMNS = """
select attrelid::bigint as oid, attname::text as name, attnum from pg_catalog.pg_attribute
 where attrelid = any (%s::oid[]) and attnum > 0 and not attisdropped"""
THERE = """
select (select pg_catalog.array_agg(rolname::text) from pg_catalog.pg_roles) as roles,
       (select pg_catalog.array_agg(attname::text) from pg_catalog.pg_attribute
         where attrelid = %s::bigint::oid and attnum > 0 and not attisdropped) as columns"""
TABLES = """
select pg_catalog.format('%%I.%%I', n.nspname, c.relname) as name
  from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
 where c.relkind in ('r', 'p') and pg_catalog.format('%%I.%%I', n.nspname, c.relname) = any (%s)"""
ROLES = "select rolname::text as name from pg_catalog.pg_roles where rolname = any (%s)"
FUNCTION = "select coalesce(pg_catalog.to_regprocedure(%s)::oid::bigint, 0) as oid"


@dataclass(frozen=True)
class Saved:
    """A row policy as it was."""

    table: str
    schema: str
    bare: str
    oid: int
    name: str
    permissive: bool
    command: str
    roles: list[str]
    using: str | None
    check: str | None
    comment: str | None

    @property
    def key(self) -> PolicyKey:
        return self.table, self.name

    @property
    def plain(self) -> str:
        return f"{self.schema}.{self.bare}"

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
    schema: str
    bare: str
    owner: str
    enabled: bool
    forced: bool
    privileges: frozenset[Privilege]

    def only(self, columns: frozenset[str]) -> "Object":
        """The same with the privileges on some columns alone, if any are named."""
        if not columns:
            return self
        return replace(self, privileges=frozenset(each for each in self.privileges if each[3] in columns))


@dataclass
class Tried:
    """What was done for the privileges of an object that was dropped and created, or of columns of it."""

    was: Object
    changed: bool
    taken: set[Privilege]
    """What it had more than before, and nothing in the migration grants."""
    refused: str = ""
    columns: frozenset[str] = frozenset()
    """The ones that it is about; none for the whole object."""

    @property
    def what(self) -> str:
        whole = f"{self.was.kind} {self.was.name}"
        return f"column {', '.join(sorted(self.columns))} of {whole}" if self.columns else whole


@dataclass
class Carried:
    """What one transaction of migrations takes along."""

    connection: Connection
    step: str
    path: str
    text: str
    role: str | None = None
    """The owner of what migrations make, where the login isn't allowed to change it itself."""
    changes: MigrationChanges = field(default_factory=MigrationChanges)
    alone: bool = True
    """Whether the transaction is that of one migration."""
    lines: list[str] = field(default_factory=list)
    """What is to be reported once it is committed."""
    _dropped: list[Saved] = field(default_factory=list)
    _policies: list[Saved] = field(default_factory=list)
    _objects: dict[ObjectKey, Object] | None = None
    _columns: dict[int, dict[str, int]] = field(default_factory=dict)
    """By table those with privileges of their own: name and number, which changes when one is dropped and added."""
    _reasons: dict[PolicyKey, str] = field(default_factory=dict)
    _back: dict[PolicyKey, str] = field(default_factory=dict)

    async def begin(self, in_the_way: Sequence[PolicyKey]) -> None:
        """Remember what may go, and drop the policies in the way."""
        self._policies = await policies(self.connection)
        if any(words.search(self.text) for words in (PRIVILEGES_CHANGE, GOES, CODE)):
            self._objects = await _objects(self.connection)
            self._columns = _by_table(await rows(self.connection, GRANTED_COLUMNS, []))
        self._dropped = [saved for saved in self._policies if saved.key in in_the_way]
        if self._dropped:
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
        after = await policies(self.connection)
        gone = await self._gone(after)
        if gone and not self.alone:
            raise StatementFailed(f"migration {self.step} or one after it loses row policy {gone[0].shown}")
        now = await _objects(self.connection) if self._objects is not None else {}
        pairs = [(was, now[key]) for key, was in (self._objects or {}).items() if key in now]
        again = [(was, new) for was, new in pairs if was.oid != new.oid]
        # A table that the migration makes again with policies of its own has those; a restrictive one holds all the
        # same.
        made = {new.name for _, new in again if new.sort == "r"} - {saved.table for saved in after}
        ours = {saved.key for saved in self._dropped}
        back = [saved for saved in gone if not saved.permissive or saved.key in ours or saved.table in made]
        async with self._as_owner():
            lost = [saved for saved in gone if saved not in back or not await self._made_again(saved)]
            narrowed = await self._widen(after)
        await self._tell_lost(lost)
        if self._back:
            names = ", ".join(self._back.values())
            how = "in its way were dropped" if ours >= self._back.keys() else "that it takes away were dropped"
            self.lines.append(f"migration {self.step}: row policies {how} and made again: {names}")
        if narrowed:
            names = ", ".join(narrowed)
            self.lines.append(
                f"migration {self.step}: restrictive row policies hold for the roles again that they lost: {names}"
            )
        self._tell_replaced(now)
        tries = [(was, new, frozenset[str]()) for was, new in again] + await self._other_columns(pairs)
        if tries:
            now = await self._bring_back(tries)
        self._note(now, await policies(self.connection) if self._back or narrowed else after)

    async def _other_columns(
        self, pairs: Sequence[tuple[Object, Object]]
    ) -> list[tuple[Object, Object, frozenset[str]]]:
        """Tables that are the same, with columns that have the name of one that is gone."""
        tables = [(was, new) for was, new in pairs if was.kind == "table" and was.oid == new.oid]
        kept = [(was, new) for was, new in tables if was.oid in self._columns]
        if not kept:
            return []
        now = _by_table(await rows(self.connection, COLUMNS, [[was.oid for was, _ in kept]]))
        found = []
        for was, new in kept:
            columns = now.get(was.oid, {})
            granted = self._columns[was.oid].items()
            names = frozenset(name for name, number in granted if columns.get(name, number) != number)
            if names:
                # The table's row security is the migration's own affair.
                before = replace(was.only(names), enabled=new.enabled, forced=new.forced)
                found.append((before, new.only(names), names))
        return found

    async def _bring_back(self, tries: Sequence[tuple[Object, Object, frozenset[str]]]) -> dict[ObjectKey, Object]:
        """Give objects and columns back what they had; what there is then."""
        done = []
        async with self._as_owner():
            grants, code = named.grants(self.text), named.revokes_in_code(self.text)
            for was, new, columns in tries:
                tried = await self._give_back(was, new, grants, code)
                tried.columns = columns
                done.append(tried)
        now = await _objects(self.connection)
        for tried in done:
            found = now[tried.was.kind, tried.was.sort, tried.was.name]
            self._tell_again(tried, found.only(tried.columns))
        return now

    async def _gone(self, after: Sequence[Saved]) -> list[Saved]:
        """The policies that are missing on their tables, and that the migration doesn't drop by name."""
        there = {saved.key for saved in after}
        renamed = {(saved.table, saved.oid) for saved in after}
        gone = [saved for saved in self._policies if saved.key not in there and (saved.table, saved.oid) not in renamed]
        if not gone:
            return []
        tables = {entry["name"] for entry in await rows(self.connection, TABLES, [[saved.table for saved in gone]])}
        uses = named.policies(self.text)
        return [
            saved
            for saved in gone
            if saved.table in tables and not named.dropped(uses, saved.schema, saved.bare, saved.name)
        ]

    async def _made_again(self, saved: Saved) -> bool:
        """Whether the policy is back; without the roles that are gone, and not for them alone."""
        found = {entry["name"] for entry in await rows(self.connection, ROLES, [saved.roles])} | {"public"}
        policy = replace(saved, roles=[role for role in saved.roles if role in found])
        if not policy.roles:
            return False
        try:
            async with self.connection.transaction():
                await self.connection.execute(policy.definition)
                if saved.comment is not None:
                    comment = sql.SQL(" is {}").format(sql.Literal(saved.comment))
                    await self.connection.execute(sql.SQL("comment on policy ") + saved.target + comment)
        except psycopg.Error as error:
            code = error.sqlstate or ""
            if not code.startswith(NO_LONGER) or (code == MAY_NOT and saved.permissive):
                raise
            self._reasons[saved.key] = report(error.diag).said
            return False
        self._back[saved.key] = saved.shown
        return True

    async def _widen(self, after: Sequence[Saved]) -> list[str]:
        """Restrictive policies that hold for fewer roles now (`drop owned`), where the migration doesn't name them."""
        found, done = {saved.key: saved for saved in after}, []
        fewer = [
            saved
            for saved in self._policies
            if not saved.permissive and saved.key in found and set(found[saved.key].roles) < set(saved.roles)
        ]
        uses = [use for use in (named.policies(self.text) if fewer else []) if use.word != "comment"]
        for saved in fewer:
            there = {entry["name"] for entry in await rows(self.connection, ROLES, [saved.roles])}
            if there <= set(found[saved.key].roles) or any(
                use.means(saved.schema, saved.bare, saved.name) for use in uses
            ):
                continue
            roles = sql.SQL(", ").join(map(sql.Identifier, sorted(there)))
            await self.connection.execute(sql.SQL("alter policy ") + saved.target + sql.SQL(" to ") + roles)
            done.append(saved.shown)
        return done

    async def _tell_lost(self, lost: Iterable[Saved]) -> None:
        opened = {saved.table for saved in await policies(self.connection) if saved.permissive} if lost else set()
        for saved in lost:
            if not saved.permissive and saved.table in opened and saved.key in self._reasons:
                name = sql.Identifier(saved.name).as_string(self.connection)
                raise StatementFailed(
                    f"migration {self.step}: restrictive row policy {saved.shown} can't be made again after the "
                    f"migration: {self._reasons[saved.key]}, {self.path}; without it the table would be more open: "
                    f"write `drop policy {name} on {saved.table};` at the beginning of the file, and at its end "
                    f"`create policy {name} on {saved.table} as restrictive …` with what is to hold from then on"
                )
            why = "was dropped since the migration removes what it uses"
            if saved.key not in self._reasons:
                why = "went with what the migration takes away"
            self.lines.append(f"migration {self.step}: row policy {saved.shown} {why}; `up` makes what is declared now")

    async def _give_back(self, was: Object, new: Object, grants: Sequence[named.Grant], code: bool) -> Tried:
        """Bring back the privileges and the row security of an object that was dropped and created."""
        there = (await rows(self.connection, THERE, [new.oid if new.kind == "table" else None]))[0]
        roles, columns = {"public", *there["roles"]}, {"", *(there["columns"] or [])}
        own = [grant for grant in grants if await self._means(grant, new)]
        wanted = [
            (False, each)
            for each in sorted(new.privileges - was.privileges)
            if each[0] != was.owner and not any(g.grants and each[0] in g.roles and g.has(each[1]) for g in own)
        ]
        wanted += [
            (True, each)
            for each in sorted(was.privileges - new.privileges)
            if each[0] in roles - {new.owner} and each[3] in columns
            if not code and not any(each[0] in grant.roles for grant in own)
        ]
        changes = [_statement(new, grant, each) for grant, each in wanted]
        if new.sort == "r":
            switches = (("enable", was.enabled, new.enabled), ("force", was.forced, new.forced))
            changes += [
                sql.SQL(f"alter table {{}} {word} row level security").format(sql.SQL(new.name))
                for word, before, after in switches
                if before and not after
            ]
        tried = Tried(was, bool(changes), {each for grant, each in wanted if not grant})
        if not changes:
            return tried
        try:
            async with self.connection.transaction():
                await self.connection.execute(sql.SQL("; ").join(changes))
        except psycopg.errors.InsufficientPrivilege as error:
            if len(changes) > len(wanted):
                raise  # without its row security
            tried.refused = report(error.diag).said
        return tried

    async def _means(self, grant: named.Grant, object: Object) -> bool:
        if not grant.may_be(object.kind, object.schema, object.bare):
            return False
        if grant.arguments is None:
            return True
        name = sql.Identifier(object.schema, object.bare).as_string(self.connection)
        found = await rows(self.connection, FUNCTION, [f"{name}({grant.arguments})"])
        return bool(found[0]["oid"] == object.oid)

    def _tell_again(self, tried: Tried, now: Object) -> None:
        was, what = tried.was, f"migration {self.step}: {tried.what} was dropped and made again;"
        gone = {each for each in was.privileges - now.privileges if each[0] != now.owner}
        new = now.privileges - was.privileges
        if opened := tried.taken & new:
            raise StatementFailed(
                f"{what} it would be more open than before, by {_entries(opened)}, {self.path}; "
                f"revoke that in the migration, or grant it on {now.name} there"
            )
        if was.owner != now.owner:
            self.lines.append(f"{what} its owner was {was.owner} and is {now.owner}")
        secured = " and its row security" if was.enabled and not tried.columns else ""
        if tried.refused:
            self.lines.append(f"{what} its privileges are gone until `up` grants them: {tried.refused}")
        elif gone or new:
            words = [f"{_entries(entries)} is {how}" for entries, how in ((new, "new"), (gone, "gone")) if entries]
            rest = f"its other privileges{secured} came back" if tried.changed else "its other privileges are as before"
            self.lines.append(f"{what} {rest}, but {', and '.join(words)}")
        elif tried.changed:
            self.lines.append(f"{what} its privileges{secured} came back in the same transaction")

    def _tell_replaced(self, now: Mapping[ObjectKey, Object]) -> None:
        """What has the name of something that is gone, but is another thing, and so has none of its privileges."""
        before = self._objects or {}
        fresh = [each for key, each in now.items() if key not in before]
        for key, was in before.items():
            heirs = [new for new in fresh if (new.kind, new.schema, new.bare) == (was.kind, was.schema, was.bare)]
            if key in now or not heirs or not was.privileges | heirs[0].privileges:
                continue
            had = _entries(was.privileges) or "nothing"
            has = ", ".join(f"{new.name} has {_entries(new.privileges) or 'nothing'}" for new in heirs)
            self.lines.append(
                f"migration {self.step}: {was.kind} {was.name} is gone with its privileges, and another has its name: "
                f"it had {had}, {has}; write the grants in the migration"
            )

    def _note(self, now: Mapping[ObjectKey, Object], policies: Sequence[Saved]) -> None:
        """What other resources will find changed, and by which migration."""
        if not self.alone:
            return
        for key, was in (self._objects or {}).items():
            if key in now:
                self._note_object(was, now[key])
        saved = {each.key: each for each in self._policies}
        found = {each.key: each for each in policies}
        for policy in found.keys() - saved.keys():
            label = f"policy {policy[1]} on {found[policy].plain}"
            self.changes.add(label, "", MigrationChange(False, True, self.step))
        for policy, each in saved.items():
            label, after = f"policy {each.name} on {each.plain}", found.get(policy)
            if after is None:
                self.changes.add(label, "", MigrationChange(True, False, self.step))
                continue
            for facet, value in each.facets.items():
                if after.facets[facet] != value:
                    respelled = policy in self._back and facet in ("using", "check")
                    self.changes.add(label, facet, MigrationChange(value, after.facets[facet], self.step, respelled))

    def _note_object(self, was: Object, new: Object) -> None:
        for entries, before in ((was.privileges - new.privileges, True), (new.privileges - was.privileges, False)):
            for role, word, grantable, column in entries:
                word += GRANTABLE if grantable else ""
                facet = privilege(role, word, column)
                self.changes.add(f"{was.kind} {was.plain}", facet, MigrationChange(before, not before, self.step))
        for facet, value, after in (("enabled", was.enabled, new.enabled), ("forced", was.forced, new.forced)):
            if value != after:
                self.changes.add(f"row security of {was.plain}", facet, MigrationChange(value, after, self.step))


def _by_table(columns: Iterable[Mapping[str, Any]]) -> dict[int, dict[str, int]]:
    found: dict[int, dict[str, int]] = {}
    for column in columns:
        found.setdefault(column["oid"], {})[column["name"]] = column["attnum"]
    return found


async def policies(connection: Connection) -> list[Saved]:
    """The row policies of all tables."""
    return [Saved(**entry) for entry in await rows(connection, POLICIES, [])]


async def _objects(connection: Connection) -> dict[ObjectKey, Object]:
    # Compiling the query would take longer than the migration.
    await connection.execute("set local jit = off")
    found = {}
    for entry in await rows(connection, OBJECTS, []):
        privileges = frozenset(tuple(each) for each in entry.pop("privileges"))
        found[entry["kind"], entry["sort"], entry["name"]] = Object(**entry, privileges=privileges)
    return found


def _entries(privileges: Iterable[Privilege]) -> str:
    """As SQL has them."""
    found = sorted(privileges)
    return ", ".join(
        f"{word}{f' ({column})' if column else ''} to {role}{GRANTABLE if grantable else ''}"
        for role, word, grantable, column in found
    )


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
        sql.SQL(GRANTABLE if grant and grantable else "" if grant else " cascade"),
    )
