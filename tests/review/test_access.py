"""Who reaches more after a change is said, each thing once, and a changed expression is never taken for harmless."""

import copy
import json
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
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


def view(found: dict[str, Any], **more: Any) -> None:
    found["views"]["audit.entries"].update(more)


def policy(found: dict[str, Any]) -> dict[str, Any]:
    return dict(found["policies"][PROJECTS][OWN])


def test_nothing_changed_is_nothing() -> None:
    assert access.changes(KNOWN, copy.deepcopy(KNOWN)) == []
    assert not access.widened([])


def test_it_is_of_this_project() -> None:
    """Some facts that the matrix of access has too."""
    assert "select" in KNOWN["grants"][f"table {PROJECTS}"]["authenticated"]
    to_all = {(name, each) for name, found in KNOWN["grants"].items() for each in found.get("public", ())}
    assert {each for each in to_all if not each[1].startswith("no ")} == {("type storage.buckettype", "usage")}
    assert KNOWN["row security"][PROJECTS] == "forced"
    authenticator = KNOWN["roles"]["authenticator"]
    assert authenticator["attributes"] == ["login"]
    assert authenticator["acts as"] == ["anon", "authenticated", "service_role"]
    assert KNOWN["owners"][f"table {PROJECTS}"] == "app_owner"
    assert KNOWN["views"]["audit.entries"]["options"] == ["security_invoker=true"]
    assert KNOWN["functions"]["private.is_super_admin()"]["security definer"]
    assert KNOWN["grants"]["function lo_create(oid)"] == {"public": ["no execute"]}
    assert KNOWN["default privileges"]["functions that app_owner makes"] == {}
    assert "id" in KNOWN["publications"]["supabase_realtime"][PROJECTS]["columns"]
    assert not [name for name in KNOWN["partitions"] if not name.startswith("each of ")], "no month is in the list"
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
            lambda found: found["owners"].update({f"table {PROJECTS}": "supabase_storage_admin"}),
            ["more", "less"],
            "supabase_storage_admin",
            f"table {PROJECTS}",
            "owns it, in the place of app_owner",
        ),
        (
            lambda found: found["owners"].update({"function public.new()": "authenticated"}),
            "more",
            "authenticated",
            "function public.new()",
            "owns it",
        ),
        (
            lambda found: view(found, options=[]),
            "more",
            "everybody with a grant",
            "view audit.entries",
            "its options are none, were security_invoker=true",
        ),
        (
            lambda found: view(found, body="another"),
            "other",
            "everybody with a grant",
            "view audit.entries",
            "its query was changed",
        ),
        (
            lambda found: found["functions"]["private.is_super_admin()"].update(body="another"),
            "other",
            "its callers",
            "function private.is_super_admin()",
            "its body was changed; it runs as its owner",
        ),
        (
            lambda found: found["partitions"].update(
                {"audit.log_2026_11": {**found["partitions"]["each of audit.log"], "grants": {"anon": ["select"]}}}
            ),
            "more",
            "anon",
            "partition audit.log_2026_11",
            "select",
        ),
        (
            lambda found: found["partitions"]["each of audit.log"].update({"row security": "off"}),
            "more",
            "everybody with a grant",
            "table each of audit.log",
            "row security is off, was forced",
        ),
        (
            lambda found: found["default privileges"].pop("functions that app_owner makes"),
            "more",
            "public",
            "functions that app_owner makes",
            "execute",
        ),
        (
            lambda found: found["grants"].pop("function lo_create(oid)"),
            "more",
            "public",
            "function lo_create(oid)",
            "execute",
        ),
        (
            lambda found: found["roles"]["migrator"].update({"acts as": ["app_owner, with admin option"]}),
            ["more", "less"],
            "migrator",
            "role migrator",
            "acts as app_owner, with admin option",
        ),
        (
            lambda found: found["roles"]["authenticator"]["settings"].append("role=service_role"),
            "other",
            "authenticator",
            "role authenticator",
            "settings changed: role=service_role",
        ),
        (
            lambda found: found["publications"]["supabase_realtime"][PROJECTS]["columns"].append("data"),
            "more",
            "its subscribers",
            "publication supabase_realtime",
            f"{PROJECTS}: data",
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
    edit: Callable[[dict[str, Any]], Any], direction: str | list[str], who: str, object: str, what: str
) -> None:
    found = after(edit)
    assert [each.direction for each in found] == ([direction] if isinstance(direction, str) else direction)
    assert (found[0].who, found[0].object) == (who, object)
    assert found[0].what.startswith(what)
    assert access.widened(found) == (direction != "less")


@pytest.fixture
def checkout(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A repository with a list, the project's settings, two stacks and a row policy, committed."""
    monkeypatch.setattr(access, "CHECKOUT", tmp_path)
    monkeypatch.setattr(access, "FILE", tmp_path / "sql" / "access.json")
    for words in (("init", "-q"), ("config", "user.email", "a@example.org"), ("config", "user.name", "a")):
        subprocess.run(["git", "-C", tmp_path, *words], check=True)
    (tmp_path / "sql" / "policies").mkdir(parents=True)
    (tmp_path / "sql" / "policies" / "a.sql").write_text("create policy a on b using (false);")
    (tmp_path / "Pulumi.yaml").write_text((CHECKOUT / "Pulumi.yaml").read_text())
    for stack in ("dev", "prod"):
        (tmp_path / f"Pulumi.{stack}.yaml").write_text("config: {database:target: local}")
    listed(KNOWN)
    commit(tmp_path)
    return tmp_path


def listed(found: Mapping[str, Any]) -> None:
    """Write the list as `make golden` does."""
    access.FILE.write_text(access.text({**found, access.MADE_OF: access.made_of(access.CHECKOUT)}))


def commit(folder: Path) -> None:
    for words in (("add", "-A"), ("commit", "-qm", "x")):
        subprocess.run(["git", "-C", folder, *words], check=True)


def test_the_command_compares_with_a_commit(checkout: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert ops.main(["access", "--base", "HEAD"]) == 0
    assert "Nobody reaches more or less than at `HEAD`." in capsys.readouterr().out
    more = copy.deepcopy(KNOWN)
    more["grants"][f"table {PROJECTS}"]["anon"].append("delete")
    listed(more)
    assert ops.main(["access", "--base", "HEAD"]) == 2
    assert f"| **more** | `anon` | `table {PROJECTS}` | `delete` |" in capsys.readouterr().out
    assert ops.main(["access", "--base", "HEAD", "--allow"]) == 0
    capsys.readouterr()
    assert ops.main(["access", "--base", "HEAD", "--json"]) == 2
    assert json.loads(capsys.readouterr().out)["widened"] is True
    older = {name: KNOWN[name] for name in ("grants", "policies", "row security", "roles", "buckets")}
    access.FILE.write_text(access.text(older))
    commit(checkout)
    listed(KNOWN)
    assert access.since("HEAD") == [], "of what an older list hasn't, nothing is known"


def test_a_list_that_is_older_than_what_it_is_made_of_is_refused(
    checkout: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (checkout / "sql" / "policies" / "a.sql").write_text("create policy a on b using (true);")
    assert ops.main(["access", "--base", "HEAD"]) == 1
    said = capsys.readouterr()
    words = "sql/access.json is out of date: sql/policies/a.sql changed since; run make golden"
    assert words in said.err
    assert f"**Not compared**: {words}." in said.out, "a report that it is a part of says so"
    (checkout / "sql" / "policies" / "new.sql").write_text("")
    with pytest.raises(CommandError, match=r"a\.sql and 1 more files changed since"):
        access.since("HEAD")
    listed(KNOWN)
    assert access.since("HEAD") == []


def buckets_of(stack: str, *found: str) -> None:
    (access.CHECKOUT / f"Pulumi.{stack}.yaml").write_text(f"config: {{database:buckets: [{', '.join(found)}]}}")


def test_the_buckets_of_each_stack_are_read_from_its_file_at_both_commits(checkout: Path) -> None:
    buckets_of("dev", "{id: audio, access: people, retentionDays: 1}", "{id: new, public: true}")
    found = {(each.direction, each.object, each.what) for each in access.since("HEAD")}
    assert found >= {
        ("other", "bucket audio of dev", 'access is "people", was "projects"'),
        ("other", "bucket audio of dev", "retention_days is 1, was null"),
        ("more", "bucket new of dev", "public is true, was null"),
    }
    assert {each.object for each in access.since("HEAD")} == {"bucket audio of dev", "bucket new of dev"}
    commit(checkout)
    assert access.since("HEAD") == []
    buckets_of("dev", "{id: audio, absent: true}")
    assert {each.direction for each in access.since("HEAD") if each.object == "bucket audio of dev"} == {"less"}


def test_a_default_that_changes_is_said_once_and_not_for_each_stack(checkout: Path) -> None:
    buckets_of("prod", "{id: audio, fileSizeLimit: 7}")
    commit(checkout)
    project = checkout / "Pulumi.yaml"
    text = project.read_text()
    assert text.count("access: projects") == 1
    project.write_text(
        text.replace("access: projects", "access: people").replace("retentionDays: 7", "retentionDays: 8")
    )
    people, days = 'access is "people", was "projects"', "retention_days is 8, was 7"
    said = [(each.object, each.what) for each in access.since("HEAD")]
    assert said == [("bucket audio", people), ("bucket audio of prod", people), ("bucket exports", days)]


@pytest.mark.parametrize("commit", ["nowhere", "--output=/tmp/x", "", "HEAD:sql", "a b"])
def test_a_commit_that_is_none_is_refused_in_a_line(commit: str) -> None:
    with pytest.raises(CommandError, match=r"^--base .*: .+") as refused:
        access.base(commit)
    assert "\n" not in str(refused.value)


def test_the_file_has_a_line_for_each_object() -> None:
    text = access.FILE.read_text()
    assert access.text(json.loads(text)) == text
    assert access.FILE.is_relative_to(CHECKOUT / "sql")
