"""What of the findings is a platform's affair: its own roles, schemas and privileges, which nobody here can change."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from declared import roles
from declared.platform import Platform
from declared.roles import API
from ops.audit.model import Audited, Finding

SCHEMAS = """
    select nspname::text from pg_catalog.pg_namespace where nspname !~ '^pg_' and nspname <> 'information_schema'
"""
# Who has a privilege stands first in the reason; a role and an event trigger in the object.
GRANTEE = re.compile(r"(?P<role>\S+) (?:has|gets) (?P<word>\w+).*", re.DOTALL)
MAKER = re.compile(r"new \S+ of (?P<role>\S+)(?: in .*)?")
WHOLE = re.compile(r"schema (?P<schema>\w+)|.* in (?P<in>\w+)")
PART = re.compile(r"(?:\S.* (?:on )?)?(?P<schema>\w+)\.\S.*")
# A trigger says which rows, a policy who reaches them: on a table of the platform's too these are somebody's here.
KEPT = ("policy ", "trigger ")


@dataclass(frozen=True)
class Theirs:
    """What a platform has in one database."""

    platform: Platform
    schemas: frozenset[str]
    """Those that aren't ours."""

    @classmethod
    def of(cls, audited: Audited) -> "Theirs":
        """The schemas that the database has and this project doesn't declare."""
        known = {*audited.declared.parameters["known_schemas"]}
        found = (name for (name,) in audited.connection.execute(SCHEMAS.encode()).fetchall())
        return cls(audited.declared.platform, frozenset(name for name in found if name not in known))

    def ours(self, findings: Sequence[Finding]) -> Iterator[Finding]:
        """The findings that aren't the platform's affair."""
        return (finding for finding in findings if not self._has(finding))

    def _has(self, finding: Finding) -> bool:
        kind, _, name = finding.object.partition(" ")
        if grantee := GRANTEE.match(finding.reason):
            # What is the platform's is granted to its roles; ours, and those that nobody knows, are looked at.
            if maker := MAKER.fullmatch(finding.object):
                return self._is_role(maker["role"])
            own = self._in_schema(finding.object) or kind in ("database", "parameter")
            # No platform lets callers make objects.
            opened = grantee["role"] in ("public", *API) and grantee["word"] == "create"
            return (own or finding.object == "schema public") and self._is_role(grantee["role"]) and not opened
        if kind == "role":
            # Who asks becomes nobody else: its own logins are members of these, and not the other way round.
            return self._is_role(name) and not (name in API and finding.rule.startswith("membership-"))
        if maker := MAKER.fullmatch(finding.object):
            return self._is_role(maker["role"])
        if finding.object.startswith("event trigger "):
            return any(f" {schema}." in finding.reason for schema in self.schemas)
        if finding.rule == "role-setting":
            return kind == "database"
        return not finding.object.startswith(KEPT) and self._in_schema(finding.object)

    def _in_schema(self, object: str) -> bool:
        match = WHOLE.fullmatch(object) or PART.fullmatch(object)
        named = match.groupdict() if match else {}
        return any(schema in self.schemas for schema in named.values() if schema)

    def _is_role(self, name: str) -> bool:
        mine = name in roles.names(self.platform)
        return not mine and (name == "public" or re.fullmatch(self.platform.all_roles, name) is not None)
