"""How a privilege is written in a list of grants: `select`, `insert(title, body)`, `select with grant option`."""

import re

ENTRY = re.compile(r"(?P<word>[a-z]+)(?:\((?P<columns>[A-Za-z_][\w, ]*)\))?(?: with grant option)?")
GRANTABLE = " with grant option"
