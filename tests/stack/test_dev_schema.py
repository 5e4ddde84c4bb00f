"""The snapshot through the real engine: a change that nothing declares is listed, refused, and can be accepted."""

import re

import pytest

from tests.stack.conftest import succeeded

pytestmark = [pytest.mark.stack, pytest.mark.xdist_group("dev")]


def test_a_change_that_nothing_declares_is_refused_until_it_is_accepted(dev):
    dev.sql("alter table public.projects alter column title drop not null")
    dev.sql("grant truncate on public.users to anon")
    report = dev.drift()
    assert report.status == 2
    assert "| table public.projects: column title | `text not null` | `text` |" in report.output
    refused = dev.up()
    assert refused.status == 1
    assert "declared nowhere: table public.projects: column title; this run has changed nothing" in refused.output
    assert dev.sql("select has_table_privilege('anon', 'public.users', 'truncate')") == [(True,)]
    match = re.search(r"database:acceptDrift ([0-9a-f]+)", refused.output)
    assert match
    succeeded(dev.pulumi("config", "set", "database:acceptDrift", match[1]))
    succeeded(dev.up())
    assert dev.sql("select has_table_privilege('anon', 'public.users', 'truncate')") == [(False,)]
    assert dev.drift().status == 0
