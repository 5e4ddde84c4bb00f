"""Which query pattern of the catalogue a statement of `pg_stat_statements` belongs to."""

from functools import cache

import pglast

from declared.sqlqueries import queries


def named(statement: str) -> str:
    """The name of its pattern; empty where it is none.

    Both have their constants taken out, so that they are compared by the fingerprint of their parse tree (libpg_query).
    """
    return _patterns().get(_fingerprint(statement), "")


@cache
def _patterns() -> dict[str, str]:
    return {_fingerprint(query.text): query.name for query in queries()}


def _fingerprint(statement: str) -> str:
    try:
        return str(pglast.fingerprint(statement))
    except pglast.parser.ParseError:
        # Cut off, or of a newer version.
        return ""
