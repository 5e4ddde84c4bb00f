"""Which roles there are: Supabase's, in their documented attributes, and the project's own. Facts only, no resource."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace

from declared.platform import NOTHING, Platform


@dataclass(frozen=True)
class RoleSpec:
    """A role as it is declared; a login gets a generated password."""

    comment: str
    login: bool = False
    inherit: bool = True
    bypassrls: bool = False
    limit: int = -1
    """Connections at a time; -1 is no limit of its own, as Supabase has it."""
    output: str = ""
    """The stack output with its connection URL."""
    member_of: tuple[str, ...] = ()
    pooled: bool = False
    """Whether its sessions keep nothing beyond a transaction, so that a proxy may lend one to many clients."""
    owns: bool = False
    """Whether objects belong to it, so that the login that provisions has to act as it."""
    settings: Mapping[str, str] = field(default_factory=dict)


API = ("anon", "authenticated", "service_role")
AUTHENTICATOR = "authenticator"
OWNER = "app_owner"
STORAGE_SERVICE = "storage_service"
MIGRATOR = "migrator"
BACKUP = "backup"
MONITOR = "monitor"

# What each login sets for its sessions; 0 is no limit. A session may change its own: they end accidents, not attacks.
LIMITS = ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout")

# Attributes and limits of the first four: Supabase's roles as its PostgreSQL image makes them, and how long the API's
# login may hold a transaction open.
ROLES = {
    "anon": RoleSpec("callers who aren't signed in", settings={"statement_timeout": "3s"}),
    "authenticated": RoleSpec("callers who are signed in", settings={"statement_timeout": "8s"}),
    "service_role": RoleSpec("the app's own servers; row security doesn't bind it", bypassrls=True),
    AUTHENTICATOR: RoleSpec(
        "login of the API, which becomes anon, authenticated or service_role for each request",
        login=True,
        output="api_url",
        inherit=False,
        pooled=True,
        member_of=API,
        settings={"statement_timeout": "8s", "lock_timeout": "8s", "idle_in_transaction_session_timeout": "1min"},
    ),
    STORAGE_SERVICE: RoleSpec("what the Storage API becomes where it asks for nobody; finds what is scanned clean"),
    "supabase_storage_admin": RoleSpec(
        "login of the Storage API and owner of schema storage",
        login=True,
        output="storage_url",
        inherit=False,
        member_of=(*API, STORAGE_SERVICE),
        owns=True,
        # The Storage API sets longer ones for its own migrations.
        settings={
            "search_path": "storage",
            "statement_timeout": "1min",
            "lock_timeout": "8s",
            "idle_in_transaction_session_timeout": "1min",
        },
    ),
    OWNER: RoleSpec("owner of every object of the app; nobody logs in as it", owns=True),
    MIGRATOR: RoleSpec(
        "login that migrates without being superuser: it may become the owner, and nothing else",
        login=True,
        output="migrator_url",
        inherit=False,
        limit=5,
        member_of=(OWNER,),
        # A migration may take as long as it takes; who waits for one doesn't.
        settings={"statement_timeout": "0", "lock_timeout": "5s", "idle_in_transaction_session_timeout": "10min"},
    ),
    "authjs": RoleSpec(
        "login of Auth.js' adapters",
        login=True,
        output="auth_url",
        limit=40,
        settings={
            "search_path": "authjs",
            "statement_timeout": "8s",
            "lock_timeout": "8s",
            "idle_in_transaction_session_timeout": "1min",
        },
    ),
    "scanner": RoleSpec(
        "login of the virus scanner; takes and settles scans, reads no table",
        login=True,
        output="scanner_url",
        limit=10,
        settings={"statement_timeout": "15s", "lock_timeout": "5s", "idle_in_transaction_session_timeout": "1min"},
    ),
    "cleaner": RoleSpec(
        "login of the cleaner of stored files; deletes rows of storage.objects and writes none",
        login=True,
        output="cleaner_url",
        limit=5,
        settings={
            "statement_timeout": "5min",
            "lock_timeout": "5s",
            "idle_in_transaction_session_timeout": "5min",
        },
    ),
    MONITOR: RoleSpec(
        "login of monitoring; reads statistics, no rows",
        login=True,
        output="monitor_url",
        limit=5,
        member_of=("pg_monitor",),
        settings={
            "default_transaction_read_only": "on",
            "statement_timeout": "15s",
            "lock_timeout": "5s",
            "idle_in_transaction_session_timeout": "1min",
        },
    ),
    BACKUP: RoleSpec(
        "login of pg_dump; reads every row, behind row security too, and writes none but the instants of backups",
        login=True,
        output="backup_url",
        bypassrls=True,
        limit=5,
        member_of=("pg_read_all_data",),
        # Copying a table takes what it takes, and pg_dump's first session waits for its others.
        settings={
            "default_transaction_read_only": "on",
            "statement_timeout": "0",
            "lock_timeout": "1min",
            "idle_in_transaction_session_timeout": "0",
        },
    ),
}
# Stack output → the role that it is the connection URL of.
URLS = {spec.output: name for name, spec in ROLES.items() if spec.output}


def on(platform: Platform) -> dict[str, RoleSpec]:
    """The roles of `ROLES` that are ours where a platform has made the others, with what they need there."""
    return {
        name: replace(
            spec,
            member_of=(
                *(group for group in spec.member_of if group not in platform.roles),
                *platform.memberships.get(name, ()),
            ),
        )
        for name, spec in ROLES.items()
        if name not in platform.roles
    }


def names(platform: Platform) -> list[str]:
    """The names of our roles, those of second logins too, sorted."""
    ours = on(platform)
    return sorted({*ours, *(second for role, second in SECOND.items() if role in ours)})


def login_name(role: str, number: int) -> str:
    """The login with the password of that number: a role has two, which take turns.

    PostgreSQL keeps one password for each login, so a new one next to the old one is another login's. The odd ones are
    those of the role itself.
    """
    return role if number % 2 else f"{role}_2"


SECOND = {name: login_name(name, 2) for name, spec in ROLES.items() if spec.login}
"""Role → its second login."""


def with_passwords(numbers: Collection[int], platform: Platform = NOTHING) -> dict[str, RoleSpec]:
    """Every role of ours, while the passwords of these numbers are open.

    Second logins are there from the second password on.

    A session of a second login begins as the role itself, with its limits. By itself the login has nothing but that
    membership, which it inherits: the right to connect is the role's.
    """
    found = {}
    for name, spec in on(platform).items():
        found[name] = replace(spec, login=spec.login and any(number % 2 for number in numbers))
        if spec.login and max(numbers) > 1:
            found[SECOND[name]] = RoleSpec(
                f"second login of {name}, for every other password",
                login=any(number % 2 == 0 for number in numbers),
                limit=spec.limit,
                member_of=(name,),
                settings={**spec.settings, "role": name},
            )
    return found
