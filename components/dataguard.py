"""What holds data is kept: Pulumi asks here before it deletes any of it, in previews too, however it is run.

Pulumi's own option `protect` refuses as well, but it refuses the end of what isn't declared any more whatever the
settings say, and names the command that takes the protection out of the state. A hook is asked in the very run.
"""

from collections.abc import Iterable

import pulumi

from declared import permissions
from declared.permissions import Permission

HOOK, SHORTER = "holds-data", "keeps-backups"
# Days back to which a server can be brought; what is beyond goes at once when they become fewer.
WINDOW = "backupRetentionPeriod"
# What goes with a resource of the type.
HELD = {
    "pg:index:MigrationSet": "tables with all rows",
    "pg:index:Schema": "a schema",
    "pg:index:SealingKeyPair": "the key that opens sealed tokens",
    "aws:s3/bucket:Bucket": "files",
    "aws:kms/key:Key": "all that it has encrypted",
    "aws:kms/alias:Alias": "the name that its key is found by",
    "aws:cloudfront/distribution:Distribution": "the address of all files",
    "aws:backup/vault:Vault": "snapshots of the server",
    "aws:rds/instance:Instance": "a server with its databases",
    "aws:rds/cluster:Cluster": "a cluster with its databases",
}


class DataGuard:
    """Refuses the end of what holds data, replacements included, unless a permission of the settings names it.

    Made before the first resource. A destroy is asked the same, and without the program Pulumi refuses it.
    """

    def __init__(self, keep: bool, given: Iterable[Permission]) -> None:
        """
        Args:
            keep: whether data is kept at all.
            given: expired ones too, which are said and permit nothing.
        """
        self._keep = keep
        self._given = {each.what: each for each in given}
        # Also where nothing is kept any more: the state may still name it.
        hook = pulumi.ResourceHook(HOOK, self._ask, pulumi.ResourceHookOptions(on_dry_run=True))
        shorter = pulumi.ResourceHook(SHORTER, self._ask_of_window, pulumi.ResourceHookOptions(on_dry_run=True))
        self._held = pulumi.ResourceOptions(
            hooks=pulumi.ResourceHookBinding(before_delete=[hook], before_update=[shorter]),
            protect=False,
            # Else the new one would be there when the end of the old one is refused.
            delete_before_replace=True,
        )
        if keep:
            pulumi.runtime.register_stack_transformation(self._hold)
        for each in self._given.values():
            _say(each)

    def _hold(self, seen: pulumi.ResourceTransformationArgs) -> pulumi.ResourceTransformationResult | None:
        # What says itself that it may go, such as a key that only opens, is about to.
        if seen.type_ not in HELD or seen.opts.protect is False:
            return None
        return pulumi.ResourceTransformationResult(seen.props, pulumi.ResourceOptions.merge(seen.opts, self._held))

    def _ask(self, about: pulumi.ResourceHookArgs) -> None:
        if self._may(about.name):
            return
        raise pulumi.RunError(
            f"{about.name} would be deleted or replaced, and with it {HELD[about.type]}: put its declaration back; if "
            f"it is meant: {permissions.way(about.name)}; a destroy of the whole stack needs database:protectData false"
        )

    def _ask_of_window(self, about: pulumi.ResourceHookArgs) -> None:
        """:raises RunError: for a server that is to keep fewer days than it does"""
        was, wanted = ((inputs or {}).get(WINDOW) for inputs in (about.old_inputs, about.new_inputs))
        change = f"{about.name} backupDays"
        if was is None or wanted is None or int(wanted) >= int(was) or self._may(change):
            return
        raise pulumi.RunError(
            f"{about.name} would keep {int(wanted)} days of backups and not {int(was)}, and what is older goes at "
            f"once: put server:backupDays back; if it is meant: {permissions.way(change)}"
        )

    def _may(self, name: str) -> bool:
        permission = self._given.get(name)
        return not self._keep or (permission is not None and not permission.expired)


def _say(permission: Permission) -> None:
    """Each run says what it may do, so that no permission is forgotten."""
    until = f"until {permission.until:%Y-%m-%d} ({permission.reason})"
    if permission.expired:
        pulumi.log.warn(
            f"{permissions.SETTING}: {permission.what} was allowed {until}, and isn't any more; take it out"
        )
    else:
        pulumi.log.info(f"{permissions.SETTING}: {permission.what} is allowed {until}")
