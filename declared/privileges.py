"""How a privilege is written in a list of grants: `select`, `insert(title, body)`, `select with grant option`."""

import re

GRANTABLE = " with grant option"
# A column's name as it is, without quotes: with none of the signs of a list in it, and no space at its ends.
COLUMN = r"[^\s(),](?:[^(),]*[^\s(),])?"
ENTRY = re.compile(rf"(?P<word>[a-z]+)(?:\((?P<columns>{COLUMN}(?:, *{COLUMN})*)\))?(?:{GRANTABLE})?")
