"""The workflows: two linters have nothing to say, and what their steps run does at GitHub what it is to do."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

import toolchain
from declared.paths import CHECKOUT
from tests.review import fakegithub
from tests.review.fakegithub import FakeGitHub
from toolchain import actionlint

FOLDER = CHECKOUT / ".github" / "workflows"
FILES = sorted(FOLDER.glob("*.yml"))
# In the place of ./vpb: a report with a status, and the real command for what goes to GitHub.
VPB = """#!/bin/sh
case "$1" in
  plan|drift|guardrails|audit|up|preview) echo "$@" >> asked; printf '%s' "$REPORT"; exit "$STATUS" ;;
  access) echo "$@" >> asked; printf 'who reaches more'; exit "$STATUS" ;;
  branch|migrate) echo "$@" >> asked; printf '%s' "$REPORT"; exit "$STATUS" ;;
esac
PYTHONPATH={checkout}:{checkout}/clients/python exec {python} -m ops "$@"
"""


def read(name: str) -> dict[str, Any]:
    found = yaml.safe_load((FOLDER / f"{name}.yml").read_text())
    assert isinstance(found, dict)
    return found


def zizmor(*paths: Path) -> subprocess.CompletedProcess[str]:
    program = Path(sys.executable).with_name("zizmor")
    words = [program, "--offline", "--no-progress", "--format", "plain", *paths]
    return subprocess.run(words, capture_output=True, text=True, check=False)


def test_zizmor_finds_nothing_and_would_find_something(tmp_path: Path) -> None:
    done = zizmor(FOLDER)
    assert done.returncode == 0, done.stdout
    bad = (FOLDER / "drift.yml").read_text().replace('--stack "$STACK" > drift.md', "--stack ${{ github.head_ref }}")
    (tmp_path / "bad.yml").write_text(re.sub(r"@[0-9a-f]{40} # v[\d.]+", "@main", bad))
    said = zizmor(tmp_path / "bad.yml").stdout
    assert "template-injection" in said
    assert "unpinned-uses" in said


@pytest.mark.linter
def test_actionlint_finds_nothing_and_would_find_something(tmp_path: Path) -> None:
    program = actionlint.ensure(toolchain.context_of())
    done = subprocess.run([program, "-no-color"], cwd=CHECKOUT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")
    (tmp_path / "bad.yml").write_text((FOLDER / "drift.yml").read_text().replace("matrix.stack", "matrix.environment"))
    said = subprocess.run([program, "-no-color", tmp_path / "bad.yml"], capture_output=True, text=True, check=False)
    assert 'property "environment" is not defined' in said.stdout


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_what_comes_from_outside_gets_into_no_shell_and_no_job_has_more_rights_than_it_needs(path: Path) -> None:
    found = yaml.safe_load(path.read_text())
    assert found["permissions"].get("contents") == "read"
    assert set(found["permissions"].values()) <= {"read", "write"}
    for job in found["jobs"].values():
        assert job.get("timeout-minutes", 0) > 0 or job["uses"].startswith("./")
        for step in job.get("steps", []):
            assert "${{" not in step.get("run", "")
            assert re.fullmatch(r"[\w/-]+@[0-9a-f]{40}", step.get("uses", f"a/b@{'0' * 40}"))


def test_a_branch_of_a_fork_gets_neither_credentials_nor_our_runner() -> None:
    jobs = read("preview")["jobs"]
    assert "github.event.pull_request.head.repo.full_name == github.repository" in jobs["plan"]["if"]
    # What anybody's branch may run, on a runner of GitHub's, with nothing secret.
    assert jobs["access"]["runs-on"] == "ubuntu-24.04"
    assert "permissions" not in jobs["access"]
    assert "secrets" not in (FOLDER / "preview.yml").read_text()
    assert read("preview")[True].keys() == {"pull_request"}, "never pull_request_target"


def test_what_a_pull_request_says_may_write_no_comment() -> None:
    """Its own code makes the report, and the code of the base writes it."""
    jobs = read("preview")["jobs"]
    assert [name for name, job in jobs.items() if "pull-requests" in job.get("permissions", {})] == ["comment"]
    assert jobs["comment"]["steps"][0]["with"]["ref"] == "${{ github.event.pull_request.base.sha }}"
    assert not any("configure-aws" in step.get("uses", "") for step in jobs["comment"]["steps"])


def test_what_a_pull_request_says_runs_on_no_runner_that_deploys() -> None:
    labels = {
        name: {str(job.get("runs-on")) for job in read(name)["jobs"].values() if "runs-on" in job}
        for name in ("preview", "drift", "deploy", "deploy-stack")
    }
    assert labels["preview"] == {"ubuntu-24.04", "['self-hosted', 'database-reads']"}
    assert labels["deploy"] | labels["deploy-stack"] == {"['self-hosted', 'database']"}


def test_prod_comes_behind_staging_and_waits_for_somebody() -> None:
    jobs = read("deploy")["jobs"]
    assert [(name, job.get("needs")) for name, job in jobs.items()] == [
        ("staging", None),
        ("plan", "staging"),
        ("prod", "plan"),
    ]
    (job,) = read("deploy-stack")["jobs"].values()
    assert (job["environment"], job["concurrency"]["group"]) == ("${{ inputs.stack }}", "deploy-${{ inputs.stack }}")
    commands = [line.split()[1] for each in job["steps"] for line in each.get("run", "").splitlines()]
    assert commands == ["guardrails", "up", "preview", "guardrails", "audit"], "what is refused isn't begun"


@pytest.mark.parametrize(("status", "ends"), [(0, 0), (1, 1), (2, 0)])
def test_the_plan_of_prod_is_in_the_summary_where_it_is_approved(
    tmp_path: Path, github: FakeGitHub, status: int, ends: int
) -> None:
    assert ran(tmp_path, github, "deploy", "plan", status, "## Plan of `prod`") == ends
    assert (tmp_path / "summary.md").read_text() == "## Plan of `prod`"


def test_what_the_guardrails_refuse_is_not_deployed_and_what_is_open_afterwards_is_red(
    tmp_path: Path, github: FakeGitHub
) -> None:
    def step(number: int, status: int) -> int:
        return ran(tmp_path, github, "deploy-stack", "up", status, "", number=number, STACK="staging")

    assert [step(0, 2), step(0, 0), step(1, 1), step(2, 2), step(2, 0)] == [2, 0, 1, 2, 0]
    asked = (tmp_path / "asked").read_text().splitlines()
    assert asked[-4:] == [
        "preview --stack staging",
        "preview --stack staging",
        "guardrails --stack staging",
        "audit --stack staging --fail-on high",
    ], "the first that finds something ends it"


@pytest.fixture
def github() -> Iterator[FakeGitHub]:
    with fakegithub.running() as fake:
        yield fake


def ran(
    folder: Path, github: FakeGitHub, workflow: str, job: str, status: int, report: str, number: int = 0, **more: str
) -> int:
    """The status of a step of a job that calls ./vpb, as GitHub's shell runs it."""
    step = [each for each in read(workflow)["jobs"][job]["steps"] if "./vpb" in each.get("run", "")][number]
    program = folder / "vpb"
    program.write_text(VPB.format(checkout=CHECKOUT, python=sys.executable))
    program.chmod(0o755)
    environment = {
        **os.environ,
        "GITHUB_API_URL": github.url,
        "GITHUB_REPOSITORY": fakegithub.REPOSITORY,
        "GITHUB_TOKEN": fakegithub.TOKEN,
        "GITHUB_STEP_SUMMARY": str(folder / "summary.md"),
        "STATUS": str(status),
        "REPORT": report,
        **more,
    }
    # By GitHub's documentation: without `shell`, bash -e; with `shell: bash`, also -o pipefail.
    words = ["bash", "--noprofile", "--norc", "-eo", "pipefail"] if step.get("shell") == "bash" else ["bash", "-e"]
    done = subprocess.run([*words, "-c", step["run"]], cwd=folder, env=environment, capture_output=True, text=True)
    print(done.stdout, done.stderr)
    return done.returncode


def test_the_nightly_look_opens_brings_up_to_date_and_closes_one_issue(tmp_path: Path, github: FakeGitHub) -> None:
    def night(status: int, report: str) -> int:
        return ran(tmp_path, github, "drift", "drift", status, report, STACK="prod")

    assert night(0, "## Drift of `prod`\n\nNothing was changed manually.") == 0
    assert github.issues == []
    assert [night(2, "one"), night(2, "two")] == [0, 0]
    assert [(each["title"], each["state"]) for each in github.issues] == [("Drift of prod", "open")]
    assert github.issues[0]["body"] == "<!-- vpb drift-prod -->\ntwo\n"
    assert night(1, "") == 1, "what can't be looked at is no absence of drift"
    assert github.issues[0]["state"] == "open"
    assert night(0, "nothing") == 0
    assert github.issues[0]["state"] == "closed"
    assert (tmp_path / "asked").read_text().splitlines() == ["drift --stack prod"] * 5


def test_what_the_audit_finds_each_night_is_an_issue_of_its_own(tmp_path: Path, github: FakeGitHub) -> None:
    def night(status: int, report: str) -> int:
        return ran(tmp_path, github, "drift", "drift", status, report, number=1, STACK="prod")

    assert [night(2, "role evil"), night(0, "")] == [0, 0]
    assert [(each["title"], each["state"]) for each in github.issues] == [("Audit of prod", "closed")]
    assert github.issues[0]["body"] == "<!-- vpb audit-prod -->\n## Audit of `prod`\n\n````text\nrole evil\n````\n"
    assert night(1, "") == 1


def test_a_pull_request_has_one_comment_for_each_environment(tmp_path: Path, github: FakeGitHub) -> None:
    plans = tmp_path / "plans" / "plan-staging"

    def pushed(status: int, report: str, action: str = "synchronize") -> int:
        done = ran(tmp_path, github, "preview", "plan", status, report, STACK="staging", BASE="abc", HEAD="def")
        plans.mkdir(parents=True, exist_ok=True)
        (tmp_path / "plan.md").rename(plans / "plan.md")
        more = {"STACKS": "staging", "NUMBER": "7", "HEAD": "def", "ACTION": action}
        assert ran(tmp_path, github, "preview", "comment", 0, "", **more) == 0
        return done

    github.labels += ["wider-access", "other"]
    assert [pushed(2, "first", "labeled"), pushed(0, "second", "labeled")] == [2, 0], "red for errors"
    assert github.labels == ["wider-access", "other"]
    assert pushed(1, "the preview failed") == 1, "red, and the comment says why"
    assert github.labels == ["other"], "what was pushed since the label was given, nobody has allowed"
    assert [(each["on"], each["body"]) for each in github.comments] == [
        (7, "<!-- vpb plan-staging -->\nthe preview failed\n\nwho reaches more\n\nOf commit def.\n")
    ]
    assert pushed(1, "") == 1
    nothing = "<!-- vpb plan-staging -->\n## Plan of `staging`\n\n**There is none: the job failed"
    assert github.comments[0]["body"] == f"{nothing}, its log says why.**\n\nOf commit def.\n"
    assert "first" in (tmp_path / "summary.md").read_text()
    # The job that was to make it had no runner, or no credentials.
    (plans / "plan.md").unlink()
    more = {"STACKS": "staging", "NUMBER": "7", "HEAD": "xyz", "ACTION": "opened"}
    assert ran(tmp_path, github, "preview", "comment", 0, "", **more) == 0
    assert github.comments[0]["body"] == f"{nothing}.**\n\nOf commit xyz.\n"


def test_the_sizes_of_prod_are_kept_each_night_and_a_pull_request_s_plan_counts_with_them(
    tmp_path: Path, github: FakeGitHub
) -> None:
    sizes = tmp_path / "sizes.json"

    def plan() -> str:
        assert ran(tmp_path, github, "preview", "plan", 0, "", STACK="staging", BASE="abc", HEAD="def") == 0
        return next(line for line in reversed((tmp_path / "asked").read_text().splitlines()) if line.startswith("plan"))

    def night(status: int) -> int:
        return ran(tmp_path, github, "drift", "drift", status, "{}", number=2, STACK="prod")

    assert plan() == "plan --fail-on errors --stack staging"
    assert (night(1), sizes.exists()) == (1, False), "a file of nothing would be kept"
    assert (night(0), sizes.read_text()) == (0, "{}")
    assert plan() == "plan --fail-on errors --stack staging --sizes sizes.json"
    keeps, takes = (
        next(each["with"] for each in read(name)["jobs"][job]["steps"] if "actions/cache/" in each.get("uses", ""))
        for name, job in (("drift", "drift"), ("preview", "plan"))
    )
    assert keeps["path"] == takes["path"] == "sizes.json"
    assert keeps["key"].replace("${{ matrix.stack }}", "prod").startswith(takes["restore-keys"])


def test_wider_access_is_red_until_a_label_allows_it(tmp_path: Path, github: FakeGitHub) -> None:
    assert ran(tmp_path, github, "preview", "access", 2, "more", BASE="abc", ALLOWED="") == 2
    assert ran(tmp_path, github, "preview", "access", 0, "more", BASE="abc", ALLOWED="1") == 0
    assert (tmp_path / "asked").read_text().splitlines() == ["access --base abc", "access --base abc --allow"]


def test_a_preview_environment_is_reported_in_one_comment(tmp_path: Path, github: FakeGitHub) -> None:
    reports = tmp_path / "reports" / "environment"
    about = {"NUMBER": "7", "HEAD": "def"}

    def pushed(status: int, report: str) -> int:
        done = ran(tmp_path, github, "preview-environment", "environment", status, report, SOURCE="staging", **about)
        reports.mkdir(parents=True, exist_ok=True)
        (tmp_path / "environment.md").rename(reports / "environment.md")
        assert ran(tmp_path, github, "preview-environment", "comment", 0, "", **about) == 0
        return done

    assert [pushed(0, "first"), pushed(2, "it found something")] == [0, 2]
    assert [(each["on"], each["body"]) for each in github.comments] == [
        (7, "<!-- vpb preview-environment -->\nit found something\n\nOf commit def.\n")
    ]
    assert pushed(1, "") == 1
    assert "pr-7`\n\n**There is none: its log says why.**\n\nOf commit def." in github.comments[0]["body"]
    (reports / "environment.md").unlink()
    assert ran(tmp_path, github, "preview-environment", "comment", 0, "", **about) == 0
    assert "**There is none: the job failed.**\n\nOf commit def." in github.comments[0]["body"]
    assert len(github.comments) == 1
    assert (tmp_path / "asked").read_text().splitlines() == ["branch test pr-7 --from staging"] * 3
    assert "first" in (tmp_path / "summary.md").read_text()


def test_a_closed_pull_request_takes_its_own_environment_away(tmp_path: Path, github: FakeGitHub) -> None:
    def closed(there: str) -> list[str]:
        (tmp_path / "asked").unlink(missing_ok=True)
        listed = json.dumps({"branches": [{"stack": there}]}, indent=2)
        assert ran(tmp_path, github, "preview-environment", "end", 0, listed, NUMBER="7") == 0
        return (tmp_path / "asked").read_text().splitlines()

    assert closed("pr-7") == ["branch list --json", "branch drop pr-7"]
    assert closed("pr-77") == ["branch list --json"]


def test_the_night_keeps_what_is_of_an_open_pull_request(tmp_path: Path, github: FakeGitHub) -> None:
    def night(*numbers: int, status: int = 0) -> tuple[int, list[str]]:
        (tmp_path / "asked").unlink(missing_ok=True)
        github.pulls[:] = [{"number": number, "state": "open"} for number in numbers] + [
            {"number": 3, "state": "closed"}
        ]
        done = ran(tmp_path, github, "preview-environment", "night", status, "")
        asked = tmp_path / "asked"
        return done, asked.read_text().splitlines() if asked.exists() else []

    assert night(9, 7) == (0, ["branch sweep --older 0h --keep pr-7 --keep pr-9 --remove"])
    assert night() == (0, ["branch sweep --older 0h --remove"])
    assert night(7, status=1)[0] == 1
    github.redirects = "http://127.0.0.1:1"
    assert night(7) == (1, []), "not knowing which are open removes none"


def test_a_pull_request_gets_no_credentials_for_its_environment_and_writes_no_comment() -> None:
    jobs = read("preview-environment")["jobs"]
    for name in ("environment", "end"):
        assert "github.event.pull_request.head.repo.full_name == github.repository" in jobs[name]["if"]
        assert "permissions" not in jobs[name]
        assert not any("aws-actions" in each.get("uses", "") for each in jobs[name]["steps"])
        assert "github.token" not in str(jobs[name])
    assert "github.event_name != 'pull_request'" in jobs["night"]["if"]
    assert "secrets" not in (FOLDER / "preview-environment.yml").read_text()
    refs = {name: _checkout(job)["with"].get("ref") for name, job in jobs.items()}
    assert refs == {
        "environment": None,
        "comment": "${{ github.event.pull_request.base.sha }}",
        "end": "${{ github.event.repository.default_branch }}",
        "night": None,
    }
    for name in ("environment", "end", "night"):
        # The environments lie in the checkout.
        assert _checkout(jobs[name])["with"]["clean"] is False
        assert jobs[name]["runs-on"] == ["self-hosted", "preview"]


def _checkout(job: dict[str, Any]) -> dict[str, Any]:
    (found,) = (each for each in job["steps"] if "checkout" in each.get("uses", ""))
    return dict(found)
