"""What is promised of backups, where somebody hears when it isn't kept."""

from datetime import UTC, datetime

from declared.backups import DIMENSION, METRIC, NAMESPACE
from ops.backups.declared import Declared
from ops.backups.errors import BackupError
from ops.backups.manifest import Summary
from ops.environment import Environment
from ops.errors import answered


def tell(environment: Environment, made: Summary, place: Declared) -> None:
    """Say to CloudWatch how old the newest complete backup is, which the alarm goes by.

    :raises BackupError: where it can't be told; the backup is there all the same
    """
    try:
        taken = place.newest() or datetime.fromisoformat(made.taken_at)
        hours = (datetime.now(UTC) - taken).total_seconds() / 3600
        data = {"MetricName": METRIC, "Dimensions": [{"Name": DIMENSION, "Value": environment.stack}], "Value": hours}
        environment.client("cloudwatch").put_metric_data(Namespace=NAMESPACE, MetricData=[data])
    except Exception as error:
        if not (said := answered(error)):
            raise
        raise BackupError(f"backup {made.id} is complete, and its alarm can't be told: {said}") from None
