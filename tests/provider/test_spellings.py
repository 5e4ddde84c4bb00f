"""What PostgreSQL writes differently after a dump and a restore is the same; anything else is a difference."""

import pytest

from provider.spellings import same

SAME = {
    "a chain of ANDs, as between has it": (
        "CHECK ((((a >= 1) AND (a <= 2)) AND (b > 0)))",
        "CHECK (((a >= 1) AND (a <= 2) AND (b > 0)))",
    ),
    "a chain of ORs in a chain of ANDs": ("((a AND b) AND (c OR (d OR e)))", "(a AND b AND (c OR d OR e))"),
    "a call beside a chain": ("f(a) AND (b AND c)", "f(a) AND b AND c"),
    "the cast of an array": (
        "((x)::text = ANY ((ARRAY['a'::character varying, 'b'::character varying])::text[]))",
        "((x)::text = ANY (ARRAY[('a'::character varying)::text, ('b'::character varying)::text]))",
    ),
    "the column of the only table": ("SELECT t.id, lower(t.name) FROM s.t", "SELECT id, lower(name) FROM s.t"),
    "the column of the only alias": ("SELECT p.id FROM s.t p WHERE p.id", "SELECT id FROM s.t p WHERE id"),
    "another way to break lines": ("SELECT 1\n  FROM s.t", "SELECT 1 FROM s.t"),
}
DIFFERENT = {
    "precedence": ("((a OR b) AND c)", "(a OR (b AND c))"),
    "parentheses that matter": ("((a OR b) AND c)", "(a OR b AND c)"),
    "AND for OR": ("(a AND b)", "(a OR b)"),
    "order": ("(a AND b)", "(b AND a)"),
    "one operand less": ("((a AND b) AND c)", "(a AND c)"),
    "NOT of a chain": ("(NOT (a AND b) AND c)", "(NOT a AND b AND c)"),
    "an operator": ("(a >= 1)", "(a > 1)"),
    "a literal": ("(a = 'x')", "(a = 'X')"),
    "a space in a literal": ("(a = 'x y')", "(a = 'x  y')"),
    "a chain in a literal": ("(a ~ '(b AND c) AND d')", "(a ~ 'b AND c AND d')"),
    "a quoted name": ('("A" = 1)', '("a" = 1)'),
    "another element": ("(ARRAY['a'::text])::text[]", "ARRAY[('b'::text)::text]"),
    "another type": ("(ARRAY['a'::text])::text[]", "ARRAY[('a'::text)::name]"),
    "a function of another schema": ("SELECT lower(x) FROM s.t", "SELECT t.lower(x) FROM s.t"),
    "a type of another schema": ("(x)::text", "(x)::evil.text"),
    "a table of another schema": ("SELECT t.id FROM s.t", "SELECT id FROM t"),
    "another table": ("SELECT t.id FROM s.t", "SELECT id FROM s.u"),
    "columns of two tables": ("SELECT a.id FROM s.a, s.b", "SELECT b.id FROM s.a, s.b"),
    "a column of what is no table here": ("(old.x = 1)", "(x = 1)"),
    "nothing": (None, "(x = 1)"),
}


@pytest.mark.parametrize("name", SAME)
def test_what_a_restore_writes_differently_is_the_same(name):
    one, other = SAME[name]
    assert (same(one, other), same(other, one)) == (True, True)


@pytest.mark.parametrize("name", DIFFERENT)
def test_anything_else_is_a_difference(name):
    one, other = DIFFERENT[name]
    assert (same(one, other), same(other, one)) == (False, False)
