"""A report is one comment and one issue at GitHub, brought up to date; others' are left alone, the token stays here."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from ops import __main__ as ops
from tests.review import fakegithub
from tests.review.fakegithub import FakeGitHub

MARK = "<!-- vpb plan-dev -->"


@pytest.fixture
def github(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeGitHub]:
    with fakegithub.running() as fake:
        monkeypatch.setenv("GITHUB_API_URL", fake.url)
        monkeypatch.setenv("GITHUB_REPOSITORY", fakegithub.REPOSITORY)
        monkeypatch.setenv("GITHUB_TOKEN", fakegithub.TOKEN)
        yield fake


@pytest.fixture
def report(tmp_path: Path) -> Path:
    path = tmp_path / "plan.md"
    path.write_text("## Plan of `dev`\n\nfirst\n")
    return path


def comment(report: Path, name: str = "plan-dev", number: int = 7) -> int:
    return ops.main(["github", "comment", str(report), "--pull-request", str(number), "--name", name])


def test_there_is_one_comment_of_a_name_and_it_is_brought_up_to_date(
    github: FakeGitHub, report: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # More than a page of others' before it.
    for number in range(130):
        github.add_comment(f"comment {number}", {"login": "ada", "type": "User"})
    assert [comment(report), comment(report)] == [0, 0]
    report.write_text("## Plan of `dev`\n\nsecond")
    assert [comment(report), comment(report, "plan-staging"), comment(report, number=8)] == [0, 0, 0]
    assert capsys.readouterr().out.split() == ["created", "unchanged", "updated", "created", "created"]
    assert [(each["on"], each["body"]) for each in github.comments[130:]] == [
        (7, f"{MARK}\n## Plan of `dev`\n\nsecond\n"),
        (7, "<!-- vpb plan-staging -->\n## Plan of `dev`\n\nsecond\n"),
        (8, f"{MARK}\n## Plan of `dev`\n\nsecond\n"),
    ]


def test_a_persons_comment_with_our_mark_is_left_alone(github: FakeGitHub, report: Path) -> None:
    theirs = github.add_comment(f"{MARK}\nnothing to see here", {"login": "eve", "type": "User"})
    assert comment(report) == 0
    assert theirs["body"] == f"{MARK}\nnothing to see here"
    assert github.comments[1]["body"].startswith(MARK)


def test_an_issue_opens_is_brought_up_to_date_and_closes(
    github: FakeGitHub, report: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    github.add_issue("a pull request", "<!-- vpb drift-prod -->", pull_request={})
    github.add_issue("theirs", "<!-- vpb drift-prod -->", {"login": "eve", "type": "User"})
    words = ["github", "issue", str(report), "--name", "drift-prod", "--title", "Drift of prod"]
    assert [ops.main(words), ops.main(words), ops.main([*words[:-1], "Drift"])] == [0, 0, 0]
    close = ["github", "issue", "--name", "drift-prod", "--close"]
    assert [ops.main(close), ops.main(close), ops.main(words)] == [0, 0, 0]
    assert capsys.readouterr().out.split() == ["created", "unchanged", "updated", "closed", "none", "created"]
    assert [(each["title"], each["state"]) for each in github.issues] == [
        ("a pull request", "open"),
        ("theirs", "open"),
        ("Drift", "closed"),
        ("Drift of prod", "open"),
    ]


def test_a_report_is_cut_where_no_block_is_open(github: FakeGitHub, report: Path) -> None:
    report.write_text("first\n<details><summary>a</summary>\n\n```diff\n" + "+line\n" * 20_000 + "```\n\n</details>\n")
    assert comment(report) == 0
    assert github.comments[-1]["body"].startswith(f"{MARK}\nfirst\n\n\n… cut off")


def test_a_report_that_is_too_long_is_cut_and_says_so(github: FakeGitHub, report: Path) -> None:
    report.write_text("x" * 70_000)
    assert comment(report) == 0
    (found,) = github.comments
    assert len(found["body"]) == 65_536
    assert found["body"].endswith("The whole report is in the summary of the job's run.")


def test_what_github_refuses_is_a_line_that_says_what_the_job_needs(
    github: FakeGitHub, report: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    github.rights.clear()
    assert comment(report) == 1
    assert capsys.readouterr().err == (
        "error: GitHub: POST issues/7/comments: 403 Resource not accessible by integration; the job needs the "
        "permission `pull-requests: write`\n"
    )
    monkeypatch.setenv("GITHUB_TOKEN", "ghs_another")
    assert comment(report) == 1
    said = capsys.readouterr().err
    assert said == "error: GitHub: GET issues/7/comments: 401 Bad credentials\n"


def test_the_token_goes_to_nobody_else(
    github: FakeGitHub, report: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with fakegithub.running() as other:
        github.redirects = f"{other.url}/repos/x"
        assert comment(report) == 1
        assert other.asked == []
    assert "307" in capsys.readouterr().err
    monkeypatch.setenv("GITHUB_API_URL", "http://example.org")
    assert comment(report) == 1
    assert "must be https" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["comment", "FILE", "--pull-request", "7", "--name", "a b"], "--name 'a b': must be"),
        (["comment", "FILE", "--pull-request", "7", "--name", "x -->"], "--name 'x -->': must be"),
        (["comment", "gone.md", "--pull-request", "7", "--name", "a"], "gone.md: No such file"),
        (["comment", "FILE", "--pull-request", "0", "--name", "a"], "Invalid value for '--pull-request'"),
        (["issue", "--name", "a"], "give a file, or --close"),
        (["issue", "FILE", "--close", "--name", "a"], "give a file, or --close"),
    ],
)
def test_wrong_use_is_a_line_and_asks_nobody(
    github: FakeGitHub, report: Path, capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    assert ops.main(["github", *(str(report) if word == "FILE" else word for word in words)]) == 1
    error = capsys.readouterr().err
    assert (said in error, error.count("\n")) == (True, 1)
    assert github.asked == []


def test_without_its_environment_it_says_what_is_missing(
    report: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GITHUB_TOKEN", raising=False)
    monkeypatch.setenv("GITHUB_REPOSITORY", "team/database")
    assert comment(report) == 1
    assert capsys.readouterr().err == "error: GITHUB_TOKEN: must be set, as a job of GitHub Actions has them\n"
    monkeypatch.setenv("GITHUB_TOKEN", "x")
    monkeypatch.setenv("GITHUB_REPOSITORY", "../../x")
    assert comment(report) == 1
    assert "must be OWNER/NAME" in capsys.readouterr().err
