"""A plan says each fact once, what destroys data first, and is text wherever its words come from."""

import json
import re
from dataclasses import replace
from typing import Any

import pytest

from ops import drift, progress
from ops.review import manual, markdown, markup, reading
from ops.review.authors import Change
from ops.review.forecast.model import Lock, StatementForecast
from ops.review.lint import Excepted, Finding
from ops.review.model import Breach
from run import events
from run.events import LongValue, Message, Refreshed, ResourceOutcome, Summary

STRAY = "row security of public.notes: manually, [stray] was added"
USING = "policy notes_select on public.notes: using was changed manually from 'owner_id = me()\nor shared' to 'true'"
ROLLBACK = "roll back 0041_tags\nmigration 0041_tags: this drops 1 table with 12 rows (public.tags: 12)"
BY = Change("2026-11-30T05:12:09+00:00", "eve", "psql", "10.0.0.7", "CREATE POLICY", "policy", "stray on public.notes")
LONG = LongValue("using", "a\nb", "a\nc")


def made(*events: Any, status: int = 0) -> progress.Report:
    """What a run of these events adds up to."""
    report = progress.Report(None)
    for event in events:
        match event:
            case Message(text, severity, resource):
                report._say(text, severity, resource)
            case ResourceOutcome():
                report.outcomes.append(event)
            case Refreshed():
                report.refreshed[event.resource] = event
            case Summary():
                report.summary = event
    report.status = status
    return report


def outcome(op: str, kind: str, name: str, **more: Any) -> ResourceOutcome:
    return ResourceOutcome(op, kind, name, **more)


LOADED = made(
    outcome("update", "pg:index:RowSecurity", "access-public.notes"),
    Message(STRAY, "info", "access-public.notes"),
    outcome("update", "pg:index:Policy", "access-notes_select"),
    Message(USING, "info", "access-notes_select"),
    outcome("create", "pg:index:Grants", "access-table-public.more"),
    outcome("update", "pg:index:MigrationSet", "structure-migrations"),
    Message(ROLLBACK, "info", "structure-migrations"),
    outcome(
        "update", "pg:index:Policy", "access-p", texts=(LongValue("using", "a\nb", "a\nc"),), differences=("using",)
    ),
    outcome("delete", "aws:s3/bucket:Bucket", "storage-old"),
    Summary(3, {}),
)


def test_what_was_done_manually_is_no_step_and_has_its_author() -> None:
    found = reading.read("dev", LOADED, [BY])
    assert [(each.object, each.what, each.was, each.now, each.by) for each in found.manual] == [
        ("row security of public.notes", "[stray] was added", None, None, [BY]),
        ("policy notes_select on public.notes", "using was changed", "owner_id = me()\nor shared", "true", []),
    ]
    assert [(step.op, step.name) for step in found.steps] == [
        ("delete", "storage-old"),
        ("update", "structure-migrations"),
        ("update", "access-p"),
        ("create", "access-table-public.more"),
    ]
    assert [step.destroys for step in found.steps] == [
        ["Bucket storage-old is deleted"],
        ["migration 0041_tags: this drops 1 table with 12 rows (public.tags: 12)"],
        [],
        [],
    ]
    assert found.counts == {"delete": 1, "update": 2, "create": 1}


def test_the_page() -> None:
    assert markdown.page(reading.read("dev", LOADED, [BY])).splitlines() == [
        "## Plan of `dev`",
        "",
        "**2 steps destroy data**; **2 changed manually**; 1 to delete, 2 to update, 1 to create.",
        "",
        "### Destroys data",
        "",
        "- `Bucket storage-old is deleted`",
        "- `migration 0041_tags: this drops 1 table with 12 rows (public.tags: 12)`",
        "",
        "### Changed manually",
        "",
        "| object | what | by |",
        "|---|---|---|",
        "| `row security of public.notes` | `[stray] was added` | 2026-11-30 05:12 UTC, "
        "`eve` by `psql`: CREATE POLICY |",
        "| `policy notes_select on public.notes` | `using was changed`, see below | not recorded |",
        "",
        "`./vpb up --stack dev` puts the declared ones back.",
        "",
        "### To do",
        "",
        "| | resource | what |",
        "|---|---|---|",
        "| - delete | Bucket `storage-old` |  |",
        "| ~ update | MigrationSet `structure-migrations` | `roll back 0041_tags`<br>"
        "`migration 0041_tags: this drops 1 table with 12 rows (public.tags: 12)` |",
        "| ~ update | Policy `access-p` | `using` |",
        "| + create | Grants `access-table-public.more` |  |",
        "",
        "<details><summary><code>policy notes_select on public.notes: using was changed</code></summary>",
        "",
        "```diff",
        "-owner_id = me()",
        "-or shared",
        "+true",
        "```",
        "",
        "</details>",
        "",
        "<details><summary><code>Policy access-p: using</code></summary>",
        "",
        "```diff",
        " a",
        "-b",
        "+c",
        "```",
        "",
        "</details>",
    ]


def test_nothing_to_say_is_said_in_a_line() -> None:
    found = reading.read("dev", made(Summary(1, {"same": 400})), [])
    assert found.empty
    assert markdown.page(found) == ("## Plan of `dev`\n\nUp to date: nothing to do, and nothing was changed manually.")


def test_a_preview_that_failed_says_why_and_that_up_would_not_begin() -> None:
    found = reading.read("dev", made(Message("migration 0041: line 3: syntax error", "error", "x"), status=1), [])
    text = markdown.page(found)
    assert "**the preview failed**" in text
    assert "### Why `up` wouldn't begin\n\n- `migration 0041: line 3: syntax error`" in text


def test_beyond_a_screen_the_rest_is_folded_and_nothing_is_left_out() -> None:
    many = [outcome("create", "pg:index:Policy", f"access-p{number}") for number in range(40)]
    text = markdown.page(reading.read("dev", made(*many), []))
    shown, _, folded = text.partition("<details>")
    assert (shown.count("| + create |"), folded.count("| + create |")) == (markup.ROWS, 40 - markup.ROWS)
    assert "<summary>28 more</summary>" in text


@pytest.mark.parametrize(
    "odd",
    ["a`b", "a|b", "a\nb", "```", "</details>", "@team", "#12", "http://evil.example", "<script>", "\x1b[31m\u202e"],
)
def test_a_name_from_the_database_stays_text(odd: str) -> None:
    change = Change("2026-11-30T05:12:09+00:00", odd, odd, None, "CREATE POLICY", "policy", "stray on public.notes")
    events = (
        outcome("update", "pg:index:Policy", "access-p"),
        Message(f"policy p on {odd}: manually, [{odd}] was added", "info", "access-p"),
        Message(
            f"policy p on public.notes: using was changed manually from '{odd}' to '{odd}{' more' * 20}'",
            "info",
            "access-p",
        ),
    )
    lines = markdown.page(reading.read("dev", made(*events), [change])).splitlines()
    # Outside of code spans and of the block that shows the difference.
    fence = next(number for number, line in enumerate(lines) if line.endswith("diff"))
    shown = "\n".join(lines[:fence])
    outside = re.sub("<code>.*?</code>", "", "".join(shown.split("`")[::2]))
    assert "<script>" not in "".join(shown.split("`")[::2])
    assert not re.search("@team|#12|://", outside)
    assert not {"\x1b", "\u202e"} & {*"".join(lines)}
    assert outside.count("</details>") == 0
    rows = [line for line in lines[:fence] if line.startswith("| `")]
    assert [line.replace("\\|", "").count("|") for line in rows] == [4, 4]
    mark = lines[fence].removesuffix("diff")
    assert lines.count(mark) == 1


JUDGED = replace(
    reading.read("dev", made(outcome("update", "pg:index:MigrationSet", "structure-migrations")), []),
    lint=[
        Finding(
            "sql/migrations/0041_a.up.sql",
            6,
            "alter …",
            "volatile-default",
            "error",
            "a|b `c`",
            "`set default`, then fill",
        )
    ],
    locks=[
        StatementForecast(
            *("0041_a", "sql/migrations/0041_a.up.sql", 6, "alter …", "transaction"),
            (Lock("public.notes", "access exclusive", ("reads", "writes"), 1000, 1 << 20, True, False, 2, 4.1),),
            *(4.1, False, "", 1.0, True, "in a migration of its own"),
        )
    ],
)


def test_what_migrations_break_and_lock_stands_in_the_verdict_and_in_tables() -> None:
    lines = markdown.page(JUDGED).splitlines()
    assert lines[2] == "**1 error in migrations**; **1 statement over the budget for locks**; 1 to update."
    assert "| **error** | `sql/migrations/0041_a.up.sql:6` | `a b 'c'` | `set default`, then fill |" in lines, (
        "a code span stays one"
    )
    (locked,) = (line for line in lines if line.startswith("| **over the budget**"))
    assert "`public.notes (1,000 rows, 1.0 MiB): access exclusive, blocks reads and writes for 4.10 s; " in locked
    assert locked.endswith(" | in a migration of its own |")
    assert not any(line.startswith("Sizes of") for line in lines)
    elsewhere = markdown.page(replace(JUDGED, sizes="prod, 2026-11-29 04:15 UTC")).splitlines()
    assert "Sizes of prod, 2026-11-29 04:15 UTC; the speed is that of this server." in elsewhere


def changed(kind: str, name: str, was: dict[str, Any], there: dict[str, Any] | None, now: dict[str, Any]) -> list[Any]:
    """The events of a resource: what was declared last, what is there (None: it is gone), what is declared now."""
    paths = tuple(sorted(each for each in was | now if was.get(each) != (there or {}).get(each)))
    differing, texts = events.differences(was, there, paths) if there is not None else ((), ())
    found = Refreshed(kind, name, there is None, differing, texts, was, there or {})
    if there is None:
        return [found, outcome("create", kind, name, inputs=now)]
    paths = tuple(sorted(each for each in there | now if there.get(each) != now.get(each)))
    differing, texts = events.differences(there, now, paths)
    step = outcome("update", kind, name, differences=differing, texts=texts, inputs=now, paths=paths)
    return [found, step] if paths else [found]


def test_what_was_changed_at_aws_is_a_manual_change_as_far_as_up_undoes_it() -> None:
    found = reading.read(
        "dev",
        made(
            *changed("aws:s3/bucketVersioning:BucketVersioning", "versions", {"s": "On"}, {"s": "Off"}, {"s": "On"}),
            *changed("aws:s3/bucketPolicy:BucketPolicy", "tls", {"policy": "{}"}, None, {"policy": "{}"}),
            # What the server has computed, `up` leaves as it is.
            Refreshed("aws:sns/topic:Topic", "topic", False, ("policy",)),
            *changed(
                "aws:s3/bucket:Bucket", "files", {"tags": "a", "f": 1}, {"tags": "b", "f": 1}, {"tags": "a", "f": 2}
            ),
        ),
        [],
    )
    assert [(each.object, each.what) for each in found.manual] == [
        ("BucketVersioning versions", 's: "On" → "Off"'),
        ("BucketPolicy tls", "is gone"),
        ("Bucket files", 'tags: "a" → "b"'),
    ]
    assert [(step.name, step.lines) for step in found.steps] == [("files", ["f: 1 → 2"])]


def test_what_is_declared_otherwise_is_seen_beside_what_somebody_did_to_the_same_object() -> None:
    """Else a manual change of an object would hide what the pull request does to it."""
    policy, now = "pg:index:Policy", "true " * 20
    found = reading.read(
        "dev",
        made(
            *changed(
                policy, "access-p", {"using": "mine()", "check": "a"}, {"using": "false", "check": "a"}, {"using": now}
            ),
            Message("policy p on t: using was changed manually from 'mine()' to 'false'", "info", "access-p"),
            *changed(policy, "access-q", {"using": "mine()"}, {"using": "false"}, {"using": "mine()"}),
            Message("policy q on t: using was changed manually from 'mine()' to 'false'", "info", "access-q"),
        ),
        [],
    )
    assert [each.object for each in found.manual] == ["policy p on t", "policy q on t"]
    assert [(step.name, step.lines) for step in found.steps] == [("access-p", ['check: "a" → nothing', "using"])]
    assert found.steps[0].texts == [LongValue("using", "mine()", now)], "beside what was declared, not what is there"


def test_what_is_made_is_shown_with_what_is_in_it() -> None:
    step = outcome("create", "pg:index:Policy", "p", inputs={"using": "true", "roles": ["anon"], "__defaults": []})
    assert reading.read("dev", made(step), []).steps[0].lines == ['roles: ["anon"]', 'using: "true"']
    many = [replace(step, resource=f"p{number}") for number in range(reading.FEW + 1)]
    assert {tuple(each.lines) for each in reading.read("dev", made(*many), []).steps} == {()}, "not of a first run"


def test_what_could_not_be_tried_is_in_the_first_line() -> None:
    said = "apply 0041_a\nnothing more is tried before `up`: 0041_a.up.sql:3 says `reset role`, which may reach beyond"
    found = reading.read("dev", made(outcome("update", "pg:index:MigrationSet", "m"), Message(said, "info", "m")), [])
    assert found.untried == ["0041_a.up.sql:3 says `reset role`, which may reach beyond"]
    assert markdown.page(found).splitlines()[2] == "**not all of it could be tried**; 1 to update."


@pytest.mark.parametrize(
    ("text", "object", "what"),
    [
        ("index public.i was added manually: CREATE INDEX i", "index public.i", "was added: CREATE INDEX i"),
        (
            "table public.t: column a was removed manually, it was: text",
            "table public.t",
            "column a was removed, it was: text",
        ),
        (
            "schema private: owner was changed manually from 'a' to 'b'",
            "schema private",
            "owner was changed from 'a' to 'b'",
        ),
        ("extension e is gone from the server", "extension e", "is gone"),
        ("migrations m: the row of 0007 is gone from h.t", "migrations m: the row of 0007", "is gone from h.t"),
        ("grants on table t: manually, [x] was granted", "grants on table t", "[x] was granted"),
    ],
)
def test_each_manual_change_has_its_object_and_what_is_otherwise(text: str, object: str, what: str) -> None:
    found = manual.said(text, True, [])
    assert (found.object, found.what, found.was) == (object, what, None)


def test_what_guardrails_refuse_stands_before_what_is_to_do() -> None:
    breach = Breach("bucket-public", "high", "storage-audio", "it is public", "anybody reads", "make it private")
    found = replace(reading.read("dev", made(Summary(1, {})), []), breaches=[breach])
    assert not found.empty
    assert markdown.page(found).splitlines()[2:] == [
        "**1 breach of guardrails**.",
        "",
        "### Guardrails",
        "",
        "| | resource | found | why, and instead |",
        "|---|---|---|---|",
        "| **high** | `storage-audio` | `it is public` | anybody reads; make it private (`bucket-public`) |",
    ]


def test_what_is_of_one_object_is_one_row_and_who_reaches_what_comes_first() -> None:
    trigger = "table t: trigger {} was changed manually from '{} on t' to '{} on t (disabled)'"
    names = [f"a{number}_{'long' * 12}" for number in range(8)]
    lines = [trigger.format(name, name, name) for name in names]
    events_ = [outcome("update", drift.SNAPSHOT, "s"), *(Message(line, "info", "s") for line in lines)]
    role = Message("role anon: bypassrls was changed manually from False to True", "info", "r")
    page = markdown.page(reading.read("dev", made(*events_, outcome("update", "pg:index:Role", "r"), role), []))
    rows = [line for line in page.splitlines() if line.startswith("| `")]
    assert [row.split("`")[1] for row in rows] == ["role anon", "table t"]
    assert f"`trigger {names[0]} was changed: nothing → (disabled)`<br>" in rows[1]
    assert "<br>and 2 more |" in rows[1]


@pytest.mark.parametrize(
    "secret",
    [
        f"ghp_{'a1' * 18}",
        "AKIAIOSFODNN7EXAMPLE",
        f"sk_live_{'a1' * 12}",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl",
        "postgresql://app:hunter2@db.example.org/app",
        "alter role x password 'hunter2 hunter2'",
        "alter role x password $a$hunter2$a$",
        "host=db.example.org password=hunter2 user=app",
        "AGE-SECRET-KEY-1HUNTER2",
        f"npm_{'a1' * 18}",
        "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBg\n-----END PRIVATE KEY-----",
    ],
)
def test_what_looks_like_a_secret_is_not_shown(secret: str) -> None:
    text = f"policy p on t: using was changed manually from 'a' to '{secret} {'more ' * 30}'"
    found = reading.read("dev", made(outcome("update", "pg:index:Policy", "p"), Message(text, "info", "p")), [])
    for shown in (markdown.page(found), json.dumps(json.loads(found.as_json()))):
        assert "[secret]" in shown
        assert not re.search("hunter2|HUNTER2|ghp_a|FODNN7|sk_live_a|c2lnbmF|MIIEv|npm_a", shown)


def test_a_page_has_room_in_a_comment_and_says_what_it_leaves_out() -> None:
    texts = tuple(LongValue(f"p{number}", "a", "\n".join(["word " * 20] * 70)) for number in range(20))
    page = markdown.page(reading.read("dev", made(outcome("update", "pg:index:Policy", "p", texts=texts)), []))
    assert len(page) < 50_000
    assert page.endswith("more differences of texts: `./vpb plan --stack dev --json`.")
    assert page.count("<details>") == page.count("</details>")


def test_what_a_migration_excepts_is_listed_with_its_reason() -> None:
    excepted = Excepted("m/0041_a.up.sql", 5, "drop index i", "index-in-use", "error", "index i is in use", "a report")
    found = replace(reading.read("dev", made(Summary(1, {})), []), exceptions=[excepted])
    line = "- `excepted: m/0041_a.up.sql:5: index i is in use [index-in-use]: a report`"
    assert line in markdown.page(found).splitlines()


def test_a_shorter_retention_destroys_files() -> None:
    def rules(**days: int) -> dict[str, Any]:
        return {"rules": [{"id": each, "expiration": {"days": number}} for each, number in days.items()]}

    was, now = rules(audio=30, exports=7, uploads=8), rules(audio=1, exports=7, uploads=9, avatars=5)
    found = reading.read("dev", made(*changed(reading.LIFECYCLE, "files", was, was, now)), [])
    assert found.destroys == [
        "audio of files: files older than 1 days go; until now they have 30 days",
        "avatars of files: files older than 5 days go; until now they have no end",
    ]


def test_what_could_not_be_judged_is_red() -> None:
    found = reading.read("dev", made(Summary(1, {})), [])
    assert not found.red
    assert replace(found, unjudged=["what they lock isn't known: no server"]).red
    assert replace(found, untried=["0041 says `reset role`"]).red
