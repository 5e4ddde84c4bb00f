"""Browser uploads by POST, as on the pages "POST Policy" and "POST Object" of the Amazon S3 API reference.

Every form field must be named by a condition, except the signature, the file, the policy itself and fields that begin
with x-ignore-; sizes outside content-length-range are EntityTooLarge or EntityTooSmall.
"""

import base64
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from local.moto import sigv4
from local.moto.errors import Refused

FREE = {"policy", "file", "x-amz-signature", "signature", "awsaccesskeyid"}


def fields(form: Mapping[str, str], bucket: str, filename: str) -> dict[str, str]:
    """The form with names in lower case, the bucket added and the file's name put in, as conditions see it."""
    found = {name.lower(): value for name, value in form.items() if name.lower() != "file"}
    if "key" in found:
        found["key"] = found["key"].replace("${filename}", filename)
    return {**found, "bucket": bucket}


def claim(form: Mapping[str, str]) -> sigv4.Signed:
    if "x-amz-signature" not in form:
        raise Refused("InvalidArgument", "Bucket POST must contain a field named 'X-Amz-Signature'.")
    return sigv4.Signed(
        scope=form["x-amz-credential"],
        headers=(),
        signature=form["x-amz-signature"],
        time=form.get("x-amz-date", ""),
        payload="",
    )


def check(form: Mapping[str, str], size: int) -> None:
    """Refuses an upload that its policy doesn't allow; the form is as `fields` returns it."""
    policy = _decode(form["policy"])
    if _expiration(policy) < datetime.now(UTC):
        raise _failed("Policy expired.")
    named = {"bucket"}
    for condition in policy["conditions"]:
        named.add(_check_one(condition, form, size))
    extra = sorted(name for name in form if name not in named | FREE and not name.startswith("x-ignore-"))
    if extra:
        raise _failed(f"Extra input fields: {', '.join(extra)}")


def _failed(reason: str) -> Refused:
    return Refused("AccessDenied", f"Invalid according to Policy: {reason}")


def _decode(text: str) -> dict[str, Any]:
    try:
        policy = json.loads(base64.b64decode(text, validate=True))
    except ValueError as error:
        raise Refused("InvalidPolicyDocument", "Invalid Policy: Invalid JSON.") from error
    if not isinstance(policy, dict) or not isinstance(policy.get("conditions"), list) or "expiration" not in policy:
        raise Refused("InvalidPolicyDocument", "Invalid Policy: expiration and conditions are required.")
    return policy


def _expiration(policy: Mapping[str, Any]) -> datetime:
    try:
        moment = datetime.fromisoformat(policy["expiration"])
    except (TypeError, ValueError) as error:
        raise Refused("InvalidPolicyDocument", "Invalid Policy: Invalid 'expiration' value.") from error
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _check_one(condition: Any, form: Mapping[str, str], size: int) -> str:
    """Checks one condition; the name of the field it is about."""
    if isinstance(condition, dict) and len(condition) == 1:
        ((name, value),) = condition.items()
        condition = ["eq", f"${name}", value]
    if not isinstance(condition, list) or len(condition) != 3:
        raise Refused("InvalidPolicyDocument", "Invalid Policy: Invalid condition.")
    operator, name, wanted = str(condition[0]).lower(), str(condition[1]), condition[2]
    if operator == "content-length-range":
        _check_size(size, int(condition[1]), int(wanted))
        return ""
    name = name.removeprefix("$").lower()
    if not _fits(operator, name, form.get(name, ""), str(wanted)):
        raise _failed(f"Policy Condition failed: {json.dumps(condition)}")
    return name


def _fits(operator: str, name: str, actual: str, wanted: str) -> bool:
    if operator == "eq":
        return actual == wanted
    if operator != "starts-with":
        raise Refused("InvalidPolicyDocument", "Invalid Policy: Invalid condition.")
    # A list of content types must fit as a whole: image/jpg,text/html doesn't start with image/.
    parts = actual.split(",") if name == "content-type" else [actual]
    return all(part.strip().startswith(wanted) for part in parts)


def _check_size(size: int, smallest: int, largest: int) -> None:
    if size > largest:
        raise Refused("EntityTooLarge", "Your proposed upload exceeds the maximum allowed size")
    if size < smallest:
        raise Refused("EntityTooSmall", "Your proposed upload is smaller than the minimum allowed size")
