"""An account at AWS, as the program makes it: every resource of a run under mocks, made in moto by the stand-in."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import boto3
from botocore.config import Config
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from harness.engine import Engine
from harness.program import Program, Registered, _made
from local.standins.aws.provider import AwsPlugin
from tests.local.conftest import ACCESS_KEY, SECRET_KEY
from tests.standins.test_aws import configuration

REGION = "us-east-1"
KEYS = {"accessKey": ACCESS_KEY, "secretKey": SECRET_KEY}
# What is audited; alarms, functions and what the network lets out are tested elsewhere.
SERVICES = (
    *(f"aws:{name}/" for name in ("s3", "kms", "sns", "iam", "rds", "ec2", "cloudfront", "backup", "secretsmanager")),
    "aws:cloudwatch/logGroup:LogGroup",
    "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule",
)
# A mock gives no name to what this is a part of.
LEFT_OUT = "aws:rds/proxyTarget:ProxyTarget"
# What a run under mocks answers for these, in the place of what AWS would.
ANSWERED = ("arn", "keyId", "domainName", "name", "bucketRegionalDomainName", "address", "endpoint")


@dataclass
class Account:
    """What was made, by the name of its resource."""

    endpoint: str
    ids: dict[str, str] = field(default_factory=dict)
    types: dict[str, str] = field(default_factory=dict)
    _real: dict[str, str] = field(default_factory=dict)
    """What a mock has answered → what AWS has."""

    def make(self, program: Program) -> None:
        """All resources of these services, each after what it waits for."""
        # A mock's key pair isn't one.
        public = rsa.generate_private_key(65537, 2048).public_key()
        pem = public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        self._real["public-storage-cdn-pair-1"] = pem.decode()
        pending = [
            each for each in program.resources.values() if each.type.startswith(SERVICES) and each.type != LEFT_OUT
        ]
        before = {each.name: program.waits_for(each.name) for each in pending}
        engine = Engine(AwsPlugin())
        try:
            engine.run(engine.plugin.configure(configuration(self.endpoint, **KEYS)))
            for each in sorted(pending, key=lambda each: len(before[each.name])):
                made = engine.create(each.type, self._inputs(each))
                self.ids[each.name], self.types[each.name] = made.id, each.type
                self._note(each, made.id, made.state)
        finally:
            engine.close()

    def _note(self, each: Registered, id: str, state: Mapping[str, Any]) -> None:
        self._real[f"{each.name}-id"] = id
        for key, mocked in _made(each.type, each.name).items():
            if key in ANSWERED and isinstance(mocked, str) and isinstance(state.get(key), str):
                self._real[mocked] = str(state[key])

    def _inputs(self, each: Registered) -> dict[str, Any]:
        """The inputs with what AWS has answered."""
        text = json.dumps(_plain(each.inputs))
        for mocked in sorted(self._real, key=len, reverse=True):
            text = text.replace(json.dumps(mocked)[1:-1], json.dumps(self._real[mocked])[1:-1])
        found: dict[str, Any] = json.loads(text)
        return found

    def client(self, service: str, region: str = REGION) -> Any:
        """The owner's client."""
        config = Config(s3={"addressing_style": "path"})
        keys = {"aws_access_key_id": ACCESS_KEY, "aws_secret_access_key": SECRET_KEY}
        return boto3.client(service, region_name=region, endpoint_url=self.endpoint, config=config, **keys)

    @property
    def state(self) -> list[dict[str, Any]]:
        """The resources as the engine's state has them."""
        return [{"type": type, "id": self.ids[name]} for name, type in self.types.items()]


def _plain(value: Any) -> Any:
    """Inputs without the marks of secrets, and without what isn't JSON."""
    if isinstance(value, dict):
        return (
            _plain(value["value"]) if "value" in value and len(value) == 2 else {k: _plain(v) for k, v in value.items()}
        )
    if isinstance(value, list):
        return [_plain(each) for each in value]
    return value if isinstance(value, str | int | float | bool | None) else None
