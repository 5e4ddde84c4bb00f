"""Rules on the roles of the database: what they have, what they may become, how they log in."""

from guardrails.model import Check, Plan, Resource, Severity, names, rule
from guardrails.networks import wide
from guardrails.rules.access import BROWSER, CIS, ROW_SECURITY_MANUAL

ROLE, MEMBERSHIPS, HOSTED = "pg:index:Role", "pg:index:Memberships", "pg:index:HostedProject"
SERVICE = "service_role"
# Who else may become the service role: the API's login and that of the Storage API, both on a server.
BECOME_SERVICE = {"authenticator", "authenticator_2", "supabase_storage_admin", "supabase_storage_admin_2", "postgres"}
BYPASSES = {SERVICE, "backup"}
ATTRIBUTES = ("superuser", "createrole", "createdb", "replication")


@rule(
    "service-role-reach",
    Severity.critical,
    MEMBERSHIPS,
    "a way from a browser's role to the service role, also by way of other roles",
    "row security doesn't bind the service role: a browser would read and write everything",
    "take the membership away in declared/roles.py",
    f"{CIS} 4.3",
    "PostgreSQL manual, 21.3 Role Membership",
    whole=True,
)
def service_role_reach(resource: Resource, plan: Plan) -> Check | None:
    role, groups = resource.get("role"), _groups(plan)
    if role in BROWSER:
        reached = _reached(role, groups)
        return Check(not reached, f"{role} is a member of {names(reached) or 'no role'}")
    members = {each for each in groups if role in _reached(each, groups)}
    if role not in BYPASSES and not members & BROWSER:
        return None
    beyond = members - BECOME_SERVICE if role == SERVICE else members & BROWSER
    return Check(not beyond, f"{role} has the members {names(members) or 'none'}")


def _groups(plan: Plan) -> dict[str, set[str]]:
    """Role → the roles that it is a member of, by either side's declaration."""
    found: dict[str, set[str]] = {}
    for each in plan.of_type(MEMBERSHIPS):
        role = each.get("role")
        pairs = [(role, group) for group in each.get("groups") or ()]
        pairs += [(member, role) for member in each.get("members") or ()]
        for member, group in pairs:
            # An option of a membership stands behind the name; it may be changed by who may grant it.
            found.setdefault(member.partition(" with ")[0], set()).add(group.partition(" with ")[0])
    return found


def _reached(role: str, groups: dict[str, set[str]]) -> set[str]:
    found: set[str] = set()
    pending = [*groups.get(role, ())]
    while pending:
        if (each := pending.pop()) not in found:
            found.add(each)
            pending += groups.get(each, ())
    return found


@rule(
    "browser-role",
    Severity.critical,
    ROLE,
    "a role of browsers that logs in or that row security doesn't bind",
    "each request of the app's pages runs as it",
    "leave login and bypassrls at false in declared/roles.py",
    f"{CIS} 4.3",
    ROW_SECURITY_MANUAL,
)
def browser_role(resource: Resource, plan: Plan) -> Check | None:
    if resource.get("name") not in BROWSER:
        return None
    has = [each for each in ("login", "bypassrls", *ATTRIBUTES) if resource.get(each)]
    return Check(not has, f"{resource.get('name')} has {names(has) or 'no attribute'}")


@rule(
    "role-attribute",
    Severity.high,
    ROLE,
    "a role with an attribute of a superuser, or one more that bypasses row security",
    "it can give itself any privilege, or read past every policy",
    "take the attribute away in declared/roles.py",
    f"{CIS} 4.3",
    "PostgreSQL manual, 21.2 Role Attributes",
)
def role_attribute(resource: Resource, plan: Plan) -> Check:
    has = [each for each in ATTRIBUTES if resource.get(each)]
    if resource.get("bypassrls") and resource.get("name") not in BYPASSES:
        has.append("bypassrls")
    return Check(not has, f"{resource.get('name')} has {names(has) or 'none of ' + names((*ATTRIBUTES, 'bypassrls'))}")


@rule(
    "login-limited",
    Severity.medium,
    ROLE,
    "a login without a limit on statements or on waits for locks",
    "one client holds locks and sessions for as long as it likes",
    "set them in `settings` of declared/roles.py",
    f"{CIS} 6.6",
)
def login_limited(resource: Resource, plan: Plan) -> Check | None:
    if not resource.get("login"):
        return None
    settings = resource.get("settings") or {}
    lacks = [each for each in ("statement_timeout", "lock_timeout") if each not in settings]
    return Check(not lacks, f"without {names(lacks)}" if lacks else f"it sets {names(settings)}")


@rule(
    "login-connections",
    Severity.low,
    ROLE,
    "a login that may take every connection of the server",
    "one client that doesn't let go keeps all others out",
    "set `limit` in declared/roles.py; of the API's logins the pooler is the limit",
    f"{CIS} 5.5",
)
def login_connections(resource: Resource, plan: Plan) -> Check | None:
    if not resource.get("login"):
        return None
    limit = resource.get("limit")
    return Check(limit is not None and limit >= 0, f"at most {limit} connections" if limit != -1 else "no limit")


@rule(
    "login-password",
    Severity.high,
    ROLE,
    "a login without a password, or with one that isn't kept as a SCRAM verifier",
    "it is let in without one, or its hash is enough to get in",
    "give it a `verifier`, as components/roles.py does",
    f"{CIS} 5.4",
)
def login_password(resource: Resource, plan: Plan) -> Check | None:
    if not resource.get("login"):
        return None
    verifier = resource.get("verifier")
    if isinstance(verifier, str):
        scram = verifier.startswith("SCRAM-SHA-256$")
        return Check(scram, f"its verifier is {'SCRAM-SHA-256' if scram else 'of another kind'}")
    return Check(verifier is not None, f"its verifier is {'not set' if verifier is None else 'set, and a secret'}")


@rule(
    "hosted-tls",
    Severity.high,
    HOSTED,
    "a hosted project that takes connections without TLS or from everywhere",
    "passwords and rows cross the internet in clear text, or anybody may try one",
    "set ssl and networks of database:project",
    f"{CIS} 6.8",
    "Supabase manual, Postgres SSL Enforcement",
)
def hosted_tls(resource: Resource, plan: Plan) -> Check:
    everywhere = wide(resource.get("networks") or ["0.0.0.0/0"])
    return Check(
        resource.get("ssl") is True and not everywhere,
        f"ssl is {'on' if resource.get('ssl') else 'not set'}, open to {names(everywhere) or 'named networks'}",
    )


RULES = (
    service_role_reach,
    browser_role,
    role_attribute,
    login_limited,
    login_connections,
    login_password,
    hosted_tls,
)
