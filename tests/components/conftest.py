"""The program with its default settings, which all tests here that change nothing share."""

import pytest

from harness.program import Program, run


@pytest.fixture(scope="session")
def program() -> Program:
    return run()
