"""Which roles a role may become, by which options, and who may become it: whole lists, so that any change is seen."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from psycopg import sql

from plugin.server import CheckFailure
from provider.connection import Connection, lock, row, rows
from provider.errors import Refused
from provider.resources.base import Field, ObjectKind, shown

ENTRY = re.compile(
    r"(?P<group>.+?)(?: with (?P<options>(?:admin option|(?:inherit|set) (?:true|false))"
    r"(?:, (?:admin option|(?:inherit|set) (?:true|false)))*))?(?: granted by (?P<grantor>.+))?"
)
# Before PostgreSQL 16 the role's own attribute says whether it inherits, and `set role` is open to every member.
OPTIONS_SINCE = 160000
ROLE = "select rolname as role, rolinherit as inherit from pg_catalog.pg_roles where rolname = %s"
# A grantor that isn't the login, the bootstrap superuser (as which every superuser grants) or a role of the login.
GROUPS = """
    select g.rolname as name, m.admin_option as admin, pg_catalog.pg_get_userbyid(m.grantor)::text as grantor,
           {inherit} as inherit, {set} as set, {stranger} as stranger
      from pg_catalog.pg_auth_members m join pg_catalog.pg_roles r on r.oid = m.member
      join pg_catalog.pg_roles g on g.oid = m.roleid
     where r.rolname = %s order by 1, 3"""
STRANGER = """m.grantor <> 10 and m.grantor <> (select oid from pg_catalog.pg_roles where rolname = current_user)
           and ((select rolsuper from pg_catalog.pg_roles where rolname = current_user)
                or not pg_catalog.pg_has_role(m.grantor, 'usage'))"""
# Since PostgreSQL 16 who makes a role holds it without being asked, and a superuser is in every role.
MEMBERS = """
    select distinct m.rolname as name
      from pg_catalog.pg_auth_members a join pg_catalog.pg_roles m on m.oid = a.member
      join pg_catalog.pg_roles g on g.oid = a.roleid
     where g.rolname = %s and not m.rolsuper and m.rolname not in (session_user, current_user) order by 1"""

# A superuser is in every role. Before PostgreSQL 16 members may always become it, and inherit as they do.
ACTS = "select pg_catalog.pg_has_role(%s, 'usage') and pg_catalog.pg_has_role(%s, '{set}') as yes"
OWN_GRANT = """select 1 from pg_catalog.pg_auth_members m join pg_catalog.pg_roles r on r.oid = m.roleid
                join pg_catalog.pg_roles l on l.oid = m.member and l.oid = m.grantor
               where r.rolname = %s and l.rolname = current_user"""


@dataclass(frozen=True)
class Membership:
    """One row of the catalogue, or one entry of a declaration."""

    group: str
    admin: bool
    inherit: bool
    set: bool
    grantor: str | None = None
    """Who granted it, where that is neither the login nor a superuser."""

    @classmethod
    def read(cls, entry: str, inherit: bool) -> "Membership":
        """An entry as it is written; where it doesn't say, it inherits as the role does."""
        match = ENTRY.fullmatch(entry)
        assert match, f"no membership: {entry}"
        options = (match["options"] or "").split(", ")
        return cls(
            match["group"],
            "admin option" in options,
            "inherit true" in options or (inherit and "inherit false" not in options),
            "set false" not in options,
            match["grantor"],
        )

    def written(self, inherit: bool) -> str:
        """The entry, with the options that aren't the usual ones of a role that inherits or doesn't."""
        options = ["admin option"] if self.admin else []
        options += [f"inherit {str(self.inherit).lower()}"] if self.inherit != inherit else []
        options += ["set false"] if not self.set else []
        return (
            self.group
            + (f" with {', '.join(options)}" if options else "")
            + (f" granted by {self.grantor}" if self.grantor else "")
        )


class Memberships(ObjectKind):
    """`grant group to role with admin, inherit, set …`; `revoke …` for each membership that isn't in the lists.

    `members` is who else may become the role: a declared one that is missing is its own resource's difference.
    """

    token = "pg:index:Memberships"
    list_field = "groups"
    fields = {
        "role": Field(str, "the role that is the member", required=True, identity=True),
        "groups": Field(
            list,
            "the roles that it is a member of, sorted: `anon`, `anon with admin option, inherit true, set false`; "
            "without options it inherits as the role does, may `set role`, and may not pass it on",
            required=True,
        ),
        "members": Field(list, "the roles that may be members of it, sorted; their own resources grant it", default=[]),
        "acts": Field(
            bool,
            "whether the login that provisions may become it and has its privileges, as who makes objects that belong "
            "to it needs; a superuser has them anyway",
            default=False,
        ),
    }

    def label(self, inputs: Mapping[str, Any]) -> str:
        return f"memberships of role {inputs['role']}"

    def validate(self, inputs: Mapping[str, Any]) -> list[CheckFailure]:
        failures = []
        named = []
        for entry in inputs["groups"]:
            match = ENTRY.fullmatch(entry)
            if not match or " with " in match["group"] or match["grantor"]:
                meant = "a role, or one `with admin option, inherit true|false, set true|false`"
                failures.append(CheckFailure("groups", f"'{entry}' is no membership: write {meant}"))
            else:
                named.append(match["group"])
        failures += [CheckFailure("groups", f"'{name}' stands in it twice") for name in _twice(named)]
        return failures

    def same(self, name: str, one: Any, other: Any) -> bool:
        if name in ("groups", "members"):
            return sorted(one or []) == sorted(other or [])
        return super().same(name, one, other)

    def drift(self, name: str, state: Mapping[str, Any], value: Any) -> str:
        if name == "acts":
            return f"{self.label(state)}: manually, the login that provisions was kept from acting as it"
        was, now = {*(state.get(name) or [])}, {*value}
        came, went = ("became a member of it", "is none") if name == "members" else ("was granted", "was revoked")
        changes = [f"{shown(sorted(now - was))} {came}"] if now - was else []
        changes += [f"{shown(sorted(was - now))} {went}"] if was - now else []
        return f"{self.label(state)}: manually, {' and '.join(changes)}"

    async def find(self, connection: Connection, inputs: Mapping[str, Any]) -> dict[str, Any] | None:
        """Entries that mean the same are spelled as they are declared; a declared member counts as there."""
        found = await row(connection, ROLE, [inputs["role"]])
        if found is None:
            return None
        inherit = found["inherit"]
        spelled = {Membership.read(entry, inherit): entry for entry in inputs.get("groups") or []}
        there = await self._groups(connection, inputs["role"])
        members = {entry["name"] for entry in await rows(connection, MEMBERS, [inputs["role"]])}
        return {
            "role": found["role"],
            "groups": sorted(spelled.get(each, each.written(inherit)) for each in there),
            "members": sorted(members | {*(inputs.get("members") or [])}),
            # One that isn't asked for doesn't matter.
            "acts": bool(inputs.get("acts")) and await _acts(connection, inputs["role"]),
        }

    async def _groups(self, connection: Connection, role: str) -> set[Membership]:
        options = _has_options(connection)
        query = GROUPS.format(
            inherit="m.inherit_option" if options else "r.rolinherit",
            set="m.set_option" if options else "true",
            stranger=STRANGER if options else "false",
        )
        return {
            Membership(
                each["name"], each["admin"], each["inherit"], each["set"], each["grantor"] if each["stranger"] else None
            )
            for each in await rows(connection, query, [role])
        }

    async def make(self, connection: Connection, inputs: Mapping[str, Any]) -> None:
        raise Refused(f"{self.label(inputs)}: there is no such role")

    async def adopt(self, connection: Connection, found: Mapping[str, Any], inputs: Mapping[str, Any]) -> None:
        await self.alter(connection, found, inputs)

    async def alter(self, connection: Connection, found: Mapping[str, Any], new: Mapping[str, Any]) -> None:
        await lock(connection, "memberships")
        role = new["role"]
        member = await row(connection, ROLE, [role])
        if member is None:
            raise Refused(f"{self.label(new)}: there is no such role")
        wanted = {Membership.read(entry, member["inherit"]) for entry in new["groups"]}
        if not _has_options(connection):
            self._refuse_options(new, wanted, member["inherit"])
        there = await self._groups(connection, role)
        # A group with one difference is granted again as a whole: its rows can be several, one for each grantor.
        right = {each.group for each in wanted if {other for other in there if other.group == each.group} == {each}}
        for group in sorted({each.group for each in there} - right):
            await _revoke(connection, group, role)
        for each in sorted(wanted, key=lambda each: each.group):
            if each.group not in right:
                await connection.execute(_grant(each, role, _has_options(connection)))
        if new.get("acts") and not await _acts(connection, role):
            await connection.execute(_joined(role, _has_options(connection)))
        strays = {entry["name"] for entry in await rows(connection, MEMBERS, [role])} - {*(new.get("members") or [])}
        for stray in sorted(strays):
            await _revoke(connection, role, stray)

    def _refuse_options(self, inputs: Mapping[str, Any], wanted: Iterable[Membership], inherit: bool) -> None:
        for each in wanted:
            if each.inherit != inherit or not each.set:
                raise Refused(
                    f"{self.label(inputs)}: '{each.written(inherit)}' needs PostgreSQL 16; before it a membership has "
                    "the option admin alone, and inherits as its role does"
                )

    def _before(self, found: Mapping[str, Any] | None) -> dict[str, Any] | None:
        before = super()._before(found)
        return None if before is None or found is None else {**before, "acts": found["acts"]}

    async def drop(self, connection: Connection, state: Mapping[str, Any]) -> None:
        """Its own memberships go; who is a member of it is left to their resources."""
        await self.give_back(connection, {**state, "groups": [], "acts": False})

    async def give_back(self, connection: Connection, before: Mapping[str, Any]) -> None:
        found = await self.find(connection, before)
        if found is not None:
            groups = [entry for entry in before["groups"] if " granted by " not in entry]
            await self.alter(connection, found, {**before, "groups": groups, "members": found["members"]})
            if not before.get("acts") and await row(connection, OWN_GRANT, [before["role"]]):
                leave = sql.SQL("revoke {} from current_user").format(sql.Identifier(before["role"]))
                await connection.execute(leave)


GRANTORS = """select pg_catalog.pg_get_userbyid(m.grantor)::text as grantor
                from pg_catalog.pg_auth_members m
               where m.roleid = (select oid from pg_catalog.pg_roles where rolname = %s)
                 and m.member = (select oid from pg_catalog.pg_roles where rolname = %s)"""


async def _revoke(connection: Connection, group: str, role: str) -> None:
    """From PostgreSQL 16 on a membership is its grantor's, and a plain revoke leaves those of others."""
    statement = sql.SQL("revoke {} from {}").format(sql.Identifier(group), sql.Identifier(role))
    if not _has_options(connection):
        await connection.execute(sql.SQL("{} cascade").format(statement))
        return
    for found in await rows(connection, GRANTORS, [group, role]):
        await connection.execute(
            sql.SQL("{} granted by {} cascade").format(statement, sql.Identifier(found["grantor"]))
        )


def _grant(membership: Membership, role: str, options: bool) -> sql.Composed:
    statement = sql.SQL("grant {} to {}").format(sql.Identifier(membership.group), sql.Identifier(role))
    if not options:
        return sql.SQL("{} with admin option").format(statement) if membership.admin else statement
    return sql.SQL("{} with admin {}, inherit {}, set {}").format(
        statement, *(sql.Literal(value) for value in (membership.admin, membership.inherit, membership.set))
    )


async def _acts(connection: Connection, role: str) -> bool:
    found = await row(connection, ACTS.format(set="set" if _has_options(connection) else "member"), [role, role])
    return bool(found and found["yes"])


def _joined(role: str, options: bool) -> sql.Composed:
    """Who makes a role may pass it on, to itself too."""
    statement = sql.SQL("grant {} to current_user").format(sql.Identifier(role))
    return sql.SQL("{} with inherit true, set true").format(statement) if options else statement


def _has_options(connection: Connection) -> bool:
    return connection.info.server_version >= OPTIONS_SINCE


def _twice(names: list[str]) -> list[str]:
    return sorted({name for name in names if names.count(name) > 1})
