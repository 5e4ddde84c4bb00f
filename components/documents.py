"""Policy documents of AWS, as the program writes them: values that aren't known yet stay outputs."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pulumi

PolicyStatement = Mapping[str, Any]


def allow_statement(
    service: str,
    actions: Sequence[str],
    resource: pulumi.Input[str] | Sequence[pulumi.Input[str]] | pulumi.Output[list[str]],
) -> PolicyStatement:
    """Lets the role with this document do these actions of a service with one resource, or several."""
    return {"Effect": "Allow", "Action": [f"{service}:{action}" for action in actions], "Resource": resource}


def through(service: str, region: str, key_arn: pulumi.Input[str], *actions: str) -> PolicyStatement:
    """Lets the role with this document use a key through this service only: nobody decrypts what they got elsewhere."""
    condition = {"StringEquals": {"kms:ViaService": f"{service}.{region}.amazonaws.com"}}
    return {**allow_statement("kms", actions, key_arn), "Condition": condition}


def account_itself(account: pulumi.Input[str]) -> dict[str, Any]:
    """The principal that stands for whom the account's own policies let."""
    return {"AWS": pulumi.Output.concat("arn:aws:iam::", account, ":root")}


def key_rights(account: pulumi.Input[str]) -> PolicyStatement:
    """Lets the account have all rights to a key: without it nobody could change the key's policy again."""
    return {"Effect": "Allow", "Principal": account_itself(account), "Action": "kms:*", "Resource": "*"}


def document(*statements: PolicyStatement) -> Any:
    """A document of these statements; the guardrail can read it before anything is made."""
    return {"Version": "2012-10-17", "Statement": list(statements)}


def text(*statements: PolicyStatement) -> pulumi.Output[str]:
    """The same, for resources that take it as text only."""
    return pulumi.Output.from_input(document(*statements)).apply(json.dumps)
