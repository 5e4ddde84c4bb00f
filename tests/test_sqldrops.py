"""What a way back takes away is read from its text, by PostgreSQL's own grammar."""

import pytest

from sqldrops import drops

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
        "drop function a.b() cascade",
        "drop index concurrently a.b",
        "drop schema a",
        "drop cast (a.b as text)",
        "drop operator a.+ (a.b, a.b)",
        "drop operator class a.b using btree",
        "drop transform for a.b language c",
        "drop text search configuration a.b cascade",
        "drop type a.b",
        "drop policy a on b",
        "alter table a drop constraint b, alter c drop not null",
        "comment on table a is 'drop table a'",
        "-- drop table a\nselect 1",
        "create function a() returns void language plpgsql as $$ begin delete from b; end $$",
        "create function a() returns void begin atomic delete from b; end",
        "create trigger a after delete or truncate on b execute function c()",
        "do $$ begin drop function a(); end $$",
        "create temporary table a as select 1; drop table a",
        "create table a.b (); insert into c select * from a.b; truncate a.b; drop table a.b",
        "merge into a using b on true when matched then update set c = 1",
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
