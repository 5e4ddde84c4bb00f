"""Which change of a type writes a table again: the rule of the lint says what the server does."""

import psycopg

from declared import sqlgrammar
from ops.review.lint import types
from tests.conftest import Database

CHANGES = (
    *("varchar(10) -> varchar(20)", "varchar(20) -> varchar(10)", "varchar(10) -> varchar", "varchar -> varchar(10)"),
    *("varchar(10) -> text", "text -> varchar", "text -> varchar(10)", "char(3) -> text", "char(3) -> char(5)"),
    *("numeric(6, 2) -> numeric(8, 2)", "numeric(6, 2) -> numeric(8, 3)", "numeric(6, 2) -> numeric"),
    *("numeric -> numeric(6, 2)", "numeric(6, 2) -> numeric(5, 2)", "numeric(6) -> numeric(8)"),
    *(
        "integer -> bigint",
        "bigint -> integer",
        "smallint -> integer",
        "integer -> numeric",
        "real -> double precision",
    ),
    *("timestamptz(3) -> timestamptz(6)", "timestamptz(3) -> timestamptz", "timestamptz -> timestamptz(3)"),
    *("timestamp(3) -> timestamp(5)", "time -> time(2)", "interval(2) -> interval(4)", "interval(4) -> interval(2)"),
    *("timestamptz -> timestamptz(6)", "date -> timestamp", "cidr -> inet", "inet -> cidr", "xml -> text"),
    *("varbit(4) -> varbit(8)", "varbit(8) -> varbit(4)", "bit(4) -> bit(8)", "json -> jsonb", "text -> uuid"),
    *("varchar(10)[] -> varchar(20)[]", "text[] -> text[]", "uuid -> text", "text -> text", "bytea -> text"),
)


def of(text: str) -> types.Type:
    return types.of(sqlgrammar.parsed(f"select null::{text}").targetList[0].val.typeName)


def test_the_rule_says_what_the_server_does(database: Database):
    wrong = []
    with psycopg.connect(database.url) as connection:
        for change in CHANGES:
            old, _, new = change.partition(" -> ")
            connection.execute(f"create table public.t (c {old})".encode())
            file = "select relfilenode from pg_class where oid = 'public.t'::regclass"
            before = connection.execute(file.encode()).fetchone()
            connection.execute(f"alter table public.t alter c type {new} using c::{new}".encode())
            rewritten = connection.execute(file.encode()).fetchone() != before
            connection.rollback()
            if types.rewrites(of(old), of(new)) is not rewritten:
                wrong.append((change, "rewritten" if rewritten else "kept"))
    assert wrong == []
