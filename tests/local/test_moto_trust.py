"""Who may take a role, as its trust policy says ("How to use trust policies with IAM roles")."""

import json
from typing import Any

import pytest

from tests.local.conftest import ACCOUNT, MotoServer, code

ACCOUNT_ROOT = f"arn:aws:iam::{ACCOUNT}:root"
TASKS = "ecs-tasks.amazonaws.com"
DENIED = {"Effect": "Deny", "Principal": {"AWS": "*"}}
FOR_US = {"StringEquals": {"aws:SourceAccount": ACCOUNT}}


def taking(server: MotoServer, role: str, headers: dict[str, str] | None = None, keys: tuple[str, ...] = ()) -> str:
    """What comes of taking a role as the owner, as a service that headers name, or with a user's keys."""
    sts = server.client("sts", *keys)

    def add(request: Any, **_: Any) -> None:
        for name, value in (headers or {}).items():
            request.headers[name] = value

    sts.meta.events.register("before-sign.sts", add)
    try:
        return code(sts.assume_role, RoleArn=role, RoleSessionName="session")
    finally:
        sts.meta.events.unregister("before-sign.sts", add)


def trusting(server: MotoServer, name: str, *statements: dict[str, Any]) -> str:
    filled = [{"Effect": "Allow", "Action": "sts:AssumeRole", **each} for each in statements]
    document = json.dumps({"Version": "2012-10-17", "Statement": filled})
    return str(server.client("iam").create_role(RoleName=name, AssumeRolePolicyDocument=document)["Role"]["Arn"])


@pytest.fixture(scope="module")
def user(moto_server: MotoServer) -> tuple[str, str]:
    iam = moto_server.client("iam")
    iam.create_user(UserName="somebody")
    made = iam.create_access_key(UserName="somebody")["AccessKey"]
    return made["AccessKeyId"], made["SecretAccessKey"]


OF_TASKS = {"X-Local-Service": TASKS, "X-Local-Source-Account": ACCOUNT}
# Trust policy → who may take the role.
TRUSTED: dict[str, tuple[list[dict[str, Any]], set[str]]] = {
    "nobody": ([DENIED], set()),
    "the account": ([{"Principal": {"AWS": ACCOUNT_ROOT}}], {"owner", "user"}),
    "a user": ([{"Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:user/somebody"}}], {"user"}),
    "a service": ([{"Principal": {"Service": TASKS}}], {"tasks", "tasks of another"}),
    "a service for us": ([{"Principal": {"Service": TASKS}, "Condition": FOR_US}], {"tasks"}),
    "all but": ([{"Principal": {"AWS": ACCOUNT_ROOT}}, DENIED], set()),
}


@pytest.mark.parametrize("trust", list(TRUSTED))
def test_a_role_is_taken_by_those_whom_its_trust_names(
    moto_server: MotoServer, user: tuple[str, str], trust: str
) -> None:
    statements, wanted = TRUSTED[trust]
    role = trusting(moto_server, trust.replace(" ", "-"), *statements)
    found = {
        "owner": taking(moto_server, role),
        "user": taking(moto_server, role, keys=user),
        "tasks": taking(moto_server, role, OF_TASKS),
        "tasks of another": taking(moto_server, role, {**OF_TASKS, "X-Local-Source-Account": "999999999999"}),
        "another service": taking(moto_server, role, {**OF_TASKS, "X-Local-Service": "ec2.amazonaws.com"}),
    }
    assert {who for who, answer in found.items() if answer == "ok"} == wanted, found
    assert set(found.values()) <= {"ok", "AccessDenied"}


def test_a_role_that_is_not_there_is_taken_by_nobody(moto_server: MotoServer) -> None:
    for arn in (
        f"arn:aws:iam::{ACCOUNT}:role/gone",
        "arn:aws:iam::999999999999:role/theirs",
        "no-arn-of-any-kind-at-all",
    ):
        assert taking(moto_server, arn) != "ok"
