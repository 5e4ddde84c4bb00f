"""Search as people use it: beginnings, accents, inflection, scripts without spaces, and whatever else is typed."""

from typing import Any

import pytest

from tests.sql import provision
from tests.sql.provision import ADA, BOB, Connection, acting_as, add_recording

PEOPLE: dict[str, Any] = {"ada": {"sub": ADA}, "bob": {"sub": BOB}}
ODD = "it's \\ odd"
NAMES = "don't foo-bar_baz/qux.txt"


@pytest.fixture
def titled(people: Connection) -> Connection:
    people.execute("update public.users set locale = 'de' where id = %s", [BOB])
    projects = [
        (ADA, "Running prompts", "the quick brown fox"),
        (ADA, "Café étude", "Straße, ÉCOLE, ﬁne ＦＵＬＬ"),
        (ADA, "音声入力のプロンプト設計", "字"),
        (ADA, "การออกแบบคำสั่ง", ""),
        (BOB, "Die Häuser am See", ""),
        (ADA, ODD, "a'b"),
        (ADA, NAMES, "won't σοφός 日本\n語 l'école 3.14"),
    ]
    people.cursor().executemany(
        "insert into public.projects (owner_id, title, description, visibility) values (%s, %s, %s, 'public')", projects
    )
    return people


def found(connection: Connection, query: str, who: str | None = "ada", language: str | None = None) -> list[str]:
    role = "authenticated" if who else "anon"
    with acting_as(connection, role, {"role": role, **(PEOPLE[who] if who else {})}) as session:
        text = "select title from public.search_projects(%s, language => %s)"
        return [title for (title,) in session.execute(text, [query, language]).fetchall()]


@pytest.mark.parametrize(
    ("query", "title"),
    [
        ("runn", "Running prompts"),
        ("ran jumped", None),
        ("run prompt", "Running prompts"),
        ("foxes", "Running prompts"),
        ('"quick brown"', "Running prompts"),
        ('"brown quick"', None),
        ("quick -brown", None),
        ("fox or zebra", "Running prompts"),
        ("cafe ETUDE", "Café étude"),
        ("CAFÉ", "Café étude"),
        ("ecole strasse", "Café étude"),
        ("fine full", "Café étude"),
        ("音声入力", "音声入力のプロンプト設計"),
        ("プロンプト", "音声入力のプロンプト設計"),
        ("設計 音声", "音声入力のプロンプト設計"),
        ("計", "音声入力のプロンプト設計"),
        ("字", "音声入力のプロンプト設計"),
        ("入声", None),
        ("ออกแบบ", "การออกแบบคำสั่ง"),
        ("it's", ODD),
        ("a'b \\", ODD),
        ("", None),
        ("   ", None),
        ("-", None),
        ("the", "Running prompts"),
        ("zz or qq or quick", "Running prompts"),
        ("q f", None),
        ("it's odd runn or café", "Café étude"),
        ("-foxe quick", "Running prompts"),
        ("dont", NAMES),
        ("don't", NAMES),
        ("don’t wont", NAMES),
        ("l'ecole", NAMES),
        ("ecole foo", NAMES),
        ("foo-bar_baz/qux.txt", NAMES),
        ("baz qux", NAMES),
        ("txt", NAMES),
        ("3.14", NAMES),
        ("σοφος", NAMES),
        ("ΣΟΦΟΣ", NAMES),
        ("日本 語", NAMES),
        ("日本語", NAMES),
        ("本", NAMES),
    ],
)
def test_what_is_typed_finds_what_is_meant(titled: Connection, query: str, title: str | None) -> None:
    assert found(titled, query) == ([title] if title else [])


def test_inflection_is_that_of_the_asker_s_language_or_of_the_one_that_is_given(titled: Connection) -> None:
    assert found(titled, "Häusern", "bob") == ["Die Häuser am See"]
    assert found(titled, "Häusern", "ada") == []
    assert found(titled, "Häusern", "ada", language="de-AT") == ["Die Häuser am See"]
    assert found(titled, "Häusern", None, language="de") == ["Die Häuser am See"]
    assert found(titled, "Häuser", None, language="no such language") == ["Die Häuser am See"]


QUERIES = {
    "5 kB of or": "a or " * 1000,
    "one long word": "x" * 500_000,
    "no spaces": "音" * 10_000,
    "quotes": "'" * 300,
    "backslashes": "\\" * 300,
    "double quotes": '"' * 301,
    "minus": "-" * 300,
    "minus apart": "- " * 300,
    "minus and quotes": "-'-\"" * 300,
    "operators": "!&|()<->:*" * 20,
    "a broken query": "&:* | ''' <2> (",
    "controls": "\u0001 \ufffe \U0010ffff",
    "parentheses": "( " * 100 + '"',
}


@pytest.mark.parametrize("name", QUERIES)
def test_no_query_is_an_error_or_long(titled: Connection, name: str) -> None:
    found(titled, QUERIES[name], None)
    query = "select numnode(private.search_query(%s, 'pg_catalog.english'))"
    ((nodes,),) = titled.execute(query, [QUERIES[name]]).fetchall()
    assert nodes <= 420


@pytest.mark.parametrize("size", [None, -1, 0, 1_000_000])
def test_no_page_size_is_an_error(titled: Connection, size: int | None) -> None:
    with acting_as(titled, "anon", {"role": "anon"}) as session:
        count = len(session.execute("select id from public.search_projects('the', %s)", [size]).fetchall())
    assert count == (1 if size is None or size > 0 else 0)


def test_a_changed_text_is_found_by_its_new_words_alone(titled: Connection) -> None:
    titled.execute("update public.projects set title = 'Walking' where title = 'Running prompts'")
    assert (found(titled, "running"), found(titled, "walk")) == ([], ["Walking"])


@pytest.mark.parametrize(("function", "expected"), [("search_recordings", 16), ("search_generations", 25)])
def test_what_is_in_a_project_is_found_by_who_works_in_it_page_by_page(
    titled: Connection, function: str, expected: int
) -> None:
    ((project,),) = titled.execute("select id from public.projects where title = 'Running prompts'").fetchall()
    for n in range(24):
        add_recording(titled, project, str(n), transcript="sprechen " + "spoken " * (n % 3), person=ADA)
    titled.execute(
        "insert into public.prompt_generations (project_id, created_by, prompt, provider, model) "
        "select %s, %s, 'spoken ' || n, 'p', 'm' from generate_series(1, 25) as n",
        [project, ADA],
    )
    seen: list[Any] = []
    last: tuple[Any, Any] = (None, None)
    query = f"select id, rank from public.{function}('spok', 10, %s::real, %s)".encode()
    with acting_as(titled, "authenticated", PEOPLE["ada"]) as session:
        while page := session.execute(query, [last[1], last[0]]).fetchall():
            seen += [row[0] for row in page]
            last = page[-1]
    assert len(seen) == len({*seen}) == expected
    with acting_as(titled, "authenticated", PEOPLE["bob"]) as session:
        assert session.execute(query, [None, None]).fetchall() == []


def test_of_a_long_text_an_excerpt_comes_back_around_a_word_that_was_typed(titled: Connection) -> None:
    ((project,),) = titled.execute("select id from public.projects where title = 'Running prompts'").fetchall()
    long = "lorem " * 3000 + "Zebra " + "ipsum " * 3000
    add_recording(titled, project, transcript=long, person=ADA)
    titled.execute(
        "insert into public.prompt_generations (project_id, created_by, prompt, provider, model) "
        "values (%s, %s, %s, 'p', 'm')",
        [project, ADA, long],
    )
    with acting_as(titled, "authenticated", PEOPLE["ada"]) as session:
        for function in ("search_recordings", "search_generations"):
            query = f"select excerpt from public.{function}(%s)".encode()
            ((excerpt,),) = session.execute(query, ["zebra"]).fetchall()
            assert (excerpt[0], excerpt[-1], "Zebra" in excerpt, len(excerpt)) == ("…", "…", True, 242), function
            ((excerpt,),) = session.execute(query, ["-zzz lor"]).fetchall()
            assert (excerpt[:6], len(excerpt)) == ("lorem ", 241)


@pytest.mark.parametrize(
    ("value", "typed", "excerpt"),
    [
        ("", "x", ""),
        ("short text", "none", "short text"),
        ("x" * 241, "", "x" * 240 + "…"),
        ("a or b", "or b", "a or b"),
    ],
)
def test_an_excerpt_is_the_whole_of_what_is_short(
    provisioned: Connection, value: str, typed: str, excerpt: str
) -> None:
    assert provisioned.execute("select private.excerpt(%s, %s)", [value, typed]).fetchone() == (excerpt,)


def test_what_was_written_before_the_migration_has_its_words_too(titled: Connection) -> None:
    (search,) = (step for step in provision.steps("migrations") if step.name == "0016_search")
    # Not Bob's: his language is another one since he wrote some of them.
    kept = (
        "select w.project_id, w.words from private.project_words as w join public.projects as p on p.id = w.project_id "
        f"where p.owner_id = '{ADA}' order by 1"
    )
    before = titled.execute(kept).fetchall()
    provision.run_script(titled, search.down, "app_owner")
    provision.run_script(titled, search.up, "app_owner")
    assert titled.execute(kept).fetchall() == before
    assert len(before) == 9
    query = "select relforcerowsecurity from pg_class where oid = 'public.projects'::regclass"
    assert titled.execute(query).fetchone() == (True,)


def test_what_is_private_hides_nothing_that_is_public_however_much_there_is(people: Connection) -> None:
    """More than the index is asked for, and more than the newest that are looked at."""
    make = "insert into public.projects (owner_id, title, visibility) values (%s, %s, 'public') returning id"
    for title in ("needle one", "needle two", "needle three"):
        (project,) = people.execute(make.encode(), (BOB, title)).fetchone() or (None,)
        if title == "needle two":
            people.execute("update public.projects set archived_at = now() where id = %s", (project,))
        if title == "needle three":
            people.execute("update public.projects set visibility = 'shared' where id = %s", (project,))
    people.execute("set local session_replication_role = replica")
    people.execute(
        "insert into private.project_words (project_id, words) "
        "select ('ff000000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid, 'needle' "
        "from generate_series(1, 100001) as n"
    )
    people.execute("set local session_replication_role = origin")
    assert found(people, "needle", None) == ["needle one"]
    people.execute("update public.projects set archived_at = null, visibility = 'public' where title like 'needle t%'")
    assert sorted(found(people, "needle", None)) == ["needle one", "needle three", "needle two"]


@pytest.fixture
def long(people: Connection) -> Connection:
    """6,000 texts that were written last, as long as descriptions can be, and before them 5,100 short ones."""
    people.execute("alter table private.project_words alter column words set storage external")
    people.execute("set local session_replication_role = replica")
    people.execute(
        """
        insert into private.project_words (project_id, words, listed)
        select ('00000000-0000-7000-9000-' || lpad(to_hex(n), 12, '0'))::uuid, 'zebra:1 crossing:2', true
        from generate_series(1, 5100) as n
        union all
        select
            ('ff000000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid,
            l.words || array_to_tsvector(array['n' || n]), true
        from generate_series(1, 6000) as n, (
            select string_agg('long' || w || ':' || p.places, ' ')::tsvector
            from generate_series(1, 36) as w,
                (select string_agg(n::text, ',') from generate_series(1, 255) as n) as p (places)
        ) as l (words)
        """
    )
    people.execute("set local session_replication_role = origin")
    people.execute("analyze private.project_words")
    return people


LONG = {
    **{query: 200 for query in ("zebra", "zebr", '"zebra crossing"', "zebra -long1", "zebra or n7", "long1")},
    **{query: 0 for query in ('"crossing zebra"', "-long1", "long1 -long2", "long1 zebra", "")},
    "n7": 1,
}


def test_of_long_texts_so_many_are_read_as_is_bounded_and_what_is_older_is_found(long: Connection) -> None:
    """Pages, not seconds: 24 MB are looked at, with a page more or two for each text to get there."""
    words = "private.search_query(%s, 'pg_catalog.simple')"
    for query, many in LONG.items():
        count = f"select cardinality(private.newest_with({words}, false))"
        assert long.execute(count.encode(), [query]).fetchone() == (many,), query
        explain = f"explain (analyze, buffers, format json) select private.newest_with({words}, false)"
        ((plan,),) = long.execute(explain.encode(), [query]).fetchall()
        read = plan[0]["Plan"]["Shared Hit Blocks"] + plan[0]["Plan"]["Shared Read Blocks"]
        assert read < 15_000, query


def test_who_sees_everything_or_has_too_many_to_look_at_finds_by_the_index_of_all(long: Connection) -> None:
    words = "private.search_query(%s, 'pg_catalog.simple')"
    # Nothing is in the way of that but the projects, which aren't there.
    long.execute("set local session_replication_role = replica")
    long.execute("update private.project_words set listed = false")
    long.execute("set local session_replication_role = origin")
    mine = "array(select project_id from private.project_words where words @@ 'long1')"
    for query, everything, own in (("n7", 1, 1), ("zebra", 200, 0), ("long1", 200, 200)):
        count = (
            f"select cardinality(private.newest_with({words}, {{}})), cardinality(private.newest_with({words}, {{}}))"
        )
        found = long.execute(count.format("true", f"false, {mine}").encode(), [query, query]).fetchone()
        assert found == (everything, own), query
        assert long.execute(count.format("false", "false, '{}'").encode(), [query, query]).fetchone() == (0, 0), query
