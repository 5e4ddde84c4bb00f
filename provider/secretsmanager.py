"""A login's password where AWS keeps and changes it: in Secrets Manager."""

import asyncio
import json
import re

from plugin.errors import PluginError

ARN = re.compile(r"arn:aws:secretsmanager:(?P<region>[a-z0-9-]+):[0-9]{12}:secret:.+")


async def password(arn: str, endpoint: str | None = None) -> str:
    """As `read`, beside other work."""
    return await asyncio.to_thread(read, arn, endpoint)


def read(arn: str, endpoint: str | None = None) -> str:
    """The password in a secret as RDS writes it: JSON with `username` and `password`.

    Args:
        arn: of the secret.
        endpoint: where Secrets Manager is, if it isn't AWS'; then no credentials are needed.

    :raises PluginError: where it can't be read
    """
    import botocore.session
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError, ClientError

    found = ARN.fullmatch(arn)
    if found is None:
        raise PluginError(f"passwordSecret {arn!r} is no ARN of a secret")
    # It is no AWS, and knows no keys; but a request without one is taken for another service's.
    more = {"aws_access_key_id": "offline", "aws_secret_access_key": "offline"} if endpoint else {}
    client = botocore.session.get_session().create_client(
        "secretsmanager",
        region_name=found["region"],
        endpoint_url=endpoint,
        config=Config(connect_timeout=5, retries={"total_max_attempts": 3}),
        **more,
    )
    try:
        secret = json.loads(client.get_secret_value(SecretId=arn)["SecretString"])
        return str(secret["password"])
    except (BotoCoreError, ClientError) as error:
        said = " ".join(str(error).split())
        raise PluginError(f"secret {arn}: its password can't be read: {said}; give the login the right") from None
    except (KeyError, TypeError, ValueError):
        raise PluginError(f"secret {arn}: it isn't JSON with a password, as RDS writes it") from None
