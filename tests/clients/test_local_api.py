"""The local API: supabase-js with its URL and keys, its process, its log."""

import os
import signal
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from declared import tokens
from declared.connectionurl import parse
from declared.objectlayout import TENANT
from local import apiservice, services
from local.postgres import RunningServer
from local.processes import process_ids
from tests.clients import localapi
from tests.clients.localapi import LocalApi
from tests.clients.world import Complete, Programs
from tests.local.conftest import MotoServer
from tests.sql.provision import ADA, Connection


@pytest.fixture(scope="module")
def complete(complete: Complete, cluster: Any, complete_template: str) -> Iterator[Complete]:
    """A database of its own, with buckets of its own; the logins and their passwords are the server's."""
    name = f"local_api_{os.getpid()}"
    yield replace(complete, database=cluster.create(name, complete_template))
    cluster.drop(name)


def faults(results: dict[str, str]) -> dict[str, str]:
    return {name: verdict for name, verdict in results.items() if verdict != "ok"}


def test_supabase_js_reaches_rows_with_one_url_and_a_key(programs: Programs, served: LocalApi, people: None) -> None:
    results = programs.run("supabase.mjs", **served.values())
    assert len(results) == 11
    assert faults(results) == {}, faults(results)


def test_supabase_js_stores_files_under_row_security_and_none_without_a_row(
    programs: Programs, served: LocalApi, people: None, moto: MotoServer, admin: Connection
) -> None:
    results = programs.run("storage.mjs", **served.values())
    assert len(results) == 12
    assert faults(results) == {}, faults(results)
    rows = admin.execute("select format('%s/%s/%s', bucket_id, name, version) from storage.objects").fetchall()
    listed = moto.client("s3").list_objects_v2(Bucket=localapi.OBJECTS)["Contents"]
    assert len(rows) == 1
    prefix = f"{TENANT}/"
    assert sorted(each["Key"].removeprefix(prefix) for each in listed) == sorted(key for (key,) in rows)


def test_nothing_secret_is_in_its_log_or_on_a_command_line(served: LocalApi) -> None:
    """After the requests of the tests before, with what the database refused among them."""
    log = (served.folder / apiservice.LOG).read_text()
    kept = apiservice.known(served.folder)
    assert kept is not None
    passwords = served.complete.passwords.values()
    secrets = [kept.secret, kept.key("anon"), kept.key("service_role"), "eyJ", *passwords, served.start.secret_key]
    lines = [Path(f"/proc/{pid}/cmdline") for pid in process_ids()]
    said = log + "".join(line.read_text() for line in lines if line.exists() and "local.api" in line.read_text())
    assert "local.api" in said
    assert [each for each in secrets if each in said] == []
    assert (served.folder / "api.json").stat().st_mode & 0o777 == 0o600


def ask(served: LocalApi, path: str, key: str = "", token: str = "") -> tuple[int, str]:
    """The status and the text that a visitor gets, or who has the token."""
    headers = {"apikey": key or served.values()["anon"]} | ({"Authorization": f"Bearer {token}"} if token else {})
    request = urllib.request.Request(served.url + path, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return int(answer.status), answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def status(served: LocalApi, path: str) -> int:
    return ask(served, path)[0]


def wait_for(what: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not what():
        assert time.monotonic() < deadline, "it didn't come"
        time.sleep(0.05)


def test_its_schema_cache_follows_a_migration(served: LocalApi, admin: Connection) -> None:
    assert status(served, "/rest/v1/rpc/of_a_migration") == 404
    admin.execute(
        "create function public.of_a_migration() returns text language sql stable "
        "return current_setting('statement_timeout')"
    )
    admin.execute("grant execute on function public.of_a_migration() to anon")
    try:
        time.sleep(0.3)
        assert status(served, "/rest/v1/rpc/of_a_migration") == 404, "nothing has said so yet"
        served.again()
        wait_for(lambda: status(served, "/rest/v1/rpc/of_a_migration") == 200)
        assert ask(served, "/rest/v1/rpc/of_a_migration")[1] == '"3s"', "as the role anon has it"
    finally:
        admin.execute("drop function public.of_a_migration()")


def children(name: str) -> list[int]:
    """The processes that run PostgREST for the tests of this user's."""
    return [pid for pid in process_ids() if _exe(pid).endswith(name)]


def _exe(pid: int) -> str:
    try:
        return os.readlink(f"/proc/{pid}/exe")
    except OSError:
        return ""


def test_what_ends_is_started_again_with_the_same_keys(served: LocalApi) -> None:
    before, running = served.values(), lambda: status(served, "/rest/v1/projects") == 200
    program = apiservice.known(served.folder).start.program
    (postgrest,) = children(program)
    os.kill(postgrest, signal.SIGKILL)
    wait_for(lambda: apiservice.address(served.folder) is not None and children(program) != [postgrest])
    assert running()
    pid = int((served.folder / "api.pid").read_text())
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: children(program) == [])
    assert apiservice.address(served.folder) is None
    apiservice.again(served.folder, lambda start: start, lambda message: None)
    assert running()
    assert {name: served.values()[name] for name in ("url", "anon", "service")} == {
        name: before[name] for name in ("url", "anon", "service")
    }


def test_a_token_of_the_old_secret_is_served_until_it_is_taken_out(served: LocalApi) -> None:
    """By PostgREST and by the storage part; a forged one never, and one that names no algorithm neither."""
    old, secret = served.values(), served.secret
    unsigned = f"{'.'.join(tokens.signed('', {'role': 'service_role'}).split('.')[:2])}."

    def verdicts() -> dict[str, list[int]]:
        """Of each token at both parts, and of both keys."""
        now = served.values()
        asked = {
            "old": (now["anon"], old["tokens"]["ada"]),
            "new": (now["anon"], now["tokens"]["ada"]),
            "forged": (now["anon"], now["tokens"]["forged"]),
            "unsigned": (now["anon"], unsigned),
            "expired": (now["anon"], tokens.of_person(secret, ADA, 60, int(time.time()) - 3600)),
            "key": (old["anon"], ""),
        }
        paths = ("/rest/v1/projects?limit=1", "/storage/v1/bucket")
        return {name: [ask(served, path, *given)[0] for path in paths] for name, given in asked.items()}

    never = {"forged": [401, 400], "unsigned": [401, 400], "expired": [401, 400]}
    assert apiservice.rotate(served.folder, False, lambda message: None)
    assert served.secret != secret
    assert verdicts() == {"old": [200, 200], "new": [200, 200], "key": [200, 200], **never}
    assert not apiservice.rotate(served.folder, False, lambda message: None), "two are open already"
    served.again()
    assert verdicts()["old"] == [200, 200]
    assert apiservice.rotate(served.folder, True, lambda message: None)
    assert verdicts() == {"old": [401, 400], "new": [200, 200], "key": [401, 400], **never}
    assert not apiservice.rotate(served.folder, True, lambda message: None)


def test_postgrest_runs_without_rights_of_root(served: LocalApi) -> None:
    (postgrest,) = children(apiservice.known(served.folder).start.program)
    assert Path(f"/proc/{postgrest}").stat().st_uid != 0 or os.geteuid() != 0
    assert Path(f"/proc/{postgrest}/cmdline").read_bytes().count(b"\0") == 1


def test_it_goes_where_its_services_have_gone(served: LocalApi) -> None:
    server, aws = (
        RunningServer("127.0.0.1", 7, "postgres", "pw", 17),
        services.Moto("http://127.0.0.1:8", "AKIA", "key"),
    )
    moved = services._moved(served.start, services.Services(server, aws))
    before, after = parse(served.start.storage_url), parse(moved.storage_url)
    assert after == {**before, "port": "7"}
    assert (moved.endpoint, moved.access_key, moved.fingerprint != served.start.fingerprint) == (
        aws.endpoint,
        "AKIA",
        True,
    )
    assert services._moved(served.start, services.Services(None, aws)).rest_url == served.start.rest_url


def test_it_stops_with_the_services_and_starts_no_more_once_it_is_withdrawn(
    served: LocalApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = apiservice.known(served.folder).start.program
    monkeypatch.setattr(services, "stack_folder", lambda stack: served.folder)
    services.stop("dev")
    assert (apiservice.address(served.folder), children(program)) == (None, [])
    apiservice.withdraw(served.folder)
    apiservice.again(served.folder, lambda start: start, lambda message: None)
    assert apiservice.address(served.folder) is None
