"""Who may take a role: its trust policy is asked, and the policies of the role that asks.

As in the API reference of AWS STS ("AssumeRole") and on the page "How to use trust policies with IAM roles": the trust
policy has to let the caller in by name, its account, or as a service, and an explicit Deny wins. A service says so
as at S3: by `X-Local-Service`, in a request of the account's owner. What a caller's own policies say isn't asked, since
the owner of moto's account has none.
"""

import json
from collections.abc import Callable
from typing import Any

from moto.core.exceptions import ServiceException
from moto.iam.models import iam_backends
from moto.sts.responses import TokenResponse

from local.moto.identity import issued, owner
from local.moto.policy import Principal, Request, Verdict, evaluate

ACTION = "sts:AssumeRole"


class Denied(ServiceException):  # type: ignore[misc]
    """What STS answers to a caller whom the role doesn't trust."""

    code = "AccessDenied"


def _caller(response: Any) -> Principal:
    found = issued(response.get_access_key()) or owner(response.current_account)
    service = response.headers.get("X-Local-Service", "")
    return Principal(service=service) if service and found.is_root else found


def _context(response: Any, caller: Principal) -> dict[str, str]:
    if not caller.service:
        return {"aws:principalarn": caller.role or caller.arn, "aws:principalaccount": caller.account}
    source = response.headers.get("X-Local-Source-Arn", "")
    account = source.split(":")[4] if source.count(":") > 4 else response.headers.get("X-Local-Source-Account", "")
    given = {"aws:sourcearn": source, "aws:sourceaccount": account, "aws:principalisawsservice": "true"}
    return {name: value for name, value in given.items() if value}


def _trusts(arn: str, response: Any, caller: Principal) -> bool:
    parts = arn.split(":")
    roles = iam_backends[parts[4]]["aws"].roles.values() if len(parts) == 6 else ()
    role = next((each for each in roles if each.arn == arn), None)
    if role is None:
        return False
    policy = json.loads(role.assume_role_policy_document)
    # The resource of a trust policy is the role that it is written in.
    policy["Statement"] = [{"Resource": "*", **each} for each in _list(policy["Statement"])]
    return evaluate(policy, Request(ACTION, arn, caller, _context(response, caller))) is Verdict.ALLOW


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _guarded(original: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def assume_role(self: Any) -> Any:
        arn, caller = self._get_param("RoleArn"), _caller(self)
        if not _trusts(arn, self, caller):
            said = f"User: {caller.service or caller.arn} is not authorized to perform: {ACTION} on resource: {arn}"
            raise Denied(said)
        return original(self)

    return assume_role


def install() -> None:
    """Puts the question into moto's STS; once per process."""
    TokenResponse.assume_role = _guarded(TokenResponse.assume_role)
