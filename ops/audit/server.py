"""Rules on the server: its settings, and who it lets in by which method."""

from ops.audit.model import Rule, Severity

# A server that listens on loopback or on nothing is its machine's own matter.
LOCAL = """
    (select setting in ('', 'localhost', '127.0.0.1', '::1', '127.0.0.1,::1', 'localhost,::1')
    from pg_settings where name = 'listen_addresses')
"""
TLS = f"""
    select 'setting ssl' as object, case when {LOCAL} then 'info' end as severity,
        case when {LOCAL} then 'connections are in clear text, on this machine alone'
            else 'passwords and rows cross the network in clear text' end as what,
        'alter system set ssl = on; with ssl_cert_file and ssl_key_file' as repair
    from pg_settings where name = 'ssl' and setting = 'off'
    union all
    select 'setting ssl_min_protocol_version', 'medium', 'it allows ' || setting,
        'alter system set ssl_min_protocol_version = ''TLSv1.2'';'
    from pg_settings where name = 'ssl_min_protocol_version' and setting in ('', 'TLSv1', 'TLSv1.1')
"""
LISTEN = """
    select 'setting listen_addresses' as object from pg_settings
    where name = 'listen_addresses' and setting in ('*', '0.0.0.0', '::')
"""
# Setting, what it must match, severity, standard, what goes wrong.
WANTED = (
    ("password_encryption", "^scram-sha-256$", "high", "5.4", "new passwords are kept as MD5", "scram-sha-256"),
    ("row_security", "^on$", "high", "4.7", "queries that policies narrow fail instead", "on"),
    ("fsync", "^on$", "critical", "", "a power cut destroys the database", "on"),
    ("full_page_writes", "^on$", "high", "", "a power cut can tear pages", "on"),
    ("allow_system_table_mods", "^off$", "critical", "6.5", "the catalogue can be written manually", "off"),
    ("ignore_system_indexes", "^off$", "medium", "6.2", "the catalogue is read past its indexes", "off"),
    ("zero_damaged_pages", "^off$", "critical", "6.5", "damaged pages are emptied without a word", "off"),
    ("session_replication_role", "^origin$", "critical", "6.5", "triggers and foreign keys don't run", "origin"),
    ("data_checksums", "^on$", "low", "", "damage on the disk isn't noticed", "on"),
    ("log_connections", "^(?!off$|$)", "low", "3.1.20", "nobody sees who logged in", "on"),
    ("log_disconnections", "^on$", "low", "3.1.21", "nobody sees how long somebody was in", "on"),
    ("log_error_verbosity", "^(default|verbose)$", "low", "3.1.22", "errors are logged without details", "default"),
    ("log_line_prefix", "(?=.*%m)(?=.*%p)(?=.*%u)(?=.*%d)", "low", "3.1.24", "lines don't say when, who and where",
     "%m [%p] %q%u@%d/%a "),
    ("log_statement", "^(ddl|mod|all)$", "low", "3.1.25", "changes of the structure aren't logged", "ddl"),
    ("log_timezone", "^(UTC|GMT|Etc/UTC|Etc/GMT)$", "low", "3.1.26", "times of logs can't be put side by side", "UTC"),
    ("log_min_messages", "^(debug[1-5]|info|notice|warning)$", "low", "3.1.14", "warnings aren't logged", "warning"),
    ("log_min_error_statement", "^(debug[1-5]|info|notice|warning|error)$", "low", "3.1.15",
     "failed statements aren't logged", "error"),
    ("debug_print_parse", "^off$", "low", "3.1.16", "logs hold what people wrote", "off"),
    ("debug_print_rewritten", "^off$", "low", "3.1.17", "logs hold what people wrote", "off"),
    ("debug_print_plan", "^off$", "low", "3.1.18", "logs hold what people wrote", "off"),
    ("log_parameter_max_length_on_error", "^0$", "low", "3.1", "logs hold the values of failed statements", "0"),
    ("log_min_duration_statement", "^(?!-1$)", "low", "", "slow statements aren't logged", "1s"),
    ("log_lock_waits", "^on$", "low", "", "waits for locks aren't logged", "on"),
    ("track_io_timing", "^on$", "info", "", "nobody sees what waits for the disk", "on"),
    ("log_replication_commands", "^on$", "low", "7.2", "nobody sees who copies the database", "on"),
)  # fmt: skip
_VALUES = ", ".join(
    "(" + ", ".join("'" + text.replace("'", "''").replace("%", "%%") + "'" for text in row) + ")" for row in WANTED
)
SETTINGS = f"""
    select 'setting ' || w.name as object, w.severity,
        'it is ' || coalesce(nullif(s.setting, ''), 'empty') || ': ' || w.what as what,
        case when w.standard <> '' then array['CIS PostgreSQL ' || w.standard] else array[]::text[] end as standards,
        'alter system set ' || w.name || ' = ' || quote_literal(w.wanted) || ';' as repair
    from (values {_VALUES}) as w (name, matches, severity, standard, what, wanted)
    -- What a role or this session has set is not the server's.
    join pg_settings as s on s.name = w.name
    where coalesce(case when s.source in ('session', 'user', 'database', 'database user', 'client')
            then s.reset_val else s.setting end, '') !~ w.matches
"""
LIBRARIES = """
    select 'setting shared_preload_libraries' as object, trim(library) as library, 'medium' as severity,
        trim(library) || ' runs inside the server, and isn''t one that is known' as what,
        'take it out of shared_preload_libraries' as repair
    from pg_settings cross join unnest(string_to_array(setting, ',')) as library
    where name in ('shared_preload_libraries', 'session_preload_libraries', 'local_preload_libraries')
        and trim(library) <> all(array['', 'pg_stat_statements', 'pgaudit', 'auto_explain', 'pg_cron', 'pg_net',
            'pgsodium', 'supautils', 'safeupdate', 'timescaledb', 'pg_tle', 'plan_filter', 'supabase_vault',
            'rdsutils', 'plpgsql', 'plpgsql_check', 'passwordcheck', 'auth_delay', 'wal2json', 'set_user'])
    union all
    select 'setting shared_preload_libraries', 'pgaudit', 'info',
        'pgaudit isn''t loaded: reads aren''t logged', 'load pgaudit where the server has it'
    from pg_settings where name = 'shared_preload_libraries' and setting !~ 'pgaudit'
    union all
    select 'setting shared_preload_libraries', 'pg_stat_statements', 'low',
        'pg_stat_statements isn''t loaded: nobody sees which statements cost most',
        'add pg_stat_statements to shared_preload_libraries and restart'
    from pg_settings where name = 'shared_preload_libraries' and setting !~ 'pg_stat_statements'
"""
HBA = f"""
    select 'pg_hba line ' || line_number || ' (' || type || ' ' || array_to_string(database, ',') || ' '
        || array_to_string(user_name, ',') || coalesce(' ' || address, '') || ')' as object, auth_method as method,
        case when auth_method = 'trust' then 'anybody who reaches it is let in without a password'
            when error is not null then 'it doesn''t work: ' || error
            when auth_method in ('md5', 'password', 'ident') then 'the method ' || auth_method || ' can be overheard'
            else 'passwords and rows may cross the network in clear text' end as what,
        case when auth_method = 'trust' then 'critical' when auth_method = 'password' then 'high' else 'medium' end
        as severity,
        case when auth_method in ('trust', 'md5', 'password', 'ident') or error is not null
            then 'write scram-sha-256 there, then select pg_reload_conf();'
            else 'write hostssl in the place of host, then select pg_reload_conf();' end as repair
    from pg_hba_file_rules
    where auth_method in ('trust', 'md5', 'password', 'ident') or error is not null
        or (type in ('host', 'hostnossl') and auth_method <> 'reject' and not {LOCAL}
            and coalesce(address, '') not in ('127.0.0.1', '::1', 'localhost', 'samehost'))
"""
ARCHIVE = """
    select 'setting archive_mode' as object from pg_settings where name = 'archive_mode' and setting = 'off'
        and not exists (
            select from pg_replication_slots where slot_type = 'physical' and starts_with(slot_name, 'vpb_'))
"""

RULES = (
    Rule(
        "tls",
        Severity.high,
        "connections that aren't encrypted; where the server listens on loopback alone, for information",
        "{what}",
        "{repair}",
        TLS,
        ("CIS PostgreSQL 6.8", "AWS RDS.38"),
    ),
    Rule(
        "listens-everywhere",
        Severity.medium,
        "a server that listens on every address",
        "it answers on every network that the machine is in",
        "alter system set listen_addresses = 'the address of the private network';",
        LISTEN,
        ("CIS PostgreSQL 5.2", "AWS RDS.2"),
    ),
    Rule(
        "setting-weak",
        Severity.low,
        "a setting that loses data, hides who did what, or logs what people wrote",
        "{what}",
        "{repair} (on Amazon RDS: in the parameter group)",
        SETTINGS,
        ("CIS PostgreSQL 3.1.14 to 3.1.26, 4.7, 5.4, 6.2, 6.5, 7.2",),
    ),
    Rule(
        "library-loaded",
        Severity.medium,
        "a library inside the server that isn't known; pgaudit that isn't there, for information",
        "{what}",
        "{repair}",
        LIBRARIES,
        ("CIS PostgreSQL 3.2", "CIS PostgreSQL 6.2"),
    ),
    Rule(
        "login-method",
        Severity.medium,
        "a line of pg_hba that lets in without a password, by a weak method, or without TLS",
        "{what}",
        "{repair}",
        HBA,
        ("CIS PostgreSQL 5.3", "CIS PostgreSQL 5.4"),
    ),
    Rule(
        "archive-off",
        Severity.info,
        "a server that archives no WAL",
        "a restore goes back to the last backup, not to the moment before",
        "./vpb wal archive; or archive_mode = on with archive_command, then restart",
        ARCHIVE,
        ("CIS PostgreSQL 7.4",),
    ),
)
