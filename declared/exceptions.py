"""Exceptions to the guardrails: which rule, of which resource, why, and until when."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from declared.errors import UserError
from declared.permissions import RESOURCE, last_day, today, words

NAMESPACE = "guardrails"
KEY = "exceptions"
SETTING = f"{NAMESPACE}:{KEY}"
KEYS = {"rule", "resource", "reason", "until"}
RULE = re.compile(r"[a-z][a-z0-9-]{1,60}")
MOST_DAYS = 366
FORM = (
    "a list of maps of rule (as docs/guardrails.md names it), resource (as a preview names it), reason, and until: a "
    f"date such as 2026-12-05, at most {MOST_DAYS} days ahead"
)


class ExceptionError(UserError, ValueError):
    """A value that can't be used; the text is one line."""

    def __init__(self, key: str, value: object, allowed: str) -> None:
        super().__init__(f"setting {NAMESPACE}:{key} is {value!r}; allowed is {allowed}")


@dataclass(frozen=True)
class GuardrailException:
    """One rule that one resource needn't keep until a day is over, in UTC."""

    rule: str
    resource: str
    reason: str
    until: date

    @property
    def expired(self) -> bool:
        return self.until < today()


def exceptions(value: Any) -> tuple[GuardrailException, ...]:
    """
    :raises ExceptionError: for anything but a list of different exceptions
    """
    if not isinstance(value, list):
        raise ExceptionError(KEY, value, FORM)
    found = tuple(_exception(f"{KEY}[{number}]", entry) for number, entry in enumerate(value))
    if len({(each.rule, each.resource) for each in found}) < len(found):
        raise ExceptionError(
            KEY, [f"{each.rule} {each.resource}" for each in found], "one entry for each rule and resource"
        )
    return found


def _exception(key: str, value: Any) -> GuardrailException:
    if not isinstance(value, Mapping) or set(value) != KEYS:
        raise ExceptionError(key, value, FORM)
    for name, form in (("rule", RULE), ("resource", RESOURCE)):
        if not isinstance(value[name], str) or not form.fullmatch(value[name]):
            raise ExceptionError(f"{key}.{name}", value[name], FORM)
    reason, until = words(value["reason"]), last_day(value["until"], MOST_DAYS)
    if reason is None:
        raise ExceptionError(f"{key}.reason", value["reason"], "some words that say why")
    if until is None:
        raise ExceptionError(f"{key}.until", value["until"], FORM)
    return GuardrailException(value["rule"], value["resource"], reason, until)
