"""The job that the page for pipelines shows: its commands, versions and names are those that are tested here."""

import ast
import json
import re

import pytest
import yaml

from declared.paths import CHECKOUT
from ops.backups import given
from toolchain import versions

PAGE = (CHECKOUT / "docs" / "ci.md").read_text()
BLOCKS = {kind: text for kind, text in re.findall(r"^```(\w+)\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)}
JOB = yaml.safe_load(BLOCKS["yaml"])["jobs"]["database"]
INSTALL = "pip install -r requirements.txt -c constraints.txt"


def step(action: str) -> dict:
    (found,) = (each["with"] for each in JOB["steps"] if each.get("uses", "").startswith(f"{action}@"))
    return dict(found)


def test_it_installs_what_the_test_without_the_wrapper_installs():
    assert INSTALL in BLOCKS["console"].splitlines()
    assert [each["run"] for each in JOB["steps"] if "run" in each] == [INSTALL]
    tested = ast.unparse(ast.parse((CHECKOUT / "tests" / "stack" / "test_plain.py").read_text()))
    assert "'-r', 'requirements.txt', '-c', 'constraints.txt'" in tested


def test_its_commands_are_those_that_are_tested():
    command = step("pulumi/actions")["command"]
    assert set(re.findall(r"'(up|preview)'", command)) == {"up", "preview"}
    shown = {line for line in BLOCKS["console"].splitlines() if line.startswith("pulumi ")}
    assert shown == {"pulumi preview --stack prod", "pulumi up --yes --stack prod"}
    tested = (CHECKOUT / "tests" / "stack" / "test_plain.py").read_text()
    for words in ('pulumi("preview", "--stack", "prod")', 'pulumi("up", "--yes", "--stack", "prod")'):
        assert words in tested


def test_its_versions_are_the_pinned_ones():
    assert step("pulumi/actions")["pulumi-version"] == versions.engine_version()
    workflow = yaml.safe_load((CHECKOUT / ".github" / "workflows" / "check.yml").read_text())
    for action in ("actions/checkout", "actions/setup-python"):
        pinned = [
            each["uses"] for each in workflow["jobs"]["check"]["steps"] if each.get("uses", "").startswith(action)
        ]
        assert [each["uses"] for each in JOB["steps"] if each.get("uses", "").startswith(action)] == pinned


def test_its_stacks_have_files_and_come_one_after_the_other():
    listed = [json.loads(found) for found in re.findall(r"fromJSON\('(.*?)'\)", JOB["strategy"]["matrix"]["stack"])]
    assert listed == [["staging", "prod"], ["staging"]]
    assert all((CHECKOUT / f"Pulumi.{stack}.yaml").exists() for stack in listed[0])
    assert JOB["strategy"]["max-parallel"] == 1


@pytest.mark.parametrize("name", ["backup", "restore-drill"])
def test_the_jobs_on_a_schedule_get_what_the_commands_ask_for_and_nothing_more(name):
    text = (CHECKOUT / ".github" / "workflows" / f"{name}.yml").read_text()
    workflow = yaml.safe_load(text)
    (job,) = workflow["jobs"].values()
    assert workflow["permissions"] == {"contents": "read", "id-token": "write"}
    assert re.fullmatch(r"vars\.[A-Z]+_ROLE != ''", job["if"])
    (command,) = (each for each in job["steps"] if "./vpb" in each.get("run", ""))
    assert command["env"].keys() == {given.DATABASE, given.BACKUPS, given.OBJECTS}
    assert command["run"].startswith(f"./vpb {name} --stack prod --without-state ")
    # What comes from outside gets into no shell but by a variable.
    assert not [each for each in job["steps"] if "${{" in each.get("run", "")]
    for action in ("actions/checkout", "actions/setup-python"):
        assert [each["uses"] for each in job["steps"] if each.get("uses", "").startswith(action)] == [
            each["uses"] for each in JOB["steps"] if each.get("uses", "").startswith(action)
        ]
