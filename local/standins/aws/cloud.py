"""The provider's configuration, and the boto3 clients made from it: one per service and region."""

import functools
import json
import os
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from plugin.server import CheckFailure, PluginError
from plugin.wire import UNKNOWN, has_unknown

if TYPE_CHECKING:
    from botocore.exceptions import BotoCoreError, ClientError

# The engine adds the last two to its own default providers.
HONOURED = frozenset(
    {
        "accessKey",
        "allowedAccountIds",
        "defaultTags",
        "endpoints",
        "region",
        "s3UsePathStyle",
        "secretKey",
        "skipCredentialsValidation",
        "skipMetadataApiCheck",
        "skipRegionValidation",
        "skipRequestingAccountId",
        "version",
        "pluginDownloadURL",
    }
)
_TEXT = frozenset({"accessKey", "secretKey", "region", "version", "pluginDownloadURL"})

_ADVICE = {
    **dict.fromkeys(
        ("KeyGroupAlreadyExists", "OriginAccessControlAlreadyExists"),
        "bring back the state that has it; docs/storage.md says how to go on without",
    ),
    "AccessDenied": "give the provider's access key that right",
    "BucketAlreadyExists": "choose another name, or take the bucket in with `pulumi import`",
    "BucketNotEmpty": "empty it, or set forceDestroy and run `up` before the destroy",
    "InvalidAccessKeyId": "correct the provider's accessKey",
    "InvalidTargetBucketForLogging": "let the logging service write to the target bucket first",
    "NoSuchBucket": "create the bucket first, and refer to it by its output",
    "SignatureDoesNotMatch": "correct the provider's secretKey",
}


def plain(inputs: dict[str, Any]) -> dict[str, Any]:
    """The provider's arguments, with those unwrapped that the engine sends as JSON text."""
    return {name: value if name in _TEXT else _parsed(value) for name, value in inputs.items()}


def _parsed(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError:
        return value


def check(inputs: dict[str, Any]) -> list[CheckFailure]:
    """What is wrong with the provider's arguments."""
    failures = [
        # The engine prints the value of a property that is reported to it, and this one may be a secret.
        CheckFailure("", f"{name} is not supported by the offline stand-in for the aws plugin; leave it out")
        for name in sorted(inputs.keys() - HONOURED)
    ]
    values = plain(inputs)
    if not has_unknown(values.get("endpoints", [])) and not _is_endpoints(values.get("endpoints", [])):
        failures.append(CheckFailure("endpoints", "must be a list of maps from service to URL"))
    accounts = values.get("allowedAccountIds", [])
    if not has_unknown(accounts) and not (
        isinstance(accounts, list) and all(isinstance(each, str) for each in accounts)
    ):
        failures.append(CheckFailure("allowedAccountIds", "must be a list of texts"))
    tags = values.get("defaultTags", {})
    if tags is not UNKNOWN and (not isinstance(tags, dict) or tags.keys() - {"tags"}):
        failures.append(CheckFailure("defaultTags", "must be a map with the one entry tags"))
    failures += [
        CheckFailure(name, "must be true or false")
        for name, value in values.items()
        if name in HONOURED and name.startswith(("skip", "s3Use")) and not (isinstance(value, bool) or value is UNKNOWN)
    ]
    return failures


def _is_endpoints(value: Any) -> bool:
    return isinstance(value, list) and all(
        isinstance(entry, dict) and all(isinstance(url, str) for url in entry.values()) for entry in value
    )


@dataclass
class Cloud:
    """Where to send calls, in whose name."""

    config: dict[str, Any] = field(default_factory=dict)
    _clients: dict[tuple[str, str], Any] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def configure(self, inputs: dict[str, Any]) -> None:
        """Take the provider's arguments; clients made from earlier ones are dropped."""
        self.config = plain(inputs)
        self._clients = {}

    def check_account(self) -> None:
        """
        :raises PluginError: for credentials of an account that isn't among the allowed ones
        """
        from botocore.exceptions import BotoCoreError, ClientError

        allowed = self.config.get("allowedAccountIds")
        if not isinstance(allowed, list) or not allowed or has_unknown(allowed):
            return
        try:
            account = self.client("sts").get_caller_identity()["Account"]
        except (ClientError, BotoCoreError) as error:
            raise self.explain(error, "allowedAccountIds") from None
        if account not in allowed:
            raise PluginError(f"aws provider: AWS account ID not allowed: {account}; there are {', '.join(allowed)}")

    @property
    def default_tags(self) -> dict[str, Any]:
        """The tags that every resource gets."""
        wrapper = self.config.get("defaultTags")
        tags = wrapper.get("tags") if isinstance(wrapper, dict) else None
        return tags if isinstance(tags, dict) else {}

    @property
    def region(self) -> str:
        """The provider's own region."""
        names = ("AWS_REGION", "AWS_DEFAULT_REGION")
        region = self.config.get("region") or next((os.environ[name] for name in names if os.environ.get(name)), None)
        if not isinstance(region, str):
            raise PluginError("aws provider: no region is known; set aws:region")
        return region

    def client(self, service: str, region: str | None = None) -> Any:
        """The boto3 client of a service. Made once, since making one takes longer than ten calls."""
        wanted = (service, region or self.region)
        with self._lock:
            if wanted not in self._clients:
                self._clients[wanted] = self._make(*wanted)
            return self._clients[wanted]

    def endpoint(self, service: str) -> str:
        """Where a service is. There is no default: this plugin must never reach the real AWS unasked."""
        entries = self.config.get("endpoints")
        for entry in entries if isinstance(entries, list) else []:
            url = entry.get(service) if isinstance(entry, dict) else None
            if isinstance(url, str) and url:
                return url
        raise PluginError(f"aws provider: no endpoint for {service}; add it to endpoints in the provider's arguments")

    def _make(self, service: str, region: str) -> Any:
        from botocore.config import Config

        style = "path" if self.config.get("s3UsePathStyle") else "auto"
        options = Config(
            s3={"addressing_style": style},
            proxies={},
            max_pool_connections=32,
            connect_timeout=5,
            retries={"mode": "standard", "max_attempts": 3},
        )
        key, secret = self._credentials()
        return self._session.client(
            service,
            region_name=region,
            endpoint_url=self.endpoint(service),
            aws_access_key_id=key,
            aws_secret_access_key=secret,
            config=options,
        )

    @functools.cached_property
    def _session(self) -> Any:
        """What all clients share: each session of its own would read all descriptions of AWS again."""
        import boto3
        import botocore.session

        # The machine's own profiles must not decide anything here, so none of its files and variables are read.
        files = {name: (None, None, os.devnull, None) for name in ("config_file", "credentials_file")}
        variables = {"profile": (None, None, None, None), **files}
        return boto3.Session(botocore_session=botocore.session.Session(session_vars=variables))

    def _credentials(self) -> tuple[str, str]:
        key = self.config.get("accessKey") or os.environ.get("AWS_ACCESS_KEY_ID")
        secret = self.config.get("secretKey") or os.environ.get("AWS_SECRET_ACCESS_KEY")
        if not isinstance(key, str) or not isinstance(secret, str):
            raise PluginError("aws provider: no credentials; set aws:accessKey and aws:secretKey")
        return key, secret

    def explain(self, error: "ClientError | BotoCoreError", subject: str) -> PluginError:
        """What went wrong with `subject`, in one line and without the secret key."""
        answer = getattr(error, "response", {}).get("Error", {})
        code, message = answer.get("Code"), answer.get("Message") or str(error)
        if code:
            said = f"{message} ({code}); {_ADVICE.get(code, 'correct the arguments of this resource')}"
        elif type(error).__name__ in ("EndpointConnectionError", "ConnectTimeoutError", "ConnectionClosedError"):
            said = f"{error}; start the service, or correct the provider's endpoints"
        else:
            said = f"{error}; correct the arguments of this resource"
        line = f"{subject}: {' '.join(said.split())}"
        secret = self.config.get("secretKey")
        return PluginError(line.replace(secret, "[secret]") if isinstance(secret, str) and secret else line)


def partition(region: str) -> str:
    """The partition of AWS that a region is in."""
    return {"cn": "aws-cn", "us-gov": "aws-us-gov"}.get(region.rsplit("-", 2)[0], "aws")


def dns_suffix(region: str) -> str:
    """The domain that a region's services are under."""
    return "amazonaws.com.cn" if partition(region) == "aws-cn" else "amazonaws.com"
