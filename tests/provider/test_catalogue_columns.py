"""Which column of the catalogues isn't compared? Asked of the running server, column by column, for every type."""

import re
import tomllib
from pathlib import Path
from types import ModuleType
from typing import Any

import psycopg
import pytest

from provider import resources, snapshots
from provider.resources import KINDS

HERE = Path(__file__).parent
DATA = tomllib.loads((HERE / "catalogue.toml").read_text())
VERSIONS = DATA.pop("versions")
BY_TOKEN = {kind.token.rsplit(":", 1)[1]: kind for kind in KINDS}
# These read no catalogue: what they hold is generated, or lies in tables of their own.
WITHOUT = {"Password", "KeyPair", "SealingKeyPair", "MigrationSet", "SealingKeys", "Settings", "SchemaCheckpoint"}
# This one compares nothing: it asks whether objects are there.
WITHOUT |= {"BucketGuard", "DrillGate", "Given"}
# This one isn't in a database.
WITHOUT |= {"HostedProject"}
# This one reads a table of an extension.
WITHOUT |= {"ScheduledJob"}
# A property is declared under this name where the snapshot has facets; `object` is the definition itself.
SNAPSHOT = "SchemaSnapshot"
# No type of its own: the part of the snapshot's statement that holds partitions against their tables.
PARTITION = "Partition"
TABLES = [
    (name, table)
    for name, entry in DATA.items()
    for table, columns in entry.items()
    if isinstance(columns, dict)
    if table != "lookups"
]
LEFT_OUT = "- "


def columns(name: str, table: str) -> dict[str, str]:
    entries: dict[str, str] = DATA[name][table]
    return entries


def source(name: str) -> str:
    """What a type asks the catalogues: its module, or the snapshot's statements."""
    if name in (SNAPSHOT, PARTITION):
        text = str(snapshots._text("definitions"))
        return text if name == SNAPSHOT else text[text.index("\npart as") : text.index("\ncol as")]
    (module,) = (
        each
        for each in vars(resources).values()
        if isinstance(each, ModuleType) and each.__name__ == BY_TOKEN[name].__module__
    )
    assert module.__file__
    return Path(module.__file__).read_text()


def there(url: str, table: str) -> set[str]:
    with psycopg.connect(url) as connection:
        found = connection.execute(
            "select attname from pg_attribute where attrelid = %s::regclass and attnum > 0 and not attisdropped",
            [table],
        )
        return {name for (name,) in found}


def since(text: str, version: int) -> bool:
    first, _, last = text.partition("-")
    return int(first) <= version <= int(last or 99)


def test_every_type_that_reads_a_catalogue_is_asked():
    assert BY_TOKEN.keys() - DATA.keys() == WITHOUT
    assert DATA.keys() <= BY_TOKEN.keys() | {PARTITION}


@pytest.mark.parametrize(("name", "table"), TABLES, ids=lambda value: value)
def test_every_column_is_compared_or_left_out_with_a_reason(provider_template, name, table):
    entries = columns(name, table)
    found = there(provider_template.database.url, table)
    unknown = sorted(found - entries.keys()) if "*" not in entries else []
    assert unknown == [], f"{name} reads {table}: by what is {', '.join(unknown)} compared, or why isn't it?"
    version = provider_template.database.server_version
    gone = {
        column for column in entries.keys() - found - {"*"} if since(VERSIONS.get(f"{table}.{column}", "0-"), version)
    }
    assert gone == set(), f"PostgreSQL {version} has no such column in {table}"


@pytest.mark.parametrize(("name", "table"), TABLES, ids=lambda value: value)
def test_what_is_said_to_be_compared_is_asked_for(name, table):
    text = source(name)
    for column, how in columns(name, table).items():
        if how.startswith(LEFT_OUT):
            assert len(how) > len(LEFT_OUT) + 5, f"{table}.{column}: a reason"
            continue
        through = re.match(r"by (\w+): ", how)
        wanted = through[1] if through else column
        assert re.search(rf"\b{re.escape(wanted)}\b", text), f"{name} doesn't ask for {table}.{wanted}"
        if name not in (SNAPSHOT, PARTITION):
            property = how.removeprefix(through[0] if through else "").partition(":")[0]
            assert property in BY_TOKEN[name].fields, f"{name} has no {property}"


@pytest.mark.parametrize("name", DATA)
def test_every_catalogue_that_a_type_reads_is_in_the_list(name, provider_template):
    with psycopg.connect(provider_template.database.url) as connection:
        rows = connection.execute("select relname from pg_class where relnamespace = 'pg_catalog'::regnamespace")
        catalogues = {relation for (relation,) in rows}
    read = {word for word in re.findall(r"\bpg_\w+\b", source(name)) if word in catalogues}
    listed = DATA[name].keys() | DATA[name].get("lookups", {}).keys()
    assert read - listed == set(), f"{name} reads them: compared by what?"


def test_every_catalogue_of_a_tables_parts_is_asked_for_partitions():
    of_tables = {
        "pg_class",
        "pg_attribute",
        "pg_attrdef",
        "pg_constraint",
        "pg_index",
        "pg_trigger",
        "pg_policy",
        "pg_rewrite",
    }
    assert DATA[PARTITION].keys() - {"lookups"} == of_tables


@pytest.mark.parametrize("table", sorted(DATA[SNAPSHOT].keys() - {"lookups"}))
def test_a_catalogue_of_the_snapshot_moves_its_gate_and_its_marks(table):
    """What only the definitions read is compared when something else has changed, and so never by itself."""
    for statement in ("gate", "marks"):
        assert re.search(rf"\b{table}\b", snapshots._text(statement)), f"{table} isn't in {statement}.sql"


def test_a_column_that_nobody_thought_of_fails_by_its_name(provider_template, monkeypatch):
    entries: dict[str, Any] = {**columns("Memberships", "pg_auth_members")}
    del entries["admin_option"]
    monkeypatch.setitem(DATA["Memberships"], "pg_auth_members", entries)
    with pytest.raises(AssertionError, match="Memberships reads pg_auth_members: by what is admin_option compared"):
        test_every_column_is_compared_or_left_out_with_a_reason(provider_template, "Memberships", "pg_auth_members")
