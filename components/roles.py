"""The roles: Supabase's, in their documented attributes, and the project's own. No login has a right of its own."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import pulumi

import pg
from components.base import Component


@dataclass(frozen=True)
class RoleSpec:
    """A role as it is declared; a login gets a generated password."""

    comment: str
    login: bool = False
    inherit: bool = True
    bypassrls: bool = False
    member_of: tuple[str, ...] = ()
    settings: Mapping[str, str] = field(default_factory=dict)


API = ("anon", "authenticated", "service_role")

# Attributes and time limits of the first four: Supabase's roles as its PostgreSQL image makes them.
ROLES = {
    "anon": RoleSpec("whoever isn't signed in", settings={"statement_timeout": "3s"}),
    "authenticated": RoleSpec("whoever is signed in", settings={"statement_timeout": "8s"}),
    "service_role": RoleSpec("the app's own servers; row security doesn't bind it", bypassrls=True),
    "authenticator": RoleSpec(
        "login of the API, which becomes one of the three above for each request",
        login=True,
        inherit=False,
        member_of=API,
        settings={"statement_timeout": "8s", "lock_timeout": "8s"},
    ),
    "supabase_storage_admin": RoleSpec(
        "login of the Storage API and owner of schema storage",
        login=True,
        inherit=False,
        member_of=API,
        settings={"search_path": "storage"},
    ),
    "app_owner": RoleSpec("owner of every object of the app; nobody logs in as it"),
    "authjs": RoleSpec("login of Auth.js' adapters", login=True, settings={"search_path": "authjs"}),
    "scanner": RoleSpec("login of the virus scanner; takes and settles scans, reads no table", login=True),
    "monitor": RoleSpec("login of monitoring; reads statistics, no rows", login=True, member_of=("pg_monitor",)),
}


@dataclass(frozen=True, kw_only=True)
class RolesArgs:
    rotation: str
    """Another text makes new passwords."""


class Roles(Component):
    """All roles with their memberships, and the passwords of those that log in."""

    passwords: dict[str, pulumi.Output[str]]

    def __init__(self, name: str, args: RolesArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(name, vars(args), opts)
        self.passwords = {}
        roles = {role: self._role(name, role, spec, args) for role, spec in ROLES.items()}
        for role, spec in ROLES.items():
            pg.Memberships(
                f"{name}-{role}-groups",
                role=role,
                groups=sorted(spec.member_of),
                opts=self.child(*[roles[known] for known in (role, *spec.member_of) if known in roles]),
            )
        self.register_outputs({"names": sorted(roles)})

    def _role(self, name: str, role: str, spec: RoleSpec, args: RolesArgs) -> pg.Role:
        options = self.child()
        verifier = None
        if spec.login:
            password = pg.Password(f"{name}-{role}-password", rotation=args.rotation, opts=options)
            self.passwords[role] = password.password
            verifier = password.verifier
        return pg.Role(
            f"{name}-{role}",
            name=role,
            login=spec.login,
            inherit=spec.inherit,
            bypassrls=spec.bypassrls,
            settings=spec.settings or None,
            verifier=verifier,
            comment=spec.comment,
            opts=options,
        )
