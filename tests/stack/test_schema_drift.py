"""The snapshot through the real engine: a change that nothing declares is listed, refused, and can be accepted."""

import re

import pytest

from ops.scratch import Scratch

pytestmark = [pytest.mark.stack, pytest.mark.xdist_group("dev")]


def test_a_change_that_nothing_declares_is_refused_until_it_is_accepted():
    with Scratch("snapshot") as scratch:
        assert scratch.up().status == 0
        assert "unchanged" in scratch.preview().output
        scratch.sql("alter table public.projects alter column title drop not null")
        scratch.sql("grant truncate on public.users to anon")
        report = scratch.drift()
        assert report.status == 2
        assert "| table public.projects: column title | `text not null` | `text` |" in report.output
        refused = scratch.up()
        assert refused.status == 1
        assert "declared nowhere: table public.projects: column title; undo it" in refused.output
        assert scratch.sql("select has_table_privilege('anon', 'public.users', 'truncate')") == [(False,)]
        again = scratch.drift()
        assert again.status == 2, "what was refused is still told"
        assert "public.users" not in again.output, "what another resource repaired isn't"
        match = re.search(r"database:acceptDrift ([0-9a-f]+)", refused.output)
        assert match
        assert scratch.pulumi("config", "set", "database:acceptDrift", match[1]).status == 0
        assert scratch.up().status == 0
        assert scratch.preview().status == 0
        assert scratch.drift().status == 0
        assert scratch.down().status == 0
