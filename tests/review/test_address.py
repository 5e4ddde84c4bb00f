"""Which database is asked about pending migrations."""

import pytest

from ops import outputs
from ops.review import address

URL = "postgresql://postgres:word@db.example.org:5432/postgres"


def test_a_stack_elsewhere_is_found_by_its_outputs_and_one_of_this_machine_by_itself(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("DATABASE_URL", raising=False)
    monkeypatch.setattr(outputs, "connectable", lambda stack: {"admin_url": URL} if stack == "staging" else {})
    assert address.of("staging", None) == URL
    assert address.of("dev", None) is None
    assert address.of("staging", "postgresql://a@b/c") == "postgresql://a@b/c"
    monkeypatch.setenv("DATABASE_URL", "postgresql://d@e/f")
    assert address.of("staging", None) == "postgresql://d@e/f"
