"""The page of all functions: what each is for, how it is called, with whose privileges, and by whom."""

from declared.schemas import WITH_OBJECTS
from generate.pages.read import Catalogue, Row
from generate.pages.text import code, codes, page, section, table

RIGHTS = (
    "A function runs with the privileges of its caller, unless it says *definer*: then with its owner's, for the "
    "reason that stands in a comment where it is made. Trigger functions run without anybody's privilege to execute "
    "them. A default is what a call may leave out."
)


def made(catalogue: Catalogue) -> str:
    """A section for each schema that has functions."""
    parts = [
        section(schema, _functions([each for each in catalogue.functions if each["schema"] == schema]))
        for schema in WITH_OBJECTS
    ]
    return page(
        "Functions",
        "[All tables](README.md) · [Query patterns](queries.md) · [Who may do what](access.md)",
        RIGHTS,
        *parts,
    )


def _functions(functions: list[Row]) -> str:
    rows = [
        (
            code(f"{each['name']}({each['arguments']})"),
            code(each["result"]),
            each["volatility"] + (f", definer {code(each['owner'])}" if each["definer"] else ""),
            codes(each["roles"]) or ("the trigger" if each["result"] == "trigger" else f"{code(each['owner'])} alone"),
            each["comment"],
        )
        for each in functions
    ]
    return table(("function", "returns", "how", "may execute", "which"), rows)
