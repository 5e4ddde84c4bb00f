"""The page of all query patterns: what the app asks, as whom, and by which index it is answered."""

from collections.abc import Sequence

from declared.roles import OWNER
from declared.sqlqueries import Query
from generate.pages.text import anchor, code, codes, page, table

ABOUT = (
    "From [sql/queries](../../sql/queries). Tests run each as its role, under row security, on generated data, and "
    "fail when it stops to use its indexes or reads a large table whole. What says so may be asked at a reader "
    "([environments.md](../environments.md#readers)): it writes nothing, and what was just written needn't be there. "
    "Those of the apps are [functions in TypeScript and Python](../queries/README.md)."
)

CACHES = {
    "summary": "Answered from a summary",
    "counter": "Answered from a counter that each change keeps",
    "app": "The same for everybody: the app may keep the answer for a minute",
}


def made(queries: Sequence[Query]) -> str:
    """A table of all, then each with its statement."""
    rows = [(f"[{each.name}](#{anchor(each.name)})", _sentence(each.purpose), code(each.role)) for each in queries]
    return page(
        "Query patterns",
        "[All tables](README.md) · [Functions](functions.md) · [Who may do what](access.md)",
        ABOUT,
        table(("pattern", "purpose", "as"), rows),
        *map(_query, queries),
    )


def _query(query: Query) -> str:
    given = ", ".join(
        f"`${position} {name} {kind}`" for position, (name, kind) in enumerate(query.parameters.items(), 1)
    )
    facts = [
        f"- As {code(query.role)}, since step {query.since}; with {given or 'no parameters'}.",
        f"- Uses {codes(sorted(query.indexes))}.",
        f"- Plan: {query.plan}",
        *(["- May be asked at a reader."] if query.reader else []),
        *([f"- {CACHES[query.cache]} ([caching.md](../caching.md))."] if query.cache else []),
        *([f"- [Result, and as a function](../queries/{query.name}.md)."] if query.role != OWNER else []),
    ]
    return "\n".join(
        [f"## {query.name}", "", _sentence(query.purpose), "", *facts, "", "```sql", query.text.strip(), "```"]
    )


def _sentence(text: str) -> str:
    return text[0].upper() + text[1:]
