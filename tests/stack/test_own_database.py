"""A server that was there before, by setting: provisioned beside nothing of ours, and tidied up by `down`."""

import psycopg
import pytest

from local import postgres
from ops.scratch import Scratch
from tests.conftest import installations
from tests.stack.conftest import succeeded

pytestmark = pytest.mark.stack

# The machine's own where it has one: the wheel's is what all other tests here run on.
ANOTHER = list(installations())[-1]


@pytest.mark.parametrize("cluster", [ANOTHER], indirect=True)
def test_a_database_of_ones_own_is_provisioned_in_place_of_the_embedded_one(cluster, tmp_path):
    """On a server of its own: `down` drops the roles, which other databases of a server would still need."""
    server = postgres.ensure(tmp_path, cluster.programs)
    with Scratch("own") as scratch:
        succeeded(scratch.pulumi("stack", "init"))
        succeeded(scratch.pulumi("config", "set", "--secret", "database:url", server.url()))
        try:
            run = scratch.up()
            assert server.password not in run.output
            succeeded(run)
            succeeded(scratch.preview())
            with psycopg.connect(server.url()) as connection:
                assert connection.execute("select count(*) from public.projects").fetchone() == (0,)
        finally:
            succeeded(scratch.down())
        with psycopg.connect(server.url()) as connection:
            left = connection.execute("select nspname from pg_namespace where nspname in ('auth', 'private')")
            assert left.fetchall() == []
    postgres.remove(tmp_path, cluster.programs)
