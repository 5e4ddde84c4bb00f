"""Rules on who may do what in the database: row security, grants, row policies."""

import re

from guardrails.expressions import Reach, reach
from guardrails.model import Check, Plan, Resource, Severity, names, rule
from guardrails.values import texts

ROW_SECURITY, POLICY = "pg:index:RowSecurity", "pg:index:Policy"
GRANTS, FUNCTIONS, DEFAULTS = "pg:index:Grants", "pg:index:FunctionGrants", "pg:index:DefaultPrivileges"
# What a browser's request becomes.
BROWSER = {"anon", "authenticated"}
# The Storage API owns its tables and isn't bound as their owner.
OF_STORAGE = "storage."
# Both names under which Auth keeps what people write about themselves: in a token, and in auth.users.
USER_METADATA = re.compile(r"(raw_)?user_meta_?data", re.IGNORECASE)
WORDS = {
    Reach.any: "isn't seen to leave a row out",
    Reach.some: "asks the row alone, not who asks",
}
WRITES = {"insert", "update", "delete", "all"}
# A view that runs as who asks is bound by the row security of its tables; `pg:index:Grants` doesn't say what is one.
VIEWS = {"audit.entries"}
ROW_SECURITY_MANUAL = "PostgreSQL manual, 5.9 Row Security Policies"
PRIVILEGES_MANUAL = "PostgreSQL manual, 5.8 Privileges"
CIS = "CIS PostgreSQL"


def _exposed(resource: Resource) -> bool:
    granted = resource.get("grants") or {}
    return resource.get("kind") == "table" and bool({*granted} & {*BROWSER, "public"})


@rule(
    "table-row-security",
    Severity.critical,
    GRANTS,
    "a table that a browser's roles may reach and that has no row security",
    "who has the privilege reads or writes every row",
    "write its row policies in sql/policies",
    f"{CIS} 4.7",
    "splinter 0013_rls_disabled_in_public",
    whole=True,
)
def table_row_security(resource: Resource, plan: Plan) -> Check | None:
    table = resource.get("name")
    if not _exposed(resource) or table in VIEWS:
        return None
    found = [each for each in plan.of_type(ROW_SECURITY) if each.get("table") == table]
    on = bool(found) and all(each.get("enabled") is not False and each.get("policies") for each in found)
    count = sum(len(each.get("policies") or []) for each in found)
    return Check(on, f"{table} has {f'row security with {count} policies' if on else 'no row security with a policy'}")


@rule(
    "row-security-off",
    Severity.critical,
    ROW_SECURITY,
    "a table whose row security is switched off",
    "its policies don't apply, so every grant opens all of it",
    "take `enabled: false` and `left` away",
    f"{CIS} 4.7",
    "splinter 0007_policy_exists_rls_disabled",
)
def row_security_off(resource: Resource, plan: Plan) -> Check:
    on = resource.get("enabled") is not False
    left = resource.get("left")
    return Check(on, f"row security of {resource.get('table')} is {'on' if on else f'off ({left})'}")


@rule(
    "row-security-forced",
    Severity.medium,
    ROW_SECURITY,
    "a table whose owner row security doesn't bind",
    "a function that runs as the owner reads past the policies",
    "leave `forced` at true",
    f"{CIS} 4.7",
    ROW_SECURITY_MANUAL,
)
def row_security_forced(resource: Resource, plan: Plan) -> Check | None:
    table = resource.get("table")
    if table.startswith(OF_STORAGE) or resource.get("open"):
        return None
    forced = resource.get("forced") is not False
    return Check(forced, f"row security of {table} is {'' if forced else 'not '}forced")


def _grantees(resource: Resource) -> dict[str, list[str]]:
    """Object → who has a privilege on it."""
    if resource.type == FUNCTIONS:
        return {function: [*(grants or {})] for function, grants in (resource.get("functions") or {}).items()}
    return {str(resource.get("name") or resource.get("objects")): [*(resource.get("grants") or {})]}


@rule(
    "grant-to-public",
    Severity.high,
    (GRANTS, FUNCTIONS, DEFAULTS),
    "a privilege that everybody has",
    "each role of the server has it, those that are made later too",
    "name the roles in declared/grants.py",
    f"{CIS} 4.6",
    PRIVILEGES_MANUAL,
)
def grant_to_public(resource: Resource, plan: Plan) -> Check:
    granted = _grantees(resource)
    open_ = [name for name, roles in granted.items() if "public" in (role.lower() for role in roles)]
    return Check(not open_, f"granted to public: {names(open_) or 'nothing'} of {len(granted)} objects")


@rule(
    "grant-option",
    Severity.medium,
    (GRANTS, FUNCTIONS, DEFAULTS),
    "a privilege that its holder may hand on",
    "who gets it isn't declared any more",
    "grant it to each role by itself in declared/grants.py",
    f"{CIS} 4.6",
    PRIVILEGES_MANUAL,
)
def grant_option(resource: Resource, plan: Plan) -> Check:
    found = [path for path, text in texts(dict(resource.inputs)) if text.endswith(" with grant option")]
    return Check(not found, f"with grant option: {names(found) or 'nothing'}")


def _of_people(resource: Resource) -> list[str]:
    return sorted({*resource.get("roles")} & {*BROWSER, "public"})


def _reach(expression: object) -> Reach:
    """Which rows a policy's expression lets through; without one, all."""
    return reach(expression) if isinstance(expression, str) else Reach.all


def _written(resource: Resource) -> dict[str, Reach]:
    """What a policy asks of rows that are written: the input's name → which rows it lets through."""
    command, using, check = resource.get("command"), resource.get("using"), resource.get("check")
    if command == "insert":
        return {"check": _reach(check)}
    if command == "delete":
        return {"using": _reach(using)}
    # Without a check of its own an update is checked by `using`.
    return {"using": _reach(using), "check": _reach(check or using)}


@rule(
    "policy-write-unconditional",
    Severity.critical,
    POLICY,
    "a row policy by which visitors or people write any row",
    "one request changes or deletes what belongs to others",
    "bind it to the owner, by (select auth.uid())",
    f"{CIS} 4.7",
    "splinter 0024_rls_policy_always_true",
)
def policy_write_unconditional(resource: Resource, plan: Plan) -> Check | None:
    command, people = resource.get("command"), _of_people(resource)
    if not people or resource.get("kind") == "restrictive" or command not in WRITES:
        return None
    open_ = Reach.all in _written(resource).values()
    return Check(not open_, f"{command} for {names(people)} where {'any row' if open_ else 'a condition holds'}")


@rule(
    "policy-read-unconditional",
    Severity.high,
    POLICY,
    "a row policy by which visitors or people read any row",
    "all rows of the table are public",
    "bind it to the owner or to what is published",
    f"{CIS} 4.7",
    ROW_SECURITY_MANUAL,
)
def policy_read_unconditional(resource: Resource, plan: Plan) -> Check | None:
    people = _of_people(resource)
    if not people or resource.get("kind") == "restrictive" or resource.get("command") not in ("select", "all"):
        return None
    open_ = _reach(resource.get("using")) is Reach.all
    return Check(not open_, f"select for {names(people)} where {'any row' if open_ else 'a condition holds'}")


@rule(
    "policy-not-bound",
    Severity.high,
    POLICY,
    "a row policy for visitors or people whose condition isn't seen to bind rows to who asks",
    "everybody it holds for reads or writes what belongs to others",
    "compare a column with (select auth.uid()), or put the function that it calls into guardrails/folding.py or "
    "guardrails/expressions.py",
    f"{CIS} 4.7",
    ROW_SECURITY_MANUAL,
)
def policy_not_bound(resource: Resource, plan: Plan) -> Check | None:
    command, people = resource.get("command"), _of_people(resource)
    if not people or resource.get("kind") == "restrictive":
        return None
    # What is public is read by a condition of the row alone; nobody writes by one.
    found = _written(resource) if command in WRITES else {"using": _reach(resource.get("using"))}
    refused = (Reach.some, Reach.any) if command in WRITES else (Reach.any,)
    loose = [f"{each} {WORDS[reaches]}" for each, reaches in found.items() if reaches in refused]
    said = "; ".join(loose) or "each condition is bound to the row"
    return Check(not loose, f"{command} for {names(people)}: {said}")


@rule(
    "policy-to-public",
    Severity.medium,
    POLICY,
    "a row policy that names no role",
    "it holds for roles that nobody thought of",
    "name the roles after `to`",
    ROW_SECURITY_MANUAL,
)
def policy_to_public(resource: Resource, plan: Plan) -> Check:
    roles = resource.get("roles")
    return Check("public" not in roles, f"to {names(roles)}")


@rule(
    "policy-user-metadata",
    Severity.critical,
    POLICY,
    "a row policy that believes what people write about themselves",
    "anybody changes their own user_metadata and so what they may do",
    "use what the server alone writes",
    "splinter 0015_rls_references_user_metadata",
)
def policy_user_metadata(resource: Resource, plan: Plan) -> Check:
    trusting = any(USER_METADATA.search(resource.get(each) or "") for each in ("using", "check"))
    return Check(not trusting, f"it reads {'user_metadata' if trusting else 'no user_metadata'}")


RULES = (
    table_row_security,
    row_security_off,
    row_security_forced,
    grant_to_public,
    grant_option,
    policy_write_unconditional,
    policy_read_unconditional,
    policy_not_bound,
    policy_to_public,
    policy_user_metadata,
)
