"""Supabase's types are corrected where they are known to be wrong, and anything unexpected in them is refused."""

import pytest

from declared import schemas
from generate.clients import database, facts, syntax
from generate.clients.catalogue import Catalogue, Column, Function, TypesError

GENERATED = """\
export type Json = string

export type Database = {
  public: {
    Tables: {
      things: {
        Row: { id: string; kind: string | null }
        Insert: { id: string; kind?: string | null }
        Update: { id?: string; kind?: string | null }
        Relationships: [
          {
            columns: ["id"]
          },
        ]
      }
    }
    Views: {
      [_ in never]: never
    }
    Functions: {
      find: {
        Args: { after?: string; thing: string }
        Returns: {
          name: string
        }[]
      }
      count: { Args: Record<PropertyKey, never>; Returns: number }
    }
  }
}

type DatabaseWithoutInternals = Omit<Database, "__InternalSupabase">
"""
KINDS = ("a", "b")
COLUMNS = {
    (1, 1): Column("public.things", "r", "id", False, ()),
    (1, 2): Column("public.things", "r", "kind", True, KINDS),
}
FUNCTIONS = {
    "public.find": Function("public.find", {"thing": None, "after": "NULL::uuid"}, ["name"], True),
    "public.count": Function("public.count", {}, [""], False),
}


@pytest.fixture(autouse=True)
def declared(monkeypatch):
    monkeypatch.setattr(facts, "NULLABLE", {"public.find": frozenset({"name"}), "public.count": frozenset({""})})
    monkeypatch.setattr(facts, "VALUES", {"public.find.name": ("x", "public.things.kind")})
    monkeypatch.setattr(facts, "FILLED_BY_TRIGGER", frozenset({"public.things.id"}))
    monkeypatch.setattr(schemas, "EXPOSED", ("public",))


def written(text=GENERATED, columns=COLUMNS, functions=FUNCTIONS):
    return database.written(text, Catalogue(columns, functions))


def refused(*given, **more):
    with pytest.raises(TypesError) as caught:
        written(*given, **more)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_lists_nulls_triggers_and_defaults_are_in_the_types():
    found, rest = syntax.parsed(written().split("export type Database = ")[1])
    public = found["public"].object
    things = public["Tables"].object["things"].object
    assert things["Row"].object["kind"].type == '"a" | "b" | null'
    assert things["Insert"].object["kind"].type == '"a" | "b" | null'
    assert things["Insert"].object["id"].optional
    assert not things["Row"].object["id"].optional
    find = public["Functions"].object["find"].object
    assert find["Args"].object["after"].type == "string | null"
    assert find["Args"].object["thing"].type == "string"
    assert find["Returns"].object["name"].type == '"x" | "a" | "b" | null'
    assert public["Functions"].object["count"].object["Returns"].type == "number | null"
    assert rest.startswith(";\n\ntype DatabaseWithoutInternals")


def test_a_view_is_taken_and_what_is_declared_of_it_is_never_null(monkeypatch):
    view = "seen: { Row: { id: string | null; kind: string | null }; Relationships: [] }"
    text = GENERATED.replace("[_ in never]: never\n    }\n    Functions", f"{view}\n    }}\n    Functions")
    columns = COLUMNS | {
        (2, 1): Column("public.seen", "v", "id", True, ()),
        (2, 2): Column("public.seen", "v", "kind", True, ()),
    }
    monkeypatch.setattr(facts, "NEVER_NULL", frozenset({"public.seen.id"}))
    seen = syntax.parsed(written(text, columns).split("export type Database = ")[1])[0]["public"].object["Views"].object
    assert [seen["seen"].object["Row"].object[name].type for name in ("id", "kind")] == ["string", "string | null"]
    monkeypatch.setattr(facts, "NEVER_NULL", frozenset({"public.seen.gone"}))
    assert "public.seen in facts.NEVER_NULL: there is no gone" in refused(text, columns)


def test_rows_of_a_table_that_a_function_returns_have_the_table_s_lists():
    text = GENERATED.replace("          name: string\n", "          id: string\n          kind: string | null\n")
    find = Function("public.find", {"thing": None, "after": "NULL::uuid"}, [""], True, "public.things")
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(facts, "NULLABLE", {"public.count": frozenset({""})})
        patched.setattr(facts, "VALUES", {})
        found = written(text, functions={**FUNCTIONS, "public.find": find})
    functions = syntax.parsed(found.split("export type Database = ")[1])[0]["public"].object["Functions"].object
    assert functions["find"].object["Returns"].object["kind"].type == '"a" | "b" | null'


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("export type Database = {", "export interface Database {", "doesn't have `type Database` once"),
        ("Functions: {", "Routines: {", "have no Functions beside Tables, Views, Routines"),
        ("      things: {", "      stuff: {", "tables of public: stuff, things isn't on both sides"),
        (
            "[_ in never]: never\n    }\n    Functions",
            "seen: { Row: { id: string } }\n    }\n    Functions",
            "views of",
        ),
        ("id: string; kind: string | null }", "id: string }", "columns of public.things in Row: kind"),
        ("kind: string | null }", "kind: number | null }", "public.things.kind: postgres-meta takes it for number"),
        ("Insert: { id: string;", "Insert: { id?: string;", "public.things.id: it may be left out anyway"),
        ("after?: string;", "after: string;", "public.find(after): postgres-meta doesn't know its default"),
        ("after?: string; ", "", "arguments of public.find: after"),
        ("}[]\n", "}[] | { name: number }\n", "isn't understood"),
        ("name: string\n", "name:\n            | string\n", "isn't understood"),
        ("count: {", "find: {", "isn't understood"),
    ],
)
def test_what_is_not_as_expected_is_refused(old, new, said):
    assert old in GENERATED
    assert said in refused(GENERATED.replace(old, new))


def test_declarations_of_nothing_are_refused(monkeypatch):
    monkeypatch.setattr(facts, "NULLABLE", {"public.find": frozenset({"size"})})
    assert "public.find in facts.NULLABLE: there is no size" in refused()
    monkeypatch.setattr(facts, "NULLABLE", {"public.gone": frozenset({""})})
    assert "facts.NULLABLE: there is no public.gone" in refused()
    monkeypatch.setattr(facts, "NULLABLE", {})
    monkeypatch.setattr(facts, "VALUES", {"public.find.nothing": ("x",)})
    assert "facts.VALUES: public.find.nothing isn't on both sides" in refused()
    monkeypatch.setattr(facts, "VALUES", {"public.find.name": ("public.things.id",)})
    assert "public.things.id in generate/clients/facts.py: no check constraint" in refused()
