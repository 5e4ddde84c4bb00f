"""The page of one table."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from declared import sqlfiles
from declared.grants import SCHEMA_GRANTS
from declared.sqlaccess import Line
from declared.sqlqueries import Query
from generate.pages import access
from generate.pages.read import Catalogue, Row, Table
from generate.pages.text import anchor, code, codes, link, page, section, table

WHERE = (
    "[All tables](README.md) · [Functions](functions.md) · [Query patterns](queries.md) · [Who may do what](access.md)"
)
MONTHS = (
    "Partitioned by `{key}`, a partition a month and a spare one for what falls outside. `ops.keep_partitions` makes "
    "months ahead and drops old ones ([functions](functions.md#ops)). A partition is reached "
    "through this table alone: it has row security and neither policy nor grant of its own."
)


@dataclass(frozen=True)
class Sources:
    """What isn't in the catalogue, or reads better in its file."""

    policies: Sequence[sqlfiles.RowPolicy]
    queries: Sequence[Query]
    matrix: Sequence[Line]


def made(catalogue: Catalogue, about: Table, sources: Sources) -> str:
    """Everything about a table, from what it is for to who may do what with it."""
    return page(
        about.name,
        about.about["comment"],
        WHERE,
        _facts(about),
        section("Columns", _columns(about)),
        section("Keys", _keys(about)),
        section("Foreign keys", _references(about)),
        section("Referenced by", _referenced(catalogue, about)),
        section("Checks", _checks(about)),
        section("Indexes", _indexes(catalogue, about, sources.queries)),
        section("Triggers", _triggers(about)),
        section("Who may do what", access.of_table([line for line in sources.matrix if line.table == about.name])),
        section("Row policies", _policies(about, sources.policies)),
        section("Grants", _grants(about)),
    )


def _facts(about: Table) -> str:
    words = [f"A {about.kind} of {code(about.about['owner'])}."]
    if about.kind == "table":
        forced = " and forced: it binds the owner too" if about.about["forced"] else ", not forced"
        words.append(f"Row security is on{forced}." if about.about["guarded"] else "Row security is off.")
    if about.about["partitioned"]:
        words.append(MONTHS.format(key=about.about["partitioned"].lower()))
    if about.sources:
        words.append(f"Made from {', '.join(link(each['name']) for each in about.sources)}.")
    return " ".join(words)


def _columns(about: Table) -> str:
    rows = [
        (code(each["name"]), code(each["type"]), "" if each["nullable"] else "not null", _value(each), each["comment"])
        for each in about.columns
    ]
    return table(("column", "type", "null", "default", "meaning"), rows)


def _value(column: Row) -> str:
    return f"always {code(column['generated'])}" if column["generated"] else code(column["default"] or "")


def _keys(about: Table) -> str:
    kinds = {"p": "primary key", "u": "unique"}
    rows = [(code(each["name"]), kinds[each["kind"]], codes(each["columns"])) for each in about.of_kind(*kinds)]
    return table(("constraint", "is", "columns"), rows)


def _references(about: Table) -> str:
    rows = [
        (codes(each["columns"]), f"{link(each['target'])} ({to})", each["on_delete"], code(each["name"]))
        for each in about.references
        for to in [codes(each["targets"])]
    ]
    return table(("column", "refers to", "when that row is deleted", "constraint"), rows)


def _referenced(catalogue: Catalogue, about: Table) -> str:
    found = catalogue.referring_to(about)
    rows = [(link(other.name), codes(each["columns"]), each["on_delete"]) for other, each in found]
    return table(("table", "column", "when a row here is deleted"), rows)


def _checks(about: Table) -> str:
    # CHECK ((…)): the heading says it.
    rows = [(code(each["name"]), code(each["definition"][8:-2])) for each in about.of_kind("c")]
    return table(("constraint", "holds"), rows)


def _indexes(catalogue: Catalogue, about: Table, queries: Sequence[Query]) -> str:
    keys = {each["name"] for each in about.of_kind("p", "u")}
    names = [each["name"] for other in catalogue.tables for each in other.indexes]
    rows = []
    for each in about.indexes:
        users = [query for query in queries if each["name"] in query.indexes]
        if names.count(each["name"]) > 1:
            # Patterns name indexes without their schema: it is the one that the role comes to.
            users = [query for query in users if query.role in SCHEMA_GRANTS[about.about["schema"]]]
        links = [f"[{query.name}](queries.md#{anchor(query.name)})" for query in users]
        links = ["its constraint"] * (each["name"] in keys) + links
        rows.append((code(each["name"]), code(_on(each["definition"])), ", ".join(links)))
    return table(("index", "on", "used by"), rows)


def _on(definition: str) -> str:
    """An index's definition from its method on, since name and table are known."""
    unique = "unique " if definition.startswith("CREATE UNIQUE") else ""
    return unique + definition.split(" USING ", 1)[1]


def _triggers(about: Table) -> str:
    rows = []
    for each in about.triggers:
        when = re.sub(r"^CREATE (CONSTRAINT )?TRIGGER \S+ | ON \S+(?= )| EXECUTE FUNCTION .*$", "", each["definition"])
        function = f"{each['schema']}.{each['function']}"
        rows.append((code(each["name"]), when.lower(), f"[{function}](functions.md#{each['schema']})", each["comment"]))
    return table(("trigger", "when", "runs", "which is"), rows)


def _policies(about: Table, policies: Sequence[sqlfiles.RowPolicy]) -> str:
    if about.kind != "table":
        return ""
    mine = [policy for policy in policies if policy.table == about.name]
    if not mine:
        return "None: a role that row security binds reaches no row."
    parts = [f"The authoritative list, from [sql/policies/{about.name}.sql](../../sql/policies/{about.name}.sql)."]
    for policy in mine:
        clauses = {"using": policy.using, "with check": policy.check}
        text = "\n".join(f"{word} ({_dedented(clause)})" for word, clause in clauses.items() if clause)
        head = f"### {policy.name}\n\nFor {policy.command} to {codes(policy.roles)}. {policy.comment}"
        parts.append(f"{head}\n\n```sql\n{text}\n```")
    return "\n\n".join(parts)


def _dedented(clause: str) -> str:
    lines = clause.strip().split("\n")
    if len(lines) == 1:
        return lines[0]
    # Its first line stands alone after stripping; the others have the file's indentation.
    indent = min(len(line) - len(line.lstrip()) for line in lines[1:] if line.strip())
    return "\n" + "\n".join(f"    {line}" for line in [lines[0], *(line[indent:] for line in lines[1:])]) + "\n"


def _grants(about: Table) -> str:
    if not about.grants:
        return f"None: nobody but {code(about.about['owner'])}."
    rows = []
    for role in sorted({each["role"] for each in about.grants}):
        mine = sorted((each for each in about.grants if each["role"] == role), key=_order)
        rows.append((code(role), "; ".join(map(_may, mine))))
    return table(("role", "may"), rows)


def _order(grant: Row) -> tuple[int, str]:
    usual = ("select", "insert", "update", "delete")
    position = usual.index(grant["privilege"]) if grant["privilege"] in usual else len(usual)
    return position, grant["privilege"]


def _may(grant: Row) -> str:
    columns = [each for each in grant["columns"] if each]
    return f"{grant['privilege']} {codes(columns)}" if columns else str(grant["privilege"])
