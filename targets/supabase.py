"""A hosted project of Supabase: its PostgreSQL, its roles and its store are there, and we are its login `postgres`."""

import re
from pathlib import Path
from typing import TYPE_CHECKING

from declared.connectionurl import Parameters
from declared.errors import UserError
from declared.paths import CHECKOUT
from declared.platform import SUPABASE
from targets.elsewhere import Elsewhere
from targets.target import AwsEndpoint, Can, OwnServer, Wanted

if TYPE_CHECKING:
    import pulumi

DIRECT = "the direct connection: postgresql://postgres@db.PROJECT.supabase.co:5432/postgres"
# A pooler takes the project's reference behind the login's name.
POOLED = re.compile(r"[^.]+\.(?P<project>[a-z0-9]{6,40})")
POOLER_PORT = "6543"
ENCRYPTED = ("require", "verify-ca", "verify-full")


class NotReached(UserError):
    """A setting that leads to no project as it has to be reached; the text is one line."""


class Supabase(Elsewhere):
    """The target `supabase`."""

    name = "supabase"
    platform = SUPABASE
    can = Can(guardduty=False, test_signatures=False, make_server=False, object_store=False, hosted_project=True)
    # Nothing of AWS is declared; the engine asks for the plugin all the same, since the program's package names it.
    plugins: Path | None = CHECKOUT / "local" / "standins" / "bin"

    def server(self, stack: str, wanted: Wanted | None, opts: "pulumi.ResourceOptions") -> OwnServer:
        raise NotReached(
            f"stack {stack}: database:target is supabase, which makes no server; set database:url to {DIRECT}, with "
            "`./pulumiw config set --secret database:url`, which asks for it"
        )

    def reach(self, given: Parameters) -> Parameters:
        host, port, user = given["host"], given["port"], given["user"]
        if "," in f"{host}{port}{given.get('hostaddr', '')}":
            raise NotReached(
                f"database:url names several hosts ({host}); a project has one, and a session could end up in another "
                f"database: use {DIRECT}"
            )
        if pooled := POOLED.fullmatch(user):
            raise NotReached(
                f"database:url names login '{user}', which is the pooler's name for a login of project "
                f"{pooled['project']}: a pooler drops the options that a session starts with, which Auth.js' login "
                f"needs; use the direct connection, {user.partition('.')[0]}@db.{pooled['project']}.supabase.co:5432 "
                "(over IPv4 alone it needs the project's IPv4 add-on)"
            )
        if port == POOLER_PORT or ".pooler." in host.lower():
            raise NotReached(
                f"database:url names {host}:{port}, which is a pooler: in transaction mode it hands settings on to "
                f"other clients; use {DIRECT}"
            )
        mode = given.get("sslmode", "verify-full" if "sslrootcert" in given else "require")
        if mode not in ENCRYPTED:
            raise NotReached(
                f"database:url has sslmode={mode}, which may send everything unencrypted; use verify-full with the "
                "project's certificate (sslrootcert=/its/path), or require"
            )
        return {**given, "sslmode": mode}

    def aws(self, stack: str) -> AwsEndpoint:
        raise NotReached(f"stack {stack} has nothing at AWS: on target supabase files are in the project's own store")
