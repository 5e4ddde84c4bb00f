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

from declared.paths import CHECKOUT
from tests.review import fakegithub
from tests.review.fakegithub import FakeGitHub

FOLDER = CHECKOUT / ".github" / "workflows"
FILES = sorted(FOLDER.glob("*.yml"))
# In the place of ./vpb: a report with a status, and the real command for what goes to GitHub.
VPB = """#!/bin/sh
case "$1" in
  plan|drift|guardrails) echo "$@" >> asked; printf '%s' "$REPORT"; exit "$STATUS" ;;
  access) echo "$@" >> asked; printf 'who reaches more'; exit "$STATUS" ;;
  branch) echo "$@" >> asked; printf '%s' "$REPORT"; exit "$STATUS" ;;
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


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_what_comes_from_outside_gets_into_no_shell_and_no_job_has_more_rights_than_it_needs(path: Path) -> None:
    found = yaml.safe_load(path.read_text())
    assert found["permissions"].get("contents") == "read"
    assert set(found["permissions"].values()) <= {"read", "write"}
    for job in found["jobs"].values():
        assert job["timeout-minutes"] > 0
        for step in job["steps"]:
            assert "${{" not in step.get("run", "")
            assert re.fullmatch(r"[\w/-]+@[0-9a-f]{40}", step.get("uses", f"a/b@{'0' * 40}"))


def test_a_branch_of_a_fork_gets_neither_credentials_nor_our_runner() -> None:
    jobs = read("preview")["jobs"]
    for name in ("plan", "guardrails"):
        assert "github.event.pull_request.head.repo.full_name == github.repository" in jobs[name]["if"]
    # What anybody's branch may run, on a runner of GitHub's, with nothing secret.
    assert jobs["access"]["runs-on"] == "ubuntu-24.04"
    assert "permissions" not in jobs["access"]
    assert "secrets" not in (FOLDER / "preview.yml").read_text()
    assert read("preview")[True].keys() == {"pull_request"}, "never pull_request_target"


def test_prod_comes_behind_staging_and_waits_for_somebody() -> None:
    (job,) = read("deploy")["jobs"].values()
    assert job["strategy"] == {"fail-fast": True, "max-parallel": 1, "matrix": {"stack": ["staging", "prod"]}}
    assert job["environment"] == "${{ matrix.stack }}"
    commands = [each["run"].split()[1] for each in job["steps"] if each.get("run", "").startswith("./vpb ")]
    assert commands == ["guardrails", "up", "preview"], "what is refused isn't begun"


@pytest.fixture
def github() -> Iterator[FakeGitHub]:
    with fakegithub.running() as fake:
        yield fake


def ran(folder: Path, github: FakeGitHub, workflow: str, job: str, status: int, report: str, **more: str) -> int:
    """The status of the first step of a job that runs a command, as GitHub's shell runs it."""
    step = next(each for each in read(workflow)["jobs"][job]["steps"] if "./vpb" in each.get("run", ""))
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


def test_a_pull_request_has_one_comment_for_each_environment(tmp_path: Path, github: FakeGitHub) -> None:
    def pushed(status: int, report: str) -> int:
        return ran(tmp_path, github, "preview", "plan", status, report, STACK="staging", NUMBER="7", BASE="abc")

    assert [pushed(2, "first"), pushed(0, "second")] == [0, 0]
    assert pushed(1, "the preview failed") == 1, "red, and the comment says why"
    assert [(each["on"], each["body"]) for each in github.comments] == [
        (7, "<!-- vpb plan-staging -->\nthe preview failed\n\nwho reaches more\n")
    ]
    assert pushed(1, "") == 1
    more = "\n\nwho reaches more"
    assert (tmp_path / "summary.md").read_text() == f"first{more}second{more}the preview failed{more}"


def test_what_the_guardrails_refuse_is_red(tmp_path: Path, github: FakeGitHub) -> None:
    assert ran(tmp_path, github, "preview", "guardrails", 2, "1 to mend", STACK="staging") == 2
    assert ran(tmp_path, github, "preview", "guardrails", 0, "nothing", STACK="staging") == 0
    assert (tmp_path / "summary.md").read_text() == "1 to mendnothing"


def test_wider_access_is_red_until_a_label_allows_it(tmp_path: Path, github: FakeGitHub) -> None:
    assert ran(tmp_path, github, "preview", "access", 2, "more", BASE="abc", ALLOWED="") == 2
    assert ran(tmp_path, github, "preview", "access", 0, "more", BASE="abc", ALLOWED="1") == 0
    assert (tmp_path / "asked").read_text().splitlines() == ["access --base abc", "access --base abc --allow"]


def test_a_preview_environment_is_reported_in_one_comment(tmp_path: Path, github: FakeGitHub) -> None:
    def pushed(status: int, report: str) -> int:
        given = {"NUMBER": "7", "SOURCE": "staging"}
        return ran(tmp_path, github, "preview-environment", "environment", status, report, **given)

    assert [pushed(0, "first"), pushed(2, "it found something")] == [0, 2]
    assert [(each["on"], each["body"]) for each in github.comments] == [
        (7, "<!-- vpb preview-environment -->\nit found something\n")
    ]
    assert pushed(1, "") == 1, "no template: nothing to report but the job's log"
    assert len(github.comments) == 1
    assert (tmp_path / "asked").read_text().splitlines() == ["branch test pr-7 --from staging"] * 3
    assert (tmp_path / "summary.md").read_text() == "firstit found something"


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


def test_a_pull_request_gets_no_credentials_for_its_environment() -> None:
    jobs = read("preview-environment")["jobs"]
    for name in ("environment", "end"):
        assert "github.event.pull_request.head.repo.full_name == github.repository" in jobs[name]["if"]
        assert "id-token" not in jobs[name].get("permissions", {})
        assert not any("aws-actions" in each.get("uses", "") for each in jobs[name]["steps"])
    assert "github.event_name != 'pull_request'" in jobs["night"]["if"]
    assert "secrets" not in (FOLDER / "preview-environment.yml").read_text()
    (checkout,) = (each for each in jobs["end"]["steps"] if "checkout" in each.get("uses", ""))
    assert checkout["with"]["ref"] == "${{ github.event.repository.default_branch }}"
    for job in jobs.values():
        # The environments lie in the checkout.
        (checkout,) = (each for each in job["steps"] if "checkout" in each.get("uses", ""))
        assert checkout["with"]["clean"] is False
        assert job["runs-on"] == ["self-hosted", "preview"]
