"""Plans of the whole program, run once under mocks for all tests here."""

from functools import cache
from typing import Any

import pytest

from guardrails.model import Plan, Resource
from harness.program import Program, run
from tests.components.test_program import HOSTED

BACKUPS = {
    "retention": {"daily": 7, "weekly": 5},
    "recoveryPoint": 24,
    "recoveryTime": 4,
    "lockDays": 7,
    "recipients": ["age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kdsaasp4q3z6pjc"],
}
PROD: dict[str, Any] = {"target": "aws", "offline": "true", "backups": BACKUPS}
URL = f"postgresql://postgres:x@db.{HOSTED['reference']}.supabase.co:5432/postgres"


def planned(program: Program, **more: Any) -> Plan:
    """What rules look at, of a run under mocks; a mock calls a resource by its name with `-id`."""
    return Plan(
        tuple(
            Resource.of(each.type, each.name, each.inputs, parent=each.parent, id=f"{each.name}-id")
            for each in program.resources.values()
        ),
        **more,
    )


PRODUCTION = {"stack": "prod", "kept": True, "production": True}


@cache
def plan_of(which: str) -> Plan:
    """The plan of an environment: dev, prod, aurora, hosted."""
    if which == "dev":
        return planned(run())
    if which == "hosted":
        return planned(run("staging", target="supabase", url=URL, project=HOSTED), stack="staging", kept=True)
    server = {"engine": "aurora", "readers": "1"} if which == "aurora" else {"proxy": "true"}
    return planned(run("prod", server=server, **PROD), **PRODUCTION)


@pytest.fixture(scope="session")
def prod() -> Plan:
    return plan_of("prod")
