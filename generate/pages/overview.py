"""The first page: the entity diagram, the schemas, and every table with what it is for."""

from declared.schemas import WITH_OBJECTS
from generate.pages import diagram
from generate.pages.read import Catalogue
from generate.pages.text import link, page, section, table

PURPOSES = {
    "public": "What the app reaches through the API.",
    "next_auth": "People and sign-in, in the exact shape that Auth.js' Supabase adapter expects.",
    "authjs": "The same rows as views, for `@auth/pg-adapter`; the search path of login `authjs`.",
    "analytics": "What was done, used and measured, by month, and summaries of it.",
    "audit": "The audit trail.",
    "private": "What policies, triggers and functions of `public` stand on; not exposed.",
    "ops": "What a scheduler or an operator calls.",
    "storage": "Buckets and objects of the Storage API; on Supabase it is the platform's own.",
    "realtime": "Messages of private channels; on Supabase it is the platform's own.",
    "auth": "Who is asking, as Supabase's functions tell it.",
}
LEGEND = (
    "A line is a foreign key, with the column that it is made of; a dotted one is a column that names a row there "
    "without a foreign key. `||` is exactly one, `|o` one or none, `o{` any number. Only keys are shown here, all "
    "columns in the diagrams of the groups below."
)


def made(catalogue: Catalogue) -> str:
    """The page, with a diagram of everything and one for each group."""
    return page(
        "The schema",
        "[Functions](functions.md) · [Query patterns](queries.md) · [Who may do what](access.md)",
        LEGEND,
        diagram.whole(catalogue),
        section("Schemas", table(("schema", "holds"), [(f"`{name}`", PURPOSES[name]) for name in WITH_OBJECTS])),
        section("Tables and views", _tables(catalogue)),
        section("Diagrams by group", _groups(catalogue)),
    )


def _tables(catalogue: Catalogue) -> str:
    rows = [(link(each.name), each.kind, each.about["comment"]) for each in catalogue.tables]
    return table(("name", "is a", "for"), rows)


def _groups(catalogue: Catalogue) -> str:
    return "\n\n".join(f"### {title}\n\n{diagram.group(catalogue, names)}" for title, names in diagram.GROUPS.items())
