"""The file of a stack's settings: what is none is one line with file and line."""

from pathlib import Path

import pytest

from run import stackfile
from run.state import EngineError

GOOD = b"config:\n  database:target: local\n"
BAD = {
    "a tab": (b"config:\n\tdatabase:target: local\n", "Pulumi.x.yaml:2: is no YAML: found character '\\t'"),
    "an open bracket": (b"config:\n  database:buckets: [a\n", "Pulumi.x.yaml:3: is no YAML: "),
    "an open quote": (b"config:\n  a: 'b\n", "Pulumi.x.yaml:3: is no YAML: "),
    "a list": (b"- config\n", "Pulumi.x.yaml:1: must be a map with the key config, not a list"),
    "a text": (b"config\n", "Pulumi.x.yaml:1: must be a map with the key config, not a text"),
    "a number": (b"12\n", "Pulumi.x.yaml:1: must be a map with the key config, not a int"),
    "config a list": (b"config: [a]\n", "Pulumi.x.yaml: config must be a map of settings, not a list"),
    "config a text": (b"config: a\n", "Pulumi.x.yaml: config must be a map of settings, not a text"),
    "a misspelt config": (
        b"confg:\n  database:target: aws\n",
        "Pulumi.x.yaml: confg is no key of a stack's file, config is perhaps meant; there are config, ",
    ),
    "a setting beside config": (
        GOOD + b"database:maxObjectSize: 5\n",
        "Pulumi.x.yaml: database:maxObjectSize is no key of a stack's file; there are config, ",
    ),
    "a number for a key": (GOOD + b"1: a\n", "Pulumi.x.yaml: 1 is no key of a stack's file; there are config, "),
    "a misspelt namespace": (
        GOOD + b"  databse:maxObjectSize: 5\n",
        "Pulumi.x.yaml: the setting databse:maxObjectSize is read by nobody; database:maxObjectSize is perhaps meant",
    ),
    "a namespace in capitals": (GOOD + b"  Database:url: x\n", "Pulumi.x.yaml: the setting Database:url is read by"),
    "two letters swapped": (GOOD + b"  dtaabase:url: x\n", "Pulumi.x.yaml: the setting dtaabase:url is read by"),
    "UTF-16": (GOOD.decode().encode("utf-16"), "Pulumi.x.yaml:1: is no UTF-8 text; save the file as UTF-8"),
    "Latin-1": (GOOD + "# größe\n".encode("latin-1"), "Pulumi.x.yaml:3: is no UTF-8 text; save the file as UTF-8"),
    "a key twice": (
        GOOD + b"  database:target: aws\n",
        "Pulumi.x.yaml:3: is no YAML: the key database:target is there",
    ),
    "config twice": (GOOD + GOOD, "Pulumi.x.yaml:3: is no YAML: the key config is there twice"),
    "a NUL": (b"config:\n  a: \0\n", "Pulumi.x.yaml: is no YAML: "),
    "two documents": (GOOD + b"---\n" + GOOD, "Pulumi.x.yaml:3: is no YAML: "),
    "a Python object": (b"config: !!python/object:os.system {}\n", "Pulumi.x.yaml:1: is no YAML: "),
    "a map as a key": (b"config:\n  ? {a: b}\n  : c\n", "Pulumi.x.yaml:2: is no YAML: "),
    "a month that there isn't": (b"config:\n  a: 2026-13-01\n", "Pulumi.x.yaml: is no YAML: month must be in 1..12"),
    "ten thousand brackets": (b"[" * 10_000, "Pulumi.x.yaml: is no YAML: "),
    "no such anchor": (b"config:\n  b: *c\n", "Pulumi.x.yaml:2: is no YAML: "),
}


@pytest.mark.parametrize("case", BAD)
def test_what_is_no_file_of_settings_is_one_line(case, tmp_path):
    content, said = BAD[case]
    path = tmp_path / "Pulumi.x.yaml"
    path.write_bytes(content)
    with pytest.raises(EngineError) as caught:
        stackfile.settings(path)
    assert str(caught.value).startswith(said)
    assert "\n" not in str(caught.value)


def test_a_folder_in_its_place_is_one_line(tmp_path):
    with pytest.raises(EngineError, match=f"^{tmp_path.name}: Is a directory$"):
        stackfile.settings(tmp_path)


@pytest.mark.parametrize("content", [GOOD, b"\xef\xbb\xbf" + GOOD, GOOD.replace(b"\n", b"\r\n")])
def test_a_file_of_settings_is_read(content, tmp_path):
    path = tmp_path / "Pulumi.x.yaml"
    path.write_bytes(content)
    assert stackfile.settings(path) == {"database:target": "local"}


def test_other_namespaces_and_what_pulumi_keeps_in_the_file_are_left_alone(tmp_path):
    path = tmp_path / "Pulumi.x.yaml"
    path.write_text(
        "secretsprovider: passphrase\nencryptedkey: a\nencryptionsalt: v1:b\nenvironment: [dev]\n"
        "config:\n  aws:region: eu-west-1\n  pulumi:tags: {a: b}\n  datadog:x: 1\n  database: 2\n  databas: 3\n"
    )
    assert len(stackfile.settings(path)) == 5


@pytest.mark.parametrize("content", [None, b"", b"# nothing\n", b"config:\n"])
def test_no_settings_are_none(content, tmp_path):
    path = Path(tmp_path / "Pulumi.x.yaml")
    if content is not None:
        path.write_bytes(content)
    assert stackfile.settings(path) == {}
