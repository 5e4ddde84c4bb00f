"""The roles of `declared/roles.py`, their memberships and their passwords. No login has a privilege of its own."""

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi

import pg
from components.base import Component
from declared.platform import NOTHING, Platform
from declared.roles import SECOND, RoleSpec, login_name, with_passwords


@dataclass(frozen=True, kw_only=True)
class RolesArgs:
    passwords: tuple[int, ...]
    """The numbers of the passwords that are open, the current one first."""
    platform: Platform = NOTHING
    """Whose roles aren't made."""


class Roles(Component):
    """All roles with their memberships, and the passwords of those that log in."""

    current: Mapping[str, tuple[str, pulumi.Output[str]]]
    """Role → its login and password of now."""
    open: Mapping[str, Mapping[str, pulumi.Output[str]]]
    """Role → each of its logins that comes in, the one of now first, with its password."""
    pooled: Mapping[str, pulumi.Output[str]]
    """Login → password, of all that a proxy may lend sessions to, also of those that are about to end."""

    def __init__(self, name: str, args: RolesArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(name, {"passwords": args.passwords}, opts)
        specs = with_passwords(args.passwords, args.platform)
        logins = [role for role in SECOND if role in specs]
        numbers = {login_name(role, number): number for role in logins for number in args.passwords}
        passwords = {each: self._password(name, each, number) for each, number in numbers.items()}
        self.current = {
            role: (each, passwords[each].password) for role in logins for each in [login_name(role, args.passwords[0])]
        }
        self.pooled = {
            login_name(role, number): passwords[login_name(role, number)].password
            for role in logins
            for number in args.passwords
            if specs[role].pooled
        }
        self.open = {
            role: {login_name(role, number): passwords[login_name(role, number)].password for number in args.passwords}
            for role in logins
        }
        roles: dict[str, pg.Role] = {}
        for role, spec in specs.items():
            # A second login's sessions begin as a role that must be there.
            begins_as = [roles[spec.settings["role"]]] if "role" in spec.settings else []
            roles[role] = self._role(name, role, spec, passwords.get(role), self.child(*begins_as))
        self.final = [
            pg.Memberships(
                f"{name}-{role}-groups",
                role=role,
                groups=sorted(spec.member_of),
                members=sorted(other for other, its in specs.items() if role in its.member_of),
                acts=spec.owns,
                opts=self.child(*[roles[known] for known in (role, *spec.member_of) if known in roles]),
            )
            for role, spec in specs.items()
        ]
        self.register_outputs({"names": sorted(roles)})

    def _password(self, name: str, role: str, number: int) -> pg.Password:
        return pg.Password(f"{name}-{role}-password", rotation=str(number), opts=self.child())

    def _role(
        self, name: str, role: str, spec: RoleSpec, password: pg.Password | None, options: pulumi.ResourceOptions
    ) -> pg.Role:
        return pg.Role(
            f"{name}-{role}",
            name=role,
            login=spec.login,
            inherit=spec.inherit,
            bypassrls=spec.bypassrls,
            limit=spec.limit,
            settings=spec.settings or None,
            verifier=password.verifier if password else None,
            comment=spec.comment,
            opts=options,
        )
