"""A history with rows or columns that nobody of us has written: one line, and nothing is run by it."""

import json

import psycopg
import pytest

from declared import connectionurl
from harness.engine import Refusal
from ops import __main__ as ops
from tests.provider.folders import HISTORY, TOKEN, Folder, one_line

ODD = {
    "a version that is no number": (
        f"insert into {HISTORY} (version, name) values ('abc', 'x')",
        f"{HISTORY} has a row whose version is 'abc' and not a number as text such as 0001; correct or delete it",
    ),
    "a version with a line break": (
        f"insert into {HISTORY} (version, name) values (E'00\\n05', 'x')",
        f"{HISTORY} has a row whose version is '00�05'",
    ),
    "no name": (
        f"insert into {HISTORY} (version) values ('0009')",
        f"the row of version 0009 has nothing for a name, so its migration isn't known; `update {HISTORY} set name",
    ),
    "an empty name": (f"insert into {HISTORY} (version, name) values ('0009', '')", "version 0009 has '' for a name"),
    "a name with control characters": (
        f"insert into {HISTORY} (version, name) values ('0009', E'a\\u0007b\\nc')",
        "version 0009 has 'a�b�c' for a name",
    ),
    "a long name": (
        f"insert into {HISTORY} (version, name) values ('0009', repeat('x', 9000))",
        f"version 0009 has '{'x' * 40}…' for a name",
    ),
    "no column name": (
        f"alter table {HISTORY} drop column name",
        f"{HISTORY} has rows and no column name, so which migrations were applied isn't known; put it back: `alter",
    ),
    "no column version": (
        f"alter table {HISTORY} drop column version",
        f"{HISTORY} has no column version; put it back: ",
    ),
    "numbers for versions": (
        f"alter table {HISTORY} alter version type int using version::int",
        f"{HISTORY}: its column version is integer and not text; give it that type: `alter table {HISTORY} alter "
        "column version type text using version::text`",
    ),
    "a version twice": (
        f"alter table {HISTORY} drop constraint schema_migrations_pkey; "
        f"insert into {HISTORY} (version, name) values ('0001', 'another')",
        f"{HISTORY} has no unique key on version; delete rows that are there twice, and put it back: `alter table "
        f"{HISTORY} add unique (version)`",
    ),
    "a view in its place": (
        f"alter table {HISTORY} rename to kept; create view {HISTORY} as select * from supabase_migrations.kept",
        f"{HISTORY} is a view, not a table, so which migrations were applied isn't known; rename it, and put the table",
    ),
    "an odd row of what was rolled back": (
        f"insert into {HISTORY}_rolled_back (version) values ('0009')",
        f"{HISTORY}_rolled_back: the row of version 0009 has nothing for a name",
    ),
    "another table of what was rolled back": (
        f"drop table {HISTORY}_rolled_back; create table {HISTORY}_rolled_back (a int)",
        f"{HISTORY}_rolled_back has no column version; put it back: `alter table {HISTORY}_rolled_back add column "
        "version text`, and fill it",
    ),
    "owners that are a text": (
        f"alter table {HISTORY} alter owners type text using owners::text",
        f"{HISTORY}: its column owners is text and not text[]; give it that type: `alter table {HISTORY} alter column "
        "owners type text[] using owners::text[]`",
    ),
    "checksums that are numbers": (
        f"alter table {HISTORY} alter checksum type int using 1",
        f"{HISTORY}: its column checksum is integer and not text",
    ),
    "a column that must have a value": (
        f"alter table {HISTORY} add author text not null default ''; alter table {HISTORY} alter author drop default",
        f"{HISTORY}: its column author isn't one of ours and must have a value, so no row can be added; `alter table "
        f"{HISTORY} alter column author drop not null`",
    ),
    "progress without one of its columns": (
        f"alter table {HISTORY}_progress drop done",
        f"{HISTORY}_progress has no column done; put it back: `alter table {HISTORY}_progress add column done boolean`",
    ),
    "progress of another type": (
        f"alter table {HISTORY}_progress alter at type text",
        f"{HISTORY}_progress: its column at is text and not timestamp with time zone",
    ),
    "progress without its key": (
        f"alter table {HISTORY}_progress drop constraint schema_migrations_progress_pkey",
        f"{HISTORY}_progress has no unique key on version, half, statement",
    ),
    "an incarnation of another type": (
        f"alter table {HISTORY}_incarnation alter id type uuid using gen_random_uuid()",
        f"{HISTORY}_incarnation: its column id is uuid and not text",
    ),
    "an incarnation without its column": (
        f"alter table {HISTORY}_incarnation rename id to name",
        f"{HISTORY}_incarnation has no column id",
    ),
}


@pytest.fixture
def three(plain_folder: Folder) -> Folder:
    for name in ("0001_first", "0002_second", "0003_third"):
        plain_folder.table(name)
    return plain_folder


@pytest.mark.parametrize("case", list(ODD))
def test_an_odd_history_is_one_line_in_every_command_and_nothing_runs(three, capsys, case):
    thing = three.up()
    change, said = ODD[case]
    three.world.sql(change)
    three.table("0004_fourth")
    for act in (
        lambda: three.engine.refresh(thing),
        lambda: three.engine.update(thing, three.declared()),
        lambda: three.engine.create(TOKEN, three.declared()),
    ):
        with pytest.raises(Refusal) as caught:
            act()
        assert said in one_line(caught)
    for words in (["status"], ["up"], ["down", "--to", "0", "--lose"]):
        common = ["--url", three.world.database.url, "--folder", "sql/steps", "--json", "--quiet"]
        assert ops.main(["migrate", *words, *common]) == 1
        (written,) = capsys.readouterr().err.splitlines()
        assert said in json.loads(written)["error"]
    assert three.tables() == ["first", "second", "third"]


def test_a_table_without_rows_whose_key_column_is_missing_is_refused(three):
    three.world.sql(f"create schema supabase_migrations; create table {HISTORY} (name text)")
    with pytest.raises(Refusal) as caught:
        three.up()
    assert one_line(caught).startswith(f"{HISTORY} has no column version; put it back: ")
    assert three.tables() == []


def test_a_table_of_another_tool_with_other_words_for_text_is_taken(three):
    three.world.sql(
        f"create schema supabase_migrations; create table {HISTORY} (version varchar not null unique, name varchar, "
        "statements varchar[], created_by text, at date)"
    )
    three.up()
    assert three.recorded() == ["0001", "0002", "0003"]


def test_a_table_without_rows_that_lacks_columns_is_filled_up(three):
    three.world.sql(f"create schema supabase_migrations; create table {HISTORY} (version text primary key)")
    three.up()
    assert three.recorded() == ["0001", "0002", "0003"]


@pytest.mark.parametrize("encoding", ["SQL_ASCII", "LATIN1"])
def test_a_database_in_another_encoding_is_migrated_and_its_odd_bytes_are_one_line(three, cluster, encoding):
    name = f"encoded_{three.world.database.name}"
    three.write("0004_word", "create table public.words as select 'grüße'::text as word;")
    with psycopg.connect(three.world.database.url, autocommit=True) as connection:
        connection.execute(
            f"create database {name} template template0 encoding '{encoding}' lc_collate 'C' lc_ctype 'C'".encode()
        )
    login = {**connectionurl.parse(three.world.login["url"]), "dbname": name}
    engine = three.world.second_engine(url=connectionurl.compose(login))
    try:
        thing = engine.create(TOKEN, three.declared())
        assert sorted(thing.state["applied"]) == ["0001_first", "0002_second", "0003_third", "0004_word"]
        url = three.world.database.url.replace(three.world.database.name, name)
        with psycopg.connect(url, autocommit=True, client_encoding="utf8") as connection:
            assert connection.execute("select word from public.words").fetchall() == [("grüße",)]
            bytes_ = b"insert into supabase_migrations.schema_migrations (version, name) values ('0005', E'caf\\xe9')"
            connection.execute(bytes_ if encoding == "SQL_ASCII" else b"select 1")
        if encoding == "SQL_ASCII":
            with pytest.raises(Refusal) as caught:
                engine.refresh(thing)
            assert one_line(caught) == f"{HISTORY} has a row that isn't UTF-8; correct or delete it"
    finally:
        engine.close()
        cluster.drop(name)
