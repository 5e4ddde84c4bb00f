"""The variables that an app needs, in the names that its libraries read, written for a shell, for dotenv or as JSON.

Parsers of dotenv differ in what a backslash and `$` do between quotes. A value is written in the one way that all of
them read alike; where there is none, it is refused.
"""

import json
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from declared import connectionurl
from ops import outputs
from ops.errors import CommandError
from run import engine
from run.engine import Api

Format = Literal["dotenv", "json", "shell"]
# As they are in every format.
PLAIN = re.compile(r"[A-Za-z0-9_@%+:,./-]+")
URLS = {"DATABASE_URL": "api_url", "AUTH_DATABASE_URL": "auth_url"}


@dataclass(frozen=True)
class Variable:
    """What a variable is set to; and whether nobody else may know."""

    value: str
    secret: bool = False


def variables(stack: str, every_login: bool) -> dict[str, Variable]:
    """The variables of a stack; `every_login`: also the URLs of operations, such as `BACKUP_DATABASE_URL`.

    :raises CommandError: where there is no such stack, or it isn't provisioned
    """
    found = outputs.read(stack)

    def url(name: str) -> Variable:
        return Variable(connectionurl.compose(outputs.parameters(stack, found, name)), secret=True)

    target = engine.target(stack)
    # The logins that are a platform's own have no output.
    urls = {name: output for name, output in URLS.items() if output in found or not (found and target.platform.name)}
    named = {name: url(output) for name, output in (urls or URLS).items()}
    if target.can.object_store:
        named |= _of_files(stack, found)
    if api := target.api(stack) if target.can.serve_api else None:
        named |= _of_api(api)
    if every_login:
        logins = sorted(name for name in found if name.endswith("_url") and name != "api_url")
        named |= {f"{name.removesuffix('_url').upper()}_DATABASE_URL": url(name) for name in logins}
    return named


def _of_api(api: Api) -> dict[str, Variable]:
    return {
        "SUPABASE_URL": Variable(api.url),
        # Public in every app: row security says what its bearer reaches.
        "SUPABASE_ANON_KEY": Variable(api.anon_key),
        "SUPABASE_SERVICE_ROLE_KEY": Variable(api.service_key, secret=True),
        "SUPABASE_JWT_SECRET": Variable(api.secret, secret=True),
    }


def _of_files(stack: str, found: Mapping[str, Any]) -> dict[str, Variable]:
    def output(name: str) -> Any:
        return outputs.needed(stack, found, name)

    aws, key = engine.target(stack).aws(stack), output("cdn_signing_key")
    named = {
        "AWS_REGION": Variable(engine.region(stack)),
        "AWS_ENDPOINT_URL_S3": Variable(aws.endpoint) if aws.endpoint else None,
        "AWS_ACCESS_KEY_ID": Variable(aws.access_key, secret=True) if aws.access_key else None,
        "AWS_SECRET_ACCESS_KEY": Variable(aws.secret_key, secret=True) if aws.secret_key else None,
        "OBJECT_BUCKET": Variable(output("object_bucket")),
        "STORAGE_BUCKETS": Variable(json.dumps(output("storage_buckets"), separators=(",", ":"))),
        "CDN_DOMAIN": Variable(output("cdn_domain")),
        "CDN_KEY_ID": Variable(key["id"]),
        "CDN_PRIVATE_KEY": Variable(key["private_key"], secret=True),
    }
    return {name: variable for name, variable in named.items() if variable}


def written(values: Mapping[str, str], form: Format) -> str:
    """The variables in one of the formats.

    :raises CommandError: where a value can't be written so that it is read back
    """
    if form == "json":
        return json.dumps(values, indent=2)
    if form == "shell":
        return "\n".join(f"export {name}={shlex.quote(value)}" for name, value in values.items())
    return "\n".join(f"{name}={_dotenv(name, value)}" for name, value in values.items())


def _dotenv(name: str, value: str) -> str:
    if PLAIN.fullmatch(value):
        return value
    # Between single quotes, python-dotenv takes `${…}` for a variable, and a backslash for the next character.
    if not re.search(r"['\\\r]|\$\{", value):
        return f"'{value}'"
    if not re.search(r"[\"\\\r$`]", value):
        return f'"{value}"'
    raise CommandError(f"{name} has characters that parsers of dotenv read differently; use --format shell or json")
