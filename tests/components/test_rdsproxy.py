"""What the program declares of a proxy: who comes through, by which secrets, and what stays direct."""

import json
from typing import Any

import pytest

from declared.connectionurl import parse
from harness.program import ACCOUNT, Program, run


def at_aws(server: dict[str, Any] | None = None, **changes: Any) -> Program:
    return run(
        "prod", access=False, target="aws", offline="true", server={"proxy": "true", **(server or {})}, **changes
    )


@pytest.fixture(scope="module")
def prod() -> Program:
    return at_aws()


def test_the_login_of_the_api_goes_through_and_all_others_are_direct(prod):
    hosts = {name: parse(url)["host"] for name, url in prod.outputs.items() if name.endswith("_url") and url}
    assert hosts.pop("api_url") == "server-proxy-proxy.cluster.rds.amazonaws.com"
    assert set(hosts.values()) == {"server-rds-instance.rds.amazonaws.com"}, "auth_url sets options at its start"
    found = parse(prod.outputs["api_url"])
    assert (found["user"], found["password"]) == ("authenticator", "password-of-roles-authenticator-password")
    assert (found["sslmode"], found["sslrootcert"]) == ("verify-full", "/etc/ssl/rds/AmazonRootCA1.pem")
    assert "api_url" in prod.secret_outputs


def test_it_takes_tls_and_passwords_from_secrets_that_it_alone_reads(prod):
    (proxy,) = prod.of_type("aws:rds/proxy:Proxy")
    secret = prod.resources["server-proxy-secret-authenticator"]
    assert (proxy.inputs["requireTls"], proxy.inputs["engineFamily"]) == (True, "POSTGRESQL")
    (auth,) = proxy.inputs["auths"]
    assert (auth["authScheme"], auth["iamAuth"], auth["clientPasswordAuthType"]) == (
        *("SECRETS", "DISABLED", "POSTGRES_SCRAM_SHA_256"),
    )
    assert secret.inputs["kmsKeyId"] == f"arn:aws:kms:us-east-1:{ACCOUNT}:server-rds-key"
    reads, opens = json.loads(prod.resources["server-proxy-rights"].inputs["policy"])["Statement"]
    assert (reads["Action"], reads["Resource"]) == ("secretsmanager:GetSecretValue", [auth["secretArn"]])
    assert opens["Condition"] == {"StringEquals": {"kms:ViaService": "secretsmanager.us-east-1.amazonaws.com"}}
    (trust,) = json.loads(prod.resources["server-proxy-role"].inputs["assumeRolePolicy"])["Statement"]
    assert trust["Principal"] == {"Service": "rds.amazonaws.com"}
    assert trust["Condition"] == {"StringEquals": {"aws:SourceAccount": ACCOUNT}}


def test_the_password_is_a_secret_of_the_stack_and_of_nobody_else(prod):
    value = prod.resources["server-proxy-secret-authenticator-value"]
    kept = value.wire["secretString"]
    assert kept["4dabf18193072939515e22adb298388d"] == "1b47061264138c4ac30d75fd1eb44270", "marked as a secret"
    assert json.loads(kept["value"]) == {
        "username": "authenticator",
        "password": "password-of-roles-authenticator-password",
    }


def test_while_two_passwords_are_open_both_logins_come_through():
    found = at_aws(passwords=[2, 1])
    made = [each for each in found.of_type("aws:secretsmanager/secret:Secret") if each.parent == "server-proxy"]
    names = {each.inputs["name"] for each in made}
    assert names == {f"visual-prompt-builder-prod-login-{login}" for login in ("authenticator", "authenticator_2")}
    assert parse(found.outputs["api_url"])["user"] == "authenticator_2"
    assert len(found.of_type("aws:rds/proxy:Proxy")[0].inputs["auths"]) == 2


def test_clients_reach_the_proxy_and_the_proxy_the_server_by_their_groups(prod):
    into = {
        each.name: (each.inputs["securityGroupId"], each.inputs["referencedSecurityGroupId"])
        for each in prod.of_type("aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule")
        if "monitor" not in each.inputs["referencedSecurityGroupId"]
        and "endpoints" not in each.inputs["securityGroupId"]
    }
    clients, proxy, server = (f"server-network-group-{use}-id" for use in ("clients", "proxy", "database"))
    assert into == {
        "server-network-into-database": (server, clients),
        "server-network-into-proxy": (proxy, clients),
        "server-network-into-database-from-proxy": (server, proxy),
    }
    assert prod.of_type("aws:rds/proxy:Proxy")[0].inputs["vpcSecurityGroupIds"] == [proxy]


@pytest.mark.parametrize(
    ("engine", "target"),
    [("postgres", "dbInstanceIdentifier"), ("aurora", "dbClusterIdentifier")],
)
def test_it_leads_to_the_server_or_the_cluster(engine, target):
    (found,) = at_aws({"engine": engine}).of_type("aws:rds/proxyTarget:ProxyTarget")
    assert found.inputs[target] == "visual-prompt-builder-prod-database"


@pytest.mark.parametrize(
    ("engine", "server"),
    [("postgres", "server-rds-instance"), ("aurora", "server-aurora-server-1")],
)
def test_it_waits_for_the_server_that_it_leads_to_and_for_what_is_in_its_secrets(engine, server):
    program = at_aws({"engine": engine})
    assert server in program.resources["server-proxy-target"].waits_for
    assert "server-proxy-secret-authenticator-value" in program.resources["server-proxy-proxy"].waits_for


def test_offline_its_clients_go_where_the_others_go():
    found = at_aws({"endpoint": "127.0.0.1:5999", "rootCertificate": "/tmp/ca.pem"})
    there = parse(found.outputs["api_url"])
    assert (there["host"], there["port"], there["sslrootcert"]) == ("127.0.0.1", "5999", "/tmp/ca.pem")
