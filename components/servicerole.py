"""A role that a service of AWS takes for this account, with its rights."""

from collections.abc import Sequence

from pulumi_aws import iam

from components.base import Component
from components.documents import PolicyStatement, text
from targets.found import Found


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
    trust = {
        "Effect": "Allow",
        "Principal": {"Service": service},
        "Action": "sts:AssumeRole",
        "Condition": {"StringEquals": {"aws:SourceAccount": found.names.account}},
    }
    again = owner.again(found.ids.get(called))
    role = iam.Role(names[0], name=called, assume_role_policy=text(trust), opts=again)
    policy = iam.RolePolicy(names[1], name="rights", role=role.name, policy=text(*rights), opts=owner.child())
    return role, policy
