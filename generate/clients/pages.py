"""`docs/queries`: a page for each query pattern that is a function of the clients."""

import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from declared.paths import CHECKOUT
from generate.clients import facts, typescript
from generate.clients.patterns import KEY, Pattern, Value
from generate.pages.text import code, codes, page, section, table

FOLDER = CHECKOUT / "docs" / "queries"
ABOUT = (
    "What apps ask of the database, as functions of both packages: [clients.md](../clients.md) says how they are "
    "called, as whom, and what an error is. Each is a statement in [sql/queries](../../sql/queries); "
    "[those of the owner](../schema/queries.md) are no functions."
)
ROWS = {
    "many": "Any number of rows.",
    "one": "One row.",
    "at most one": "One row, or none: null in TypeScript, `None` in Python.",
    "value": "One value.",
    "nothing": "Nothing.",
    "none": "How many rows were written.",
}
READER = "May be asked at a [reader](../environments.md#readers), where what was just written needn't be there."
CACHES = {
    "summary": "Answered from a [summary](../caching.md), which is as late as its last refresh.",
    "counter": "Answered from a [counter](../caching.md) that each change keeps.",
    "app": "The same for everybody: the app may [keep the answer](../caching.md) for a minute.",
}
PAGES = (
    "A page by key: each begins behind the last row of the one before, so that its cost doesn't grow with its number."
)
UNMEASURED = "Not measured yet: `python -m bench.patterns --write`, then `make types`."
COSTS = Path(__file__).parent / "costs.json"
COST = (
    "{pages:,.0f} pages of 8 KiB from memory and {ms:,.2f} ms in the server, under row policies, for a typical person "
    "where there are 20,000 projects: medians of `python -m bench.patterns`."
)
# Arguments of the examples: names that the page's reader has in their program.
PACKAGE = "visual-prompt-builder/queries"
PERSON = "authenticated"


def made(patterns: Sequence[Pattern]) -> dict[Path, str]:
    """Every page by its path."""
    queries = [each.query for each in patterns]
    rows = [(f"[{each.name}]({each.name}.md)", each.purpose, code(each.role)) for each in queries]
    contents = page("Query patterns as functions", ABOUT, table(("pattern", "purpose", "as"), rows))
    return {FOLDER / "README.md": contents} | {FOLDER / f"{each.query.name}.md": _page(each) for each in patterns}


def _page(pattern: Pattern) -> str:
    query = pattern.query
    when = [f"{query.purpose[0].upper()}{query.purpose[1:]} As {code(query.role)}."]
    when += [PAGES] if pattern.page else []
    when += [READER] if query.reader else []
    when += [CACHES[query.cache]] if query.cache else []
    plan = f"{query.plan[0].upper()}{query.plan[1:]} It uses {codes(sorted(query.indexes))}."
    return page(
        query.name,
        "[All query patterns](README.md)",
        " ".join(when),
        section("Parameters", table(("parameter", "type", "note"), map(_row, pattern.parameters))),
        section("Result", _result(pattern)),
        section("Plan", plan if query.indexes - {"none"} else f"{query.plan[0].upper()}{query.plan[1:]}"),
        section("Cost at 1,000,000 components", _cost(query.name)),
        section("Statement", f"```sql\n{query.text.strip()}\n```"),
        section("TypeScript", f"```ts\n{example_in_typescript(pattern)}```"),
        section("Python", f"```python\n{example_in_python(pattern)}```"),
    )


def _cost(name: str) -> str:
    measured = _measured()
    if name not in measured:
        return UNMEASURED
    more = facts.COSTS.get(name)
    return COST.format(**measured[name]) + (f"\n\nAt 1,000,000 projects: {more[0].lower()}{more[1:]}" if more else "")


@cache
def _measured() -> dict[str, dict[str, float]]:
    return dict(json.loads(COSTS.read_text())["patterns"])


def _result(pattern: Pattern) -> str:
    columns = table(("column", "type", "note"), map(_row, pattern.columns)) if pattern.rows != "nothing" else ""
    many = f"At most {pattern.limit} rows." if pattern.page else ROWS[pattern.rows]
    return f"{many}\n\n{columns}".strip()


def _row(value: Value) -> tuple[str, str, str]:
    notes = [f"one of {codes(value.values)}"] if value.values else []
    notes += ["may be null"] if value.nullable else []
    notes += ["left out: the first page"] if value.name in KEY else []
    return code(value.name), code(value.type), "; ".join(notes)


def example_in_typescript(pattern: Pattern) -> str:
    """A program's lines that call it, and go through all pages where it has some."""
    name = typescript.function_name(pattern.query.name) + ("Pages" if pattern.page else "")
    given = [each.name for each in pattern.parameters if not (pattern.page and each.name in KEY)]
    more = f", {{ {', '.join(given)} }}" if given else ""
    own = pattern.query.role not in facts.ROLES
    names = [name] if own else sorted([name, "eachAsPerson" if pattern.page else "asPerson"], key=str.lower)
    lines = [f'import {{ {", ".join(names)} }} from "{PACKAGE}";', ""]
    if own:
        return "\n".join([*lines, f"{_kept(pattern)}await {name}(pool{more});", ""])
    person = "sub: person, " * (pattern.query.role == PERSON)
    claims = f'{{ {person}role: "{pattern.query.role}" }}'
    if pattern.page:
        lines += [
            f"const db = eachAsPerson(pool, {claims});",
            f"for await (const page of {name}(db{more})) show(page);",
        ]
    else:
        lines += [f"{_kept(pattern)}await asPerson(pool, {claims}, (db) => {name}(db{more}));"]
    return "\n".join([*lines, ""])


def example_in_python(pattern: Pattern) -> str:
    """The same."""
    name = pattern.query.name + ("_pages" if pattern.page else "")
    given = [f"{each.name}={each.name}" for each in pattern.parameters if not (pattern.page and each.name in KEY)]
    call = f"{name}({', '.join(['connection', *given])})"
    lines = [f"from visual_prompt_builder.queries import {name}"]
    if pattern.query.role not in facts.ROLES:
        return "\n".join([*lines, "", f"{_kept(pattern, python=True)}{call}", ""])
    person = '"sub": person, ' * (pattern.query.role == PERSON)
    claims = f'{{{person}"role": "{pattern.query.role}"}}'
    lines += ["from visual_prompt_builder.running import as_person", "", f"with as_person(connection, {claims}):"]
    if pattern.page:
        lines += [f"    for page in {call}:", "        show(page)"]
    else:
        lines += [f"    {_kept(pattern, python=True)}{call}"]
    return "\n".join([*lines, ""])


def _kept(pattern: Pattern, python: bool = False) -> str:
    """The beginning of the line that keeps an answer."""
    name = {"many": "rows", "one": "row", "at most one": "row", "value": "found", "none": "count"}.get(pattern.rows, "")
    return f"{'' if python else 'const '}{name} = " if name else ""
