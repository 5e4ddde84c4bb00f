"""What the text of a migration itself says of row policies and of privileges.

What can't be read, code and a grammar newer than ours, names no grant; of its `drop policy`, only a plain one counts.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from declared import sqlgrammar
from declared.sqltext import Statement, statements

GRANTING = re.compile(r"\b(grant|revoke)\b", re.IGNORECASE)
REVOKING = re.compile(r"\brevoke\b", re.IGNORECASE)
POLICY = re.compile(r"\bpolicy\b", re.IGNORECASE)
CODE = ("NoneType", "DoStmt", "CallStmt", "SelectStmt")
NAME = r'("(?:[^"]|"")+"|[\w$]+)'
IN_CODE = re.compile(
    rf"\bdrop\s+policy\s+(if\s+exists\s+)?{NAME}\s+on\s+(?:{NAME}\s*\.\s*)?{NAME}", re.IGNORECASE | re.DOTALL
)
COMMENT = re.compile(r"--[^\n]*|/\*.*?\*/", re.DOTALL)
KINDS = {
    "OBJECT_TABLE": ("table", "sequence"),
    "OBJECT_SEQUENCE": ("sequence",),
    "OBJECT_FUNCTION": ("function",),
    "OBJECT_PROCEDURE": ("function",),
    "OBJECT_ROUTINE": ("function",),
    "OBJECT_TYPE": ("type",),
    "OBJECT_DOMAIN": ("type",),
    "OBJECT_SCHEMA": ("schema",),
}
USES = {"CreatePolicyStmt": "create", "AlterPolicyStmt": "alter"}


@dataclass(frozen=True)
class Grant:
    """What one `grant` or `revoke` says of one object, or of all in a schema."""

    grants: bool
    kinds: tuple[str, ...]
    schema: str
    """Empty where the text has none."""
    name: str
    """Empty for all objects of the schema."""
    arguments: str | None
    """The types of a function's arguments, where they are written."""
    roles: frozenset[str]
    words: frozenset[str]
    """The privileges; none for all of them."""

    def may_be(self, kind: str, schema: str, name: str) -> bool:
        """Whether this object is meant; of functions only the name is compared."""
        return kind in self.kinds and self.schema in ("", schema) and self.name in ("", name)

    def has(self, word: str) -> bool:
        return not self.words or word in self.words


@dataclass(frozen=True)
class Use:
    """A statement that names a row policy."""

    word: str
    """`create`, `drop`, `alter` or `comment`."""
    schema: str
    table: str
    name: str
    line: int
    needs_it: bool
    """Whether it fails where the policy isn't there."""

    def means(self, schema: str, table: str, name: str) -> bool:
        return self.schema in ("", schema) and (self.table, self.name) == (table, name)


def grants(text: str) -> list[Grant]:
    """The grants and revokes of a text, one for each object."""
    found: list[Grant] = []
    for statement in statements(text):
        if GRANTING.search(statement.text):
            tree: Any = sqlgrammar.parsed(statement.text)
            if type(tree).__name__ != "AlterDefaultPrivilegesStmt":
                nodes = (node for node in sqlgrammar.walk(tree) if type(node).__name__ == "GrantStmt")
                found += (each for node in nodes for each in _granted(node))
    return found


def _granted(node: Any) -> Iterator[Grant]:
    kinds = KINDS.get(node.objtype.name)
    if kinds is None:
        return
    everywhere = node.targtype.name == "ACL_TARGET_ALL_IN_SCHEMA"
    roles = frozenset("public" if role.roletype.name == "ROLESPEC_PUBLIC" else role.rolename for role in node.grantees)
    words = frozenset(each.priv_name or "all" for each in node.privileges or ()) - {"all"}
    if any(each.priv_name is None for each in node.privileges or ()):
        words = frozenset()  # all privileges of some columns
    for target in node.objects:
        schema, name, arguments = ("", "", None) if everywhere else _target(target)
        if everywhere:
            schema = target.sval
        yield Grant(node.is_grant, kinds, schema, name, arguments, roles, words)


def _target(target: Any) -> tuple[str, str, str | None]:
    kind, arguments = type(target).__name__, None
    if kind == "RangeVar":
        return target.schemaname or "", target.relname, None
    if kind == "String":
        return "", target.sval, None
    if kind == "ObjectWithArgs":
        if not target.args_unspecified:
            arguments = ", ".join(sqlgrammar.deparsed(each) or "" for each in target.objargs or ())
        target = target.objname
    names = [part.sval for part in target]
    return names[-2] if len(names) > 1 else "", names[-1], arguments


def revokes_in_code(text: str) -> bool:
    """Whether a text has code that revokes something which can't be read."""
    parts = statements(text)
    kinds = [type(sqlgrammar.parsed(part.text)).__name__ if REVOKING.search(text) else "" for part in parts]
    runs = any(kind in CODE for kind in kinds)
    return runs and any(
        kind in (*CODE, "CreateFunctionStmt") and REVOKING.search(part.text)
        for kind, part in zip(kinds, parts, strict=True)
    )


def policies(text: str) -> list[Use]:
    """Where a text names row policies, in its order."""
    return [use for part in statements(text) if POLICY.search(part.text) for use in _uses(part)]


def dropped(uses: Sequence[Use], schema: str, table: str, name: str) -> bool:
    """Whether a migration itself drops a row policy, and doesn't make it again."""
    words = [use.word for use in uses if use.word in ("create", "drop") and use.means(schema, table, name)]
    return words[-1:] == ["drop"]


def _uses(statement: Statement) -> Iterator[Use]:
    node: Any = sqlgrammar.parsed(statement.text)
    kind, line = type(node).__name__, statement.line
    if kind in USES:
        yield Use(USES[kind], node.table.schemaname or "", node.table.relname, node.policy_name, line, kind[0] == "A")
    elif kind == "RenameStmt" and node.renameType.name == "OBJECT_POLICY":
        yield Use("alter", node.relation.schemaname or "", node.relation.relname, node.subname, line, True)
    elif kind == "CommentStmt" and node.objtype.name == "OBJECT_POLICY":
        yield _use("comment", node.object, line, True)
    elif kind == "DropStmt" and node.removeType.name == "OBJECT_POLICY":
        for each in node.objects:
            yield _use("drop", each, line, not node.missing_ok)
    elif kind in CODE:
        for match in IN_CODE.finditer(COMMENT.sub(" ", statement.text)):
            missing, name, schema, table = match.groups()
            yield Use("drop", plain(schema or ""), plain(table), plain(name), line, not missing)


def _use(word: str, parts: Any, line: int, needs_it: bool) -> Use:
    *schema, table, name = (part.sval for part in parts)
    return Use(word, schema[-1] if schema else "", table, name, line, needs_it)


def plain(name: str) -> str:
    """A name as the catalogue has it."""
    return name[1:-1].replace('""', '"') if name.startswith('"') else name.lower()


def parts(table: str) -> tuple[str, str]:
    """Schema and table of a qualified name as PostgreSQL quotes it."""
    schema, table = re.findall(r'"(?:[^"]|"")*"|[^".]+', table)
    return plain(schema), plain(table)
