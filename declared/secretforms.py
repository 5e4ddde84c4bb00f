"""How secrets look that somebody has written into a text: tokens and keys by their form, passwords by their place.

The prefixes are those that their issuers document, for scanners such as GitHub's secret scanning.
"""

import re

# What is a secret wherever it stands, whole.
FORMS = (
    r"-----BEGIN [A-Z ]*PRIVATE KEY(?:.*?-----END [A-Z ]*PRIVATE KEY-----|.*\Z)",
    r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b",
    r"AGE-SECRET-KEY-1[0-9A-Z]*",
    r"\beyJ[\w-]+\.eyJ[\w-]+\.[\w-]*",
    r"SCRAM-SHA-256\$\d+:[^\s'\"]*",
    r"\bsb(?:p_[0-9a-f]{40}|_secret_[\w-]{20,})",
    r"\bgh[opsur]_[0-9A-Za-z]{20,}",
    r"\bgithub_pat_\w{20,}",
    r"\bglpat-[\w-]{20,}",
    r"\bnpm_[0-9A-Za-z]{36}\b",
    r"\bpul-[0-9a-f]{40}\b",
    r"\b[rs]k_(?:live|test)_[0-9A-Za-z]{10,}",
    r"\bsk-[0-9A-Za-z_-]{20,}",
    r"\bwhsec_[0-9A-Za-z+/=]{20,}",
    r"\bxox[a-z]-[0-9A-Za-z-]{10,}",
    r"\bAIza[\w-]{35}",
    r"\bSG\.[\w-]{16,}\.[\w-]{16,}",
)
TOKEN = re.compile("|".join(FORMS), re.DOTALL)
# The password of a URL, and of a connection by keywords, as libpq reads it; the first group stays where one is hidden.
URL = re.compile(r"(\w+://[^/\s:@'\"]*:)[^/\s@'\"]+(?=@)")
BESIDE = r"(?:host|hostaddr|dbname|user|port|sslmode)\s*="
KEYWORD = re.compile(
    rf"((?:{BESIDE}[^\n]*)\bpassword\s*=\s*)[^\s'\"]+|(\bpassword\s*=\s*)[^\s'\"]+(?=[^\n]*\b{BESIDE})"
)
# A role's or a foreign server's password in SQL; `password null` takes one away.
IN_SQL = re.compile(r"(\bpassword\s+(?:e|u&)?)('(?:[^']|'')+'|\$(\w*)\$.*?\$\3\$)", re.IGNORECASE | re.DOTALL)
