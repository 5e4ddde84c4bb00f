"""An archived month as a table again, beside those that are in use: to be read, not to be put back.

Its table is no partition: the audit trail begins where `audit.retired` says, and what has gone stays out of it.
"""

import gzip

from psycopg import sql

from declared.schemas import ARCHIVED
from ops.archive.copies import NAME, PIECE, Copies, Manifest
from ops.archive.job import APPLICATION, SPELLING, content, failures
from ops.database import Connection, connect
from ops.environment import Environment
from ops.errors import CommandError

THERE = "select to_regclass(%s) is not null"
TYPE = "select format_type(to_regtype(%s), null)"


def restore(environment: Environment, name: str) -> tuple[str, Manifest]:
    """Make the table `archived.<month>`, which nobody but the login that provisions may read; its name too.

    :raises CommandError: where there is no such archive, it is damaged, or the table is there already
    """
    if not NAME.fullmatch(name):
        raise CommandError(f"archive {name}: the name is that of a month such as audit.log_2024_01")
    copies = Copies(environment.store)
    table = name.partition(".")[2]
    with failures(f"archive {name} can't be restored"):
        manifest = copies.manifest(name)
        if manifest is None:
            raise CommandError(f"archive {name}: there is none; `./vpb archive list` has all")
        with copies.rows(manifest) as rows, connect(environment.admin_url, APPLICATION) as session:
            session.execute(SPELLING)
            with session.transaction():
                _load(session, manifest, sql.Identifier(ARCHIVED, table), rows)
    return f"{ARCHIVED}.{table}", manifest


def _load(session: Connection, manifest: Manifest, table: sql.Identifier, rows: gzip.GzipFile) -> None:
    session.execute(f"create schema if not exists {ARCHIVED}")
    shown = table.as_string(session).replace('"', "")
    if session.execute(THERE, (shown,)).fetchone() == (True,):
        raise CommandError(f"archive {manifest.name}: {shown} is there already; read it, or drop it first")
    columns = [
        sql.SQL("{} {}").format(sql.Identifier(name), sql.SQL(_known(session, manifest, type)))
        for name, type in manifest.columns
    ]
    session.execute(sql.SQL("create table {} ({})").format(table, sql.SQL(", ").join(columns)))
    comment = f"Archive {manifest.name} of {manifest.made_at}, to be read and dropped."
    session.execute(sql.SQL("comment on table {} is {}").format(table, sql.Literal(comment)))
    with session.cursor().copy(sql.SQL("copy {} from stdin (format csv, header match)").format(table)) as copy:
        while block := rows.read(PIECE):
            copy.write(block)
    if content(session, table) != (manifest.rows, manifest.digest):
        raise CommandError(f"archive {manifest.name}: its rows aren't those that were archived; nothing was restored")


def _known(session: Connection, manifest: Manifest, type: str) -> str:
    """A type as PostgreSQL spells it: what a manifest says goes into no statement as it stands."""
    found = session.execute(TYPE, (type,)).fetchone()
    if not found or found[0] is None:
        raise CommandError(f"archive {manifest.name}: PostgreSQL knows no type {type}")
    return str(found[0])
