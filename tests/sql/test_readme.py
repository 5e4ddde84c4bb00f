"""sql/README.md: a rule without a test is no rule, and a test that was renamed leaves none."""

import re
from pathlib import Path

from tests.sql.provision import SQL

README = (SQL / "README.md").read_text()
HERE = Path(__file__).parent


def test_every_rule_names_what_holds_it_and_every_named_test_exists():
    tests = set(re.findall(r"^def (test_\w+)", "\n".join(path.read_text() for path in HERE.glob("*.py")), re.MULTILINE))
    rows = re.findall(r"^\| (.+) \| (.+) \|$", README.split("## The rules", 1)[1], re.MULTILINE)[2:]
    assert len(rows) > 20
    for rule, holders in rows:
        named = re.findall(r"`(test_\w+)`", holders)
        files = re.findall(r"`(test_\w+\.py)`", holders)
        assert named or files or "sqlfluff" in holders, f"nothing holds the rule: {rule}"
        assert not set(named) - tests, f"the rule `{rule}` names a test that is not there"
        assert all((HERE / file).exists() for file in files)


def test_the_example_in_the_readme_is_the_real_header():
    (example,) = re.findall(r"```sql\n(.*?)```", README, re.DOTALL)
    assert (SQL / "migrations" / "0007_projects.up.sql").read_text().startswith(example)
