"""Provisioning a scratch database: what PostgreSQL refuses is one line with the object and its place."""

import pytest
from pgprovider.errors import StatementFailed

from ops import provision

POLICY = "-- A sentence.\ncreate policy projects_select_x on public.projects for select to anon using (nonsense = 1);\n"


def test_a_policy_that_postgresql_refuses_is_named_with_its_line(provisioned, tmp_path, monkeypatch):
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "public.projects.sql").write_text(POLICY)
    monkeypatch.setattr(provision, "SQL", tmp_path)
    with pytest.raises(StatementFailed) as error, provisioned.transaction():
        provision.apply_policies(provisioned)
    said = str(error.value)
    assert said.startswith('policy projects_select_x on public.projects: column "nonsense" does not exist (42703), ')
    assert said.endswith("public.projects.sql:2")


def test_a_grant_on_what_is_not_there_is_named(provisioned):
    with pytest.raises(StatementFailed, match=r"^grants on table public\.nothing: relation .* does not exist"):
        with provisioned.transaction():
            provision.grant(provisioned, {"table": {"public.nothing": {"anon": ["select"]}}})
