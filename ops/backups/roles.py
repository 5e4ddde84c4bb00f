"""Roles from what pg_dumpall says of them: statement by statement, and no statement of another kind."""

from collections.abc import Iterator
from typing import Any

import psycopg
from pglast import ast, parse_sql
from pglast.parser import ParseError, split

from ops.backups.errors import BackupError, BadBackup
from ops.backups.manifest import ROLES
from ops.database import Connection

KNOWN = "select rolname::text from pg_roles"
OF_ROLES = (
    *(ast.CreateRoleStmt, ast.AlterRoleStmt, ast.AlterRoleSetStmt, ast.GrantRoleStmt, ast.CommentStmt),
    *(ast.GrantStmt, ast.SecLabelStmt, ast.VariableSetStmt),
)


def make(session: Connection, text: str, bare: bool) -> list[str]:
    """Make the roles that aren't there; those that are stay as they are. Which were made.

    Args:
        session: of a superuser.
        bare: without login, attributes, memberships and settings, as in a server that is in use: somebody has dropped
            the role there since.

    :raises BackupError: where the server refuses a statement
    :raises BadBackup: for a statement that isn't of roles
    """
    known = {name for (name,) in session.execute(KNOWN).fetchall()}
    made = list[str]()
    for statement, node in _statements(text):
        if isinstance(node, ast.CreateRoleStmt):
            if node.role in known:
                continue
            made.append(str(node.role))
        elif not isinstance(node, ast.VariableSetStmt) and (bare or _of_known(node, known)):
            continue
        try:
            session.execute(statement.encode())
        except psycopg.Error as error:
            raise BackupError(f"roles: {error.diag.message_primary}") from None
    return made


def _statements(text: str) -> Iterator[tuple[str, Any]]:
    # What is for psql alone, a key that the dump begins and ends with.
    lines = [line for line in text.splitlines(keepends=True) if not line.startswith(("\\restrict ", "\\unrestrict "))]
    try:
        for statement in split("".join(lines)):
            (parsed,) = parse_sql(statement)
            if not isinstance(parsed.stmt, OF_ROLES):
                raise BadBackup(f"{ROLES}: has a statement that isn't of roles")
            yield statement, parsed.stmt
    except ParseError:
        raise BadBackup(f"{ROLES}: isn't what pg_dumpall writes of roles") from None


def _of_known(node: Any, known: set[str]) -> bool:
    """Whether all that a statement changes was there before."""
    if isinstance(node, (ast.AlterRoleStmt, ast.AlterRoleSetStmt)):
        return node.role is None or node.role.rolename in known
    if isinstance(node, ast.GrantRoleStmt):
        named = [each.priv_name for each in node.granted_roles or ()] + [
            each.rolename for each in node.grantee_roles or ()
        ]
        return {*named} <= known
    if isinstance(node, ast.GrantStmt):
        return {each.rolename for each in node.grantees or ()} <= known
    return node.object.sval in known
