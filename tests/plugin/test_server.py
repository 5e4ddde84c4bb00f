"""The server between the engine and a plugin, and the traps of the provider class and of PostgreSQL under it.

Which trap of the style guide's section 5 is held by which test:

1  a child's type is a whole chain    test_a_resource_inside_components_is_found_in_all_six_calls
2  numbers are doubles                test_wire: test_numbers_leave_as_numbers_and_whole_ones_arrive_as_integers
3  unknowns can't be compared         test_wire: test_what_a_preview_does_not_know_is_one_marker_at_any_depth;
                                      here: test_an_unknown_input_is_a_change_and_never_an_error
4  DiffConfig                         test_other_provider_arguments_are_a_change_and_never_a_replacement
5  Configure's four flags             test_configure_says_what_the_plugin_supports
6  read repeats the state, no schema  test_provider/test_contract: …_changed_manually_is_seen…; here: test_the_schema_…
7  diff of a refresh                  here: test_a_diff_gets_what_was_read_as_old_and_the_inputs_as_new
8  exceptions with stack frames       here: test_an_error_of_ours_is_one_line…, test_a_plugin_error_is_its_own_line
9  print takes the port's line        here: test_a_print_does_not_take_the_line_of_the_port
10 passwords in DDL and in errors     test_provider/test_secrets: …_reaches_the_server_as_a_verifier_only and others
11 % in files                         test_provider/test_migrations: test_a_percent_sign_is_a_percent_sign
12 spelling follows the search path   test_provider/test_contract: …_spells_it_under_an_empty_search_path
13 grants at once                     test_provider/test_grants: test_many_grants_on_one_table_at_once…
14 restrictive policies               test_provider/test_contract: test_a_restrictive_policy_is_never_open…
"""

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import grpc
import pytest

from plugin.proto import provider_pb2, provider_pb2_grpc
from plugin.server import CheckFailure, Diff, Kind, Plugin, PluginError, Resource, Servicer, top
from plugin.wire import SECRET, SIGNATURE, UNKNOWN, decode, encode

CHECKOUT = Path(__file__).resolve().parents[2]
PLAIN = "urn:pulumi:dev::vpb::toy:index:Thing::one"
CHILD = "urn:pulumi:dev::vpb::vpb:index:Access$vpb:index:Inner$toy:index:Thing::a::b"

TOY = """
import asyncio, sys
from plugin.server import CheckFailure, Diff, Kind, Plugin, Resource, serve

print("printed while importing")

class Thing(Kind):
    token = "toy:index:Thing"
    async def check(self, context, old, new):
        print("printed in check")
        sys.stdout.flush()
        return new, []

class Toy(Plugin):
    name = "toy"
    version = "1.0.0"
    async def configure(self, inputs):
        print("printed in configure", flush=True)
        if inputs.get("wait"):
            try:
                await asyncio.sleep(60)
            finally:
                print("the call was ended", file=sys.stderr, flush=True)
    async def close(self):
        print("closed", file=sys.stderr, flush=True)

serve(Toy([Thing()]))
"""


class Refusal(Exception):
    """What the engine would show."""


class Call:
    async def abort(self, code: Any, message: str) -> None:
        raise Refusal(message)


class Thing(Kind):
    """Keeps what it was called with."""

    token = "toy:index:Thing"
    secret_outputs = frozenset({"made"})

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.seen: list[Any] = []
        self.raises: Exception | None = None
        self.failures: list[CheckFailure] = []

    def note(self, name: str, *seen: Any) -> None:
        self.calls.append(name)
        self.seen = list(seen)
        if self.raises:
            raise self.raises

    async def check(self, context, old, new):
        self.note("check", old, new)
        return new, self.failures if "name" in new else [CheckFailure("name", "is required")]

    async def diff(self, context, id, state, new):
        self.note("diff", state, new)
        return Diff({name: "update" for name in new if state.get(name) != new[name]})

    async def create(self, context, inputs, preview):
        self.note("create", inputs, preview)
        await context.info("made")
        await context.status("making")
        return "id", {**inputs, "made": "x"}

    async def read(self, context, id, state, inputs):
        self.note("read", id, state, inputs)
        return None if id == "gone" else Resource(id, {**state, "made": "x"}, inputs)

    async def update(self, context, id, state, new, preview):
        self.note("update", state, new, preview)
        return {**new, "made": "y"}

    async def delete(self, context, id, state):
        self.note("delete", id, state)


class Toy(Plugin):
    name = "toy"
    version = "1.2.3"

    def __init__(self) -> None:
        self.thing = Thing()
        super().__init__([self.thing])
        self.configured: dict[str, Any] = {}

    async def configure(self, inputs):
        self.configured = inputs

    def schema(self):
        return "{}"


class Stub:
    """The engine's side of the log."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, bool, str]] = []

    async def Log(self, request: Any) -> None:
        self.lines.append((request.message, request.ephemeral, request.urn))


class Server:
    def __init__(self) -> None:
        self.plugin, self.stub = Toy(), Stub()
        self.servicer = Servicer(self.plugin, self.stub)  # type: ignore[arg-type]

    def call(self, name: str, request: Any) -> Any:
        return asyncio.run(getattr(self.servicer, name)(request, Call()))


@pytest.fixture
def server() -> Server:
    return Server()


def requests(urn: str, values: dict[str, Any] | None = None) -> dict[str, Any]:
    """The six calls on one resource."""
    inputs = encode(values or {"name": "x"})
    return {
        "Check": provider_pb2.CheckRequest(urn=urn, news=inputs),
        "Diff": provider_pb2.DiffRequest(urn=urn, id="id", olds=inputs, news=inputs),
        "Create": provider_pb2.CreateRequest(urn=urn, properties=inputs),
        "Read": provider_pb2.ReadRequest(urn=urn, id="id", properties=inputs, inputs=inputs),
        "Update": provider_pb2.UpdateRequest(urn=urn, id="id", olds=inputs, news=inputs),
        "Delete": provider_pb2.DeleteRequest(urn=urn, id="id", properties=inputs),
    }


SIX = list(requests(PLAIN))


@pytest.mark.parametrize("urn", [PLAIN, CHILD])
def test_a_resource_inside_components_is_found_in_all_six_calls(server, urn):
    """Trap 1: the type of a child is the chain of its parents' types."""
    for name, request in requests(urn).items():
        server.call(name, request)
    assert server.plugin.thing.calls == [name.lower() for name in SIX]


@pytest.mark.parametrize("call", SIX)
def test_an_unknown_type_is_one_line_that_names_the_known_ones(server, call):
    with pytest.raises(Refusal) as caught:
        server.call(call, requests(CHILD.replace("Thing", "Other"))[call])
    assert str(caught.value) == "toy:index:Other is not a resource type of this plugin, which has toy:index:Thing"


@pytest.mark.parametrize("call", SIX)
def test_a_plugin_error_is_its_own_line(server, call, capfd):
    server.plugin.thing.raises = PluginError("table public.notes: permission denied (42501)")
    with pytest.raises(Refusal) as caught:
        server.call(call, requests(PLAIN)[call])
    assert str(caught.value) == "table public.notes: permission denied (42501)"
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("call", SIX)
def test_an_error_of_ours_is_one_line_without_frames_and_without_its_text(server, call, capfd):
    """Trap 8; what goes to standard error is shown to the user as well, so that stays empty."""
    server.plugin.thing.raises = RuntimeError("a text\nwith a secret in it")
    with pytest.raises(Refusal) as caught:
        server.call(call, requests(PLAIN)[call])
    said = str(caught.value)
    assert said.startswith("internal error of the toy plugin (RuntimeError at tests/plugin/test_server.py:")
    assert said.endswith("), please report it")
    assert "\n" not in said
    assert "secret" not in said
    assert capfd.readouterr() == ("", "")


def test_check_failures_name_their_property(server):
    answer = server.call("Check", requests(PLAIN, {"other": 1})["Check"])
    assert [(item.property, item.reason) for item in answer.failures] == [("name", "is required")]


@pytest.mark.parametrize("value", [{"0001": "hash"}, ["select"], "x" * 81, SECRET])
def test_a_check_failure_leaves_the_property_out_where_the_engine_would_print_a_long_value_or_a_secret(server, value):
    inputs = encode({"name": "a", "other": "b" if value is SECRET else value}, {"other"} if value is SECRET else ())
    server.plugin.thing.failures = [CheckFailure("other", "is wrong"), CheckFailure("name", "is short")]
    answer = server.call("Check", provider_pb2.CheckRequest(urn=PLAIN, news=inputs))
    assert [(item.property, item.reason) for item in answer.failures] == [("", "other: is wrong"), ("name", "is short")]


def test_an_ignored_property_is_no_change(server):
    request = provider_pb2.DiffRequest(
        urn=PLAIN, olds=encode({"a": 1, "b": 1}), news=encode({"a": 2, "b": 2}), ignoreChanges=["a"]
    )
    answer = server.call("Diff", request)
    assert dict(answer.detailedDiff).keys() == {"b"}
    assert list(answer.diffs) == ["b"]
    request.ignoreChanges.append("b")
    assert server.call("Diff", request).changes == provider_pb2.DiffResponse.DIFF_NONE


def test_an_unknown_input_is_a_change_and_never_an_error(server):
    """Trap 3."""
    request = provider_pb2.DiffRequest(urn=PLAIN, olds=encode({"a": 1}), news=encode({"a": UNKNOWN}))
    assert server.call("Diff", request).changes == provider_pb2.DiffResponse.DIFF_SOME


def test_a_diff_gets_what_was_read_as_old_and_the_inputs_as_new(server):
    """Trap 7: there are no old inputs; what a refresh found is the old state."""
    request = provider_pb2.DiffRequest(urn=PLAIN, olds=encode({"a": "found"}), news=encode({"a": "declared"}))
    server.call("Diff", request)
    assert server.plugin.thing.seen == [{"a": "found"}, {"a": "declared"}]


@pytest.mark.parametrize(("path", "name"), [("a", "a"), ('a["b.c"]', "a"), ("a[0].b", "a"), ("a.b", "a")])
def test_a_property_path_begins_with_its_property(path, name):
    assert top(path) == name


def secrets_of(message: Any) -> set[str]:
    return {name for name, item in message.fields.items() if item.struct_value.fields[SIGNATURE].string_value == SECRET}


def test_secrets_are_marked_in_outputs_whether_declared_so_or_given_so(server):
    inputs = encode({"name": "x", "given": "y"}, {"given"})
    created = server.call("Create", provider_pb2.CreateRequest(urn=PLAIN, properties=inputs))
    assert secrets_of(created.properties) == {"given", "made"}
    updated = server.call("Update", provider_pb2.UpdateRequest(urn=PLAIN, olds=inputs, news=inputs))
    assert secrets_of(updated.properties) == {"given", "made"}
    read = server.call("Read", provider_pb2.ReadRequest(urn=PLAIN, id="id", properties=inputs, inputs=inputs))
    assert secrets_of(read.properties) == {"given", "made"}
    assert secrets_of(read.inputs) == {"given"}
    checked = server.call("Check", provider_pb2.CheckRequest(urn=PLAIN, news=encode({"name": "x", "made": "plain"})))
    assert secrets_of(checked.inputs) == {"made"}, "an input that the type calls secret is one however it was given"


def test_a_resource_that_is_gone_is_read_as_an_empty_id(server):
    assert server.call("Read", provider_pb2.ReadRequest(urn=PLAIN, id="gone")).id == ""


def test_messages_and_progress_reach_the_engine_with_the_resource_they_are_about(server):
    server.call("Create", requests(CHILD)["Create"])
    assert server.stub.lines == [("made", False, CHILD), ("making", True, CHILD)]


def test_configure_says_what_the_plugin_supports(server):
    """Trap 5: an empty answer would mean that nothing is supported."""
    answer = server.call("Configure", provider_pb2.ConfigureRequest(args=encode({"port": UNKNOWN, "host": "h"})))
    assert (answer.acceptSecrets, answer.supportsPreview) == (True, True)
    assert (answer.acceptResources, answer.acceptOutputs) == (False, False)
    assert server.plugin.configured == {"port": UNKNOWN, "host": "h"}


def test_other_provider_arguments_are_a_change_and_never_a_replacement(server):
    """Trap 4."""

    def compared(old: dict[str, Any], new: dict[str, Any]) -> Any:
        return server.call("DiffConfig", provider_pb2.DiffRequest(olds=encode(old), news=encode(new)))

    changed = compared({"host": "a", "password": "x"}, {"host": "b", "password": UNKNOWN})
    assert changed.changes == provider_pb2.DiffResponse.DIFF_SOME
    assert list(changed.replaces) == []
    assert not changed.deleteBeforeReplace
    assert compared({"host": "a"}, {"host": "a"}).changes == provider_pb2.DiffResponse.DIFF_NONE


def test_the_schema_the_version_and_an_unknown_function_are_answered(server):
    """Trap 6: the base class has no schema."""
    assert server.call("GetSchema", provider_pb2.GetSchemaRequest()).schema == "{}"
    assert server.call("GetPluginInfo", None).version == "1.2.3"
    with pytest.raises(Refusal, match=r"^toy has no function toy:index:call$"):
        server.call("Invoke", provider_pb2.InvokeRequest(tok="toy:index:call"))


# The real process.


@pytest.fixture
def toy(tmp_path):
    path = tmp_path / "toy.py"
    path.write_text(TOY)
    return path


ENVIRONMENT = {**os.environ}


def _port(process: "subprocess.Popen[str]") -> int:
    assert process.stdout is not None
    first = process.stdout.readline()
    # What is printed before `serve` is beyond its reach; that is why plugins import nothing that prints.
    return int(first if first.strip().isdigit() else process.stdout.readline())


def test_a_print_does_not_take_the_line_of_the_port(toy):
    """Trap 9: the first line of standard output is the port."""
    process = subprocess.Popen(
        [sys.executable, str(toy)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=ENVIRONMENT
    )
    try:
        port = _port(process)
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            stub = provider_pb2_grpc.ResourceProviderStub(channel)
            stub.Configure(provider_pb2.ConfigureRequest())
            answer = stub.Check(provider_pb2.CheckRequest(urn=PLAIN, news=encode({"a": 1})))
            assert decode(answer.inputs).values == {"a": 1}
    finally:
        process.kill()
        out, error = process.communicate()
    assert out == ""
    assert "printed in check" in error


@pytest.mark.parametrize("busy", [False, True])
@pytest.mark.parametrize("ignored", [False, True])
def test_the_signal_of_an_engine_that_is_done_ends_the_plugin_without_a_word(toy, busy, ignored):
    """Even where a shell started the engine in the background, with the signal ignored: it would wait for 5 s."""
    begun = signal.signal(signal.SIGINT, signal.SIG_IGN) if ignored else None
    process = subprocess.Popen(
        [sys.executable, str(toy)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=ENVIRONMENT
    )
    if begun:
        signal.signal(signal.SIGINT, begun)
    assert process.stderr is not None
    port = _port(process)
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        if busy:
            stub = provider_pb2_grpc.ResourceProviderStub(channel)
            # Kept, or it would be cancelled.
            call = stub.Configure.future(provider_pb2.ConfigureRequest(args=encode({"wait": True})))
            assert process.stderr.readline() == "printed in configure\n"
        process.send_signal(signal.SIGINT)
        try:
            _, said = process.communicate(timeout=4)
        finally:
            process.kill()
    assert process.returncode == 0
    assert not busy or call.done()
    assert said == ("the call was ended\nclosed\n" if busy else "")


def test_the_plugin_ends_soon_after_the_engine_was_killed(toy, tmp_path):
    pid_file = tmp_path / "pid"
    parent = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import subprocess, sys, time\n"
            "child = subprocess.Popen([sys.executable, sys.argv[1]], stdout=subprocess.PIPE)\n"
            "child.stdout.readline()\n"
            "open(sys.argv[2], 'w').write(str(child.pid))\n"
            "time.sleep(60)\n",
            *(str(toy), str(pid_file)),
        ],
        env=ENVIRONMENT,
        stderr=subprocess.DEVNULL,
    )
    while not pid_file.exists() or not pid_file.read_text():
        time.sleep(0.02)
    child = int(pid_file.read_text())
    os.kill(child, 0)
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    deadline = time.monotonic() + 2
    while _runs(child):
        assert time.monotonic() < deadline, "two seconds after its engine was killed the plugin still runs"
        time.sleep(0.02)


def _runs(pid: int) -> bool:
    try:
        # A killed orphan stays in the table until its new parent asks for it.
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False
