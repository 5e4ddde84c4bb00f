"""What of a script reaches beyond its database, and so can't be tried on another one of the same server.

PostgreSQL's manual lists what all databases of a server share: roles, databases, tablespaces, the server's own
settings (chapters "System Catalogs", column relisshared of pg_class, and "Managing Databases"). Functions that act on
other sessions, files and servers are as far out of reach of a scratch database.
"""

import re

from declared.sqltext import quick_statements

# A text is searched with its strings and function bodies, which may be statements: rather too much than too little.
BEYOND = re.compile(
    r"""\b(?:
        (?:create|alter|drop|rename)\s+(?:role|group|database|tablespace|subscription|system)\b
      | (?:create|alter|drop)\s+user\b(?!\s+mapping\b)
      | (?:drop|reassign)\s+owned\b
      | (?:comment|label)\s+on\s+(?:role|database|tablespace|subscription)\b
      | (?:grant|revoke)\b[^;]*?\bon\s+(?:database|tablespace|parameter)\b
      | (?:grant|revoke)\s+(?:admin\s+option\s+for\s+)?(?:"[^"]+"|\w+)(?:\s*,\s*(?:"[^"]+"|\w+))*\s+(?:to|from)\b
      | copy\b[^;]*?\b(?:program|(?:to|from)\s+'[^']*/)
      | pg_(?:terminate_backend|cancel_backend|reload_conf|rotate_logfile|promote|switch_wal|create_restore_point
            |(?:create|drop|copy)_\w*slot|replication_origin_\w+|logical_emit_message)\b
      | lo_(?:export|import)\b
      | dblink\w*\s*\(
      | cron\s*\.\s*\w+
      | load\s+'
    )""",
    re.IGNORECASE | re.VERBOSE | re.DOTALL,
)
COMMENT = re.compile(r"--[^\n]*")


def beyond(text: str) -> tuple[int, str] | None:
    """The line and the words of the first thing in a script that reaches beyond its database."""
    for statement in quick_statements(text):
        if match := BEYOND.search(COMMENT.sub("", statement.text)):
            line = statement.line + COMMENT.sub("", statement.text).count("\n", 0, match.start())
            return line, " ".join(match.group().split())
    return None
