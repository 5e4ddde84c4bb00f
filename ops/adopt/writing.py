"""The files of an adopted database, from what was found in it."""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from itertools import count
from pprint import pformat
from typing import Any

from declared import sqltext
from declared.adopted import FACTS
from declared.schemas import OPEN_SCHEMAS
from declared.sqlfiles import ADOPTED_LINE, MIGRATIONS, POLICY_FOLDER, STANDIN
from ops.adopt.found import Found

BASELINE = "0001_baseline"
DUMP = (
    *("--schema-only", "--no-privileges", "--no-publications", "--no-subscriptions", "--no-security-labels"),
    *("--no-tablespaces", "--lock-wait-timeout=5s", "--encoding=UTF8"),
    # A schema that isn't found is an error.
    "--strict-names",
)
# What row policies, facts and the lines before it say already, and what is psql's or a session's.
ELSEWHERE = re.compile(
    r"SET |SELECT pg_catalog\.set_config\(|CREATE POLICY |COMMENT ON POLICY |CREATE SCHEMA |ALTER SCHEMA "
    r"|CREATE EXTENSION |COMMENT ON EXTENSION "
)
# With a key of each dump's own, which nothing in it can know.
RESTRICT = re.compile(r"^\\restrict (\w+)$", re.MULTILINE)
HEADER = """-- 0001 baseline: what the database held when it was adopted.
-- Lock: none where it was adopted, new objects elsewhere. Duration: that of making every object.
-- Down: {down}
"""
UP_LINE = "-- Adopted from database {identity}: there it is recorded, and doesn't run.\n"
DOWN = "refuses; what was there before this project isn't its to take away."
DOWN_SCRIPT = """
do $$
begin
    raise exception '0001_baseline was adopted and is not rolled back'
        using hint = 'write what is to go as a new migration, or drop the database';
end
$$;
"""
STATES = {"D": "disable", "R": "enable replica", "A": "enable always"}
# JSON web tokens, keys of services that name theirs, private keys, headers that sign in, URLs with a password.
KEY = re.compile(
    r"\beyJ[\w-]{16,}\.|\b(?:sb_secret|[rs]k_live|[rs]k_test|whsec|gh[opsur]|github_pat|glpat|npm|xox[abeprs])[_-]\w{8,}"
    r"|\bsk-[\w-]{16,}|\bSG\.[\w-]{16,}|\bAIza[\w-]{30,}|\b(?:AKIA|ASIA)[A-Z0-9]{16}\b"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY|\b(?:Bearer|Basic) +[\w.~+/=-]{16,}"
    r"|\b[A-Za-z][A-Za-z0-9+.-]*://[^\s/:@'\"]*:[^\s/@'\"]+@"
)
POLICY_HEADER = "as found in the database; a policy may have any name, be for all commands, and lack a comment.\n"
MEANINGS = {
    "SCHEMAS": "Schema to its properties; without any, it is public, or that of the login, a superuser.",
    "EXTENSIONS": "Extension to schema.",
    "ROW_SECURITY": "enabled, forced (it binds the owner too), or left open: each role with a privilege has every row.",
    "PARTITIONS": "Those that stand open where their table is closed, to in what; beyond it they may not.",
    "SCHEMA_GRANTS": "Whole lists: what isn't here is revoked. The owner's own privileges aren't grants.",
    "TABLES": "Tables and views, as whole lists.",
    "SEQUENCES": "As whole lists.",
    "FUNCTIONS": "As whole lists; a function that isn't here is one that nobody may execute.",
    "PUBLICATIONS": "Publication to its properties.",
    "BUCKETS": "Bucket to its properties.",
    "WATCHED": "The platform's schemas in whose tables triggers are ours; the baseline makes them.",
}


def files(found: Found, dump: str) -> dict[str, str]:
    """Each file's path in the folder, and its text."""
    up = HEADER.format(down=DOWN) + UP_LINE.format(identity=found.identity) + "\n".join(_baseline(found, dump))
    folder = f"{MIGRATIONS.folder}/{BASELINE}"
    made = {f"{folder}.up.sql": up, f"{folder}.down.sql": HEADER.format(down=DOWN) + DOWN_SCRIPT, FACTS: _facts(found)}
    by_table: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for policy in found.policies:
        by_table[policy["table"]].append(policy)
    for table, policies in by_table.items():
        made[f"{POLICY_FOLDER}/{table}.sql"] = ADOPTED_LINE + POLICY_HEADER + "".join(map(_policy, policies))
    if not found.policies:
        # A folder that isn't there is refused, and git keeps none that is empty.
        made[f"{POLICY_FOLDER}/.gitkeep"] = ""
    return made


def _before_the_dump(found: Found) -> Iterator[str]:
    """Roles, schemas and extensions."""
    for role in found.roles:
        name = role["name"].replace("'", "''")
        there = f"if not exists (select from pg_catalog.pg_roles where rolname = '{name}') then"
        yield _block(f"{there} create role {role['quoted']} {role['words']}; end if;")
    made = {role["name"] for role in found.roles}
    for schema, given in found.schemas.items():
        owner = f" authorization {quoted(given['owner'])}" if given.get("owner") in made else ""
        yield f"create schema if not exists {quoted(schema)}{owner};"
    # In a new database it is that of the database's owner.
    if (owner := found.owner_of_public) in {*made, found.login}:
        yield f"alter schema public owner to {quoted(owner) if owner in made else 'current_user'};"
    for extension, schema in found.extensions.items():
        made_so = f"create extension if not exists {quoted(extension)} with schema {quoted(schema)};"
        there = f"exists (select from pg_catalog.pg_available_extensions where name = {_literal(extension)})"
        yield _where_it_stands_in(found, there, made_so, f"extension {extension}")


def _baseline(found: Found, dump: str) -> Iterator[str]:
    yield "\n-- Bodies may name what comes after them.\nset local check_function_bodies = off;\n"
    yield from _before_the_dump(found)
    yield ""
    # An operator that `nullif` or `is distinct from` asks has no schema in the text that pg_dump writes.
    if path := [*dict.fromkeys((*found.path, *found.path_of_extensions))]:
        yield "-- What functions without a search path look for their names in, and where extensions have operators."
        yield f"set local search_path = {', '.join(map(quoted, path))};\n"
    login = f"{re.escape(found.login)}|{re.escape(quoted(found.login))}"
    owned = re.compile(rf"ALTER .* OWNER TO (?:{login})")
    filled = []
    for statement in sqltext.statements(_unrestricted(dump)):
        if not ELSEWHERE.match(statement.text) and not owned.fullmatch(statement.text):
            yield f"{statement.text};\n"
            # One that asks another comes after it.
            filled += [name for name in found.filled if statement.text.startswith(f"CREATE MATERIALIZED VIEW {name} ")]
    yield from found.access
    for name in filled:
        yield f"refresh materialized view {name};"
    for trigger in found.triggers:
        yield from _trigger(trigger)
    for job in found.jobs:
        there = "pg_catalog.to_regnamespace('cron') is not null"
        called = f"{'perform' if found.platform.name else 'select'} {_job(job)};"
        yield _where_it_stands_in(found, there, called, f"cron job {job['jobname'] or job['schedule']}")


def _where_it_stands_in(found: Found, there: str, statement: str, what: str) -> str:
    """A statement that is left out, with a warning, where a platform is stood in for and the server lacks its needs.

    Args:
        there: the condition under which it runs there too.
    """
    if not found.platform.name:
        return statement
    platform = f"pg_catalog.to_regclass('{STANDIN.history}') is null"
    lacking = f"raise warning 'left out, the server lacks its extension: %', {_literal(what)};"
    return _block(f"if {platform} or {there} then {statement} else {lacking} end if;")


def _block(body: str) -> str:
    text = f" begin {body} end "
    tag = next(tag for length in count() if (tag := f"${'_' * length}$") not in text)
    return f"do {tag}{text}{tag};"


def _unrestricted(dump: str) -> str:
    """A dump without what keeps psql to its statements, as pg_dump writes it first and last."""
    if not (found := RESTRICT.search(dump)):
        return dump
    return re.sub(rf"^\\(?:un)?restrict {found[1]}$", "", dump, flags=re.MULTILINE)


def _trigger(trigger: Mapping[str, str | None]) -> Iterator[str]:
    yield f"{trigger['text']};"
    if state := STATES.get(trigger["state"] or ""):
        yield f"alter table {trigger['table']} {state} trigger {trigger['quotedName']};"
    if comment := trigger["comment"]:
        yield f"comment on trigger {trigger['quotedName']} on {trigger['table']} is {_literal(comment)};"


def _job(job: Mapping[str, Any]) -> str:
    words = [job["jobname"], job["schedule"], job["command"]]
    made = f"cron.schedule({', '.join(_literal(word) for word in words if word is not None)})"
    return made if job["active"] else f"cron.alter_job({made}, active := false)"


def quoted(name: str) -> str:
    """A name that is read as it is, whatever it is: a reserved word too. Also a pattern of pg_dump's for it alone."""
    return '"' + name.replace('"', '""') + '"'


def _literal(text: str) -> str:
    return "E'" + text.replace("\\", "\\\\").replace("'", "''") + "'"


def _policy(policy: Mapping[str, Any]) -> str:
    comment = "".join(f"-- {line.strip()}\n" for line in (policy.get("comment") or "").splitlines() if line.strip())
    kind = "" if policy.get("kind", "permissive") == "permissive" else f" as {policy['kind']}"
    clauses = "".join(
        f"\n    {word} (\n{policy[name]}\n)"
        for name, word in (("using", "using"), ("check", "with check"))
        if policy.get(name)
    )
    return (
        f"\n{comment}create policy {policy['quotedName']} on {policy['quotedTable']}{kind} for {policy['command']} "
        f"to {', '.join(policy['quotedRoles'])}{clauses};\n"
    )


def _facts(found: Found) -> str:
    platform = {*OPEN_SCHEMAS} & found.platform.schemas
    values: dict[str, Any] = {
        "SCHEMAS": found.schemas,
        "EXTENSIONS": found.extensions,
        "ROW_SECURITY": found.row_security,
        "PARTITIONS": found.partitions,
        "SCHEMA_GRANTS": found.schema_grants,
        "TABLES": found.tables,
        "SEQUENCES": found.sequences,
        "FUNCTIONS": found.functions,
        "PUBLICATIONS": found.publications,
        "BUCKETS": found.buckets,
        "WATCHED": tuple(sorted({each["schema"] for each in found.triggers} | platform)),
    }
    parts = [f"# {MEANINGS[name]}\n{name} = {pformat(value, width=110)}\n" for name, value in values.items()]
    return '"""What the database had when it was adopted; facts only, read and not run."""\n\n' + "\n".join(parts)


def lines_with_keys(made: Mapping[str, str]) -> list[str]:
    """File and line of what looks like somebody's key, as in a job that calls a service."""
    return [
        f"{path}:{number}"
        for path, text in made.items()
        for number, line in enumerate(text.split("\n"), start=1)
        if KEY.search(line)
    ]


def summary(found: Found, unsafe: Mapping[str, Iterable[str]]) -> dict[str, Any]:
    """What was taken, what is left as it is, and what is unsafe as found."""
    taken = {
        "schemas": len(found.schemas),
        "tables": len(found.row_security),
        "row policies": len(found.policies),
        "functions": len(found.functions),
        "extensions": len(found.extensions),
        "roles": len(found.roles),
        "buckets": len(found.buckets),
        "publications": len(found.publications),
        "triggers on tables of others": len(found.triggers),
        "cron jobs": len(found.jobs),
    }
    return {
        "taken": taken,
        "left": found.left,
        "unsafe": {what: list(names) for what, names in unsafe.items() if names},
    }
