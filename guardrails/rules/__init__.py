"""All rules, in the order in which reports and docs/guardrails.md have them. A new subject is one line here."""

from guardrails.model import Rule
from guardrails.rules import access, accounts, buckets, cdn, network, rights, roles, servers, upkeep

SUBJECTS: dict[str, tuple[Rule, ...]] = {
    "Tables, grants and row policies": access.RULES,
    "Roles": roles.RULES,
    "Buckets": buckets.RULES,
    "The CDN": cdn.RULES,
    "Database servers at AWS": servers.RULES,
    "Their network and proxy": network.RULES,
    "Keys, topics, functions and secrets at AWS": accounts.RULES,
    "Policies and roles at AWS": rights.RULES,
    "Backups, logs, tags and names": upkeep.RULES,
}
RULES = tuple(rule for rules in SUBJECTS.values() for rule in rules)
BY_ID = {rule.id: rule for rule in RULES}
