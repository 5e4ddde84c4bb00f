"""The local API: supabase-js with its URL and keys, its process, its log."""

import base64
import http.client
import json
import os
import re
import signal
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from email.message import Message
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from declared import tokens
from declared.connectionurl import parse
from declared.objectlayout import TENANT
from local import apiservice, services
from local.postgres import RunningServer
from local.processes import process_ids, state_and_parent
from targets.local import Local
from tests.clients import localapi
from tests.clients.localapi import LocalApi
from tests.clients.world import Complete, Programs
from tests.local.conftest import MotoServer
from tests.sql.provision import ADA, Connection

pytestmark = pytest.mark.xdist_group("local_api")


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
    values = served.values()
    name = f"/storage/v1/object/avatars/{ADA}//secret.png"
    size = {"Content-Type": "image/png", "Content-Length": "1", "apikey": values["service"]}
    assert raw(served, "POST", name, size, b"1")[0] == 400
    assert raw(served, "GET", f"/storage/v1/object/sign/avatars/a.png?token={values['tokens']['ada']}", {})[0] == 400
    assert ask(served, f"/rest/v1/projects?apikey={values['anon']}", token=values["tokens"]["forged"])[0] == 401
    log = apiservice.log(served.folder).read_text()
    assert "secret.png" in log, "what the database refuses is noted, so this looks at something"
    kept = apiservice.known(served.folder)
    assert kept is not None
    passwords = served.complete.passwords.values()
    secrets = [kept.secret, kept.key("anon"), kept.key("service_role"), "eyJ", *passwords, served.start.secret_key]
    lines = [Path(f"/proc/{pid}/cmdline") for pid in process_ids()]
    said = log + "".join(line.read_text() for line in lines if line.exists() and "local.api" in line.read_text())
    assert "local.api" in said
    assert [each for each in secrets if each in said] == []
    assert (served.folder / "api.json").stat().st_mode & 0o777 == 0o600


AVATARS = f"/storage/v1/object/avatars/{ADA}"
# Method, path, headers and body that no client of Supabase's sends → what the answer says. A form of bytes is a header.
STRANGE: dict[str, tuple[str, str, dict[str, str], bytes, str]] = {
    "sort by a text": (
        "POST",
        "/storage/v1/object/list/avatars",
        {},
        b'{"sortBy": "name"}',
        "body/sortBy must be object",
    ),
    "a search that is a list": (
        "POST",
        "/storage/v1/object/list/avatars",
        {},
        b'{"search": []}',
        "body/search must be",
    ),
    "a limit that is a text": ("POST", "/storage/v1/object/list/avatars", {}, b'{"limit": "5"}', "body/limit must be"),
    "sort by no column": ("POST", "/storage/v1/object/list/avatars", {}, b'{"sortBy": {"column": "x"}}', "one of name"),
    "more paths than are signed": (
        *("POST", "/storage/v1/object/sign/avatars", {}, json.dumps({"expiresIn": 60, "paths": ["a"] * 1001}).encode()),
        "at most 1000",
    ),
    "metadata nested deeply": (
        *("POST", f"{AVATARS}/a.png"),
        *({"Content-Type": "image/png", "x-metadata": base64.b64encode(b"[" * 20_000).decode()}, b"1"),
        "must be a JSON object",
    ),
    "another scheme": (
        "GET",
        "/storage/v1/bucket",
        {"Authorization": "Basic abc"},
        b"",
        "must be `Bearer` and a token",
    ),
    "no token": ("GET", "/storage/v1/bucket", {"Authorization": "Bearer"}, b"", "must be `Bearer` and a token"),
    "beyond any list": ("POST", "/storage/v1/object/list/avatars", {}, b'{"offset": 1%s}' % (b"0" * 30), "[]"),
    "half a character": ("POST", "/storage/v1/object/list/avatars", {}, b'{"prefix": "\\ud800"}', "Invalid key: "),
    "nested deeply": ("POST", "/storage/v1/object/list/avatars", {}, b"[" * 200_000, "body must be object"),
    "prefixes that are a number": ("DELETE", "/storage/v1/object/avatars", {}, b'{"prefixes": 1}', "must be array"),
    "paths that are numbers": (
        "POST",
        "/storage/v1/object/sign/avatars",
        {},
        b'{"expiresIn": 60, "paths": [1]}',
        "body/paths must be array of",
    ),
    "a type of other letters": ("POST", f"{AVATARS}/a.png", {"Content-Type": "image/p\xfcng"}, b"1", "printable ASCII"),
    "a cache control with other letters": (
        "POST",
        f"{AVATARS}/a.png",
        {"Content-Type": "image/png", "Cache-Control": "caf\xe9"},
        b"1",
        "printable ASCII",
    ),
    "a length that is none": ("POST", f"{AVATARS}/a.png", {"Content-Length": "abc"}, b"", "content-length must be"),
    "paths that are a text": (
        *("POST", "/storage/v1/object/sign/avatars", {}, b'{"expiresIn": 60, "paths": "a"}'),
        "body/paths must be array",
    ),
    "a folder above": ("POST", f"{AVATARS}/../x/a.png", {"Content-Type": "image/png"}, b"1", "name"),
    "an empty folder": ("POST", f"{AVATARS}//a.png", {"Content-Type": "image/png"}, b"1", "name"),
    "metadata with a NUL": (
        *("POST", f"{AVATARS}/a.png", {"Content-Type": "image/png", "x-metadata": "eyJhIjoiXHUwMDAwIn0="}, b"1"),
        "nicode",
    ),
    "chunks that are none": (
        *("POST", f"{AVATARS}/a.png", {"Content-Type": "image/png", "Transfer-Encoding": "chunked"}, b"zz\r\n"),
        "can't be read",
    ),
    "a negative length": ("POST", f"{AVATARS}/a.png", {"Content-Length": "-1"}, b"", "content-length must be"),
}


@pytest.mark.parametrize("name", STRANGE)
def test_what_no_client_sends_is_answered_in_one_line(served: LocalApi, people: None, name: str) -> None:
    method, path, headers, body, said = STRANGE[name]
    length = {} if "Transfer-Encoding" in headers else {"Content-Length": str(len(body))}
    status, text, _ = raw(served, method, path, length | headers, body)
    assert (status, said in text) == (200 if said == "[]" else 400, True), text
    log = apiservice.log(served.folder).read_text()
    assert "Traceback" not in log, log[-3000:]


def raw(
    served: LocalApi, method: str, path: str, headers: dict[str, str], body: bytes = b""
) -> tuple[int, str, Message]:
    """A request as it is written here: whatever its headers say, nothing is added to its body."""
    address = served.url.removeprefix("http://")
    with closing(http.client.HTTPConnection(address, timeout=20)) as connection:
        connection.putrequest(method, path)
        for name, value in {"Authorization": f"Bearer {served.values()['tokens']['ada']}", **headers}.items():
            connection.putheader(name, value.encode("latin-1"))
        connection.endheaders(body)
        answer = connection.getresponse()
        return answer.status, answer.read().decode(), answer.headers


def test_conditions_that_are_none_do_not_count_and_times_are_javascript_s(
    served: LocalApi, people: None, admin: Connection
) -> None:
    path, size = f"{AVATARS}/c.png", {"Content-Type": "image/png", "Content-Length": "3"}
    assert raw(served, "POST", path, size, b"abc")[0] == 200
    admin.execute("update private.object_scans set status = 'clean', scanned_at = now()")
    for strange in ({"Range": "lines=1-2"}, {"Range": "bytes=x"}, {"If-Modified-Since": "yesterday"}):
        assert raw(served, "GET", path, strange)[:2] == (200, "abc")
    assert raw(served, "GET", path, {"Range": "bytes=1-"})[:2] == (206, "bc")
    info = json.loads(raw(served, "GET", f"/storage/v1/object/info/avatars/{ADA}/c.png", {})[1])
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", info["created_at"])
    assert raw(served, "DELETE", path, {})[0] == 200


def test_what_follows_a_body_is_nobody_else_s_request(served: LocalApi, people: None) -> None:
    """A length beside chunks, and a body where there is none, are what a request behind another one is hidden in."""
    key = {"apikey": served.values()["anon"], "Content-Type": "application/json"}
    first, hidden = b'{"projects":[]}', b"DELETE /projects HTTP/1.1\r\nHost: x\r\nX-Ignore: "
    chunks = f"{len(first + hidden):x}\r\n".encode() + first + hidden + b"\r\n0\r\n\r\n"
    path, chunked = "/rest/v1/rpc/project_owners", {"Transfer-Encoding": "chunked"}
    status, said, _ = raw(served, "POST", path, {**key, "Content-Length": str(len(first)), **chunked}, chunks)
    assert (status, "not both" in said) == (400, True)
    status, said, _ = raw(served, "POST", path, {**key, "Transfer-Encoding": "gzip, chunked"}, chunks)
    assert (status, "no other coding" in said) == (400, True)
    own = f"{len(first):x}\r\n".encode() + first + b"\r\n0\r\n\r\n"
    assert raw(served, "POST", path, {**key, **chunked}, own)[:2] == (200, "[]")
    began = time.monotonic()
    rows = "/rest/v1/projects?select=id&limit=0"
    assert raw(served, "GET", rows, {**key, "Content-Length": "2"}, b"{}")[:2] == (200, "[]")
    assert time.monotonic() - began < 10


def test_a_form_in_chunks_has_the_limit_of_its_bucket(served: LocalApi, people: None) -> None:
    head = b'--x\r\nContent-Disposition: form-data; name=""; filename="a.png"\r\nContent-Type: image/png\r\n\r\n'
    body = head + bytes(localapi.LARGEST + (2 << 20)) + b"\r\n--x--\r\n"
    chunks = f"{len(body):x}\r\n".encode() + body + b"\r\n0\r\n\r\n"
    form = {"Content-Type": "multipart/form-data; boundary=x", "Transfer-Encoding": "chunked"}
    status, said, _ = raw(served, "POST", f"{AVATARS}/a.png", form, chunks)
    assert (status, json.loads(said)["statusCode"]) == (400, "413")


def test_no_page_of_a_browser_reads_what_is_for_this_machine_alone(served: LocalApi) -> None:
    assert raw(served, "GET", "/storage/v1/bucket", {})[2]["Access-Control-Allow-Origin"] == "*"
    assert raw(served, "GET", "/_local/health", {})[2]["Access-Control-Allow-Origin"] is None


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


def children(served: LocalApi) -> list[int]:
    """The processes of this API's PostgREST; they go with their parent."""
    parent = int((served.folder / "api.pid").read_text())
    return [pid for pid in process_ids() if _parent(pid) == parent]


def _parent(pid: int) -> int | None:
    try:
        state, parent = state_and_parent(pid)
    except OSError:
        return None
    return None if state == "Z" else parent


def test_what_ends_is_started_again_with_the_same_keys(served: LocalApi) -> None:
    before, running = served.values(), lambda: status(served, "/rest/v1/projects") == 200
    (postgrest,) = children(served)
    os.kill(postgrest, signal.SIGKILL)
    wait_for(lambda: apiservice.address(served.folder) is not None and children(served) != [postgrest])
    assert running()
    pid = int((served.folder / "api.pid").read_text())
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: children(served) == [])
    assert apiservice.address(served.folder) is None
    apiservice.again(served.folder, lambda start: start, lambda message: None)
    assert running()
    assert {name: served.values()[name] for name in ("url", "anon", "service")} == {
        name: before[name] for name in ("url", "anon", "service")
    }


def remark(served: LocalApi) -> str | None:
    """What `./vpb status` says of the API beside its address."""
    with patch("targets.local.stack_folder", return_value=served.folder):
        return next(each.remark for each in Local().beside("dev") if each.name == "PostgREST")


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
    assert remark(served) == "its old secret is accepted too; ./vpb rotate --api --finish --stack dev takes it out"
    served.again()
    assert verdicts()["old"] == [200, 200]
    assert apiservice.rotate(served.folder, True, lambda message: None)
    assert verdicts() == {"old": [401, 400], "new": [200, 200], "key": [401, 400], **never}
    assert remark(served) is None
    assert not apiservice.rotate(served.folder, True, lambda message: None)


def test_postgrest_runs_without_rights_of_root(served: LocalApi) -> None:
    (postgrest,) = children(served)
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
    monkeypatch.setattr(services, "stack_folder", lambda stack: served.folder)
    (postgrest,) = children(served)
    services.stop("dev")
    wait_for(lambda: _parent(postgrest) is None)
    assert apiservice.address(served.folder) is None
    apiservice.withdraw(served.folder)
    apiservice.again(served.folder, lambda start: start, lambda message: None)
    assert apiservice.address(served.folder) is None
