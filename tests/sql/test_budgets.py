"""Usage that matches the provider's invoice, and budgets that hold: also for many at once, for retries and for NaN."""

import json
import random
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any

import psycopg
import pytest
from psycopg import sql

from tests.sql import matrix
from tests.sql.provision import ADA, BOB, OURS, Connection, acting_as, code, refused, row

SIGNED_IN = {"sub": ADA, "role": "authenticated"}
SERVER = {"role": "service_role"}
ASK = """
    insert into public.prompt_generations (project_id, prompt, provider, model) values (%s, 'p', 'x', 'm') returning id
"""
SERVER_ASK = """
    insert into public.prompt_generations (
        project_id, created_by, prompt, provider, model, estimated_tokens, estimated_cost
    ) values (%s, %s, 'p', 'x', 'm', %s, %s) returning id
"""
RECORD = """
    select public.record_generation(
        %s, %s, response => 'Done', tokens_in => 10, tokens_out => 20, cost => %s, latency_ms => 900
    )
"""
BUDGETS = {
    "tokens": {"soft": "400", "hard": "500", "reserve": "100"},
    "cost": {"soft": "1", "hard": "100", "reserve": "0.1"},
}
USAGE = "select count(*), sum(cost), min(user_id::text), min(project_id::text) from analytics.api_usage"
NUMBERS = """
    select c.oid::regclass::text, a.attname
    from pg_attribute as a join pg_class as c on c.oid = a.attrelid
    where c.relnamespace = any (%s::regnamespace[]) and c.relkind in ('r', 'p') and not c.relispartition
        and a.attnum > 0 and not a.attisdropped and a.attgenerated = ''
        and a.atttypid in ('numeric'::regtype, 'real'::regtype, 'double precision'::regtype)
    order by 1, 2
"""


class Budget:
    """What a person's budget says."""

    def __init__(self, session: Connection) -> None:
        self.rows = {name: tuple(rest) for name, *rest in session.execute("select * from public.my_budget()")}

    def __getitem__(self, measure: str) -> tuple[Decimal, ...]:
        return self.rows[measure][:4]


def budget(connection: Connection, person: str = ADA) -> Budget:
    with acting_as(connection, "authenticated", {"sub": person, "role": "authenticated"}) as session:
        return Budget(session)


def declare(connection: Connection, budgets: dict[str, Any], minutes: int = 30) -> None:
    statement = "update private.settings set value = %s::jsonb where name = %s"
    connection.execute(statement, (json.dumps(budgets), "budgets"))
    connection.execute(statement, (str(minutes), "reservationMinutes"))


def as_role(connection: Connection, role: str, statement: str, *values: Any) -> tuple[Any, ...]:
    """One statement that stays, as somebody."""
    claims = SIGNED_IN if role == "authenticated" else SERVER
    with connection.transaction():
        connection.execute("select set_config('request.jwt.claims', %s, true)", (json.dumps(claims),))
        connection.execute(sql.SQL("set local role {}").format(sql.Identifier(role)))
        cursor = connection.execute(statement.encode(), values or None)
        found = (cursor.fetchone() if cursor.description else None) or (cursor.rowcount,)
        connection.execute("reset role")
    return found


def project_of(connection: Connection, person: str = ADA) -> str:
    found = row(connection, "select id from public.projects where owner_id = %s and title = 'private'", (person,))
    return str(found[0])


@pytest.fixture
def project(people: Connection) -> str:
    declare(people, BUDGETS)
    return project_of(people)


@pytest.fixture
def asked(people: Connection, project: str) -> str:
    return str(as_role(people, "authenticated", ASK, project)[0])


def server(people: Connection, statement: str, *values: Any) -> tuple[Any, ...]:
    return as_role(people, "service_role", statement, *values)


def status(people: Connection, generation: str) -> str:
    return str(row(people, "select status from public.prompt_generations where id = %s", (generation,))[0])


# Usage.


def test_usage_is_of_the_generations_own_person_and_project_and_a_call_can_name_no_other(people, asked, project):
    for other in ("project", "person", "provider", "model"):
        with acting_as(people, "service_role", SERVER) as session:
            statement = f"select public.record_generation(%s, 'k', response => 'r', {other} => %s)"
            refused(session, psycopg.errors.UndefinedFunction, statement, asked, BOB)
    assert server(people, RECORD, asked, "k", "0.25") == ("succeeded",)
    assert row(people, USAGE) == (1, Decimal("0.25"), ADA, project)
    found = row(people, "select provider, model, generation_id::text, succeeded from analytics.api_usage")
    assert found == ("x", "m", asked, True)


@pytest.mark.parametrize("running", [False, True])
def test_a_call_for_a_generation_that_was_cancelled_meanwhile_is_paid_and_it_stays_cancelled(people, asked, running):
    if running:
        server(people, "update public.prompt_generations set status = 'running' where id = %s", asked)
    as_role(people, "authenticated", "update public.prompt_generations set status = 'cancelled' where id = %s", asked)
    assert server(people, RECORD, asked, "k", "0.25") == ("cancelled",)
    found = "select status, response, tokens_in + tokens_out, cost from public.prompt_generations"
    assert row(people, found) == ("cancelled", None, 30, Decimal("0.25"))
    assert row(people, USAGE)[:3] == (1, Decimal("0.25"), ADA)
    assert budget(people)["cost"][:2] == (Decimal("0.25"), 0)


def test_a_call_for_a_generation_that_was_deleted_while_it_ran_is_paid(people, asked, project):
    server(people, "update public.prompt_generations set status = 'running' where id = %s", asked)
    as_role(people, "authenticated", "delete from public.prompt_generations where id = %s", asked)
    assert budget(people)["tokens"][:2] == (0, 100), "deleting it made room while it runs"
    assert server(people, RECORD, asked, "k", "0.25") == ("deleted",)
    assert row(people, USAGE) == (1, Decimal("0.25"), ADA, project)
    assert server(people, RECORD, asked, "k", "0.25") == ("deleted",)
    assert budget(people)["tokens"][:2] == (30, 0)
    assert server(people, RECORD, asked, "k2", "0.5") == ("deleted",)
    assert row(people, USAGE)[:3] == (2, Decimal("0.75"), ADA)


def test_a_second_call_for_a_generation_that_was_deleted_after_the_first_is_paid(people, asked):
    server(people, RECORD, asked, "k", "0.25")
    as_role(people, "authenticated", "delete from public.prompt_generations where id = %s", asked)
    assert server(people, RECORD, asked, "k2", "0.5") == ("deleted",)
    assert row(people, USAGE)[:3] == (2, Decimal("0.75"), ADA)


def test_a_retry_says_the_same_and_pays_nothing_and_another_content_is_refused(people, asked):
    assert server(people, RECORD, asked, "k", "0.25") == ("succeeded",)
    assert server(people, RECORD, asked, "k", "0.250") == ("succeeded",)
    assert row(people, USAGE)[:2] == (1, Decimal("0.25"))
    with acting_as(people, "service_role", SERVER) as session:
        message = refused(session, psycopg.errors.UniqueViolation, RECORD, asked, "k", "0.26")
    assert message.splitlines()[0] == f"call k is recorded already, with other content, for generation {asked}"


def test_a_second_call_for_the_same_generation_is_paid_too_and_changes_no_answer(people, asked):
    failed = "select public.record_generation(%s, 'k2', error => 'late', tokens_in => 1, cost => 0.5)"
    server(people, RECORD, asked, "k1", "0.25")
    assert server(people, failed, asked) == ("succeeded",)
    found = "select status, response, error, tokens_in + tokens_out, cost from public.prompt_generations"
    assert row(people, found) == ("succeeded", "Done", None, 31, Decimal("0.75"))
    assert row(people, USAGE)[:2] == (2, Decimal("0.75"))
    assert row(people, "select count(*) from analytics.user_activity") == (1,)


def _many_words(seed: int) -> str:
    """Pairs of words of 50,000 letters that are two each once they are taken apart: a place for each word and pair."""
    letters = random.Random(seed).choices([chr(0x958 + number) for number in range(8)], k=50_000)
    words = ["".join(letters[at : at + 8]) for at in range(0, len(letters), 8)]
    return " ".join(f"{one}-{other}" for one, other in zip(words[::2], words[1::2], strict=False))


@pytest.mark.parametrize(
    ("response", "error"),
    [
        ("x" * 2_100_000, None),
        (None, "<html>" + "x" * 20_000),
        (_many_words(1), None),
    ],
    ids=["a long answer", "a long error", "many words"],
)
def test_what_is_too_long_to_be_kept_or_searched_is_paid_all_the_same(people, asked, response, error):
    people.execute("update public.prompt_generations set prompt = %s", (_many_words(2),))
    record = "select public.record_generation(%s, 'k', response => %s, error => %s, tokens_in => 5, cost => 0.25)"
    assert server(people, record, asked, response, error) == ("succeeded" if response else "failed",)
    assert row(people, USAGE)[:2] == (1, Decimal("0.25"))
    kept = "select coalesce(char_length(response), char_length(error)) from public.prompt_generations"
    assert row(people, kept) == (min(len(response), 2_000_000) if response else 10_000,)


def test_more_words_than_a_vector_holds_are_searched_by_the_first_ones(people):
    words = (
        "select private.words_of(%s, 'pg_catalog.simple', 50000) || private.words_of(%s, 'pg_catalog.simple', 50000)"
    )
    texts = (_many_words(1), _many_words(2))
    refused(people, psycopg.errors.ProgramLimitExceeded, words, *texts)
    assert row(people, "select length(private.text_words(%s, %s, 'en')) > 1000", texts) == (True,)


def test_a_generation_that_never_was_is_reported_and_its_key_is_free(people, asked):
    nobody = "00000000-0000-7000-8000-0000000000ff"
    with acting_as(people, "service_role", SERVER) as session:
        assert code(session, RECORD, nobody, "k", "1") == "PT404"
        assert row(session, RECORD, (asked, "k", "1")) == ("succeeded",)


@pytest.mark.parametrize("cost", ["NaN", "Infinity", "-Infinity", "-0.1"])
def test_a_cost_that_is_no_amount_is_refused_and_nothing_is_recorded(people, asked, cost):
    with acting_as(people, "service_role", SERVER) as session:
        errors = (psycopg.errors.CheckViolation, psycopg.errors.NumericValueOutOfRange)
        refused(session, errors, RECORD, asked, "k", cost)
        assert row(session, RECORD, (asked, "k", "1")) == ("succeeded",), "the key was taken"


@pytest.fixture
def populated(provisioned: Connection) -> Connection:
    matrix.populate(provisioned)
    return provisioned


def test_no_column_of_the_schema_takes_what_is_no_number_or_no_finite_one(populated):
    columns = populated.execute(NUMBERS.encode(), (list(OURS),)).fetchall()
    assert ("public.prompt_generations", "cost") in columns
    assert len(columns) >= 10
    for table, column in columns:
        change = f"update {table} set {column} = "
        assert populated.execute(f"{change} coalesce({column}, 1)").rowcount, f"{table} has no row to try it on"
        for value in ("NaN", "Infinity", "-Infinity"):
            errors = (psycopg.errors.CheckViolation, psycopg.errors.NumericValueOutOfRange)
            try:
                refused(populated, errors, f"{change}'{value}'")
            except pytest.fail.Exception:
                pytest.fail(f"{table}.{column} takes {value}")


def test_ten_decimals_last_in_rows_and_in_every_summary(people, project):
    tiny = Decimal("0.0000002")
    declare(people, BUDGETS | {"tokens": {"soft": "1", "hard": "1000000", "reserve": "0"}})
    for number in range(20):
        (made,) = as_role(people, "authenticated", ASK, project)
        server(people, RECORD, made, f"k{number}", str(tiny))
    people.execute("select ops.refresh_summaries()")
    for query, values in (
        ("select cost from public.usage_summary()", None),
        ("select cost from public.usage_by_day()", None),
        ("select cost from public.project_summaries(%s)", ([project],)),
        ("select sum(cost) from public.prompt_generations", None),
        ("select used from public.my_budget() where measure = 'cost'", None),
    ):
        with acting_as(people, "authenticated", SIGNED_IN) as session:
            assert row(session, query, values) == (20 * tiny,), query


# The state machine.


@pytest.mark.parametrize("end", ["succeeded", "failed", "cancelled"])
def test_what_is_over_stays_over_for_servers_too(people, asked, end):
    ending = "update public.prompt_generations set status = %s, response = 'r', error = 'e' where id = %s"
    server(people, ending, end, asked)
    for other in {"pending", "running", "succeeded", "failed", "cancelled"} - {end}:
        with acting_as(people, "service_role", SERVER) as session:
            change = "update public.prompt_generations set status = %s, finished_at = null where id = %s"
            message = refused(session, psycopg.errors.CheckViolation, change, other, asked)
        assert message.splitlines()[0] == f"generation {asked} is {end} and can't become {other}"


def test_what_runs_waits_no_more(people, asked):
    server(people, "update public.prompt_generations set status = 'running' where id = %s", asked)
    with acting_as(people, "service_role", SERVER) as session:
        back = "update public.prompt_generations set status = 'pending' where id = %s"
        refused(session, psycopg.errors.CheckViolation, back, asked)


@pytest.mark.parametrize("begin", ["succeeded", "failed", "cancelled"])
def test_a_generation_does_not_begin_with_its_end(people, project, begin):
    insert = (
        "insert into public.prompt_generations (project_id, prompt, provider, model, status, response, error) "
        "values (%s, 'p', 'x', 'm', %s, 'r', 'e')"
    )
    with acting_as(people, "service_role", SERVER) as session:
        message = refused(session, psycopg.errors.CheckViolation, insert, project, begin)
    assert message.splitlines()[0] == f"a generation begins as pending or running, not as {begin}"


def test_the_database_says_when_it_started_and_was_over(people, asked):
    times = "select started_at = now(), finished_at = now() from public.prompt_generations where id = %s"
    change = (
        "update public.prompt_generations set status = %s, response = 'r', started_at = '1999-01-01', "
        "finished_at = '1999-01-01' where id = %s"
    )
    # One transaction: now() is the same throughout.
    assert row(people, times, (asked,)) == (None, None)
    server(people, change, "running", asked)
    assert row(people, times, (asked,)) == (True, None)
    server(people, change, "succeeded", asked)
    assert row(people, times, (asked,)) == (True, True)
    server(people, "update public.prompt_generations set finished_at = null, started_at = null where id = %s", asked)
    assert row(people, times, (asked,)) == (True, True)


@pytest.mark.parametrize("change", ["started_at = now()", "finished_at = now()", "estimated_cost = 0"])
def test_a_person_says_neither_when_nor_what_is_reserved(people, asked, change):
    with acting_as(people, "authenticated", SIGNED_IN) as session:
        refused(session, psycopg.errors.InsufficientPrivilege, f"update public.prompt_generations set {change}")


# Budgets.


def test_a_person_sees_what_is_used_and_reserved_and_the_limits_and_when_it_begins_again(people, asked):
    found = budget(people)
    assert found["tokens"] == (0, 100, 400, 500)
    assert found["cost"] == (0, Decimal("0.1"), 1, 100)
    (first,) = row(people, "select (date_trunc('month', now() at time zone 'UTC') + '1 month') at time zone 'UTC'")
    assert [rest[4] for rest in found.rows.values()] == [first, first]
    server(people, RECORD, asked, "k", "0.25")
    assert budget(people)["tokens"][:2] == (30, 0)
    assert budget(people, BOB)["tokens"][:2] == (0, 0)


def test_above_the_hard_limit_nothing_starts(people, project):
    for _ in range(5):
        as_role(people, "authenticated", ASK, project)
    with acting_as(people, "authenticated", SIGNED_IN) as session, pytest.raises(psycopg.Error) as caught:
        session.execute(ASK.encode(), (project,))
    assert caught.value.sqlstate == "PT402"
    assert caught.value.diag.message_primary == f"the budget of {ADA} for this month is used up"
    assert caught.value.diag.message_detail == (
        "Used 0 of 500 tokens and 0 of 100 dollars, reserved 500 and 0.5; this takes 100 and 0.1."
    )


def test_the_limit_of_costs_holds_like_that_of_tokens_and_a_server_says_what_it_expects(people, project):
    server(people, SERVER_ASK, project, ADA, 1, "99.5")
    assert budget(people)["cost"][:2] == (0, Decimal("99.5"))
    for cost, fits in (("0.6", False), ("0.5", True)):
        assert starts(people, SERVER_ASK, project, ADA, 1, cost) is fits, cost
    assert starts(people, SERVER_ASK, project_of(people, BOB), BOB, 1, "100"), "another person's is full"


def starts(people: Connection, statement: str, *values: Any) -> bool:
    """Whether a server may start it; undone."""
    try:
        with acting_as(people, "service_role", SERVER) as session, session.transaction():
            session.execute(statement.encode(), values)
    except psycopg.Error as error:
        if error.sqlstate != "PT402":
            raise
        return False
    return True


def test_a_person_may_have_limits_of_their_own(people, project):
    people.execute("insert into private.budget_limits (user_id, hard_tokens, soft_cost) values (%s, 99, 7)", (ADA,))
    assert budget(people)["tokens"][2:] == (400, 99)
    assert budget(people)["cost"][2:] == (7, 100)
    assert not starts(people, SERVER_ASK, project, ADA, None, None)
    people.execute("update private.budget_limits set hard_tokens = 100")
    assert starts(people, SERVER_ASK, project, ADA, None, None)


END = "update public.prompt_generations set "
ENDS = {
    "succeeded": ("service_role", f"{END} status = 'succeeded', response = 'r' where id = %s"),
    "failed": ("service_role", f"{END} status = 'failed', error = 'e' where id = %s"),
    "cancelled": ("authenticated", f"{END} status = 'cancelled' where id = %s"),
    "deleted": ("authenticated", "delete from public.prompt_generations where id = %s"),
}


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("running", [False, True])
def test_what_ends_frees_what_it_held_unless_it_may_yet_be_paid_for(people, asked, end, running):
    if running:
        server(people, "update public.prompt_generations set status = 'running' where id = %s", asked)
    assert budget(people)["tokens"][1] == 100
    as_role(people, ENDS[end][0], ENDS[end][1], asked)
    held = 100 if running and end in ("cancelled", "deleted") else 0
    assert budget(people)["tokens"][1] == held


def test_what_has_expired_is_free_and_reserved_again_before_it_runs(people, asked, project):
    people.execute("update private.budget_reservations set expires_at = now()")
    assert budget(people)["tokens"][1] == 0
    run = "update public.prompt_generations set status = 'running' where id = %s"
    with people.transaction(force_rollback=True):
        server(people, run, asked)
        assert budget(people)["tokens"][1] == 100
    for _ in range(5):
        as_role(people, "authenticated", ASK, project)
    assert not starts(people, run, asked), "it ran beyond the limit"


def test_a_month_begins_with_nothing_used_and_late_usage_of_the_last_one_counts_nothing(people, project):
    people.execute(
        "insert into private.budget_usage (user_id, month, tokens, cost) "
        "values (%s, private.budget_month(now() - interval '1 month'), 500, 100)",
        (ADA,),
    )
    assert budget(people)["tokens"][0] == 0
    use = (
        "insert into analytics.api_usage (created_at, user_id, provider, model, tokens_in) values (%s, %s, 'x', 'm', 7)"
    )
    server(people, use, "now", ADA)
    server(people, use, row(people, "select now() - interval '1 month'")[0], ADA)
    server(people, use, row(people, "select now() + interval '1 month'")[0], ADA)
    assert budget(people)["tokens"][0] == 14, "dated ahead, it counted for nothing"


def test_whatever_servers_write_change_or_delete_as_usage_counts(people, project):
    use = (
        "insert into analytics.api_usage (user_id, provider, model, operation, tokens_in, cost) "
        "values (%s, 'x', 'm', %s, 7, 2)"
    )
    for operation in ("transcribe", "embed"):
        server(people, use, ADA, operation)
    assert (budget(people)["tokens"][0], budget(people)["cost"][0]) == (14, 4)
    server(people, "update analytics.api_usage set cost = 0.5, tokens_in = 0 where operation = 'embed'")
    assert (budget(people)["tokens"][0], budget(people)["cost"][0]) == (7, Decimal("2.5"))
    server(people, "delete from analytics.api_usage")
    assert (budget(people)["tokens"][0], budget(people)["cost"][0]) == (0, 0)
    server(people, use, "00000000-0000-7000-8000-0000000000ff", "embed")
    server(people, use, None, "embed")
    assert row(people, "select count(*) from analytics.api_usage") == (2,)


def test_who_goes_leaves_usage_and_no_budget(people, asked):
    server(people, "update public.prompt_generations set status = 'running' where id = %s", asked)
    people.execute("insert into private.budget_limits (user_id, hard_cost) values (%s, 1)", (ADA,))
    people.execute("delete from next_auth.users where id = %s", (ADA,))
    for table in ("budget_usage", "budget_limits"):
        assert row(people, f"select count(*) from private.{table}") == (0,), table
    assert server(people, RECORD, asked, "k", "0.25") == ("deleted",)
    assert row(people, USAGE)[:3] == (1, Decimal("0.25"), None)


def test_nothing_starts_before_there_are_budgets(people, project):
    people.execute("delete from private.settings where name = 'budgets'")
    with acting_as(people, "service_role", SERVER) as session:
        message = refused(session, psycopg.errors.ObjectNotInPrerequisiteState, SERVER_ASK, project, ADA, None, None)
    assert message.splitlines()[0] == "private.settings has no budgets"


def test_no_more_of_a_person_wait_or_run_than_the_setting_says(people, project):
    declare(people, BUDGETS | {"tokens": {"soft": "1", "hard": "1000000", "reserve": "0"}})
    people.execute("update private.settings set value = '3' where name = 'generationsWaiting'")
    asked = [as_role(people, "authenticated", ASK, project)[0] for _ in range(3)]
    with acting_as(people, "authenticated", SIGNED_IN) as session:
        assert code(session, ASK, project) == "PT429"
    # A server may take what waits, and what has ended makes room.
    server(people, "update public.prompt_generations set status = 'running' where id = %s", asked[0])
    assert server(people, RECORD, asked[0], "k", "0.1") == ("succeeded",)
    as_role(people, "authenticated", ASK, project)
    assert server(people, SERVER_ASK, project, None, None, None), "calls without a person aren't counted"


def test_nothing_starts_where_a_limit_is_missing(people, project):
    people.execute("update private.settings set value = value #- '{cost,hard}' where name = 'budgets'")
    with acting_as(people, "service_role", SERVER) as session:
        assert code(session, SERVER_ASK, project, ADA, 1, 1) == "PT402"
        assert code(session, RECORD, project, "k", "1") == "PT404"


def test_old_reservations_and_keys_are_forgotten_and_no_younger_ones(people, project):
    for number, days in enumerate((0, 2)):
        (made,) = as_role(people, "authenticated", ASK, project)
        ago = "expires_at = now() - make_interval(days => %s)"
        statement = f"update private.budget_reservations set {ago} where generation_id = %s"
        people.execute(statement.encode(), (days, made))
        people.execute(
            "insert into private.recorded_calls values (%s, %s, '', 'failed', now() - make_interval(days => %s))",
            (f"k{number}", made, 16 * days),
        )
    assert row(people, "select ops.forget_calls()") == (2,)
    assert row(people, "select count(*) from private.budget_reservations") == (1,)
    assert row(people, "select key from private.recorded_calls") == ("k0",)


# Many at once, on a database where each statement is committed.


@pytest.fixture
def sessions(alone: Connection) -> Iterator[Callable[[int], list[Connection]]]:
    made: list[Connection] = []

    def more(count: int) -> list[Connection]:
        info = alone.info
        for _ in range(count):
            connection: Connection = psycopg.connect(
                host=info.host,
                port=info.port,
                user=info.user,
                password=info.password,
                dbname=info.dbname,
                autocommit=True,
            )
            made.append(connection)
        return made[-count:]

    declare(alone, BUDGETS)
    yield more
    for connection in made:
        connection.close()


def test_a_hundred_starts_at_once_never_exceed_the_hard_limit(alone, sessions):
    project = project_of(alone)
    barrier = threading.Barrier(20)

    def start(session: Connection) -> list[str]:
        barrier.wait()
        return [outcome(session) for _ in range(5)]

    def outcome(session: Connection) -> str:
        try:
            as_role(session, "authenticated", ASK, project)
        except psycopg.Error as error:
            return error.sqlstate or str(error)
        return "started"

    with ThreadPoolExecutor(20) as pool:
        ends = [end for each in pool.map(start, sessions(20)) for end in each]
    assert sorted(ends) == ["PT402"] * 95 + ["started"] * 5
    assert budget(alone)["tokens"] == (0, 500, 400, 500)


def test_one_key_at_once_from_ten_servers_is_one_call(alone, sessions):
    (asked,) = as_role(alone, "authenticated", ASK, project_of(alone))
    barrier = threading.Barrier(10)

    def record(session: Connection) -> tuple[Any, ...]:
        barrier.wait()
        return as_role(session, "service_role", RECORD, asked, "k", "0.25")

    with ThreadPoolExecutor(10) as pool:
        assert set(pool.map(record, sessions(10))) == {("succeeded",)}
    assert row(alone, USAGE)[:2] == (1, Decimal("0.25"))
    assert budget(alone)["tokens"][:2] == (30, 0)


def test_a_stricter_isolation_fails_instead_of_overlooking_what_others_reserve(alone, sessions):
    project = project_of(alone)
    (strict,) = sessions(1)
    as_role(alone, "authenticated", ASK, project)
    with strict.transaction(force_rollback=True):
        strict.execute("set transaction isolation level repeatable read")
        strict.execute("select count(*) from public.projects")
        for _ in range(4):
            as_role(alone, "authenticated", ASK, project)
        with pytest.raises(psycopg.errors.SerializationFailure):
            as_role(strict, "authenticated", ASK, project)


@pytest.mark.parametrize("starting", [True, False])
def test_two_servers_that_start_generations_of_the_same_people_are_in_no_deadlock(alone, sessions, starting):
    project = project_of(alone)
    insert = "insert into public.prompt_generations (project_id, created_by, prompt, provider, model) values "
    pair = insert + ", ".join(["(%s, %s, 'p', 'x', 'm')"] * 2)
    statements: list[tuple[str, tuple[Any, ...]]] = [
        (pair, (project, ADA, project, BOB)),
        (pair, (project, BOB, project, ADA)),
    ]
    if not starting:
        run = "update public.prompt_generations set status = 'running' where id = any(%s)"
        for at, (query, values) in enumerate(statements):
            made = alone.execute(f"{query} returning id".encode(), values).fetchall()
            statements[at] = (run, ([id for (id,) in made],))
    waiting = "select count(*) from pg_locks where not granted"
    with ThreadPoolExecutor(2) as pool:
        with alone.transaction():
            alone.execute(
                "insert into private.budget_usage values (%s, '-infinity', 0, 0) on conflict do nothing", (ADA,)
            )
            alone.execute("select from private.budget_usage where user_id = %s for update", (ADA,))
            later = []
            for session, (query, values) in zip(sessions(2), statements, strict=True):
                later.append(pool.submit(session.execute, query.encode(), values))
                while row(alone, waiting) < (len(later),):
                    pass
        assert [each.result().rowcount for each in later] == [2, 2]
