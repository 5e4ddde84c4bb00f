"""Who may take the roles that the program declares: its trust policies, word for word, at a real moto."""

from collections.abc import Iterator

import pytest

from harness.program import Program, run
from tests.local.conftest import ACCOUNT, MotoServer
from tests.local.test_moto_trust import taking

OWN, STRANGER = {"X-Local-Source-Account": ACCOUNT}, {"X-Local-Source-Account": "999999999999"}
APP = f"arn:aws:iam::{ACCOUNT}:root"
SERVICES = ("ec2", "ecs-tasks", "lambda", "pods.eks", "s3")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MotoServer]:
    made = MotoServer(tmp_path_factory.mktemp("moto") / "state")
    made.start()
    yield made
    made.stop()


@pytest.fixture(scope="module")
def named() -> Program:
    """Each role with somebody else who is named for it."""
    pods = ["pods.eks.amazonaws.com", APP]
    return run(
        access=False,
        roleTrust={"server": [APP], "api": ["ecs-tasks.amazonaws.com"], "scanner": pods}
        | {"cleaner": ["lambda.amazonaws.com"]},
    )


def takers(moto: MotoServer, role: str, program: Program) -> set[str]:
    """Who takes a role where the setting says so."""
    document = program.resources[f"storage-access-{role}"].inputs["assumeRolePolicy"]
    iam = moto.client("iam")
    arn = iam.create_role(RoleName=role, AssumeRolePolicyDocument=document)["Role"]["Arn"]
    found = {"owner": taking(moto, arn)}
    for service in SERVICES:
        said = {"X-Local-Service": f"{service}.amazonaws.com"}
        found[service] = taking(moto, arn, said | OWN)
        found[f"{service} for another"] = taking(moto, arn, said | STRANGER)
    iam.delete_role(RoleName=role)
    assert set(found.values()) <= {"ok", "AccessDenied"}
    return {who for who, answer in found.items() if answer == "ok"}


@pytest.mark.parametrize("roles", [("server", "scanner"), ("api", "cleaner")])
def test_a_role_that_nobody_is_named_for_is_taken_by_nobody(server: MotoServer, roles: tuple[str, ...]) -> None:
    others = {"server", "api", "scanner", "cleaner"} - {*roles}
    program = run(roleTrust={name: ["ec2.amazonaws.com", APP] for name in others})
    for role in roles:
        assert takers(server, role, program) == set(), role


def test_a_role_is_taken_by_those_who_are_named_for_it_and_for_this_account(server: MotoServer, named: Program) -> None:
    assert takers(server, "server", named) == {"owner"}
    assert takers(server, "api", named) == {"ecs-tasks"}
    assert takers(server, "scanner", named) == {"owner", "pods.eks"}
    # These don't say for whom they ask: they start nothing for another account with a role of this one.
    both = {"lambda", "lambda for another"}
    assert takers(server, "cleaner", named) == both


def test_eks_may_tag_the_session_that_it_begins(named: Program) -> None:
    document = named.resources["storage-access-scanner"].inputs
    assert '"sts:TagSession"' in document["assumeRolePolicy"]
