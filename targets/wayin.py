"""Where at AWS the server of a stack is, asked by its name: before its first outputs, and without its state."""

from declared.awsnames import AwsNames
from declared.errors import UserError
from declared.serversettings import AURORA
from targets.endpoint import AwsEndpoint
from targets.found import Clients


class NotAsked(UserError):
    """AWS doesn't say; the text is one line."""


def address(aws: AwsEndpoint, region: str, stack: str, engine: str) -> tuple[str, int] | None:
    """Host and port of the server; None where there is none that takes sessions.

    :raises NotAsked: where AWS can't be asked
    """
    from botocore.exceptions import BotoCoreError, ClientError

    rds, name = Clients(aws, region).of("rds"), AwsNames(stack, "").of("database")
    try:
        if engine == AURORA:
            (cluster,) = rds.describe_db_clusters(DBClusterIdentifier=name)["DBClusters"]
            return cluster["Endpoint"], int(cluster["Port"])
        (server,) = rds.describe_db_instances(DBInstanceIdentifier=name)["DBInstances"]
    except ClientError as error:
        if error.response["Error"]["Code"] in ("DBInstanceNotFound", "DBClusterNotFoundFault"):
            return None
        raise NotAsked(f"stack {stack}: AWS can't be asked where its server is: {_line(error)}") from None
    except BotoCoreError as error:
        raise NotAsked(f"stack {stack}: AWS can't be asked where its server is: {_line(error)}") from None
    # One that is being made has no address yet.
    found = server.get("Endpoint")
    return (found["Address"], int(found["Port"])) if found else None


def _line(error: Exception) -> str:
    return " ".join(str(error).split())
