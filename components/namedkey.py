"""A KMS key that is found again by its alias: what it has encrypted is read with this one key alone."""

from collections.abc import Sequence

import pulumi
from pulumi_aws import kms

from components.base import Component
from components.documents import PolicyStatement, text
from targets.found import Found


def named_key(
    owner: Component,
    name: str,
    use: str,
    found: Found,
    rights: Sequence[PolicyStatement],
    disposable: bool,
    outlives: bool = False,
) -> tuple[kms.Key, kms.Alias]:
    """A key and its alias, as children of a component.

    Args:
        use: what it is for, one of `awsnames.KEYS`.
        disposable: whether it may go as soon as AWS lets it.
        outlives: whether it stays at AWS when the stack goes, since what stays there was encrypted with it.
    """
    alias = found.names.alias(use)
    stays = pulumi.ResourceOptions(retain_on_delete=outlives)
    key = kms.Key(
        f"{name}-key",
        description=f"{use.capitalize()} of {found.names.stack}",
        policy=text(*rights),
        enable_key_rotation=True,
        deletion_window_in_days=7 if disposable else 30,
        opts=pulumi.ResourceOptions.merge(
            owner.again(found.ids.get(alias)),
            # AWS doesn't say it of a key that is taken over.
            pulumi.ResourceOptions(ignore_changes=["deletion_window_in_days"], retain_on_delete=outlives),
        ),
    )
    known = alias if alias in found.ids else None
    opts = pulumi.ResourceOptions.merge(owner.again(known), stays)
    return key, kms.Alias(f"{name}-alias", name=alias, target_key_id=key.key_id, opts=opts)
