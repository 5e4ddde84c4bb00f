"""The budgets in a stack's settings: what a person may use in a month, in tokens and in US dollars."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from declared.buckets import SettingError

MEASURES = ("tokens", "cost")
PARTS = ("soft", "hard", "reserve")
LARGEST = 99_999_999
MOST_TOKENS = 10**15
FORM = "a list of two maps with of, soft, hard and reserve, one of tokens and one of cost"


def budgets(value: Any) -> dict[str, dict[str, str]]:
    """The setting `budgets`: by measure its parts, each a decimal number as text.

    :raises SettingError: for the first part that can't be used
    """
    if not isinstance(value, list) or not all(isinstance(entry, dict) for entry in value):
        raise SettingError("budgets", value, FORM)
    if sorted(str(entry.get("of")) for entry in value) != sorted(MEASURES):
        raise SettingError("budgets", value, FORM)
    found = {entry["of"]: _parts(f"budgets[{number}]", entry) for number, entry in enumerate(value)}
    return {measure: found[measure] for measure in MEASURES}


def _parts(key: str, entry: Mapping[str, Any]) -> dict[str, str]:
    for name in sorted(entry):
        if name not in ("of", *PARTS):
            raise SettingError(f"{key}.{name}", entry[name], f"no such key; there are of, {', '.join(PARTS)}")
    parts = {part: _number(f"{key}.{part}", entry.get(part), entry["of"]) for part in PARTS}
    for part in ("soft", "reserve"):
        if parts[part] > parts["hard"]:
            raise SettingError(f"{key}.{part}", entry[part], f"at most hard, {entry['hard']}")
    return {part: f"{number:f}" for part, number in parts.items()}


def _number(key: str, value: Any, measure: str) -> Decimal:
    """A part as a number; JSON knows no decimals, so that of a float its shortest spelling counts."""
    if measure == "tokens":
        if type(value) is not int or not 0 <= value <= MOST_TOKENS:
            raise SettingError(key, value, f"a whole number of tokens from 0 to {MOST_TOKENS}")
        return Decimal(value)
    # NaN and infinities, which Python reads as JSON, are in no range.
    if type(value) not in (int, float) or not 0 <= value <= LARGEST:
        raise SettingError(key, value, f"a number of US dollars from 0 to {LARGEST}")
    return Decimal(str(value))
