"""What a rollback takes away is read from its text, by PostgreSQL's own grammar."""

import pytest

from declared.sqldrops import drops

TAKEN = {
    "drop table a.b, c": ["drops table a.b", "drops table c"],
    'drop table if exists "My Schema"."a""b" cascade': ['drops table "My Schema"."a""b"'],
    "DROP /* why */ TABLE a.b": ["drops table a.b"],
    "drop -- why\n table größe": ['drops table "größe"'],
    "alter table only a.b drop column if exists c, drop d": ["drops column a.b.c", "drops column a.b.d"],
    "alter type a.b drop attribute c": ["drops column a.b.c"],
    "truncate a, b.c": ["empties table a", "empties table b.c"],
    "delete from only a.b where c": ["deletes rows of table a.b"],
    "with gone as (delete from a.b returning *) select * from gone": ["deletes rows of table a.b"],
    "with gone as (delete from a.b returning *) insert into c select * from gone": ["deletes rows of table a.b"],
    "explain analyze delete from a": ["deletes rows of table a"],
    "create table k as with d as (delete from a.b returning *) select * from d": ["deletes rows of table a.b"],
    "copy (delete from a.b returning *) to '/dev/null'": ["deletes rows of table a.b"],
    "merge into a using b on true when matched then delete": ["deletes rows of table a"],
    "drop schema a cascade": ["drops schema a with all that depends on it"],
    "drop type a.b cascade": ["drops type a.b with all that depends on it"],
    "drop domain a.b cascade": ["drops type a.b with all that depends on it"],
    "drop extension a cascade": ["drops extension a with all that depends on it"],
    "drop collation a.b cascade": ["drops collation a.b with all that depends on it"],
    "drop function a.b(int) cascade": ["drops function a.b with all that depends on it"],
    "drop text search configuration a.b cascade": ["drops text search configuration a.b with all that depends on it"],
    "drop sequence a.b": ["drops sequence a.b"],
    "alter table a.b alter column c type date": ["converts column a.b.c to another type"],
    "alter table a.b alter c set data /* why */ type text using null": ["converts column a.b.c to another type"],
    "alter table a.b alter c type varchar(3)": ["converts column a.b.c to another type"],
    "update a.b set c = null, d = e": ["overwrites column a.b.c"],
    "update a.b set (c, d) = (default, '0'::int) where true": ["overwrites column a.b.c", "overwrites column a.b.d"],
    "with x as (update a.b set c = null returning 1) select * from x": ["overwrites column a.b.c"],
    "insert into a.b values (1) on conflict (d) do update set c = null": ["overwrites column a.b.c"],
    "merge into a.b using c on true when matched then update set d = null": ["overwrites column a.b.d"],
    "do $$ begin drop collation a.b cascade; end $$": ["has code that drops or deletes, which can't be read here"],
    "create table u (); alter table u rename to v; alter table t rename to u; drop table u": ["drops table t"],
    "alter table a.t rename to old; drop table a.old": ["drops table a.t"],
    "alter table a.t set schema x; drop table x.t": ["drops table a.t"],
    "alter table a.t set schema x; alter table x.t rename to u; truncate x.u": ["empties table a.t"],
    "alter table a.t rename c to d; alter table a.t drop d": ["drops column a.t.c"],
    "alter table a.t rename to u; alter table a.u drop d": ["drops column a.t.d"],
    "alter schema a rename to b; drop table b.t; drop schema b cascade": [
        "drops table a.t",
        "drops schema a with all that depends on it",
    ],
    "create schema x; alter table a.t set schema x; drop schema x cascade": ["drops table a.t"],
    "create table a.t (); drop table a.t; drop table a.t": ["drops table a.t"],
    "drop owned by a": ["drops what role a owns"],
    "drop database a": ["drops database a"],
    "do $$ begin execute 'drop table a'; end $$": ["has code that drops or deletes, which can't be read here"],
    "drop table a of a later grammar": ["has code that drops or deletes, which can't be read here"],
}


@pytest.mark.parametrize("text", list(TAKEN))
def test_what_holds_data_is_named(text):
    assert [str(drop) for drop in drops(f"select 1; {text}; select 2;")] == TAKEN[text]


@pytest.mark.parametrize(
    "text",
    [
        "drop view a.b",
        "drop materialized view a.b",
        "drop index concurrently a.b",
        "drop schema a",
        "drop cast (a.b as text)",
        "drop operator a.+ (a.b, a.b)",
        "drop operator class a.b using btree",
        "drop transform for a.b language c",
        "drop text search configuration a.b",
        "drop view a.b cascade",
        "drop function a.b(int)",
        "drop type a.b",
        "drop policy a on b",
        "alter table a drop constraint b, alter c drop not null",
        "comment on table a is 'drop table a'",
        "-- drop table a\nselect 1",
        "create function a() returns void language plpgsql as $$ begin delete from b; end $$",
        "create function a() returns void begin atomic delete from b; end",
        "create trigger a after delete or truncate on b execute function c()",
        "do $$ begin drop function a(); end $$",
        "alter table a.b alter c type text, alter d set data type varchar, alter e type numeric",
        "alter type a.b add value 'c'",
        "update a.b set c = d",
        "update a.b set c = null where d = 1",
        "alter table a.b add column c int; update a.b set c = 1; alter table a.b drop column c",
        "create sequence a.b; drop sequence a.b",
        "create table a.b (); alter table a.b rename to c; drop table a.c",
        "create schema a; create table a.b (); drop schema a cascade",
        "insert into a.b values (1) on conflict (c) do update set c = excluded.c",
        "create temporary table a as select 1; drop table a",
        "create table a.b (); insert into c select * from a.b; truncate a.b; drop table a.b",
        "merge into a using b on true when matched then update set c = b.c",
    ],
)
def test_what_holds_no_data_is_not(text):
    assert drops(text) == []


def test_a_table_that_may_have_been_there_is_not_taken_for_one_that_the_text_makes():
    assert [drop.name for drop in drops("create table if not exists a (); drop table a")] == ["a"]


def test_the_parts_are_the_catalogue_s_and_the_line_is_that_of_the_statement():
    table, column = drops('-- A.\n\ndrop table Public."B c";\nalter table public.d\n    drop column "E";')
    assert (table.kind, table.parts, table.table, table.line) == ("table", ("public", "B c"), ("public", "B c"), 3)
    assert (column.kind, column.parts, column.table, column.line) == (
        "column",
        ("public", "d", "E"),
        ("public", "d"),
        4,
    )
