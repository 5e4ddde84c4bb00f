"""The catalogue of query patterns in `sql/queries`, one statement a file under five header lines."""

import re
from dataclasses import dataclass
from pathlib import Path

from declared.paths import CHECKOUT
from declared.sqlfiles import SqlFileError, location, read_statements, sql_files

FOLDER = CHECKOUT / "sql" / "queries"
HEADER = re.compile(
    r"-- (?P<name>\w+): (?P<purpose>\S.*?\.)\n"
    r"-- Role: (?P<role>\w+)\. Since: (?P<since>\d{4})\.(?P<reader> Reader\.)?"
    r"(?: Cache: (?P<cache>summary|counter|app)\.)?\n"
    r"-- Parameters: (?P<parameters>\S.*?)\.\n"
    r"-- Index: (?P<indexes>\S.*?)\.\n"
    r"-- Plan: (?P<plan>\S.*?\.)\n\n"
    r"(?P<text>[^\n-].*;)\n",
    re.DOTALL,
)
PARAMETER = re.compile(r"\$(?P<number>\d+) (?P<name>\w+) (?P<type>[a-z][a-z ]*(\[\])?)")


@dataclass(frozen=True)
class Query:
    """One query pattern, in the parts of its header."""

    name: str
    purpose: str
    role: str
    since: str
    reader: bool
    """Whether it may be asked at a reader: it writes nothing, and what was written just now needn't be there."""
    cache: str
    """What answers it without asking all rows: a summary, a counter, or the app itself; empty where nothing does."""
    parameters: dict[str, str]
    indexes: frozenset[str]
    plan: str
    text: str


def queries(folder: Path = FOLDER) -> list[Query]:
    """All of them, by name.

    :raises SqlFileError: for a file without the whole header
    """
    return [_query(path) for path in sql_files(folder)]


def _query(path: Path) -> Query:
    match = HEADER.fullmatch(re.sub(r"\n--     ", " ", read_statements(path)))
    if not match:
        raise SqlFileError(
            f"{location(path)}: the header must be name, role, parameters, index and plan, a line each, then an empty "
            "one"
        )
    if match["name"] != path.stem:
        raise SqlFileError(f"{location(path, 1)}: the header says that it is {match['name']}")
    return Query(
        name=match["name"],
        purpose=match["purpose"],
        role=match["role"],
        since=match["since"],
        reader=match["reader"] is not None,
        cache=match["cache"] or "",
        parameters=_parameters(path, match["parameters"], match["text"]),
        indexes=frozenset(() if match["indexes"] == "none" else re.split(r",\s+", match["indexes"])),
        plan=match["plan"],
        text=match["text"],
    )


def _parameters(path: Path, listed: str, text: str) -> dict[str, str]:
    found = {}
    for number, entry in enumerate([] if listed == "none" else listed.split(", "), start=1):
        parameter = PARAMETER.fullmatch(entry)
        if not parameter or int(parameter["number"]) != number:
            raise SqlFileError(f"{location(path, 3)}: parameter {number} must read `${number} name type`, not {entry}")
        found[parameter["name"]] = parameter["type"]
    used = {int(number) for number in re.findall(r"\$(\d+)", text)}
    if used != set(range(1, len(found) + 1)):
        raise SqlFileError(f"{location(path, 3)}: the statement doesn't use exactly the parameters {sorted(found)}")
    return found
