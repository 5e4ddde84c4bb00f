"""Who may take the roles that the program declares: its trust policies, word for word, at a real moto."""

from collections.abc import Iterator

import pytest

from harness.program import run
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


def takers(moto: MotoServer, role: str, /, **trust: list[str]) -> set[str]:
    """Who takes a role where the setting says so."""
    document = run(roleTrust=trust).resources[f"storage-access-{role}"].inputs["assumeRolePolicy"]
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


@pytest.mark.parametrize("role", ["server", "api", "scanner", "cleaner"])
def test_a_role_that_nobody_is_named_for_is_taken_by_nobody(server: MotoServer, role: str) -> None:
    others = {name: ["ec2.amazonaws.com", APP] for name in ("server", "api", "scanner", "cleaner") if name != role}
    assert takers(server, role, **others) == set()


def test_a_role_is_taken_by_those_who_are_named_for_it_and_for_this_account(server: MotoServer) -> None:
    assert takers(server, "server", server=[APP]) == {"owner"}
    assert takers(server, "api", api=["ecs-tasks.amazonaws.com"]) == {"ecs-tasks"}
    assert takers(server, "scanner", scanner=["pods.eks.amazonaws.com", APP]) == {"owner", "pods.eks"}
    # These don't say for whom they ask: they start nothing for another account with a role of this one.
    both = {"lambda", "lambda for another"}
    assert takers(server, "cleaner", cleaner=["lambda.amazonaws.com"]) == both


def test_eks_may_tag_the_session_that_it_begins() -> None:
    document = run(roleTrust={"api": ["pods.eks.amazonaws.com"]}).resources["storage-access-api"].inputs
    assert '"sts:TagSession"' in document["assumeRolePolicy"]
