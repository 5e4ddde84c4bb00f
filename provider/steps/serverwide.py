"""What of a script may reach beyond its database, and so isn't tried on another database of the same server.

All databases of a server share roles, databases, tablespaces and the server's settings (PostgreSQL's manual, "Managing
Databases"). That a script changes none of these is the server's word and not ours: it is tried only as a role that may
not, see `HARMLESS`. What is searched for here is how a script leaves that role, and what any role may do to other
sessions, files and servers.
"""

import re
from collections.abc import Iterable

from declared.sqltext import quick_statements
from provider.connection import Connection, row

# A role that is a member of no other one with rights on the server itself; no row where there is no such role.
HARMLESS = """
select not exists (
    select from pg_catalog.pg_roles r
     where pg_catalog.pg_has_role(m.oid, r.oid, 'member')
       and (r.rolsuper or r.rolcreaterole or r.rolcreatedb or r.rolreplication
            or r.rolname ~ '^pg_(execute_server_program|read_server_files|write_server_files|signal_|create_|checkpoint'
                           '|use_reserved|maintain)' or r.rolname = 'rds_superuser')) as yes
  from pg_catalog.pg_roles m where m.rolname = %s"""
FOREIGN = "select exists (select from pg_catalog.pg_foreign_server) as yes"
# A text is searched with its strings and function bodies, which may be statements: rather too much than too little.
BEYOND = re.compile(
    r"""\b(?:
        reset\s+(?:role|all|session\s+authorization)
      | discard\s+all
      | set\s+(?:local\s+|session\s+)?(?:role|session\s+authorization)
      | set_config\s*\(\s*'(?:role|session_authorization)'
      | (?:create|alter|drop|rename)\s+(?:role|group|database|tablespace|subscription|system)
      | (?:create|alter|drop)\s+user\b(?!\s+mapping\b)
      | create\s+extension
      | (?:drop|reassign)\s+owned
      | (?:comment|label)\s+on\s+(?:role|database|tablespace|subscription)
      | (?:grant|revoke)\b[^;]*?\bon\s+(?:database|tablespace|parameter)
      | (?:grant|revoke)\s+(?:admin\s+option\s+for\s+)?(?:"[^"]+"|%%?[IsL]|\w+)(?:\s*,\s*(?:"[^"]+"|%%?[IsL]|\w+))*
            \s+(?:to|from)\b
      | copy\b[^;]*?\b(?:program|(?:to|from)\s+e?'[^']*/)
      | pg_(?:terminate_backend|cancel_backend|reload_conf|rotate_logfile|promote|switch_wal|create_restore_point
            |(?:create|drop|copy)_\w*slot|replication_origin_\w+|logical_emit_message)
      | lo_(?:export|import)
      | (?:dblink|http|net|cron|aws_\w+)(?:_\w+)?\s*(?:\.\s*\w+\s*)?\(
      | load\s+'
    )""",
    re.IGNORECASE | re.VERBOSE | re.DOTALL,
)
# Those that hide a word; in a string it hides nothing.
COMMENT = re.compile(r"/\*(?:(?!\*/)[^\n])*\*/|(?:^|(?<=\s))--[^\n']*$", re.MULTILINE)


def beyond(text: str) -> tuple[int, str] | None:
    """The line and the words of the first thing in a script that reaches beyond its database."""
    for statement in quick_statements(text):
        code = COMMENT.sub("", statement.text)
        if match := BEYOND.search(code):
            return statement.line + code.count("\n", 0, match.start()), " ".join(match.group().split())
    return None


async def cannot_be_tried(
    connection: Connection, label: str, role: str | None, scripts: Iterable[tuple[str, str]]
) -> str:
    """Why scripts might change more than their database; an empty text where they can't.

    Args:
        label: what they are called together.
        role: what they run as; None is the login that provisions.
        scripts: path and text of each.
    """
    harmless = role and await row(connection, HARMLESS, [role])
    foreign = await row(connection, FOREIGN, [])
    if role and harmless is None:
        return f"this run makes role {role} first"
    if not harmless or not harmless["yes"]:
        return f"{label} run as {role or 'the login that provisions'}, which may change the whole server"
    if foreign and foreign["yes"]:
        return "the database has foreign servers, which a script may write to"
    for path, text in scripts:
        if found := beyond(text):
            line, words = found
            return f"{path}:{line} says `{words}`, which may reach beyond this database"
    return ""
