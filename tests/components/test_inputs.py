"""What the program is given: read from Pulumi, refused in one line without a stack trace."""

import json
import secrets
from collections.abc import Iterator
from typing import Any

import pulumi
import pulumi.runtime.config
import pytest

from components import inputs
from components.inputs import InputRefused
from declared.settings import defaults


def configure(secret: tuple[str, ...] = (), **values: Any) -> None:
    """The configuration as the engine hands it on, with the defaults of `Pulumi.yaml`."""
    texts = {
        key: value if isinstance(value, str) else json.dumps(value) for key, value in {**defaults(), **values}.items()
    }
    pulumi.runtime.config.set_all_config(
        {"aws:region": "eu-west-1", **{f"database:{key}": text for key, text in texts.items()}},
        [f"database:{key}" for key in secret],
    )


@pytest.fixture(autouse=True)
def nobody_else_sees_the_configuration() -> Iterator[None]:
    yield
    pulumi.runtime.config.set_all_config({})


def test_the_settings_are_those_of_the_namespace_database():
    configure(passwords=[2])
    found = inputs.settings()
    assert (found.region, found.passwords) == ("us-east-1", (2,))


def test_a_setting_that_cannot_be_used_is_one_line():
    configure(rotation="2")
    with pytest.raises(InputRefused) as caught:
        inputs.settings()
    assert isinstance(caught.value, pulumi.RunError), "shown without a stack trace"
    assert str(caught.value).startswith("setting database:rotation is '2'; allowed is no such key; there are target, ")


@pytest.mark.parametrize("key", ["buckets", "region", "pasword"])
def test_the_value_of_a_secret_is_never_shown(key):
    value = secrets.token_hex(8)
    configure((key,), **{key: [{"id": value.upper()}] if key == "buckets" else value})
    with pytest.raises(InputRefused) as caught:
        inputs.settings()
    assert value not in str(caught.value).lower()


@pytest.mark.parametrize("name", ["Feature_X", "a" * 31, "state", "-x", "1st", "x-"])
def test_a_stack_whose_name_can_become_no_folder_and_no_bucket_is_refused(name, monkeypatch):
    monkeypatch.setattr(pulumi, "get_stack", lambda: name)
    with pytest.raises(InputRefused) as caught:
        inputs.stack()
    assert str(caught.value).startswith(f"stack {name!r}: ")
    assert "\n" not in str(caught.value)


def test_the_name_of_the_stack_is_taken_as_it_is(monkeypatch):
    monkeypatch.setattr(pulumi, "get_stack", lambda: "pr-12")
    assert inputs.stack() == "pr-12"


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"offline": "true"}, "setting database:offline is 'true'; allowed where database:target is aws"),
    ],
)
def test_a_target_that_is_not_built_is_refused(given, reason):
    configure(**given)
    with pytest.raises(InputRefused) as caught:
        inputs.target(inputs.settings())
    assert str(caught.value) == reason


def test_a_target_may_be_played_by_this_machine():
    configure(target="aws")
    assert inputs.target(inputs.settings()).plugins is None, "the official plugin"
    configure(target="aws", offline="true")
    assert inputs.target(inputs.settings()).plugins is not None


def test_an_api_is_refused_where_none_is_started():
    configure(api="true")
    assert inputs.target(inputs.settings()).can.serve_api
    configure(api="true", adopted="adopted/shop")
    with pytest.raises(InputRefused, match=r"api is 'true'; allowed is empty where database:adopted is set: the API"):
        inputs.target(inputs.settings())
    configure(api="true", target="supabase")
    with pytest.raises(InputRefused, match=r"api is 'true'; allowed is empty where database:target is supabase: the"):
        inputs.target(inputs.settings())


def test_guardduty_is_refused_where_it_cannot_scan():
    configure(scanning="guardduty")
    with pytest.raises(InputRefused, match="scanning is 'guardduty'; allowed is clamav where database:target is local"):
        inputs.target(inputs.settings())
