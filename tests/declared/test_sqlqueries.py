"""The catalogue of query patterns: what is read from a file, and which files are refused with their line."""

import pytest

from declared import sqlqueries
from declared.sqlfiles import SqlFileError

GOOD = """\
-- find_it: the thing,
--     by its key.
-- Role: anon. Since: 0003.
-- Parameters: $1 thing uuid, $2 words text[].
-- Index: things_pkey,
--     things_words_idx.
-- Plan: index scan.

select id
from public.things where id = $1 and words = $2;
"""


def read(folder, text, name="find_it"):
    (folder / f"{name}.sql").write_text(text)
    (query,) = sqlqueries.queries(folder)
    return query


def test_a_pattern_is_read_in_the_parts_of_its_header(tmp_path):
    query = read(tmp_path, GOOD)
    assert (query.name, query.purpose, query.role, query.since) == ("find_it", "the thing, by its key.", "anon", "0003")
    assert query.parameters == {"thing": "uuid", "words": "text[]"}
    assert query.indexes == {"things_pkey", "things_words_idx"}
    assert (query.plan, query.text.split()[0]) == ("index scan.", "select")
    assert not query.reader
    assert read(tmp_path, GOOD.replace("0003.", "0003. Reader.")).reader
    assert read(tmp_path, GOOD.replace("0003.", "0003. Cache: summary.")).cache == "summary"


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("-- Plan: index scan.\n", "", "find_it.sql: the header must be name, role, parameters, index and plan"),
        ("-- find_it", "-- find_that", "find_it.sql:1: the header says that it is find_that"),
        ("$2 words", "$3 words", "find_it.sql:3: parameter 2 must read `$2 name type`, not $3 words text[]"),
        ("words = $2", "true", "find_it.sql:3: the statement doesn't use exactly the parameters ['thing', 'words']"),
    ],
)
def test_a_file_that_is_no_pattern_is_refused(tmp_path, old, new, reason):
    with pytest.raises(SqlFileError) as error:
        read(tmp_path, GOOD.replace(old, new))
    assert reason in str(error.value)


def test_an_app_may_keep_only_what_is_the_same_for_everybody():
    kept = [query for query in sqlqueries.queries() if query.cache == "app"]
    assert kept
    assert [query.name for query in kept if query.role != "anon" or not query.reader] == []
