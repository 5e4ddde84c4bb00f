"""A hosted project against a double of the management API: taken over, brought to what is declared, never ended."""

import ipaddress
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from harness.engine import CheckRefusal, Engine, Refusal, Thing
from provider import managementapi
from provider.resources import hostedproject
from tests.doubles.managementapi import CALLS, KEY, REFERENCE, TOKEN, ManagementApiDouble, Project

KIND = "pg:index:HostedProject"
NETWORKS = ["203.0.113.0/24", "2001:db8::/32"]
DECLARED = {"reference": REFERENCE, "networks": NETWORKS, "ssl": True, "poolSize": 20, "poolMode": "session"}
FIELDS = [name for name in DECLARED if name != "reference"]
APPLIED = ("POST", "/network-restrictions/apply", {"dbAllowedCidrs": NETWORKS[:1], "dbAllowedCidrsV6": NETWORKS[1:]})
ENFORCED = ("PUT", "/ssl-enforcement", {"requestedConfig": {"database": True}})
POOLED = ("PATCH", "/config/database/pooler", {"default_pool_size": 20, "pool_mode": "session"})


@pytest.fixture
def api(monkeypatch):
    monkeypatch.setattr(managementapi, "BACKOFF_SECONDS", 0.0)
    monkeypatch.setattr(hostedproject, "POLL_SECONDS", 0.0)
    monkeypatch.setenv(managementapi.VARIABLE, TOKEN)
    with ManagementApiDouble() as double:
        monkeypatch.setattr(managementapi, "ADDRESS", double.address)
        yield double


@pytest.fixture
def project(api) -> Project:
    return api.project


@pytest.fixture
def engine():
    made = Engine()
    yield made
    made.close()


def as_declared(project: Project) -> None:
    project.asked, project.restricted = {"dbAllowedCidrs": NETWORKS[:1], "dbAllowedCidrsV6": NETWORKS[1:]}, True
    project.ssl, project.pool_size, project.pool_mode = True, 20, "session"


def refused(engine: Engine, inputs: dict[str, Any] = DECLARED, preview: bool = False) -> str:
    with pytest.raises(Refusal) as caught:
        engine.create(KIND, inputs, preview)
    text = str(caught.value)
    assert "\n" not in text
    assert TOKEN not in text
    return text


def test_it_is_brought_to_what_is_declared_and_then_nothing_differs(engine, project):
    made = engine.create(KIND, DECLARED)
    assert project.written == [POOLED, APPLIED, ENFORCED], "what restarts the database comes last"
    assert (project.pool_size, project.pool_mode, project.ssl) == (20, "session", True)
    found = engine.refresh(made)
    assert found is not None
    assert engine.diff(found) == []
    assert found.state == {**DECLARED, "recovery": False, "legacy": True}
    engine.update(found, DECLARED)
    assert len(project.written) == 3


def test_what_is_there_as_declared_is_taken_over_without_a_write(engine, project):
    as_declared(project)
    engine.create(KIND, DECLARED)
    assert project.written == []


@pytest.mark.parametrize(("field", "call"), [("networks", APPLIED), ("ssl", ENFORCED)])
def test_only_what_differs_is_written(engine, project, field, call):
    as_declared(project)
    project.ssl, project.restricted = project.ssl and field != "ssl", field != "networks"
    if field == "networks":
        project.asked = {}
    engine.create(KIND, DECLARED)
    assert project.written == [call]


def test_of_the_pooler_only_the_property_that_differs_is_written(engine, project):
    as_declared(project)
    project.pool_size = 15
    engine.create(KIND, DECLARED)
    assert project.written == [("PATCH", "/config/database/pooler", {"default_pool_size": 20})]


def test_what_is_not_declared_is_neither_asked_for_nor_changed(engine, project):
    project.ssl_available = False
    made = engine.create(KIND, {"reference": REFERENCE, "poolSize": 30})
    assert engine.diff(engine.refresh(made)) == []
    assert project.written == [("PATCH", "/config/database/pooler", {"default_pool_size": 30})]
    assert {path for _, path, _ in project.calls}.isdisjoint({"/ssl-enforcement", "/network-restrictions"})


def test_a_property_that_leaves_the_declaration_stays_and_that_is_said(engine, project):
    made = engine.create(KIND, DECLARED)
    fewer = {name: value for name, value in DECLARED.items() if name != "ssl"}
    assert engine.diff(made, fewer) == ["ssl"]
    engine.reported()
    left = engine.update(made, fewer)
    assert engine.reported() == [f"project {REFERENCE}: ssl isn't declared any more and stays True"]
    assert project.ssl
    assert engine.diff(engine.refresh(left)) == []


MANUAL = {
    "networks": ({"asked": {"dbAllowedCidrs": ["0.0.0.0/0"]}}, "from [203.0.113.0/24, 2001:db8::/32] to [0.0.0.0/0]"),
    "ssl": ({"ssl": False}, "from True to False"),
    "poolSize": ({"pool_size": None}, "from 20 to nothing"),
    "poolMode": ({"pool_mode": "transaction"}, "from 'session' to 'transaction'"),
}


def test_every_property_has_a_change_in_the_dashboard():
    assert MANUAL.keys() == set(FIELDS)


@pytest.mark.parametrize("field", MANUAL)
def test_a_change_in_the_dashboard_is_named_and_put_back(engine, project, field):
    made = engine.create(KIND, DECLARED)
    change, said = MANUAL[field]
    vars(project).update(change)
    engine.reported()
    found = engine.refresh(made)
    assert engine.reported() == [f"project {REFERENCE}: {field} was changed manually {said}"]
    assert engine.diff(found) == [field]
    engine.update(found, DECLARED)
    assert engine.diff(engine.refresh(found)) == []


def test_networks_are_the_same_in_another_order_and_with_host_bits(engine, project):
    made = engine.create(KIND, DECLARED)
    project.asked = {"dbAllowedCidrs": ["203.0.113.9/24"], "dbAllowedCidrsV6": ["2001:DB8::/32"]}
    assert engine.diff(engine.refresh(made)) == []
    assert engine.diff(made, {**DECLARED, "networks": NETWORKS[::-1]}) == []


def test_a_project_that_never_had_restrictions_is_open_to_all(engine, project):
    engine.create(KIND, {"reference": REFERENCE, "networks": ["0.0.0.0/0", "::/0"]})
    assert project.written == []


def test_it_waits_until_what_was_asked_for_is_in_force(engine, project):
    project.looks = 4
    engine.create(KIND, {"reference": REFERENCE, "networks": NETWORKS})
    project.looks = 4
    made = engine.create(KIND, {"reference": REFERENCE, "ssl": True})
    assert project.restricted
    assert engine.refresh(made).state["ssl"] is True
    assert f"project {REFERENCE}: waiting until ssl is in force" in engine.progress


@pytest.mark.parametrize("field", ["networks", "ssl"])
def test_what_does_not_come_into_force_in_time_is_an_error_and_tried_again(engine, project, monkeypatch, field):
    monkeypatch.setattr(hostedproject, "WAIT_SECONDS", 0.0)
    project.looks = 1000
    inputs = {"reference": REFERENCE, field: DECLARED[field]}
    assert f"{field} was asked for and isn't in force after 0 s" in refused(engine, inputs)
    seen = engine.refresh(Thing(KIND, REFERENCE, inputs, dict(inputs)))
    said = engine.reported()
    assert said[-1] == f"project {REFERENCE}: what was asked for last of {field} isn't in force yet"
    assert not [line for line in said if "manually" in line]
    assert engine.diff(seen) == [field]
    project.looks = 0
    engine.update(seen, inputs)
    assert engine.diff(engine.refresh(seen)) == []


# What is said.


def test_a_preview_says_what_becomes_different_and_writes_nothing(engine, project):
    engine.create(KIND, DECLARED, preview=True)
    assert project.written == []
    said = engine.reported()
    assert f"project {REFERENCE}: ssl is False and becomes True; the database restarts, which ends all sessions" in said
    assert f"project {REFERENCE}: networks is [0.0.0.0/0, ::/0] and becomes [203.0.113.0/24, 2001:db8::/32]" in said
    made = engine.create(KIND, DECLARED)
    engine.update(made, {**DECLARED, "ssl": False}, preview=True)
    assert project.ssl


def test_what_the_api_does_not_set_is_said_once(engine, project):
    made = engine.create(KIND, {**DECLARED, "networks": NETWORKS[:1]})
    assert engine.reported() == [
        f"project {REFERENCE}: {line}"
        for line in (
            "networks has none of IPv6, which the direct connection is reached by without the IPv4 add-on",
            "it can't be restored to any instant; that is an add-on, which is made in the dashboard",
            "the platform has no backup of it; what its plan keeps is chosen in the dashboard",
            "its legacy API keys work; they are disabled in the dashboard, once nothing uses them",
        )
    ]
    engine.refresh(made)
    assert engine.reported() == []


def backup(ago: timedelta, status: str = "COMPLETED") -> dict[str, Any]:
    return {"id": 1, "is_physical_backup": False, "status": status, "inserted_at": f"{datetime.now(UTC) - ago:%FT%TZ}"}


def test_an_old_backup_is_said_by_every_run_and_a_new_one_is_not(engine, project):
    made = engine.create(KIND, {"reference": REFERENCE})
    engine.reported()
    project.backups = [backup(timedelta(days=3)), backup(timedelta(hours=1), "FAILED")]
    for _ in range(2):
        engine.refresh(made)
        (said,) = engine.reported()
        assert f"its newest backup is of {datetime.now(UTC) - timedelta(days=3):%Y-%m-%d}" in said
    project.physical = {"latest_physical_backup_date_unix": int(datetime.now(UTC).timestamp())}
    engine.refresh(made)
    assert engine.reported() == []


def test_another_state_of_recovery_and_keys_is_said_and_is_no_difference(engine, project):
    made = engine.create(KIND, {"reference": REFERENCE})
    engine.reported()
    project.recovery, project.legacy = True, None
    found = engine.refresh(made)
    assert engine.diff(found) == []
    assert (found.state["recovery"], found.state.get("legacy")) == (True, None)
    assert engine.reported() == [
        f"project {REFERENCE}: whether the platform can restore the database to any instant: False before, True now",
        f"project {REFERENCE}: whether the legacy API keys work: True before, nothing now",
    ]


def test_a_token_without_rights_that_nothing_needs_will_do(engine, project):
    project.forbidden = {"/database/backups", "/api-keys/legacy"}
    made = engine.create(KIND, DECLARED)
    assert (made.state.get("recovery"), made.state.get("legacy")) == (None, None)
    said = " ".join(engine.reported())
    assert "the token lacks backups_read: how old its newest backup is isn't looked at" in said
    assert "no backup of it" not in said
    assert engine.diff(engine.refresh(made)) == []
    assert engine.reported() == []


def test_no_key_is_read_and_no_token_kept(engine, project):
    made = engine.create(KIND, DECLARED)
    engine.refresh(made)
    assert "/api-keys" not in {path for _, path, _ in project.calls}
    kept = str([made, *engine.messages, *engine.progress])
    assert TOKEN not in kept
    assert KEY not in kept


def test_the_resource_goes_and_the_project_stays_as_it_is(engine, project):
    made = engine.create(KIND, DECLARED)
    before, calls = dict(vars(project)), len(project.calls)
    engine.reported()
    engine.delete(made)
    assert (vars(project), len(project.calls)) == (before, calls)
    assert engine.reported() == [
        f"project {REFERENCE} stays as it is, with its networks, TLS and pooler; nothing was changed"
    ]


def test_an_import_finds_all_of_it(engine, project):
    as_declared(project)
    found = engine.bring_in(KIND, REFERENCE)
    assert found.inputs == DECLARED
    assert engine.diff(found) == []


def test_a_project_that_is_gone_is_named_and_not_made(engine, project, monkeypatch):
    made = engine.create(KIND, DECLARED)
    monkeypatch.setitem(CALLS, ("GET", ""), (lambda *_: None, 200))
    engine.reported()
    assert engine.refresh(made) is None
    assert engine.reported() == [f"project {REFERENCE} is gone, or the token doesn't reach it"]
    assert "no project is made by this program" in refused(engine)


# What is refused.


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"reference": "abc"}, "reference: must be 20 letters of a-z"),
        ({"networks": []}, "networks: must name a network"),
        ({"networks": ["10.1.0.0/16"]}, "'10.1.0.0/16' is a private network"),
        ({"networks": ["203.0.113.7/24"]}, "no network in CIDR form without host bits"),
        ({"poolSize": 0}, "poolSize: must be a whole number from 1 to 3000"),
        ({"poolMode": "statement"}, "poolMode: must be one of transaction, session"),
    ],
)
def test_a_value_that_the_api_would_refuse_is_refused_before_it_is_asked(engine, project, changes, said):
    with pytest.raises(CheckRefusal, match=said.replace("[", r"\[")):
        engine.create(KIND, {**DECLARED, **changes})
    assert project.calls == []


def test_without_a_plan_that_has_it_a_setting_is_refused_in_the_preview(engine, project):
    project.entitled = False
    assert "takes no restrictions of networks" in refused(engine, preview=True)
    project.entitled, project.ssl_available = True, False
    said = refused(engine, preview=True)
    assert "GET /ssl-enforcement: it answered 400; Project is not allowed to configure SSL enforcements" in said
    assert project.written == []


def test_a_paused_project_takes_no_settings(engine, project):
    project.status = "INACTIVE"
    assert "is INACTIVE and takes no settings" in refused(engine)
    assert project.written == []


@pytest.mark.parametrize(("own", "kept_out"), [("198.51.100.7", True), ("203.0.113.7", False), ("127.0.0.1", False)])
def test_networks_that_would_lock_this_run_out_are_refused(engine, project, monkeypatch, own, kept_out):
    # Addresses for documentation count as private; that of this test is public all the same.
    class Public(ipaddress.IPv4Address):
        is_global = own != "127.0.0.1"

    async def address(*_: Any) -> Any:
        return Public(own)

    monkeypatch.setattr(hostedproject.HostedProject, "_own_address", address)
    if kept_out:
        assert f"networks leaves out {own}, from where this run is connected" in refused(engine, preview=True)
        assert refused(engine)
        assert project.written == []
    else:
        engine.create(KIND, DECLARED)


def test_the_own_address_is_the_one_that_the_database_sees(plain_world):
    kind = plain_world.engine.plugin.kinds[KIND]
    assert plain_world.engine.run(kind._own_address("project")) == ipaddress.ip_address("127.0.0.1")


def test_without_a_token_it_says_where_one_is_made(engine, project, monkeypatch):
    for value, said in (("", "SUPABASE_ACCESS_TOKEN isn't set"), ("a\nb", "holds no token")):
        monkeypatch.setenv(managementapi.VARIABLE, value)
        assert said in refused(engine, preview=True)
    assert project.calls == []


def test_a_token_that_is_not_accepted_is_not_shown(engine, project):
    project.token = "another"
    assert "it answered 401; Unauthorized; give SUPABASE_ACCESS_TOKEN a token that is valid" in refused(engine)
    project.token = TOKEN
    lacking = {"message": f"Forbidden {TOKEN}\nresource", "missing_permissions": ["backups_read", "x"]}
    project.failures = [(403, {}, json.dumps(lacking))]
    assert "it answered 403; Forbidden [secret] resource; the token lacks backups_read, x" in refused(engine)


# Calls that fail.


@pytest.mark.parametrize(
    "failure", [(500, {}), (503, {"Retry-After": "0"}), (429, {"X-RateLimit-Reset": "0"}), (429, {})]
)
def test_a_read_is_tried_again(engine, project, failure):
    project.failures = [(*failure, "")] * (managementapi.TRIES - 1)
    engine.create(KIND, {"reference": REFERENCE})
    project.failures = [(*failure, "")] * managementapi.TRIES
    assert f"GET /: it answered {failure[0]}" in refused(engine, {"reference": REFERENCE})


def test_a_write_is_tried_again_only_where_the_answer_says_when(engine, project, monkeypatch):
    answers: list[tuple[int, dict[str, str], str]] = []
    send = managementapi.ManagementApi._send

    def failing(self: Any, method: str, *rest: Any) -> Any:
        if method != "GET" and answers:
            project.failures = [answers.pop(0)]
        return send(self, method, *rest)

    monkeypatch.setattr(managementapi.ManagementApi, "_send", failing)
    inputs = {"reference": REFERENCE, "poolSize": 9}
    answers[:] = [(429, {"X-RateLimit-Reset": "0"}, ""), (503, {"retry-after": "0"}, "")]
    engine.create(KIND, inputs)
    assert [call[0] for call in project.written] == ["PATCH"] * 3
    for answer in ((500, {}, ""), (429, {"X-RateLimit-Reset": "3600"}, "")):
        project.calls, project.pool_size, answers[:] = [], None, [answer]
        assert f"PATCH /config/database/pooler: it answered {answer[0]}" in refused(engine, inputs)
        assert len(project.written) == 1


def test_an_answer_that_is_not_documented_is_named_and_not_shown(engine, project):
    for body in ("<html>geheim", "[]", "{}", '"geheim"'):
        project.failures = [(200, {}, body)]
        said = refused(engine)
        assert said.endswith("management API, GET /: it answered what its documentation doesn't have")


def test_a_redirect_does_not_get_the_token(engine, project):
    with ManagementApiDouble() as other:
        project.failures = [(302, {"Location": f"{other.address}/v1/projects/{REFERENCE}"}, "")]
        assert "it answered 302" in refused(engine)
        assert other.project.calls == []


def test_no_answer_is_one_line(engine, api, monkeypatch):
    monkeypatch.setattr(managementapi, "ADDRESS", "http://127.0.0.1:1")
    assert "management API, GET /: no answer: [Errno 111] Connection refused" in refused(engine)


# The double.


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "/config/database/postgres", None, 404),
        ("POST", "/ssl-enforcement", {"requestedConfig": {"database": True}}, 404),
        ("PUT", "/ssl-enforcement", {"database": True}, 400),
        ("PUT", "/ssl-enforcement", {"requestedConfig": {"database": "true"}}, 400),
        ("PATCH", "/config/database/pooler", {"default_pool_size": 3001}, 400),
        ("PATCH", "/config/database/pooler", {"pool_mode": "statement"}, 400),
        ("PATCH", "/config/database/pooler", {"max_client_conn": 5}, 400),
        ("POST", "/network-restrictions/apply", {"dbAllowedCidrs": ["2001:db8::/32"]}, 400),
        ("POST", "/network-restrictions/apply", ["0.0.0.0/0"], 400),
    ],
)
def test_the_double_refuses_what_is_not_documented(engine, api, method, path, body, status):
    with pytest.raises(managementapi.ApiError, match=f"it answered {status}"):
        engine.run(managementapi.ManagementApi(REFERENCE)._call(method, path, body))
