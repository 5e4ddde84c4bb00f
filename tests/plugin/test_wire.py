"""Property values on the wire: what the engine sends, what it gets back."""

import json
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plugin.proto import provider_pb2
from plugin.wire import (
    OUTPUT,
    SECRET,
    SIGNATURE,
    UNKNOWN,
    UNKNOWN_WIRE,
    Properties,
    decode,
    encode,
    has_unknown,
)

LEAVES = (
    st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20)
    | st.just(UNKNOWN)
)
NAMES = st.text(min_size=1, max_size=10).filter(lambda name: not name.startswith("__"))
VALUES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=4), max_leaves=12
)
MAPS = st.dictionaries(NAMES, VALUES, max_size=5)


def sent(value: Any) -> Properties:
    """A value as the engine sends it, written as plain JSON."""
    message = provider_pb2.CheckRequest().news
    message.update({"it": value})
    return decode(message)


@settings(max_examples=200, deadline=None, database=None)
@given(MAPS, st.data())
def test_whatever_is_sent_comes_back_the_same_with_the_same_secrets(values, data):
    secrets = data.draw(st.sets(st.sampled_from(sorted(values)))) if values else set()
    wire = encode(values, secrets).SerializeToString()
    message = provider_pb2.CheckRequest().news
    message.ParseFromString(wire)
    assert decode(message) == Properties(values, frozenset(secrets))


def test_numbers_leave_as_numbers_and_whole_ones_arrive_as_integers():
    """Trap 2: on the wire every number is a double, 5432 arrives as 5432.0."""
    values = decode(encode({"port": 5432, "ratio": 0.5, "large": 2**53, "negative": -1, "list": [1, 2.5]})).values
    assert values == {"port": 5432, "ratio": 0.5, "large": 2**53, "negative": -1, "list": [1, 2.5]}
    assert [type(values[name]) for name in ("port", "ratio", "large")] == [int, float, int]
    assert str(sent(5432.0).values["it"]) == "5432"


def test_a_boolean_stays_a_boolean():
    values = decode(encode({"yes": True, "no": False, "one": 1})).values
    assert [type(value) for value in values.values()].count(bool) == 2
    assert values["one"] == 1


def test_a_property_that_is_null_is_no_property_and_a_null_in_a_list_keeps_its_place():
    assert sent(None).values == {}
    assert "it" not in encode({"it": None}).fields
    assert decode(encode({"it": [1, None, 2]})).values == {"it": [1, None, 2]}


def test_a_secret_is_unwrapped_and_remembered_by_its_top_level_name():
    assert sent({SIGNATURE: SECRET, "value": "x"}) == Properties({"it": "x"}, frozenset({"it"}))
    nested = [{"a": {SIGNATURE: SECRET, "value": {"b": {SIGNATURE: SECRET, "value": 1}}}}]
    assert sent(nested) == Properties({"it": [{"a": {"b": 1}}]}, frozenset({"it"}))


def test_a_secret_leaves_with_the_mark_of_a_secret_whatever_it_holds():
    for value in ("x", 1, [1, {"a": "b"}], {"a": 1}, UNKNOWN):
        field = encode({"it": value, "plain": value}, {"it"}).fields
        assert field["it"].struct_value.fields[SIGNATURE].string_value == SECRET
        assert SIGNATURE not in field["plain"].struct_value.fields
        assert decode(encode({"it": value}, {"it"})).values == {"it": value}


def test_an_output_value_is_its_value_or_unknown_and_says_whether_it_is_secret():
    assert sent({SIGNATURE: OUTPUT, "value": "x", "dependencies": ["urn"]}) == Properties({"it": "x"})
    assert sent({SIGNATURE: OUTPUT, "value": "x", "secret": True}).secrets == {"it"}
    unknown = sent({SIGNATURE: OUTPUT, "secret": True})
    assert unknown.values["it"] is UNKNOWN
    assert unknown.secrets == {"it"}


def test_what_a_preview_does_not_know_is_one_marker_at_any_depth():
    """Trap 3: comparing with an unknown must not raise, and must not say that it is equal."""
    found = sent({"a": [UNKNOWN_WIRE, "known"], "b": {"c": UNKNOWN_WIRE}}).values["it"]
    assert found["a"][0] is UNKNOWN
    assert found["b"]["c"] is UNKNOWN
    assert has_unknown(found)
    assert not has_unknown({"a": ["known", None, 1]})
    assert UNKNOWN != "x"
    assert UNKNOWN != "x"
    assert UNKNOWN != UNKNOWN_WIRE
    assert UNKNOWN == UNKNOWN
    assert {UNKNOWN: 1}[UNKNOWN] == 1
    assert repr(UNKNOWN) == "unknown"
    assert Properties({"a": UNKNOWN, "b": 1}).known == {"b": 1}


def test_a_secret_and_a_plain_value_of_the_same_content_are_equal_here():
    """Trap 3: with the SDK's property values they aren't."""
    assert sent({SIGNATURE: SECRET, "value": "x"}).values == sent("x").values


def test_the_engine_s_own_properties_are_left_out():
    message = encode({"__defaults": ["a"], "__internal": {}, "name": "x"})
    assert decode(message).values == {"name": "x"}


def test_a_large_structure_goes_through():
    steps = {f"{number:04}_step": {"checksum": "a" * 64, "lines": list(range(20))} for number in range(2000)}
    assert decode(encode({"steps": steps})).values == {"steps": steps}


def test_empty_things_stay_empty_things():
    assert decode(encode({"list": [], "map": {}, "text": "", "deep": [[], {}]})).values == {
        "list": [],
        "map": {},
        "text": "",
        "deep": [[], {}],
    }


def test_what_no_property_can_hold_is_an_error():
    with pytest.raises(TypeError, match="a property can't hold a set"):
        encode({"it": {1, 2}})


def test_the_protocol_is_loaded_without_the_sdk_and_does_not_stand_in_its_way():
    """A third of a second of each start; and what imports the SDK afterwards gets it whole."""
    code = """if True:
        import json, sys
        from plugin.server import serve
        early = "pulumi.resource" in sys.modules
        import pulumi
        from pulumi.runtime.proto import provider_pb2
        from plugin.proto import provider_pb2 as ours
        print(json.dumps([early, hasattr(pulumi, "CustomResource"), provider_pb2 is ours]))
    """
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == [False, True, True]
