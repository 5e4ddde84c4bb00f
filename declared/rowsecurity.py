"""Whether row security hides rows from a login: one question, for backups, archives, the audit and the history."""

APPLIES = (
    "(p.polrelid = {table} and p.polcmd in ('r', '*') and exists (select from pg_catalog.unnest(p.polroles) as o (role)"
    " where o.role = 0 or pg_catalog.pg_has_role({login}, o.role, 'usage')))"
)


def hides(table: str, login: str = "current_user") -> str:
    """A condition in SQL: what the row policies show a login of a table needn't be all of its rows.

    It is whether they count at all that it leaves out: `row_security_active` says that of the session's own login.
    Policies for roles that the login isn't in don't count.

    Args:
        table: an expression for the table's oid.
        login: an expression for the role's name or oid.
    """
    applies = APPLIES.format(table=table, login=login)
    return (
        f"(not exists (select from pg_catalog.pg_policy as p where {applies} and p.polpermissive"
        " and pg_catalog.pg_get_expr(p.polqual, p.polrelid) = 'true')"
        f" or exists (select from pg_catalog.pg_policy as p where {applies} and not p.polpermissive"
        " and pg_catalog.pg_get_expr(p.polqual, p.polrelid) <> 'true'))"
    )


def hidden(table: str) -> str:
    """A condition in SQL: row security may hide rows of a table from the session's login."""
    return f"(pg_catalog.row_security_active({table}) and {hides(table)})"
