"""Who reaches more after a change is said, each thing once, and a changed expression is never taken for harmless."""

import copy
import json
import subprocess
from collections.abc import Callable
from typing import Any

import pytest

from declared.paths import CHECKOUT
from ops import __main__ as ops
from ops.errors import CommandError
from ops.review import access
from ops.review.access import AccessChange

KNOWN: dict[str, Any] = json.loads(access.FILE.read_text())
PROJECTS = "public.projects"
OWN = "projects_select_own_or_public"


def after(edit: Callable[[dict[str, Any]], Any]) -> list[AccessChange]:
    changed = copy.deepcopy(KNOWN)
    edit(changed)
    return access.changes(KNOWN, changed)


def policy(found: dict[str, Any]) -> dict[str, Any]:
    return dict(found["policies"][PROJECTS][OWN])


def test_nothing_changed_is_nothing() -> None:
    assert access.changes(KNOWN, copy.deepcopy(KNOWN)) == []
    assert not access.widened([])


def test_it_is_of_this_project() -> None:
    """Some facts that the matrix of access has too."""
    assert "select" in KNOWN["grants"][f"table {PROJECTS}"]["authenticated"]
    assert "public" not in {who for found in KNOWN["grants"].values() for who in found}
    assert KNOWN["row security"][PROJECTS] == "forced"
    assert KNOWN["roles"]["authenticator"] == {
        "attributes": ["login"],
        "acts as": ["anon", "authenticated", "service_role"],
    }
    assert KNOWN["buckets"]["avatars"]["public"] is True


@pytest.mark.parametrize(
    ("edit", "direction", "who", "object", "what"),
    [
        (
            lambda found: found["grants"][f"table {PROJECTS}"]["anon"].append("delete"),
            "more",
            "anon",
            f"table {PROJECTS}",
            "delete",
        ),
        (
            lambda found: found["grants"][f"table {PROJECTS}"]["authenticated"].remove("select"),
            "less",
            "authenticated",
            f"table {PROJECTS}",
            "select",
        ),
        (
            lambda found: found["grants"].update({"function public.f()": {"public": ["execute"]}}),
            "more",
            "public",
            "function public.f()",
            "execute",
        ),
        (
            lambda found: found["policies"][PROJECTS][OWN].update(using="true"),
            "other",
            "authenticated",
            f"rows of {PROJECTS}",
            f"using of row policy {OWN} for select changed",
        ),
        (
            lambda found: found["policies"][PROJECTS].update(open={**policy(found), "words": "Everybody."}),
            "more",
            "authenticated",
            f"rows of {PROJECTS}",
            "permissive row policy open for select added: Everybody.",
        ),
        (
            lambda found: found["policies"][PROJECTS][OWN]["roles"].append("anon"),
            "more",
            "anon",
            f"rows of {PROJECTS}",
            f"row policy {OWN} for select holds for them",
        ),
        (
            lambda found: found["policies"][PROJECTS].pop("projects_all_present"),
            "more",
            "anon, authenticated",
            f"rows of {PROJECTS}",
            "restrictive row policy projects_all_present for all taken away",
        ),
        (
            lambda found: found["policies"][PROJECTS].pop(OWN),
            "less",
            "authenticated",
            f"rows of {PROJECTS}",
            f"permissive row policy {OWN} for select taken away",
        ),
        (
            lambda found: found["row security"].update({PROJECTS: "off"}),
            "more",
            "everybody with a grant",
            f"table {PROJECTS}",
            "row security is off, was forced",
        ),
        (
            lambda found: found["row security"].update({"public.more": "off"}),
            "more",
            "everybody with a grant",
            "table public.more",
            "row security is off, was forced",
        ),
        (
            lambda found: found["roles"]["monitor"]["attributes"].append("bypassrls"),
            "more",
            "monitor",
            "role monitor",
            "bypassrls",
        ),
        (
            lambda found: found["roles"]["anon"]["acts as"].append("service_role"),
            "more",
            "anon",
            "role anon",
            "acts as service_role",
        ),
        (
            lambda found: found["buckets"]["audio"].update(public=True),
            "more",
            "everybody",
            "bucket audio",
            "public is true, was false",
        ),
        (
            lambda found: found["buckets"]["audio"].update(file_size_limit=None),
            "other",
            "its people",
            "bucket audio",
            "file_size_limit is null, was 50000000",
        ),
    ],
)
def test_a_change_is_said_with_who_reaches_what(
    edit: Callable[[dict[str, Any]], Any], direction: str, who: str, object: str, what: str
) -> None:
    (found,) = after(edit)
    assert (found.direction, found.who, found.object) == (direction, who, object)
    assert found.what.startswith(what)
    assert access.widened([found]) == (direction != "less")


def test_the_command_compares_with_a_commit(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Any
) -> None:
    before = copy.deepcopy(KNOWN)
    before["grants"][f"table {PROJECTS}"]["authenticated"].remove("delete")
    for words in (("init", "-q"), ("config", "user.email", "a@example.org"), ("config", "user.name", "a")):
        subprocess.run(["git", "-C", tmp_path, *words], check=True)
    (tmp_path / "sql").mkdir()
    path = tmp_path / "sql" / "access.json"
    path.write_text(access.text(before))
    for words in (("add", "-A"), ("commit", "-qm", "x")):
        subprocess.run(["git", "-C", tmp_path, *words], check=True)
    path.write_text(access.text(KNOWN))
    monkeypatch.setattr(access, "CHECKOUT", tmp_path)
    monkeypatch.setattr(access, "FILE", path)
    monkeypatch.setattr(access.base, "__defaults__", (path,))
    assert ops.main(["access", "--base", "HEAD"]) == 2
    assert f"| **more** | `authenticated` | `table {PROJECTS}` | `delete` |" in capsys.readouterr().out
    assert ops.main(["access", "--base", "HEAD", "--allow"]) == 0
    capsys.readouterr()
    assert ops.main(["access", "--base", "HEAD", "--json"]) == 2
    assert json.loads(capsys.readouterr().out)["widened"] is True
    subprocess.run(["git", "-C", tmp_path, "commit", "-qam", "y"], check=True)
    assert ops.main(["access", "--base", "HEAD"]) == 0
    assert "Nobody reaches more or less than at `HEAD`." in capsys.readouterr().out


@pytest.mark.parametrize("commit", ["nowhere", "--output=/tmp/x", "", "HEAD:sql", "a b"])
def test_a_commit_that_is_none_is_refused_in_a_line(commit: str) -> None:
    with pytest.raises(CommandError, match=r"^--base .*: .+") as refused:
        access.base(commit)
    assert "\n" not in str(refused.value)


def test_the_file_has_a_line_for_each_object() -> None:
    text = access.FILE.read_text()
    assert access.text(json.loads(text)) == text
    assert access.FILE.is_relative_to(CHECKOUT / "sql")
