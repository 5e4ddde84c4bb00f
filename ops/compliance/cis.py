"""The controls of the CIS PostgreSQL Benchmark, by the numbers of its edition for 17, in words of our own."""

from ops.compliance.model import CIS, Control

MACHINE = "the machine, its packages and its files aren't looked at; at AWS they are Amazon's"
FILES = "where the server writes its log is the machine's; at AWS it goes to CloudWatch"
STANDBY = "there is no standby of ours; those of RDS are Amazon's"
SYSLOG = "nothing here logs by syslog"


def _control(id: str, title: str, **more: object) -> Control:
    return Control(CIS, id, title, **more)  # type: ignore[arg-type]


def _machine(id: str, title: str) -> Control:
    return _control(id, title, absent=MACHINE)


def _setting(id: str, title: str, **names: str) -> Control:
    return _control(id, title, settings=names)


CONTROLS = (
    _machine("1.1", "packages come from a repository that is known"),
    _machine("1.2", "what isn't needed isn't installed"),
    _machine("1.3", "the server is started by the system"),
    _control("1.4", "the data directory was made as a whole", settings={"data_checksums": "^on$"}),
    _control(
        "1.5", "the latest corrections are installed", rules=("rds-minor-versions",), audit=("extension-outdated",)
    ),
    _machine("1.6", "no profile has PGPASSWORD"),
    _machine("1.7", "no process has PGPASSWORD"),
    _control("1.8", "no extension that isn't used", audit=("extension-undeclared",)),
    _machine("2.1", "new files are the server's alone"),
    _machine("2.2", "nobody else writes extensions"),
    _machine("2.3", "psql keeps no history"),
    _machine("2.4", "no password in a service file"),
    _control("3.1.2", "logs go somewhere", rules=("rds-logs",), settings={"log_destination": "."}),
    _control("3.1.3", "the server collects its log", absent=FILES),
    _control("3.1.4", "the log has a folder", absent=FILES),
    _control("3.1.5", "log files have dates in their names", absent=FILES),
    _control("3.1.6", "log files are the server's alone", settings={"log_file_mode": "^0[67][04]0$"}),
    _control("3.1.7", "a log file is begun again when its turn comes", absent=FILES),
    _control("3.1.8", "log files end", rules=("log-retention",), settings={"log_rotation_age": "^[1-9]"}),
    _control("3.1.9", "log files have a largest size", absent=FILES),
    *(
        _control(f"3.1.{number}", f"syslog, {what}", absent=SYSLOG, applies=False)
        for number, what in ((10, "facility"), (11, "repeated lines"), (12, "long lines"), (13, "name"))
    ),
    _setting("3.1.14", "warnings are logged", log_min_messages=""),
    _setting("3.1.15", "failed statements are logged", log_min_error_statement=""),
    _setting("3.1.16", "no parse trees in the log", debug_print_parse=""),
    _setting("3.1.17", "no rewritten trees in the log", debug_print_rewritten=""),
    _setting("3.1.18", "no plans in the log", debug_print_plan=""),
    _setting("3.1.19", "what is printed of them is readable", debug_pretty_print="^on$"),
    _control("3.1.20", "connections are logged", rules=("rds-connections-logged",), settings={"log_connections": ""}),
    _control(
        "3.1.21", "ends of sessions are logged", rules=("rds-connections-logged",), settings={"log_disconnections": ""}
    ),
    _setting("3.1.22", "errors are logged with details", log_error_verbosity=""),
    _setting("3.1.23", "no names are looked up for the log", log_hostname="^off$"),
    _setting("3.1.24", "a line says when, who and where", log_line_prefix=""),
    _control(
        "3.1.25",
        "changes of the structure are logged",
        rules=("rds-connections-logged",),
        settings={"log_statement": ""},
    ),
    _setting("3.1.26", "times of the log can be compared", log_timezone=""),
    _control("3.2", "pgaudit is installed", settings={"shared_preload_libraries": "pgaudit"}),
    _machine("4.1", "nobody logs in to the machine as postgres"),
    _machine("4.2", "who may become postgres there is listed"),
    _control(
        "4.3",
        "no role has more than it needs",
        rules=("role-attribute", "service-role-reach", "browser-role"),
        audit=("superuser", "role-attribute", "membership-undeclared", "membership-option"),
    ),
    _control("4.4", "what isn't used can't log in", audit=("role-undeclared", "password-expired")),
    _control(
        "4.5",
        "functions give no more than they must",
        rules=("grant-to-public",),
        audit=("definer-open", "definer-path", "definer-superuser", "language-untrusted"),
    ),
    _control(
        "4.6",
        "who may read and write which table is listed",
        rules=("grant-to-public", "grant-option"),
        audit=("grant-undeclared", "default-privileges-given", "owner-unexpected"),
    ),
    _control(
        "4.7",
        "row security is on, and its policies are conditions",
        rules=(
            "table-row-security",
            "row-security-off",
            "row-security-forced",
            "policy-write-unconditional",
            "policy-read-unconditional",
            "policy-not-bound",
        ),
        audit=(
            "row-security-off",
            "row-security-not-forced",
            "policy-undeclared",
            "policy-open-to-write",
            "policy-open-to-read",
            "view-with-owners-rights",
        ),
    ),
    _control(
        "4.8",
        "set_user is installed",
        absent="nobody becomes a superuser here: there is none beside the server's own",
        applies=False,
    ),
    _control("4.9", "predefined roles in the place of superusers", rules=("role-attribute",), audit=("superuser",)),
    _control("4.10", "nobody makes objects in public", audit=("schema-create",)),
    _control(
        "5.1",
        "no password on a command line",
        absent="what people type isn't looked at; the commands here take URLs from variables",
    ),
    _control("5.2", "the server listens on named addresses", rules=("rds-private",), audit=("listens-everywhere",)),
    _control("5.3", "sessions over a socket need a password", audit=("login-method",)),
    _control(
        "5.4",
        "sessions over the network need SCRAM",
        rules=("rds-scram", "login-password"),
        audit=("login-method", "password-not-scram"),
    ),
    _control("5.5", "logins have a limit of connections", rules=("login-connections",), audit=("login-unlimited",)),
    _control("5.6", "passwords are hard to guess", absent="they are generated, and PostgreSQL has verifiers alone"),
    _control(
        "6.1",
        "which parameters can be used for an attack is known",
        absent="something to know, and nothing to look at",
        applies=False,
    ),
    _control(
        "6.2", "settings of a session's begin", settings={"ignore_system_indexes": "", "jit_debugging_support": "^off$"}
    ),
    _control(
        "6.3",
        "settings of the server's begin",
        audit=("library-loaded",),
        settings={"fsync": "", "full_page_writes": ""},
    ),
    _control("6.4", "settings that a reload changes", settings={"full_page_writes": "", "fsync": ""}),
    _control(
        "6.5",
        "settings of superusers",
        settings={"allow_system_table_mods": "", "zero_damaged_pages": "", "session_replication_role": ""},
    ),
    _control("6.6", "settings of roles", rules=("login-limited",), audit=("role-setting",)),
    _control(
        "6.7", "cryptography that FIPS 140 allows", absent="which OpenSSL the server was built with isn't looked at"
    ),
    _control("6.8", "TLS is on", rules=("rds-tls", "hosted-tls", "proxy-tls"), settings={"ssl": "^on$"}),
    _control("6.9", "TLS 1.0 and 1.1 are off", settings={"ssl_min_protocol_version": r"^TLSv1\.[23]$"}),
    _control("6.10", "weak ciphers are off", settings={"ssl_ciphers": r"^(?!.*\b(ALL|LOW|EXP|RC4|DES)\b)(?!none)"}),
    _control("6.11", "pgcrypto is there", audit=("extension-undeclared",)),
    _control("7.1", "standbys copy by a login for that alone", absent=STANDBY, applies=False),
    _control("7.2", "who copies is logged", settings={"log_replication_commands": ""}),
    _control(
        "7.3",
        "backups are made, and proven",
        backups=True,
        rules=("rds-backups", "backup-age", "backup-drill", "vault-lock"),
    ),
    _control("7.4", "WAL is archived", rules=("rds-backups",), audit=("archive-off",)),
    _control("7.5", "standbys copy through TLS", absent=STANDBY, applies=False),
    _machine("8.1", "tablespaces and WAL have folders of their own"),
    _control("8.2", "pgBackRest is installed", absent="another tool backs up here: docs/backups.md", applies=False),
    _control("8.3", "other settings", absent="the benchmark names none"),
)
