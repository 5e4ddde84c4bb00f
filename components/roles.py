"""The roles of `declared/roles.py`, their memberships and their passwords. No login has a privilege of its own."""

from dataclasses import dataclass

import pulumi

import pg
from components.base import Component
from declared.roles import ROLES, RoleSpec


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
        self.final = [
            pg.Memberships(
                f"{name}-{role}-groups",
                role=role,
                groups=sorted(spec.member_of),
                members=sorted(other for other, its in ROLES.items() if role in its.member_of),
                opts=self.child(*[roles[known] for known in (role, *spec.member_of) if known in roles]),
            )
            for role, spec in ROLES.items()
        ]
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
            limit=spec.limit,
            settings=spec.settings or None,
            verifier=verifier,
            comment=spec.comment,
            opts=options,
        )
