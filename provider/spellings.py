"""Whether two definitions say the same, where PostgreSQL spells them differently once it has read its own spelling.

What it stores isn't always what it makes of its own text: after a dump and a restore, an upgrade by dump or a copy by
logical replication some definitions are spelled otherwise than where they were first made. Two texts that differ are
parsed, and what the server does when it reads such a text is done to both (`asread.py`). Texts that can't be parsed are
as different as they look.
"""

import re

# What of a definition is SQL, and what a note of ours behind it.
COLUMN = re.compile(
    r"(?P<sql>.*?)(?P<note>(?: not null)?(?: storage \w+)?(?: compression \w+)?(?: statistics \d+)?"
    r"(?: options \(.*\))?(?: of the server \(.*\))?)",
    re.DOTALL,
)
NOTED = re.compile(r"(?P<sql>.*?)(?P<note>(?: \((?:invalid|clustered|disabled|enabled[^()]*)\))*)", re.DOTALL)
STATISTICS = re.compile(r"(?P<sql>.*?)(?P<note>(?: statistics \d+)?)", re.DOTALL)
DOMAIN = re.compile(r"domain (?P<sql>.*)", re.DOTALL)
PARTITIONED = re.compile(r"(?P<note>unlogged )?partitioned (?P<sql>by .*)", re.DOTALL)
PUBLISHED = re.compile(r"published(?P<note> \(.*?\))? where (?P<sql>.*)", re.DOTALL)
# Object and facet, by how they begin: the note, and the statement that the SQL is part of.
FORMS = (
    ("view ", "", NOTED, "{}"),
    ("materialized view ", "", NOTED, "{}"),
    ("function ", "", NOTED, "{}"),
    ("procedure ", "", NOTED, "{}"),
    ("statistics ", "", STATISTICS, "{}"),
    ("type ", "", DOMAIN, "create domain d as {}"),
    ("table ", "", PARTITIONED, "create table t (c int) partition {}"),
    ("", "column ", COLUMN, "create table t (c {})"),
    ("", "constraint ", NOTED, "alter table t add {}"),
    ("", "index ", NOTED, "{}"),
    ("", "trigger ", NOTED, "{}"),
    ("", "rule ", NOTED, "{}"),
    ("", "policy ", NOTED, "create policy p on t as {}"),
    ("publication ", "table ", PUBLISHED, "select ({})"),
)


def same_facet(object: str, facet: str, was: str | None, now: str | None) -> bool:
    """Whether two definitions of an object, or of a facet of it, say the same.

    Args:
        object: the object as the snapshot names it.
        facet: its facet, '' for the object itself.
    """
    if was is None or now is None:
        return was == now
    for kind, beginning, form, statement in FORMS:
        if object.startswith(kind) and (facet.startswith(beginning) if beginning else not facet):
            one, other = form.fullmatch(was), form.fullmatch(now)
            if one is None or other is None or _note(one) != _note(other):
                return False
            return same(statement.format(one["sql"]), statement.format(other["sql"]))
    return False


def same_expression(was: str | None, now: str | None) -> bool:
    """Whether two expressions, or the lack of them, say the same."""
    return was == now or (was is not None and now is not None and same(f"select ({was})", f"select ({now})"))


def same(was: str, now: str) -> bool:
    """Whether two statements say the same."""
    # Loading the grammar takes longer than most comparisons: nearly always nothing differs.
    from provider import asread

    try:
        one, other = asread.statement(was), asread.statement(now)
    except RecursionError:
        return False
    return one is not None and one == other


def _note(match: re.Match[str]) -> str | None:
    return match.groupdict().get("note") or None
