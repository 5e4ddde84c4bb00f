"""The entity diagram, in the part of Mermaid's `erDiagram` that every version since 10.5 draws.

Lines are foreign keys; dotted ones are columns that name a row of another table without one.
"""

from collections.abc import Iterable, Sequence

from generate.pages.read import Catalogue, Row, Table

# The thirteen tables of the product, of which users is two: what Auth.js sees, and profile and settings.
GROUPS = {
    "People and sign-in": (
        "next_auth.users",
        "public.users",
        "next_auth.accounts",
        "next_auth.sessions",
        "next_auth.verification_tokens",
    ),
    "Projects": (
        "public.projects",
        "public.collaborators",
        "public.project_components",
        "public.audio_recordings",
        "public.prompt_generations",
    ),
    "Analytics, by month": (
        "analytics.user_activity",
        "analytics.api_usage",
        "analytics.error_logs",
        "analytics.performance_metrics",
    ),
}
# What these columns name where they are no foreign keys: analytics has none, `docs/schema/analytics.api_usage.md`.
NAMED = {"user_id": "public.users", "project_id": "public.projects", "generation_id": "public.prompt_generations"}
# Mermaid's types are single words.
SHORT = {
    "timestamp with time zone": "timestamptz",
    "double precision": "float8",
    "character varying": "varchar",
}


def whole(catalogue: Catalogue) -> str:
    """All groups with their keys, and what refers to what."""
    grouped = {name: group for group, names in GROUPS.items() for name in names}
    tables = {table.name: table for table in catalogue.tables}
    lines = []
    for group, names in GROUPS.items():
        lines.append(f"    %% {group}")
        for name in names:
            lines += _entity(tables[name], [each for each in tables[name].columns if _marks(tables[name], each)])
    lines += _lines(tables[name] for name in grouped)
    return _fenced(lines)


def group(catalogue: Catalogue, names: Sequence[str]) -> str:
    """The tables of one group with all their columns, and what refers to what among them."""
    tables = [table for name in names for table in catalogue.tables if table.name == name]
    lines = [line for table in tables for line in _entity(table, table.columns)]
    return _fenced([*lines, *_lines(tables, within=names)])


def _fenced(lines: Iterable[str]) -> str:
    return "\n".join(["```mermaid", "erDiagram", *lines, "```"])


def _entity(table: Table, columns: Sequence[Row]) -> list[str]:
    first = f'    {_name(table.name)}["{table.name}"]'
    if not columns:
        return [first]
    rows = [f"        {_type(each['type'])} {each['name']} {_marks(table, each)}".rstrip() for each in columns]
    return [first + " {", *rows, "    }"]


def _name(table: str) -> str:
    return table.replace(".", "_")


def _type(text: str) -> str:
    for long, short in SHORT.items():
        text = text.replace(long, short)
    # numeric(12,6): a comma ends the word.
    return text.split("(")[0] + ("[]" if text.endswith("[]") and "(" in text else "")


def _marks(table: Table, column: Row) -> str:
    name = column["name"]
    marks = ["PK"] * any(name in key["columns"] for key in table.of_kind("p"))
    marks += ["FK"] * any(name in each["columns"] for each in table.references)
    marks += ["UK"] * any(key["columns"] == [name] for key in table.of_kind("u"))
    return ", ".join(marks)


def _lines(tables: Iterable[Table], within: Sequence[str] | None = None) -> list[str]:
    found = []
    for table in tables:
        for each in table.references:
            found.append((each["target"], table, each["columns"], "--"))
        if not table.references:
            for column in table.columns:
                if column["name"] in NAMED:
                    found.append((NAMED[column["name"]], table, [column["name"]], ".."))
    return [_line(*each) for each in found if within is None or each[0] in within]


def _line(target: str, table: Table, columns: list[str], stroke: str) -> str:
    optional = any(each["nullable"] for each in table.columns if each["name"] in columns)
    alone = any(key["columns"] == columns for key in table.of_kind("p", "u"))
    left, right = "|o" if optional else "||", "o|" if alone else "o{"
    return f'    {_name(target)} {left}{stroke}{right} {_name(table.name)} : "{", ".join(columns)}"'
