"""A login's password that AWS keeps: fetched when the provider is configured, by its ARN, and never shown."""

import json
from typing import Any

import boto3
import pytest

from harness.engine import Engine, Refusal
from local.ports import free_port
from tests.local.conftest import MotoServer

URL = "postgresql://master@127.0.0.1:1/app"
NONE = "arn:aws:secretsmanager:us-east-1:123456789012:secret:none"


@pytest.fixture(scope="module")
def moto(tmp_path_factory):
    server = MotoServer(tmp_path_factory.mktemp("moto") / "state")
    server.start()
    yield server
    server.stop()


def secret(moto: MotoServer, name: str, text: str) -> str:
    keys = {"aws_access_key_id": "x", "aws_secret_access_key": "x"}
    client = boto3.client("secretsmanager", endpoint_url=moto.endpoint, region_name="eu-west-1", **keys)
    return str(client.create_secret(Name=name, SecretString=text)["ARN"])


@pytest.fixture
def engine():
    made = Engine()
    yield made
    made.close()


def configure(engine: Engine, **given: Any) -> None:
    engine.configure({"url": URL, "lockTimeout": "5s", **given})


def test_the_password_is_that_of_the_secret_in_the_region_of_its_arn(engine, moto):
    arn = secret(moto, "right", json.dumps({"username": "master", "password": "of AWS"}))
    configure(engine, passwordSecret=arn, secretsEndpoint=moto.endpoint)
    assert engine.plugin._connections.info.given["password"] == "of AWS"
    assert "of AWS" not in repr(engine.plugin._connections.info)


@pytest.mark.parametrize("text", ["geheim", "[]", '{"username": "geheim"}'])
def test_a_secret_that_is_none_of_rds_is_named_and_not_shown(engine, moto, text):
    arn = secret(moto, f"wrong-{len(text)}", text)
    with pytest.raises(Refusal, match="it isn't JSON with a password, as RDS writes it") as caught:
        configure(engine, passwordSecret=arn, secretsEndpoint=moto.endpoint)
    assert str(caught.value).startswith(f"secret {arn}: ")
    assert "geheim" not in str(caught.value)


def test_a_secret_that_cannot_be_read_is_one_line(engine, moto):
    for arn, endpoint, said in (
        (NONE, moto.endpoint, "ResourceNotFoundException"),
        (NONE, f"http://127.0.0.1:{free_port()}", "Could not connect to the endpoint URL"),
        ("arn:aws:s3:::b", moto.endpoint, "passwordSecret 'arn:aws:s3:::b' is no ARN of a secret"),
    ):
        with pytest.raises(Refusal, match=said) as caught:
            configure(engine, passwordSecret=arn, secretsEndpoint=endpoint)
        assert "\n" not in str(caught.value)
