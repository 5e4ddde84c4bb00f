"""A cluster of Aurora with a reader and a proxy through the real engine, offline: made, as declared, and gone again.

What a stack at AWS goes through else is in `test_aws_offline.py`.
"""

import json
from pathlib import Path

import psycopg
import pytest

from harness.checkout import Scratch
from tests.doubles import rdslike
from tests.stack.conftest import succeeded
from tests.stack.test_aws_offline import FILE, IDENTIFIER, KEY
from tests.stack.test_dev import client_of, outputs

pytestmark = [pytest.mark.stack, pytest.mark.xdist_group("aws")]

AURORA = """  server:engine: aurora
  server:readers: 1
  server:proxy: true
  database:protectData: "false"
"""


def test_a_cluster_with_a_reader_and_a_proxy_is_made_as_declared_and_goes_again():
    with rdslike.server() as double, Scratch("prod") as scratch:
        scratch.environment["PULUMI_SKIP_CHECKPOINTS"] = "true"
        settings = FILE.format(port=double.server.port, authority=double.authority, recipient=KEY.to_public())
        (scratch.folder / "Pulumi.prod.yaml").write_text(settings + AURORA)
        succeeded(scratch.pulumi("stack", "init"))
        # The double doesn't know the password that AWS makes.
        with psycopg.connect(double.platform("postgres"), autocommit=True) as connection:
            rules = Path(connection.execute("show hba_file").fetchone()[0])
            rules.write_text(f"hostssl all master all trust\n{rules.read_text()}")
            connection.execute("select pg_reload_conf()")
        succeeded(scratch.up())
        rds, secrets = client_of(scratch, "rds"), client_of(scratch, "secretsmanager")
        (cluster,) = rds.describe_db_clusters()["DBClusters"]
        held = secrets.get_secret_value(SecretId=cluster["MasterUserSecret"]["SecretArn"])["SecretString"]
        master = str(json.loads(held)["password"])
        succeeded(scratch.preview())

        found = outputs(scratch)
        with psycopg.connect(found["read_url"]) as connection:
            assert connection.execute("select session_user").fetchone() == ("authenticator",)
        login = json.loads(
            secrets.get_secret_value(SecretId="visual-prompt-builder-prod-login-authenticator")["SecretString"]
        )
        assert f"//{login['username']}:{login['password']}@" in found["api_url"]
        state = scratch.checkpoint.read_text()
        assert (master in state, login["password"] in state) == (False, False)

        succeeded(scratch.pulumi("destroy", "--yes", "--skip-preview", "--non-interactive"))
        assert (rds.describe_db_clusters()["DBClusters"], rds.describe_db_proxies()["DBProxies"]) == ([], [])
        (last,) = rds.describe_db_cluster_snapshots(SnapshotType="manual")["DBClusterSnapshots"]
        assert last["DBClusterSnapshotIdentifier"].startswith(f"{IDENTIFIER}-")
