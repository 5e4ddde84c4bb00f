"""Our rules about who reaches what after a statement, each a function.

A rule's first paragraph says why it is one. `docs/migration-review.md` lists them.
"""

from collections.abc import Iterator
from typing import Any

from declared.roles import AUTHENTICATOR, ROLES
from guardrails import expressions
from guardrails.folding import Body
from ops.review.lint import code
from ops.review.lint.model import Finding, Severity
from ops.review.lint.objects import EVERYBODY, is_on, name, roles
from ops.review.lint.seen import Seen
from ops.review.lint.structure import ROUTINES, Structure

POLICY, EVERYONE, WIDER = "policy-for-everybody", "grant-to-everybody", "grant-not-declared"
MEMBER, ATTRIBUTE, OWNER = "role-membership", "role-attribute", "owner-changed"
# Whose requests come from a browser; what everybody has, they have too.
PEOPLE = {EVERYBODY, "anon", "authenticated", AUTHENTICATOR}
NOT_SIGNED_IN = {EVERYBODY, "anon"}
MIGHTY = {"superuser", "bypassrls", "createrole", "createdb", "isreplication"}
DECLARED = "declare it in declared/grants.py: `up` grants that, and takes back what it doesn't know"


def policy_for_everybody(seen: Seen) -> Iterator[Finding]:
    """A row policy that is true of every row opens the table to all of those it is for, whatever the other ones say."""
    node = seen.change.node
    kind = type(node).__name__
    # What restricts nothing is no harm where it is new.
    if kind not in ("CreatePolicyStmt", "AlterPolicyStmt") or (kind == "CreatePolicyStmt" and not node.permissive):
        return
    which = name(node.table)
    table = seen.before.tables.get(which)
    known = table.policies.get(node.policy_name, (EVERYBODY,)) if table else (EVERYBODY,)
    whose = roles(node.roles) if node.roles or kind == "CreatePolicyStmt" else known
    exposed = [each for each in whose if each in PEOPLE or each not in ROLES]
    said = {"using": node.qual, "with check": node.with_check}
    always = [word for word, each in said.items() if each and expressions.lets_all(each, returned(seen.before))]
    if exposed and always:
        yield seen.change.finding(
            POLICY,
            "error",
            f"row policy {node.policy_name} of {'.'.join(which)} is true of every row (`{'`, `'.join(always)}`) for "
            f"{', '.join(exposed)}",
            f"say in sql/policies/{'.'.join(which)}.sql whose rows it is for, such as `owner_id = (select auth.uid())`",
        )


def returned(structure: Structure) -> Body:
    """The expression that a function without arguments returns, where it is a single one."""

    def of(called: Any) -> Any:
        found = [each for each in structure.functions_named(name(called)) if not each.node.parameters]
        return returned_by(found[0].node, found[0].created.text) if found else None

    return of


def returned_by(node: Any, text: str) -> Any:
    """The single expression that a function returns; None where there are several, or other statements."""
    if node.sql_body is not None:
        body = node.sql_body
        while isinstance(body, tuple):
            body = body[-1] if body else None
        body = getattr(body, "returnval", body)
        found = [body]
    else:
        run = code.of_function(node, text)
        found = (
            list(code.parsed(run.returned or run.statements[-1][1])) if run and (run.returned or run.statements) else []
        )
    query: Any = found[-1] if found else None
    if type(query).__name__ != "SelectStmt":
        return query if type(query).__name__ in {"A_Const", *expressions.FORMS} else None
    plain = not query.fromClause and not query.whereClause and query.targetList and len(query.targetList) == 1
    return query.targetList[0].val if plain else None


def grant_to_everybody(seen: Seen) -> Iterator[Finding]:
    """What `public` or `anon` may, everybody may who has the address of the API."""
    for grantee, what in _grants(seen.change.node):
        if grantee in NOT_SIGNED_IN:
            yield seen.change.finding(
                EVERYONE, "error", f"grants {what} to {grantee}: to people who aren't signed in", DECLARED
            )


def grant_not_declared(seen: Seen) -> Iterator[Finding]:
    """Privileges are declared in Python: what a migration grants, `up` takes back, or until then somebody has it."""
    for grantee, what in _grants(seen.change.node):
        if grantee not in NOT_SIGNED_IN:
            yield seen.change.finding(WIDER, "warning", f"grants {what} to {grantee}", DECLARED)


def _grants(node: Any) -> Iterator[tuple[str, str]]:
    """Each role that gets privileges, and which, on what kind of objects."""
    action = node.action if type(node).__name__ == "AlterDefaultPrivilegesStmt" else node
    if type(action).__name__ != "GrantStmt" or not action.is_grant:
        return
    words = ", ".join(each.priv_name or "all columns" for each in action.privileges or ()) or "all privileges"
    kind = action.objtype.name.removeprefix("OBJECT_").lower().replace("_", " ")
    where = {"ACL_TARGET_ALL_IN_SCHEMA": f"every {kind} of a schema", "ACL_TARGET_DEFAULTS": f"each new {kind}"}
    what = where.get(action.targtype.name) or f"{kind} {_listed(action.objects)}"
    option_of_it = " with grant option" if action.grant_option else ""
    yield from ((grantee, f"{words} on {what}{option_of_it}") for grantee in roles(action.grantees))


def _listed(objects: Any) -> str:
    found = [getattr(each, "objname", each) for each in objects or ()]
    return ", ".join(each.sval if hasattr(each, "sval") else ".".join(name(each)) for each in found)


def role_membership(seen: Seen) -> Iterator[Finding]:
    """A member of a role may what the role may: of one that row security doesn't bind, everything."""
    node = seen.change.node
    if type(node).__name__ != "GrantRoleStmt" or not node.is_grant:
        return
    granted = ", ".join(each.priv_name for each in node.granted_roles)
    for grantee in roles(node.grantee_roles):
        severity: Severity = "error" if grantee in PEOPLE or is_on(node.opt, "admin") else "warning"
        yield seen.change.finding(
            MEMBER,
            severity,
            f"makes {grantee} a member of {granted}",
            "declare it in declared/roles.py: `up` grants that",
        )


def role_attribute(seen: Seen) -> Iterator[Finding]:
    """A role with one of these attributes passes by row security, or can give itself what it hasn't."""
    node = seen.change.node
    if type(node).__name__ not in ("AlterRoleStmt", "CreateRoleStmt"):
        return
    given = [
        each.defname for each in node.options or () if each.defname in MIGHTY and is_on(node.options, each.defname)
    ]
    if given:
        called = node.role if isinstance(getattr(node, "role", None), str) else roles([node.role])[0]
        yield seen.change.finding(
            ATTRIBUTE,
            "error",
            f"role {called} becomes {', '.join(given).replace('isreplication', 'replication')}",
            "grant the one privilege that is needed; roles are declared in declared/roles.py",
        )


def owner_changed(seen: Seen) -> Iterator[Finding]:
    """An owner may change and drop its object, and passes by row security that isn't forced."""
    node = seen.change.node
    given: list[tuple[Any, str]] = []
    if type(node).__name__ == "AlterOwnerStmt":
        kind = node.objectType.name
        called = node.object.objname if kind in ROUTINES else node.object
        given = [(node.newowner, _listed([called]))]
    elif type(node).__name__ == "AlterTableStmt":
        changes = [each for each in node.cmds if each.subtype.name == "AT_ChangeOwner"]
        given = [(each.newowner, ".".join(name(node.relation))) for each in changes]
    elif type(node).__name__ == "ReassignOwnedStmt":
        given = [(node.newrole, f"what {', '.join(roles(node.roles))} owns")]
    for role, what in given:
        (owner,) = roles([role])
        if owner not in ROLES or not ROLES[owner].owns:
            yield seen.change.finding(
                OWNER,
                "error",
                f"{owner} becomes the owner of {what}",
                "leave it to the owner that the other objects have",
            )


ACCESS_RULES = (
    policy_for_everybody,
    grant_to_everybody,
    grant_not_declared,
    role_membership,
    role_attribute,
    owner_changed,
)
NAMES = {POLICY, EVERYONE, WIDER, MEMBER, ATTRIBUTE, OWNER}
