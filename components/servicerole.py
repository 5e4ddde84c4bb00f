"""A role with its rights: one that a service of AWS takes for this account, or one that the settings say who takes."""

from collections.abc import Sequence

import pulumi
from pulumi_aws import iam

from components.base import Component
from components.documents import PolicyStatement, text
from declared.roletrust import SERVICES
from targets.found import Found

# EKS takes a role with tags that say for which pod.
PODS = "pods.eks.amazonaws.com"


def service_role(
    owner: Component,
    names: tuple[str, str],
    use: str,
    service: str,
    found: Found,
    rights: Sequence[PolicyStatement],
) -> tuple[iam.Role, iam.RolePolicy]:
    """The role and its rights, as children of a component; the role is taken over where it is there already.

    Args:
        names: of the two resources.
        use: what it is for, one of `awsnames.ROLES`.
        service: who takes it, and for this account alone: or it could be made to work for another one.
    """
    called = found.names.of(use)
    trust: dict[str, object] = {
        "Effect": "Allow",
        "Principal": {"Service": service},
        "Action": "sts:AssumeRole",
    }
    # Lambda doesn't say for whom it asks.
    if SERVICES.get(service, True):
        trust["Condition"] = {"StringEquals": {"aws:SourceAccount": found.names.account}}
    again = owner.again(found.ids.get(called))
    role = iam.Role(names[0], name=called, assume_role_policy=text(trust), opts=again)
    policy = iam.RolePolicy(names[1], name="rights", role=role.name, policy=text(*rights), opts=owner.child())
    return role, policy


def trusted_role(
    owner: Component,
    name: str,
    use: str,
    trusted: Sequence[str],
    found: Found,
    account: pulumi.Input[str],
    rights: Sequence[PolicyStatement],
) -> pulumi.Output[str]:
    """The ARN of a role that is taken by those whom the settings name, and by nobody else."""
    called = found.names.of(use)
    trust = text(*_trusting(trusted, account))
    made = iam.Role(name, name=called, assume_role_policy=trust, opts=owner.again(found.ids.get(called)))
    # Its name too is fixed: one of another name would leave the old rights beside the new.
    iam.RolePolicy(f"{name}-rights", name="rights", role=made.name, policy=text(*rights), opts=owner.child())
    arn: pulumi.Output[str] = made.arn
    return arn


def _trusting(names: Sequence[str], account: pulumi.Input[str]) -> list[PolicyStatement]:
    """Who may take a role. A trust policy without a statement isn't one: nobody is a denial to everybody."""
    taking = {"Effect": "Allow", "Action": "sts:AssumeRole"}
    if not names:
        return [{**taking, "Effect": "Deny", "Principal": {"AWS": "*"}}]
    statements: list[PolicyStatement] = []
    if arns := [name for name in names if name not in SERVICES]:
        statements.append({**taking, "Principal": {"AWS": arns}})
    for service in (name for name in names if name in SERVICES):
        # Or a service could be made to take it for another account.
        own = {"Condition": {"StringEquals": {"aws:SourceAccount": account}}} if SERVICES[service] else {}
        tagging = {"Action": ["sts:AssumeRole", "sts:TagSession"]} if service == PODS else {}
        statements.append({**taking, **tagging, "Principal": {"Service": service}, **own})
    return statements
