"""How a privilege is written in a list of grants: `select`, `insert(title, body)`, `select with grant option`."""

import re

GRANTABLE = " with grant option"
ENTRY = re.compile(rf"(?P<word>[a-z]+)(?:\((?P<columns>[A-Za-z_][\w, ]*)\))?(?:{GRANTABLE})?")
